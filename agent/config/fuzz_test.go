package config

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// FuzzLoad reads any two files: it never panics, every fault stands at a line of one of the files, and what loads is shown as a
// configuration that loads again.
func FuzzLoad(f *testing.F) {
	f.Add(good, "")
	f.Add("", "[[collection]]\nname = 'climate'\nseal = 'fast'\n")
	f.Add("[[a.b]]\n[a]\n[a.b]\nx.y = {z = [1, 2]}\n", "a.b = 1\n")
	f.Add("gateway = {name = \"${SET:-x}\"}", "gateway.name = '$${'\n")
	f.Add("collection = [{name = 'a'}]\n", "[[collection]]\nname = 'a'\nmax_delay = '1s'\n")
	f.Add("i = 0x7fff\nf = 1e400\nd = 1979-05-27T07:32:00Z\n", "\"\" = 1\n''.'' = 2\n")
	f.Fuzz(func(t *testing.T, main, dropIn string) {
		cfg, warnings, err := loadText(main, dropIn)
		var faults Faults
		if err != nil && (!errors.As(err, &faults) || len(faults) == 0) {
			t.Fatalf("err = %v, want Faults", err)
		}
		lines := map[string]int{"a.toml": strings.Count(main, "\n") + 1, "b.toml": strings.Count(dropIn, "\n") + 1}
		for _, fault := range append(faults, warnings...) {
			if fault.Line < 1 || fault.Line > lines[fault.File] || fault.What == "" {
				t.Errorf("fault %+v stands nowhere", fault)
			}
		}
		if cfg == nil {
			return
		}
		var out bytes.Buffer
		if err := cfg.Show(&out); err != nil {
			t.Fatal(err)
		}
		if _, _, err := loadText(out.String()); err != nil {
			t.Errorf("shown configuration: %v\n%s", err, out.String())
		}
	})
}

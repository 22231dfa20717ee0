package config

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestShow_readsBackAsTheSame(t *testing.T) {
	for _, text := range []string{
		"", good,
		good + "unit = { \"a b\" = \"q\\\"\\\\\\u007f\\t$${x}é\" }\ninclude = ['*', \"x\"]\noffset = { x = -1e300 }\ntag_source = false\nseparator = ' '\n",
	} {
		cfg := mustLoad(t, text)
		var out bytes.Buffer
		if err := cfg.Show(&out); err != nil {
			t.Fatal(err)
		}
		again := mustLoad(t, out.String())
		if diff := cmp.Diff(cfg, again, cmpopts.IgnoreUnexported(Config{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("read back (-want +got)\n%s\nof\n%s", diff, out.String())
		}
	}
}

func TestShow_namesOrigins(t *testing.T) {
	var out bytes.Buffer
	cfg := mustLoad(t, good, "[gateway]\ndata_dir = '/x'\n\n[[collection]]\nname = 'climate'\nseal = 'fast'\n")
	if err := cfg.Show(&out); err != nil {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		lines[strings.Join(strings.Fields(line), " ")] = true
	}
	for _, want := range []string{
		`name = "pump" # a.toml:2`, `data_dir = "/x" # b.toml:2`, `trust_clock = false # default`, `seal = "fast" # b.toml:6`,
		`[[collection]] # a.toml:7`, `max_delay = "5s" # a.toml:10`, `dedup_window = "10m" # default`, `scale = { "temp" = 0.1 } # a.toml:20`,
	} {
		if !lines[want] {
			t.Errorf("there is no line %q in\n%s", want, out.String())
		}
	}
}

// TestFields_areUnambiguous: a section made of several parts must not give two of them the same key.
func TestFields_areUnambiguous(t *testing.T) {
	for _, section := range []reflect.Type{
		reflect.TypeFor[Config](), reflect.TypeFor[MQTTSource](), reflect.TypeFor[SerialSource](), reflect.TypeFor[API](),
	} {
		seen := map[string]bool{}
		for _, f := range fields(section) {
			if seen[f.key] {
				t.Errorf("%v has the key %s twice", section, f.key)
			}
			seen[f.key] = true
		}
	}
}

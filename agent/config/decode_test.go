package config

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sections has every type that a section may have.
type sections struct {
	S     string            `toml:"s"`
	B     bool              `toml:"b"`
	I     int               `toml:"i"`
	I8    int8              `toml:"i8"`
	U16   uint16            `toml:"u16"`
	F     float64           `toml:"f"`
	D     time.Duration     `toml:"d"`
	P     *int              `toml:"p"`
	L     []string          `toml:"l"`
	M     map[string]int    `toml:"m"`
	T     struct{ X int64 } `toml:"t"`
	Inner inner             `toml:",inline"`
	Token string            `toml:"token" secret:"true"`
	None  string
}

type inner struct {
	A int `toml:"a"`
}

func decodeText(t *testing.T, text string) (sections, []Fault) {
	t.Helper()
	tree, _, faults := parse("t.toml", []byte(text))
	lookup := func(string) (string, bool) { return "env", true }
	tree.expand("", lookup, func(f Fault) { faults = append(faults, f) })
	d := decoder{defaults: entryDefault}
	var s sections
	d.section(tree, "", reflect.ValueOf(&s).Elem())
	return s, append(faults, d.faults...)
}

func TestDecode_values(t *testing.T) {
	s, faults := decodeText(t, "s='x'\nb=true\ni=+1_000\ni8=-1\nu16=0xffff\nf=1_0.5e1\nd='1m30s'\np=7\nl=['a',\n'b', # c\n]\nm={x=1}\na=3\ntoken='t'\n")
	wantLines(t, faults)
	seven := 7
	want := sections{
		S: "x", B: true, I: 1000, I8: -1, U16: 0xffff, F: 105, D: 90 * time.Second, P: &seven, L: []string{"a", "b"},
		M: map[string]int{"x": 1}, Inner: inner{3}, Token: "t",
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDecode_refuses(t *testing.T) {
	for text, want := range map[string]string{
		"s=1":               `t.toml:1: s: want a string, have a whole number; write "1"`,
		"b='true'":          "t.toml:1: b: want true or false, have a string",
		"i=1.5":             "t.toml:1: i: want a whole number, have a number",
		"i8=128":            "t.toml:1: i8: 128 is out of range",
		"u16=-1":            "t.toml:1: u16: -1 is out of range",
		"i=1979-05-27":      "t.toml:1: i: want a whole number, have a date or time",
		"d=5":               `t.toml:1: d: want a duration, have a whole number; write a string with its unit, such as "10s"`,
		"l='a'":             "t.toml:1: l: want an array, have a string; write [ … ]",
		"l=[\n'a',\n1]":     `t.toml:3: l: want a string, have a whole number; write "1"`,
		"m=[]":              "t.toml:1: m: want a section, have an array",
		"[[t]]":             "t.toml:1: t: want a section, have a list of sections; write [t], with one bracket",
		"token='${SECRET}'": "t.toml:1: token: is a secret and cannot come from the environment; put it into a file or a systemd credential",
		"None='x'":          "t.toml:1: None: unknown key; did you mean b?",
		"p='x'":             "t.toml:1: p: want a whole number, have a string",
	} {
		_, faults := decodeText(t, text)
		if text == "None='x'" {
			if len(faults) != 1 || faults[0].What != "unknown key" {
				t.Errorf("%s: %v", text, faults)
			}
			continue
		}
		wantLines(t, faults, want)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"topics", "time", "time_unit", "format", "data_dir"}
	for word, want := range map[string]string{
		"topic": "topics", "tpoics": "topics", "tme": "time", "timeunit": "time_unit", "datadir": "data_dir", "fromat": "format",
		"colour": "", "x": "", "": "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

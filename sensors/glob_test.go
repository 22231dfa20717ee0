package sensors_test

import (
	"strings"
	"testing"

	"github.com/skerry-edge/skerry/sensors"
)

func TestGlobsMeet(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"", "", true},
		{"", "*", true},
		{"", "a", false},
		{"a", "a", true},
		{"a", "b", false},
		{"*", "*", true},
		{"temp*", "*.in", true},
		{"temp*", "hum*", false},
		{"*a", "*b", false},
		{"a*b*c", "abc", true},
		{"a*b*c", "acb", false},
		{"*.*", "temp*", true},
		{"a*", "a", true},
		{"**", "", true},
		{"a*c", "ab*", true},
		{"a*c", "ab", false},
	} {
		if got := sensors.GlobsMeet(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %v, want %v", c.a, c.b, got, c.want)
		}
		if got := sensors.GlobsMeet(c.b, c.a); got != c.want {
			t.Errorf("%q and %q: %v, want %v", c.b, c.a, got, c.want)
		}
	}
}

func TestChoice_exactThenLongest(t *testing.T) {
	c := sensors.NewChoice(map[string]int{"*": 1, "temp*": 2, "temp.in": 3, "*.in": 4, "*p*": 5})
	for name, want := range map[string]int{"temp.in": 3, "temp.out": 2, "hum.in": 4, "lamp": 5, "x": 1} {
		if got, ok := c.Of(name); !ok || got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	if _, ok := (sensors.Choice[int]{}).Of("x"); ok {
		t.Error("the zero value has a value")
	}
}

// Globs meet at least where a name is known that both match.
func FuzzGlobsMeet(f *testing.F) {
	f.Add("a*b", "*ab", "aab")
	f.Add("*", "x", "x")
	f.Fuzz(func(t *testing.T, a, b, name string) {
		if strings.Contains(name, "*") {
			return
		}
		meet := sensors.GlobsMeet(a, b)
		if sensors.MatchGlob(a, name) && sensors.MatchGlob(b, name) && !meet {
			t.Errorf("%q matches %q and %q, which do not meet", name, a, b)
		}
		if sensors.GlobsMeet(a, name) != sensors.MatchGlob(a, name) {
			t.Errorf("glob %q and name %q: meeting is not matching", a, name)
		}
	})
}

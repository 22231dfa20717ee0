package sensors

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// MatchGlob reports whether name matches the glob, in which * stands for any characters, also none.
func MatchGlob(glob, name string) bool {
	first, rest, star := strings.Cut(glob, "*")
	if !star {
		return glob == name
	}
	if !strings.HasPrefix(name, first) {
		return false
	}
	name = name[len(first):]
	for {
		piece, more, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(name, piece)
		}
		at := strings.Index(name, piece)
		if at < 0 {
			return false
		}
		name, rest = name[at+len(piece):], more
	}
}

// GlobsMeet reports whether there is a name that both globs match.
func GlobsMeet(a, b string) bool {
	// below[j] says whether what is left of a meets b[j:]; it begins with nothing left of a.
	below := make([]bool, len(b)+1)
	below[len(b)] = true
	for j := len(b) - 1; j >= 0 && b[j] == '*'; j-- {
		below[j] = true
	}
	for i := len(a) - 1; i >= 0; i-- {
		row := make([]bool, len(b)+1)
		row[len(b)] = a[i] == '*' && below[len(b)]
		for j := len(b) - 1; j >= 0; j-- {
			switch {
			case a[i] == '*' || b[j] == '*':
				row[j] = below[j] || row[j+1]
			default:
				row[j] = a[i] == b[j] && below[j+1]
			}
		}
		below = row
	}
	return below[0]
}

// Choice is a value for each of some names and globs. Immutable; the zero value has none.
type Choice[V any] struct {
	exact map[string]V
	globs []string // those with a star, the longest first, then by text
}

// NewChoice makes a choice of values, which it keeps.
func NewChoice[V any](values map[string]V) Choice[V] {
	c := Choice[V]{exact: values}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if strings.Contains(key, "*") {
			c.globs = append(c.globs, key)
		}
	}
	slices.SortStableFunc(c.globs, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return c
}

// Of returns the value for name: that of the exact key, else that of the longest glob; of globs of one length that
// of the first by text.
func (c Choice[V]) Of(name string) (V, bool) {
	if v, ok := c.exact[name]; ok {
		return v, true
	}
	for _, glob := range c.globs {
		if MatchGlob(glob, name) {
			return c.exact[glob], true
		}
	}
	var none V
	return none, false
}

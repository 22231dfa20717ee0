package decode

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// globMatch reports whether name matches the glob, in which * stands for any characters, also none.
func globMatch(glob, name string) bool {
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

func anyMatch(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(glob string) bool { return globMatch(glob, name) })
}

// choice is a value for each of some globs.
type choice[V any] struct {
	exact map[string]V
	globs []string // those with a star, the longest first, then by text
}

func newChoice[V any](values map[string]V) choice[V] {
	c := choice[V]{exact: values}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if strings.Contains(key, "*") {
			c.globs = append(c.globs, key)
		}
	}
	slices.SortStableFunc(c.globs, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return c
}

func (c choice[V]) of(name string) (V, bool) {
	if v, ok := c.exact[name]; ok {
		return v, true
	}
	for _, glob := range c.globs {
		if globMatch(glob, name) {
			return c.exact[glob], true
		}
	}
	var none V
	return none, false
}

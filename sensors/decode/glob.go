package decode

import (
	"slices"

	"github.com/skerry-edge/skerry/sensors"
)

func anyMatch(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(glob string) bool { return sensors.MatchGlob(glob, name) })
}

// choice is a value for each of some names and globs.
type choice[V any] struct{ sensors.Choice[V] }

func newChoice[V any](values map[string]V) choice[V] { return choice[V]{sensors.NewChoice(values)} }

func (c choice[V]) of(name string) (V, bool) { return c.Of(name) }

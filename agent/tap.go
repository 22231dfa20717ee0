package agent

import (
	"context"
	"maps"
	"slices"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/sensors"
)

// taps are the ways to tap the sources, by name.
type taps map[string]tapping

// tapping is a way to tap one source, and the precision of the collection that it is of.
type tapping struct {
	tap       func() *sensors.Tap
	precision sensors.Precision
}

// Tap implements api.Backend.
func (a *Agent) Tap(ctx context.Context, source string) (api.Inputs, error) {
	t, is := a.taps[source]
	if !is {
		return api.Inputs{}, &api.NoSourceError{Name: source, Known: slices.Sorted(maps.Keys(a.taps))}
	}
	return t.inputs(ctx), nil
}

// inputs taps the source from now on until ctx ends.
func (t tapping) inputs(ctx context.Context) api.Inputs {
	tap := t.tap()
	context.AfterFunc(ctx, tap.Close) // also when nobody ranges over what is returned
	return api.Inputs{Precision: t.precision, Seq: func(yield func(sensors.Input, error) bool) {
		defer tap.Close()
		for {
			select {
			case <-ctx.Done():
				return
			case in := <-tap.Inputs():
				if !yield(in, nil) {
					return
				}
			}
		}
	}}
}

package agent

import (
	"context"
	"slices"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/sensors"
)

// tapping is a way to tap one source, and the precision of the collection that it is of.
type tapping struct {
	tap       func() *sensors.Tap
	precision sensors.Precision
}

// Tap implements api.Backend.
func (a *Agent) Tap(ctx context.Context, source string) (api.Inputs, error) {
	var known []string
	for _, in := range a.now.Load().inputs {
		if in.name == source {
			return in.tap.inputs(ctx), nil
		}
		known = append(known, in.name)
	}
	slices.Sort(known)
	return api.Inputs{}, &api.NoSourceError{Name: source, Known: known}
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

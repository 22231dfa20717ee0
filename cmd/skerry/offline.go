package main

import (
	"context"
	"fmt"
	"io"

	"github.com/skerry-edge/skerry/agent"
	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/config"
)

// openOffline opens the gateway's folder dir for reading, without an agent. What is wrong with its configuration is told to
// warnings.
func openOffline(ctx context.Context, dir string, warnings io.Writer) (api.Backend, func() error, error) {
	offline, err := agent.OpenOffline(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	warnOfFaults(warnings, offline.Faults())
	return offline, offline.Close, nil
}

// warnOfFaults tells the faults of a configuration to someone who only reads: they are no obstacle.
func warnOfFaults(w io.Writer, faults []config.Fault) {
	for _, fault := range faults {
		_, _ = fmt.Fprintln(w, "warning:", fault)
	}
	if len(faults) > 0 {
		_, _ = fmt.Fprintln(w, "warning: what is faulty in the configuration has its default here; `skerry run` refuses it")
	}
}

package main

import (
	"context"

	"github.com/skerry-edge/skerry/agent"
	"github.com/skerry-edge/skerry/agent/api"
)

// openOffline opens the gateway's folder dir for reading, without an agent.
func openOffline(ctx context.Context, dir string) (api.Backend, func() error, error) {
	offline, err := agent.OpenOffline(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	return offline, offline.Close, nil
}

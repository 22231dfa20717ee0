// Package rival runs the other systems that the table compares with.
package rival

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Counter serves the broker that the agent has inside, with a hook that only counts.
func Counter(ctx context.Context, _ string, ready func(addr string) error) error {
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := server.AddHook(new(auth.AllowHook), nil); err != nil {
		return fmt.Errorf("start counter: %w", err)
	}
	if err := server.AddHook(new(countHook), nil); err != nil {
		return fmt.Errorf("start counter: %w", err)
	}
	listener := listeners.NewTCP(listeners.Config{ID: "tcp", Address: "127.0.0.1:0"})
	if err := server.AddListener(listener); err != nil {
		return fmt.Errorf("start counter: %w", err)
	}
	if err := server.Serve(); err != nil {
		return fmt.Errorf("start counter: %w", err)
	}
	if err := ready(listener.Address()); err != nil {
		return err
	}
	<-ctx.Done()
	if err := server.Close(); err != nil {
		return fmt.Errorf("stop counter: %w", err)
	}
	return nil
}

// countHook counts what is published.
type countHook struct {
	mochi.HookBase
	count atomic.Uint64
}

// ID implements mochi.Hook.
func (h *countHook) ID() string { return "count" }

// Provides implements mochi.Hook.
func (h *countHook) Provides(b byte) bool { return bytes.Contains([]byte{mochi.OnPublish}, []byte{b}) }

// OnPublish implements mochi.Hook.
func (h *countHook) OnPublish(_ *mochi.Client, p packets.Packet) (packets.Packet, error) {
	h.count.Add(1)
	return p, nil
}

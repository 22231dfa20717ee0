package main

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"
)

// TestDrainOnSignal_secondAborts sends this process two signals.
func TestDrainOnSignal_secondAborts(t *testing.T) {
	aborted := make(chan struct{})
	ctx, stop := drainOnSignal(t.Context(), func() { close(aborted) })
	defer stop()
	signalled := func(sig syscall.Signal, done <-chan struct{}) {
		t.Helper()
		if err := syscall.Kill(syscall.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatalf("nothing happened after %v", sig)
		}
	}
	signalled(syscall.SIGTERM, ctx.Done())
	if cause := context.Cause(ctx); !errors.Is(cause, errInterrupted) {
		t.Errorf("the context ended with %v", cause)
	}
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil { // the same one, sent twice
		t.Fatal(err)
	}
	select {
	case <-aborted:
		t.Fatal("the first signal aborted already")
	case <-time.After(2 * sameGesture):
	}
	signalled(syscall.SIGINT, aborted)
}

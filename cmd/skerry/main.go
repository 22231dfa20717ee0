// Command skerry runs an edge gateway and shows what it keeps.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	// Writes to a closed pipe return EPIPE from here on, so that `skerry query … | head` ends quietly and an agent
	// outlives the reader of its log.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := drainOnSignal(context.Background(), func() {
		_, _ = fmt.Fprintln(os.Stderr, "error: aborted by a second signal")
		os.Exit(exitFailure)
	})
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// errInterrupted is the cause of a context that a signal ended.
var errInterrupted = errors.New("interrupted")

// sameGesture is how soon after the first a signal is the same one again: timeout(1) sends it to the process and to its group.
const sameGesture = 250 * time.Millisecond

// drainOnSignal returns a context that ends at the first SIGINT or SIGTERM; at the second one abort is called. stop
// waits for the goroutine that watches.
func drainOnSignal(parent context.Context, abort func()) (draining context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	quit, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		var first time.Time
		for {
			select {
			case <-quit:
				return
			case <-signals:
			}
			switch {
			case first.IsZero():
				first = time.Now()
				cancel(errInterrupted)
			case time.Since(first) >= sameGesture:
				abort()
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(quit)
		<-watched
		cancel(nil)
	}
}

package agent

import (
	"context"
	"log/slog"

	"golang.org/x/sync/errgroup"
)

// A crew is parts that work side by side until its context ends, or that of one of them. The error of a part that was not told to
// stop is the crew's, and fails it.
type crew struct {
	ctx   context.Context //nolint:containedctx // the crew's life: parts join while it lasts
	fail  func()
	group errgroup.Group
	log   *slog.Logger
}

// A task is one part at work.
type task struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// start lets a part work. It must not be called when nothing keeps the crew at work any more: see Agent.Run.
func (c *crew) start(run func(context.Context) error) *task {
	ctx, cancel := context.WithCancel(c.ctx)
	t := &task{cancel: cancel, done: make(chan struct{})}
	c.group.Go(func() error {
		defer close(t.done)
		defer cancel()
		err := run(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil && c.ctx.Err() == nil: // a reload replaces it
			c.log.WarnContext(ctx, "part stopped with an error", "err", err)
			return nil
		}
		c.fail()
		return err
	})
	return t
}

// stop ends the part and waits for its end.
func (t *task) stop() {
	if t == nil {
		return
	}
	t.cancel()
	<-t.done
}

// over reports whether the part has ended.
func (t *task) over() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

package ingest

import (
	"context"
	"runtime"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// Waits between tries after a failed commit.
const (
	retryFirst = 100 * time.Millisecond
	retryMax   = 5 * time.Second
)

// commitLoop commits groups until ctx ends, then what is left.
func (p *Pipeline) commitLoop(ctx context.Context) {
	p.log.InfoContext(ctx, "committer started", "hold", p.settings.Load().cfg.Hold)
	var c committer
	var rare rarely
	retry := retryFirst
	for p.waitForGroup(ctx) && p.waitForRoom(ctx) {
		// Let everyone who is ready to add do so first. On one core this matters: told of the last commit, they
		// could not run during this sync, and the group would be the one batch that woke the committer.
		runtime.Gosched()
		err := p.commit(&c, p.queue.take())
		if err == nil {
			retry = retryFirst
			continue
		}
		if rare.now() {
			p.log.ErrorContext(ctx, "journal did not take a group", "err", err)
		}
		wait(ctx, retry)
		retry = min(retry*2, retryMax)
	}
	p.queue.close()
	if g := p.queue.take(); !g.empty() {
		if err := p.commit(&c, g); err != nil {
			p.log.ErrorContext(ctx, "journal did not take the last group", "err", err)
		}
	}
}

// waitForGroup returns true when there is a group to commit, and false when ctx ended.
func (p *Pipeline) waitForGroup(ctx context.Context) bool {
	for ctx.Err() == nil {
		hold, some := p.queue.due(time.Now(), &p.settings.Load().cfg)
		if some && hold <= 0 {
			return true
		}
		if !some {
			select {
			case <-ctx.Done():
			case <-p.queue.ready:
			}
			continue
		}
		timer := time.NewTimer(hold)
		select {
		case <-ctx.Done():
		case <-p.queue.ready:
		case <-timer.C:
		}
		timer.Stop()
	}
	return false
}

// waitForRoom waits until the sealer has caught up, and returns false when ctx ended.
func (p *Pipeline) waitForRoom(ctx context.Context) bool {
	for p.pressed() {
		signal(p.wake)
		select {
		case <-ctx.Done():
			return false
		case <-p.room:
		}
	}
	return ctx.Err() == nil
}

// pressed reports whether so much is in no block that the committer waits and the sealer seals all.
func (p *Pipeline) pressed() bool {
	readings, text := 0, 0
	now := p.settings.Load()
	for name := range now.collections {
		n, _, t := p.store.Unsealed(name)
		readings += n
		text += t
	}
	return readings > now.cfg.MaxUnsealed || text > maxUnsealedText
}

// committer is the committer's memory between groups.
type committer struct {
	batches []sensors.Batch
	losses  []sensors.Loss
}

// commit journals a group and tells everyone in it. After an error those who wait were told it, and
// those who cannot wait are back in the queue.
func (p *Pipeline) commit(c *committer, g group) error {
	c.batches, c.losses = c.batches[:0], c.losses[:0]
	readings := uint64(0)
	for _, entries := range [][]entry{g.waiting, g.offered} {
		for i := range entries {
			c.batches = append(c.batches, entries[i].batch)
			readings += entries[i].readings()
		}
	}
	for _, l := range g.losses {
		c.losses = append(c.losses, l)
	}
	err := p.store.Append(c.batches, c.losses)
	clear(c.batches)
	p.failing.commit(err)
	if err != nil {
		refused, lost := p.queue.failed(g)
		tell(refused, err)
		tell(lost, sensors.ErrDropped)
		return err
	}
	p.groups.Add(1)
	p.queue.stored(readings)
	tell(g.waiting, nil)
	tell(g.offered, nil)
	p.queue.recycle(g)
	signal(p.wake)
	return nil
}

// rarely says when something that repeats is worth a line in the log: at most every 30 s.
type rarely struct{ last time.Time }

func (r *rarely) now() bool {
	if !r.last.IsZero() && time.Since(r.last) < 30*time.Second {
		return false
	}
	r.last = time.Now()
	return true
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

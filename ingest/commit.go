package ingest

import (
	"context"
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
	p.log.Info("committer started", "hold", p.cfg.Hold)
	var batches []sensors.Batch
	retry := retryFirst
	for p.waitForGroup(ctx) && p.waitForRoom(ctx) {
		g := p.queue.take()
		var err error
		batches, err = p.commit(g, batches)
		if err == nil {
			retry = retryFirst
			continue
		}
		p.log.Error("journal did not take a group", "err", err)
		wait(ctx, retry)
		retry = min(retry*2, retryMax)
	}
	p.queue.close()
	if g := p.queue.take(); !g.empty() {
		if _, err := p.commit(g, batches); err != nil {
			p.log.Error("journal did not take the last group", "err", err)
		}
	}
}

// waitForGroup returns true when there is a group to commit, and false when ctx ended.
func (p *Pipeline) waitForGroup(ctx context.Context) bool {
	for {
		hold, any := p.queue.due(time.Now(), &p.cfg)
		if any && hold <= 0 {
			return ctx.Err() == nil
		}
		var timeout <-chan time.Time
		var timer *time.Timer
		if any {
			timer = time.NewTimer(hold)
			timeout = timer.C
		}
		select {
		case <-ctx.Done():
		case <-p.queue.ready:
		case <-timeout:
		}
		if timer != nil {
			timer.Stop()
		}
		if ctx.Err() != nil {
			return false
		}
	}
}

// waitForRoom waits until the sealer has caught up, and returns false when ctx ended.
func (p *Pipeline) waitForRoom(ctx context.Context) bool {
	for p.unsealed() > p.cfg.MaxUnsealed {
		select {
		case <-ctx.Done():
			return false
		case <-p.room:
		}
	}
	return ctx.Err() == nil
}

func (p *Pipeline) unsealed() int {
	n := 0
	for name := range p.collections {
		readings, _, _ := p.store.Unsealed(name)
		n += readings
	}
	return n
}

// commit journals a group and tells everyone in it. After an error those who wait were told it, and
// those who cannot wait are back in the queue.
func (p *Pipeline) commit(g group, batches []sensors.Batch) ([]sensors.Batch, error) {
	batches = batches[:0]
	var waiting, offered uint64
	for i := range g.waiting {
		batches = append(batches, g.waiting[i].batch)
		waiting += uint64(len(g.waiting[i].batch.Readings))
	}
	for i := range g.offered {
		batches = append(batches, g.offered[i].batch)
		offered += uint64(len(g.offered[i].batch.Readings))
	}
	losses := make([]sensors.Loss, 0, len(g.losses))
	for _, l := range g.losses {
		losses = append(losses, l)
	}
	err := p.store.Append(batches, losses)
	clear(batches)
	p.setFailing(err)
	if err != nil {
		p.refused.Add(waiting)
		p.queue.done(waiting)
		tell(g.waiting, err)
		p.queue.putBack(g.offered, g.losses)
		return batches, err
	}
	p.groups.Add(1)
	p.stored.Add(waiting + offered)
	p.queue.done(waiting + offered)
	tell(g.waiting, nil)
	tell(g.offered, nil)
	signal(p.wake)
	return batches, nil
}

func tell(entries []entry, err error) {
	for i := range entries {
		if entries[i].done != nil {
			entries[i].done(err)
		}
	}
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

package ingest

import (
	"context"
	"errors"
	"time"
)

// When readings wait for a block: see docs/limits.md.
const (
	fewReadings = 64               // below, max_delay alone does not seal
	longWait    = 60 * time.Second // but this does
	fastWait    = time.Second      // priority alarm, seal fast
	sealRetry   = time.Second      // after a failed seal
)

// sealLoop seals what is due until committed is closed, then everything.
func (p *Pipeline) sealLoop(ctx context.Context, committed <-chan struct{}) error {
	p.log.Info("sealer started", "collections", len(p.collections))
	for {
		next := p.sealDue()
		var timeout <-chan time.Time
		var timer *time.Timer
		if next > 0 {
			timer = time.NewTimer(next)
			timeout = timer.C
		}
		select {
		case <-p.wake:
		case <-timeout:
		case <-committed:
			return p.sealAll()
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

// sealDue seals what is due and returns how long until something else is; zero: nothing waits.
func (p *Pipeline) sealDue() time.Duration {
	var next time.Duration
	for _, c := range p.collections {
		wait, err := p.sealCollection(c, false)
		if err != nil {
			p.log.Error("blocks were not sealed", "collection", c.name, "err", err)
			wait = sealRetry
		}
		if wait > 0 && (next == 0 || wait < next) {
			next = wait
		}
	}
	return next
}

// sealAll seals everything.
func (p *Pipeline) sealAll() error {
	var errs []error
	for _, c := range p.collections {
		_, err := p.sealCollection(c, true)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// sealCollection seals what is due in one collection (final: everything) and returns how long until
// more is due; zero: nothing waits.
func (p *Pipeline) sealCollection(c *Collection, final bool) (time.Duration, error) {
	for {
		now, synced := p.clock()
		readings, losses, text := p.store.Unsealed(c.name)
		if readings == 0 && losses == 0 {
			c.since = time.Time{}
			return 0, nil
		}
		if c.since.IsZero() {
			c.since = time.Now()
		}
		full := readings >= c.cfg.MaxReadings || text >= c.cfg.MaxBytes
		left := c.delay(readings, p.idle()) - time.Since(c.since)
		all := final || left <= 0
		if !full && !all {
			return left, nil
		}
		if err := p.seal(c, all, now, synced); err != nil {
			return 0, err
		}
		c.since = time.Now()
	}
}

// delay returns how long the oldest of so many readings may wait for its block.
func (c *Collection) delay(readings int, idle bool) time.Duration {
	switch {
	case c.cfg.SealsFast() && idle:
		return 0
	case c.cfg.SealsFast():
		return min(fastWait, c.cfg.MaxDelay)
	case readings >= fewReadings:
		return c.cfg.MaxDelay
	}
	return max(longWait, c.cfg.MaxDelay)
}

// idle reports whether nothing is on its way to the journal.
func (p *Pipeline) idle() bool {
	_, _, queued := p.queue.sums()
	return queued == 0
}

// seal commits one batch of blocks.
func (p *Pipeline) seal(c *Collection, all bool, now time.Time, synced bool) error {
	b, err := c.prepare(p.store, all, now, synced)
	if err == nil && len(b.blocks) > 0 {
		if err = p.store.Seal(c.name, b.blocks, b.readings, b.losses); err != nil {
			b.undo()
		}
	}
	p.setFailing(err)
	if err != nil {
		return err
	}
	p.seals.Add(1)
	p.blocks.Add(uint64(max(b.data, 0)))
	signal(p.room)
	return nil
}

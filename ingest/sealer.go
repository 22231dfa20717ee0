package ingest

import (
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
func (p *Pipeline) sealLoop(committed <-chan struct{}) error {
	p.log.Info("sealer started", "collections", len(p.settings.Load().collections))
	s, err := newSealer(p)
	if err != nil {
		return err
	}
	for {
		var timeout <-chan time.Time
		var timer *time.Timer
		if next := s.due(); next > 0 {
			timer = time.NewTimer(next)
			timeout = timer.C
		}
		select {
		case <-p.wake:
		case <-timeout:
		case <-committed:
			return s.all()
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

// sealer is the sealer's memory.
type sealer struct {
	*Pipeline
	pack  *packer
	waits map[*Collection]*sealWait
	taken *settings // which were adopted
	last  bool      // the pipeline stops
}

// sealWait is what one collection waits for.
type sealWait struct {
	since   time.Time // when the oldest unsealed reading was first seen; zero: none
	retryAt time.Time // after a failed seal
	rare    rarely
}

func newSealer(p *Pipeline) (*sealer, error) {
	pack, err := newPacker()
	if err != nil {
		return nil, err
	}
	s := &sealer{Pipeline: p, pack: pack, waits: map[*Collection]*sealWait{}}
	s.adopt()
	return s, nil
}

// due seals what is due and returns how long until something else is; zero: nothing waits. Collections
// take turns, so that one which fills as fast as it is sealed does not keep the others waiting.
func (s *sealer) due() time.Duration {
	for {
		s.adopt()
		var next time.Duration
		again := false
		for c, w := range s.waits {
			left := time.Until(w.retryAt)
			if left <= 0 {
				sealed, wait, err := s.turn(c, s.pressed())
				if err != nil {
					wait, w.retryAt = sealRetry, time.Now().Add(sealRetry)
					if w.rare.now() {
						s.log.Error("blocks were not sealed", "collection", c.name, "err", err)
					}
				}
				left, again = wait, again || sealed
			}
			if left > 0 && (next == 0 || left < next) {
				next = left
			}
		}
		if !again {
			return next
		}
	}
}

// all seals everything, at the end.
func (s *sealer) all() error {
	s.last = true
	s.adopt()
	var errs []error
	for c := range s.waits {
		for sealed := true; sealed; {
			var err error
			sealed, _, err = s.turn(c, true)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// turn makes one seal in a collection, of what is due (final: of everything), and reports whether there
// was one. Without one it returns how long until something is due; zero: nothing waits.
func (s *sealer) turn(c *Collection, final bool) (sealed bool, left time.Duration, err error) {
	w := s.waits[c]
	readings, losses, text := s.store.Unsealed(c.name)
	if readings == 0 && losses == 0 && (!s.last || !c.owesCounters(instant{last: true})) {
		w.since = time.Time{}
		return false, 0, nil
	}
	if w.since.IsZero() {
		w.since = time.Now()
	}
	full := readings >= c.cfg.MaxReadings || text >= c.cfg.MaxBytes
	left = c.delay(readings, s.idle()) - time.Since(w.since)
	all := final || left <= 0
	if !full && !all {
		return false, left, nil
	}
	if sealed, err = s.seal(c, all); err != nil || !sealed {
		return false, sealRetry, err
	}
	w.since = time.Now()
	return true, 0, nil
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
func (p *Pipeline) idle() bool { return p.queue.count().queued == 0 }

// seal commits one batch of blocks, and returns false where there was nothing to make one of.
func (s *sealer) seal(c *Collection, all bool) (bool, error) {
	now, synced := s.clock()
	b, err := c.prepare(s.store, s.pack, all, instant{now, synced, s.last})
	if err == nil && len(b.blocks) > 0 {
		if err = s.store.Seal(c.name, b.blocks, b.readings, b.losses); err != nil {
			b.undo()
		}
	}
	s.failing.seal(c.name, err)
	if err != nil || len(b.blocks) == 0 {
		return false, err
	}
	s.seals.Add(1)
	s.blocks.Add(uint64(max(b.dataBlocks, 0)))
	signal(s.room)
	return true, nil
}

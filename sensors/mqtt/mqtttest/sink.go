package mqtttest

import (
	"context"
	"sync"

	"github.com/skerry-edge/skerry/sensors"
)

// Sink is a sensors.Sink in memory whose commits are controlled. Safe for concurrent use. Callbacks run in the goroutine
// that commits, as those of a pipeline run in its committer.
type Sink struct {
	mu        sync.Mutex // guards what follows
	changed   chan struct{}
	automatic bool
	capacity  int // batches that may wait; Add blocks beyond
	waiting   []waiting
	stored    []sensors.Batch
}

type waiting struct {
	batch sensors.Batch
	done  func(error)
	offer bool
}

// NewSink returns a sink in which at most capacity batches wait for a commit; of offered ones the oldest is dropped
// beyond. automatic commits each batch at once, in the caller's goroutine.
func NewSink(capacity int, automatic bool) *Sink {
	return &Sink{capacity: capacity, automatic: automatic, changed: make(chan struct{})}
}

// Add implements sensors.Sink.
func (s *Sink) Add(ctx context.Context, b sensors.Batch, done func(error)) error {
	for {
		s.mu.Lock()
		if s.automatic {
			s.stored = append(s.stored, b)
			s.changeLocked()
			s.mu.Unlock()
			done(nil)
			return nil
		}
		if len(s.waiting) < s.capacity {
			s.waiting = append(s.waiting, waiting{batch: b, done: done})
			s.changeLocked()
			s.mu.Unlock()
			return nil
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// Offer implements sensors.Sink.
func (s *Sink) Offer(b sensors.Batch, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	s.mu.Lock()
	if s.automatic {
		s.stored = append(s.stored, b)
		s.changeLocked()
		s.mu.Unlock()
		done(nil)
		return
	}
	dropped := func(error) {}
	if len(s.waiting) >= s.capacity {
		for i, w := range s.waiting {
			if w.offer {
				dropped = w.done
				s.waiting = append(s.waiting[:i:i], s.waiting[i+1:]...)
				break
			}
		}
	}
	s.waiting = append(s.waiting, waiting{batch: b, done: done, offer: true})
	s.changeLocked()
	s.mu.Unlock()
	dropped(sensors.ErrDropped)
}

func (s *Sink) changeLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Commit makes the oldest n waiting batches durable, all of them if n is negative, and returns how many there were.
func (s *Sink) Commit(n int) int { return s.settle(n, nil) }

// Fail fails the oldest n waiting batches with err, all of them if n is negative, and returns how many there were.
func (s *Sink) Fail(n int, err error) int { return s.settle(n, err) }

func (s *Sink) settle(n int, err error) int {
	s.mu.Lock()
	if n < 0 || n > len(s.waiting) {
		n = len(s.waiting)
	}
	group := s.waiting[:n:n]
	s.waiting = s.waiting[n:]
	if err == nil {
		for _, w := range group {
			s.stored = append(s.stored, w.batch)
		}
	}
	s.changeLocked()
	s.mu.Unlock()
	for _, w := range group {
		w.done(err)
	}
	return len(group)
}

// Stored returns the batches that are durable, in order.
func (s *Sink) Stored() []sensors.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]sensors.Batch(nil), s.stored...)
}

// AwaitWaiting waits until at least n batches wait for a commit.
func (s *Sink) AwaitWaiting(ctx context.Context, n int) error {
	return s.await(ctx, func() bool { return len(s.waiting) >= n })
}

// AwaitStored waits until at least n batches are durable.
func (s *Sink) AwaitStored(ctx context.Context, n int) error {
	return s.await(ctx, func() bool { return len(s.stored) >= n })
}

func (s *Sink) await(ctx context.Context, ready func() bool) error {
	for {
		s.mu.Lock()
		ok, changed := ready(), s.changed
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

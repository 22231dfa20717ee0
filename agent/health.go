package agent

import (
	"errors"
	"sync"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors"
)

// health remembers since when each trouble lasts. The parts' calls pass through it where they do not know it themselves, so that
// it is the moment at which the trouble began, whoever asks and whenever. Safe for concurrent use.
type health struct {
	now func() time.Time

	mu      sync.Mutex
	failing map[string]time.Time // since when the store fails, by what it is to do
	dropped time.Time            // when a full queue dropped the first batch; zero: never
	refused string               // why the configuration on disk was not taken; "" = it was
	since   time.Time            // when it was refused first
	seen    map[string]time.Time // when a trouble of unknown beginning was seen first, by code
}

func newHealth(now func() time.Time) *health {
	return &health{now: now, failing: map[string]time.Time{}, seen: map[string]time.Time{}}
}

// refuseConfig notes that the configuration on disk was not taken.
func (h *health) refuseConfig(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refused == "" {
		h.since = h.now()
	}
	h.refused = why
}

// takeConfig notes that the configuration on disk was taken.
func (h *health) takeConfig() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused = ""
}

func (h *health) refusedConfig() (why string, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refused, h.since
}

// stored notes how the store did what it was to do.
func (h *health) stored(what string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		delete(h.failing, what)
	} else if _, lasts := h.failing[what]; !lasts {
		h.failing[what] = h.now()
	}
}

// failingSince returns since when the store fails at anything; zero: it does not.
func (h *health) failingSince() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	var first time.Time
	for _, began := range h.failing {
		if first.IsZero() || began.Before(first) {
			first = began
		}
	}
	return first
}

// drop notes that a full queue dropped a batch.
func (h *health) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dropped.IsZero() {
		h.dropped = h.now()
	}
}

func (h *health) droppedSince() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dropped
}

// items returns the troubles of now. One of which nobody knows when it began has the time at which it was seen first; what is
// not among them is over.
func (h *health) items(now []api.Health) []api.Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := h.seen
	h.seen = make(map[string]time.Time, len(now))
	out := []api.Health{}
	for _, item := range now {
		if item.Since.IsZero() {
			item.Since = h.now()
			if began, lasts := last[item.Code]; lasts {
				item.Since = began
			}
			h.seen[item.Code] = item.Since
		}
		item.Since = item.Since.UTC()
		out = append(out, item)
	}
	return out
}

// watchedStore is an ingest.Store that tells health how it does.
type watchedStore struct {
	ingest.Store
	health *health
}

// Append implements ingest.Store.
func (s watchedStore) Append(batches []sensors.Batch, losses []sensors.Loss) error {
	err := s.Store.Append(batches, losses)
	s.health.stored("journal", err)
	return err
}

// Seal implements ingest.Store.
func (s watchedStore) Seal(collection string, blocks []*crdt.Block, readings, losses int) error {
	err := s.Store.Seal(collection, blocks, readings, losses)
	s.health.stored("collection "+collection, err)
	return err
}

// watchedSink is a sensors.Sink that tells health of batches that a full queue drops.
type watchedSink struct {
	sensors.Sink
	health *health
}

// Offer implements sensors.Sink.
func (s watchedSink) Offer(b sensors.Batch, done func(error)) {
	s.Sink.Offer(b, func(err error) {
		if errors.Is(err, sensors.ErrDropped) {
			s.health.drop()
		}
		if done != nil {
			done(err)
		}
	})
}

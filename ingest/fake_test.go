package ingest_test

import (
	"errors"
	"slices"
	"sync"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

var errDisk = errors.New("disk trouble")

// fakeStore is a store of one collection in memory that a test lets wait and fail.
type fakeStore struct {
	entry chan struct{}     // gets one for each Append that begins
	gate  chan error        // not nil: each Append waits for its outcome; closed: all succeed
	full  func() error      // not nil: the outcome of each Seal
	clock sensors.ClockBase // of all readings

	mu       sync.Mutex
	groups   [][]sensors.Batch
	readings []sensors.Reading
	losses   []fakeLoss
	appended int
	blocks   []*crdt.Block
}

type fakeLoss struct {
	sensors.Loss
	after int // readings ever appended before it
}

func newFakeStore() *fakeStore {
	return &fakeStore{entry: make(chan struct{}, 1000), clock: sensors.ClockBase{Boot: [8]byte{1}, Base: 1000}}
}

func (s *fakeStore) Append(batches []sensors.Batch, losses []sensors.Loss) error {
	select {
	case s.entry <- struct{}{}:
	default: // nobody listens
	}
	if s.gate != nil {
		if err := <-s.gate; err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups = append(s.groups, slices.Clone(batches))
	for _, b := range batches {
		s.readings = append(s.readings, b.Readings...)
		s.appended += len(b.Readings)
	}
	for _, l := range losses {
		s.losses = append(s.losses, fakeLoss{l, s.appended})
	}
	return nil
}

func (s *fakeStore) Unsealed(string) (readings, losses, text int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.readings {
		text += len(s.readings[i].Str)
	}
	return len(s.readings), len(s.losses), text
}

func (s *fakeStore) Peek(_ string, dst []sensors.Reading, limit int) ([]sensors.Reading, sensors.ClockBase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(dst, s.readings[:min(limit, len(s.readings))]...), s.clock
}

func (s *fakeStore) Losses(_ string, readings int) []sensors.Loss {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []sensors.Loss
	for _, l := range s.losses {
		if l.after-(s.appended-len(s.readings)) <= readings {
			out = append(out, l.Loss)
		}
	}
	return out
}

func (s *fakeStore) Seal(_ string, blocks []*crdt.Block, readings, losses int) error {
	if s.full != nil {
		if err := s.full(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks = append(s.blocks, blocks...)
	s.readings, s.losses = s.readings[readings:], s.losses[losses:]
	return nil
}

// sealed returns all blocks in the order of their seals.
func (s *fakeStore) sealed() []*crdt.Block {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.blocks)
}

// data returns the blocks that hold readings.
func data(blocks []*crdt.Block) []*crdt.Block {
	return slices.DeleteFunc(slices.Clone(blocks), func(b *crdt.Block) bool { return b.Codec != crdt.CodecColumns })
}

// metaEntries returns what the meta blocks say.
func metaEntries(blocks []*crdt.Block) ([]crdt.Entry, error) {
	var all []crdt.Entry
	for _, b := range blocks {
		if b.Codec != crdt.CodecMeta {
			continue
		}
		entries, err := crdt.DecodeMeta(b.Payload)
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	return all, nil
}

package ingest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/crdt/columns"
	"github.com/skerry-edge/skerry/sensors"
)

var errDisk = errors.New("disk trouble")

// fakeStore keeps everything in memory, checks every seal as a reader of the blocks would, and waits or
// fails when it is told to.
type fakeStore struct {
	t        *testing.T
	onAppend func([]sensors.Batch) error // before anything is kept
	onSeal   func() error
	clock    sensors.ClockBase

	mu     sync.Mutex
	groups [][]sensors.Batch
	losses []sensors.Loss // journalled
	tails  map[string]*fakeTail
	feeds  map[crdt.FeedID]*fakeFeed
	seals  []fakeSeal
}

type fakeTail struct {
	readings []sensors.Reading
	appended int // ever
	losses   []fakeLoss
	sealed   []sensors.Reading // decoded from blocks
	lost     []*crdt.Loss      // decoded from blocks
	counters *crdt.Counters
}

type fakeLoss struct {
	after int // readings of the collection ever, when it was journalled
	sensors.Loss
}

type fakeFeed struct {
	opening crdt.Opening
	head    *crdt.Block
	series  []*crdt.SeriesDef
	defined []uint64 // by which seq
}

type fakeSeal struct {
	at       time.Time
	name     string
	readings int
	blocks   []*crdt.Block // data
	all      []*crdt.Block
}

func newFake(t *testing.T) *fakeStore {
	t.Helper()
	return &fakeStore{t: t, tails: map[string]*fakeTail{}, feeds: map[crdt.FeedID]*fakeFeed{}}
}

func (f *fakeStore) tailLocked(name string) *fakeTail {
	if f.tails[name] == nil {
		f.tails[name] = &fakeTail{}
	}
	return f.tails[name]
}

func (f *fakeStore) Append(batches []sensors.Batch, losses []sensors.Loss) error {
	if f.onAppend != nil {
		if err := f.onAppend(batches); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups = append(f.groups, slices.Clone(batches))
	for _, b := range batches {
		t := f.tailLocked(b.Collection)
		t.readings = append(t.readings, b.Readings...)
		t.appended += len(b.Readings)
	}
	for _, l := range losses {
		t := f.tailLocked(l.Collection)
		t.losses = append(t.losses, fakeLoss{t.appended, l})
		f.losses = append(f.losses, l)
	}
	return nil
}

func (f *fakeStore) Unsealed(name string) (readings, losses, text int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.tailLocked(name)
	for i := range t.readings {
		text += len(t.readings[i].Str)
	}
	return len(t.readings), len(t.losses), text
}

func (f *fakeStore) Peek(name string, dst []sensors.Reading, limit int) ([]sensors.Reading, sensors.ClockBase) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.tailLocked(name)
	return append(dst, t.readings[:min(limit, len(t.readings))]...), f.clock
}

func (f *fakeStore) Losses(name string, readings int) []sensors.Loss {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.tailLocked(name)
	var out []sensors.Loss
	for _, l := range t.losses {
		if readings == len(t.readings) || l.after <= t.appended-len(t.readings)+readings {
			out = append(out, l.Loss)
		}
	}
	return out
}

func (f *fakeStore) Seal(name string, blocks []*crdt.Block, readings, losses int) error {
	if f.onSeal != nil {
		if err := f.onSeal(); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(blocks) > 32 { // store.MaxSealBlocks
		f.t.Errorf("a seal has %d blocks", len(blocks))
	}
	t := f.tailLocked(name)
	seal := fakeSeal{at: time.Now(), name: name, readings: readings, all: blocks}
	var decoded []sensors.Reading
	lost := uint64(0)
	for _, b := range blocks {
		rs, n := f.checkLocked(t, b)
		if len(rs) > 0 {
			seal.blocks = append(seal.blocks, b)
		}
		decoded = append(decoded, rs...)
		lost += n
	}
	if diff := sameReadings(t.readings[:readings], decoded); diff != "" {
		f.t.Errorf("seal of %d readings of %q: %s", readings, name, diff)
	}
	for _, l := range t.losses[:losses] {
		lost -= l.Count
	}
	if lost != 0 {
		f.t.Errorf("the losses that were sealed differ by %d from the journal's", int64(lost))
	}
	t.sealed = append(t.sealed, decoded...)
	t.readings, t.losses = t.readings[readings:], t.losses[losses:]
	f.seals = append(f.seals, seal)
	return nil
}

// checkLocked takes one block as a store does, and returns its readings or the losses that it counts.
func (f *fakeStore) checkLocked(t *fakeTail, b *crdt.Block) (rs []sensors.Reading, lost uint64) {
	if b.Seq == 0 {
		o, err := b.Opening()
		if err != nil {
			f.t.Error(err)
		}
		f.feeds[b.Feed] = &fakeFeed{opening: o, head: b}
		return nil, 0
	}
	feed := f.feeds[b.Feed]
	if feed == nil || feed.head.Seq+1 != b.Seq || feed.head.CID != b.Prev || b.VerifySignature(feed.opening.Author) != nil {
		f.t.Errorf("block %d of feed %s does not continue it", b.Seq, b.Feed)
		return nil, 0
	}
	if b.Clock.Hybrid < feed.head.Clock.Hybrid {
		f.t.Errorf("block %d of feed %s: the hybrid clock goes back from %d to %d", b.Seq, b.Feed, feed.head.Clock.Hybrid, b.Clock.Hybrid)
	}
	feed.head = b
	if b.Codec == crdt.CodecMeta {
		return nil, f.metaLocked(t, feed, b)
	}
	meta := f.feeds[feed.opening.Meta]
	dec, err := columns.NewDecoder()
	if err != nil {
		f.t.Error(err)
	}
	rs, err = dec.Decode(nil, b.Payload, b.Count, math.MinInt64, math.MaxInt64, func(n uint32, typ sensors.Type) (*sensors.Series, error) {
		if n == 0 || uint64(n) > uint64(len(meta.series)) || meta.defined[n-1] > b.Needs || uint8(typ) != meta.series[n-1].Type {
			return nil, fmt.Errorf("series %d is not defined by block %d", n, b.Needs)
		}
		return seriesOf(meta.series[n-1]), nil
	})
	if err != nil || len(rs) == 0 {
		f.t.Errorf("block %d: %d readings, %v", b.Seq, len(rs), err)
	}
	for i := range rs {
		if rs[i].Time < b.Clock.First || rs[i].Time > b.Clock.Last() {
			f.t.Errorf("block %d: a reading at %d is outside of %d to %d", b.Seq, rs[i].Time, b.Clock.First, b.Clock.Last())
		}
	}
	return rs, 0
}

func (f *fakeStore) metaLocked(t *fakeTail, feed *fakeFeed, b *crdt.Block) (lost uint64) {
	entries, err := crdt.DecodeMeta(b.Payload)
	if err != nil {
		f.t.Error(err)
	}
	for _, e := range entries {
		switch e := e.(type) {
		case *crdt.SeriesDef:
			if uint64(e.Number) != uint64(len(feed.series))+1 {
				f.t.Errorf("series number %d after %d", e.Number, len(feed.series))
			}
			feed.series, feed.defined = append(feed.series, e), append(feed.defined, b.Seq)
		case *crdt.Loss:
			t.lost = append(t.lost, e)
			lost += e.Count
		case *crdt.Counters:
			t.counters = e
		}
	}
	return lost
}

func seriesOf(d *crdt.SeriesDef) *sensors.Series {
	s := &sensors.Series{Name: d.Name, Unit: d.Unit, Type: sensors.Type(d.Type)}
	for _, t := range d.Tags {
		s.Tags = append(s.Tags, sensors.Tag{Key: t.Key, Value: t.Value})
	}
	return s
}

// sameReadings says how two sets of readings differ, by what they say.
func sameReadings(want, got []sensors.Reading) string {
	text := func(rs []sensors.Reading) []string {
		out := make([]string, len(rs))
		for i := range rs {
			out[i] = fmt.Sprint(string(rs[i].Series.AppendKey(nil)), rs[i].Time, rs[i].Num, rs[i].Str, rs[i].Quality)
		}
		slices.Sort(out)
		return out
	}
	a, b := text(want), text(got)
	if len(a) != len(b) {
		return fmt.Sprintf("%d readings, want %d", len(b), len(a))
	}
	for i := range a {
		if a[i] != b[i] {
			return fmt.Sprintf("%q, want %q", b[i], a[i])
		}
	}
	return ""
}

// sealed returns the seals so far.
func (f *fakeStore) sealed() []fakeSeal {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.seals)
}

// with runs fn while nothing else happens to the store.
func (f *fakeStore) with(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

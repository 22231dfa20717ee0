package ingest

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
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
	seal := fakeSeal{at: time.Now(), name: name, readings: readings}
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

// with runs fn while nothing else happens to the store.
func (f *fakeStore) with(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

// rig is a pipeline over a fake store.
type rig struct {
	t     *testing.T
	store *fakeStore
	table *sensors.Table
	pipe  *Pipeline
	stop  func() error // waits for Run
}

func testKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, 32)) }

func testConfig(name string) CollectionConfig {
	c := DefaultCollectionConfig()
	c.Name = name
	return c
}

func synced() (time.Time, bool) { return time.Now(), true }

// start runs a pipeline.
func start(t *testing.T, store *fakeStore, cfg Config, clock Clock, collections ...CollectionConfig) *rig {
	t.Helper()
	if len(collections) == 0 {
		collections = []CollectionConfig{testConfig("climate")}
	}
	var made []*Collection
	for _, c := range collections {
		m, err := NewCollection(c, testKey(), Resume{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, m)
	}
	r := &rig{t: t, store: store, table: sensors.NewTable(), pipe: New(cfg, store, made, clock, slog.New(slog.DiscardHandler))}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.pipe.Run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = r.stop() })
	return r
}

func (r *rig) series(name string, typ sensors.Type) *sensors.Series {
	r.t.Helper()
	s, err := r.table.Intern(sensors.Series{Name: name, Type: typ})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

const testStart = int64(1_700_000_000_000_000_000)

// batch returns n readings of series a.
func (r *rig) batch(n int) sensors.Batch {
	r.t.Helper()
	b := sensors.Batch{Source: "line", Collection: "climate"}
	s := r.series("a", sensors.Float)
	for i := range n {
		b.Readings = append(b.Readings, sensors.Reading{Series: s, Time: testStart + int64(i)*1e6, Num: math.Float64bits(float64(i))})
	}
	return b
}

// add adds a batch and waits for its acknowledgement.
func (r *rig) add(b sensors.Batch) error {
	r.t.Helper()
	done := make(chan error, 1)
	if err := r.pipe.Add(context.Background(), b, func(err error) { done <- err }); err != nil {
		return err
	}
	return <-done
}

// finish stops the pipeline and expects that everything that was stored is in blocks.
func (r *rig) finish() Stats {
	r.t.Helper()
	if err := r.stop(); err != nil {
		r.t.Error(err)
	}
	s := r.pipe.Stats()
	checkSums(r.t, s)
	if s.Queued != 0 {
		r.t.Errorf("%d readings are queued after the end", s.Queued)
	}
	if appended, sealed := r.checkSealed(); appended != s.Stored || sealed != s.Stored {
		r.t.Errorf("%d readings journalled, %d in blocks, %d counted as stored", appended, sealed, s.Stored)
	}
	return s
}

// checkSealed stops the pipeline, expects that everything is in blocks, and returns how many readings were journalled
// and sealed.
func (r *rig) checkSealed() (appended, sealed uint64) {
	r.t.Helper()
	if err := r.stop(); err != nil {
		r.t.Error(err)
	}
	r.store.with(func() {
		for name, t := range r.store.tails {
			appended += uint64(t.appended)
			sealed += uint64(len(t.sealed))
			if len(t.readings) > 0 || len(t.losses) > 0 {
				r.t.Errorf("%q: %d readings and %d losses are in no block", name, len(t.readings), len(t.losses))
			}
			if c := t.counters; c != nil && (c.Decoded != c.Stored+c.Filtered+c.Lost || c.Stored > uint64(len(t.sealed))) {
				r.t.Errorf("%q: counters %+v do not add up with %d readings", name, *c, len(t.sealed))
			}
		}
	})
	return appended, sealed
}

func checkSums(t *testing.T, s Stats) {
	t.Helper()
	if s.Decoded != s.Stored+s.Filtered+s.Lost+s.Refused+s.Queued {
		t.Errorf("sums do not add up: %+v", s)
	}
}

// lostBySource returns the sums of losses by source.
func lostBySource(losses []*crdt.Loss) map[string]uint64 {
	out := map[string]uint64{}
	for _, l := range losses {
		out[l.Source] += l.Count
	}
	return out
}

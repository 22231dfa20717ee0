package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors"
)

// fakeRig is a pipeline over a fake store inside a synctest bubble.
type fakeRig struct {
	*fakeStore
	pipe   *ingest.Pipeline
	table  *sensors.Table
	cancel context.CancelFunc
	ran    chan error
}

func start(t *testing.T, cfg ingest.Config, s *fakeStore, clock ingest.Clock, mutate func(*ingest.CollectionConfig)) *fakeRig {
	t.Helper()
	cc := ingest.DefaultCollectionConfig()
	cc.Name = "climate"
	if mutate != nil {
		mutate(&cc)
	}
	c, err := ingest.NewCollection(cc, testKey(), ingest.Resume{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if clock == nil {
		clock = func() (time.Time, bool) { return time.Now(), true }
	}
	r := &fakeRig{fakeStore: s, table: sensors.NewTable(), ran: make(chan error, 1)}
	r.pipe = ingest.New(cfg, s, []*ingest.Collection{c}, clock, slog.New(slog.DiscardHandler))
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	go func() { r.ran <- r.pipe.Run(ctx) }()
	return r
}

func (r *fakeRig) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := <-r.ran; err != nil {
		t.Error(err)
	}
}

func (r *fakeRig) readings(t *testing.T, n int) []sensors.Reading {
	t.Helper()
	s, err := r.table.Intern(sensors.Series{Name: "temp", Type: sensors.Int})
	if err != nil {
		t.Fatal(err)
	}
	rs := make([]sensors.Reading, n)
	for i := range rs {
		rs[i] = sensors.Reading{Series: s, Time: int64(i+1) * 1e9, Num: uint64(i)}
	}
	return rs
}

func (r *fakeRig) batch(t *testing.T, n int) sensors.Batch {
	t.Helper()
	return sensors.Batch{Source: "test", Collection: "climate", Readings: r.readings(t, n)}
}

func checkSums(t *testing.T, s ingest.Stats) {
	t.Helper()
	if s.Decoded != s.Stored+s.Filtered+s.Lost+s.Refused+s.Queued {
		t.Errorf("sums do not add up: %+v", s)
	}
}

// TestPipeline_oneSyncForAllThatWait: what arrives during a sync is one group.
func TestPipeline_oneSyncForAllThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.gate = make(chan error)
		r := start(t, ingest.Config{}, s, nil, nil)
		acked := make(chan error, 100)
		offer := func() {
			if err := r.pipe.Add(t.Context(), r.batch(t, 1), func(err error) { acked <- err }); err != nil {
				t.Fatal(err)
			}
		}
		offer()
		<-s.entry // the committer syncs the first
		for range 50 {
			offer()
		}
		synctest.Wait()
		if len(acked) != 0 {
			t.Fatalf("%d acknowledged before the sync", len(acked))
		}
		s.gate <- nil
		<-s.entry
		synctest.Wait()
		if len(acked) != 1 {
			t.Fatalf("%d acknowledged after the first sync, want 1", len(acked))
		}
		s.gate <- nil
		synctest.Wait()
		if len(acked) != 51 || len(s.groups) != 2 {
			t.Fatalf("%d acknowledged in %d groups, want 51 in 2", len(acked), len(s.groups))
		}
		r.stop(t)
		checkSums(t, r.pipe.Stats())
	})
}

// TestPipeline_holds: with durability interval, what cannot wait is held for the interval, and what waits for
// its acknowledgement ends the holding after ack_max_wait.
func TestPipeline_holds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		r := start(t, ingest.Config{Hold: true, Interval: 10 * time.Second, AckMaxWait: time.Second}, s, nil, nil)
		began := time.Now()
		r.pipe.Offer(r.batch(t, 1), nil)
		<-s.entry
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("an offered batch was held for %s, want 10s", d)
		}
		began = time.Now()
		r.pipe.Offer(r.batch(t, 1), nil)
		time.Sleep(3 * time.Second) //nolint:forbidigo // the bubble's clock
		if err := r.pipe.Add(t.Context(), r.batch(t, 1), nil); err != nil {
			t.Fatal(err)
		}
		<-s.entry
		if d := time.Since(began); d != 4*time.Second {
			t.Errorf("a waiting batch was held until %s, want 4s", d)
		}
		r.stop(t)
		if len(s.groups) != 2 || len(s.groups[1]) != 2 {
			t.Errorf("groups %v, want the second with both batches", s.groups)
		}
	})
}

// TestPipeline_fullQueues: Add blocks, Offer drops the oldest; the loss is exact and ends in the meta feed.
func TestPipeline_fullQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.gate = make(chan error)
		r := start(t, ingest.Config{QueueBytes: 64 << 10}, s, nil, nil)
		if err := r.pipe.Add(t.Context(), r.batch(t, 1), nil); err != nil {
			t.Fatal(err)
		}
		<-s.entry
		added := 0
		ctx, cancel := context.WithCancel(t.Context())
		blocked := make(chan error, 1)
		go func() {
			for {
				if err := r.pipe.Add(ctx, r.batch(t, 100), nil); err != nil {
					blocked <- err
					return
				}
				added++
			}
		}()
		synctest.Wait()
		if added == 0 || added > 20 {
			t.Fatalf("%d batches of 5 KB fit 64 KB", added)
		}
		cancel()
		if err := <-blocked; !errors.Is(err, context.Canceled) {
			t.Fatalf("blocked Add returned %v", err)
		}
		dropped := 0
		for range 50 {
			r.pipe.Offer(r.batch(t, 100), func(err error) {
				if errors.Is(err, sensors.ErrDropped) {
					dropped++
				}
			})
		}
		stats := r.pipe.Stats()
		if dropped == 0 || stats.Lost != uint64(dropped)*100 {
			t.Fatalf("%d batches dropped, %d readings lost", dropped, stats.Lost)
		}
		checkSums(t, stats)
		close(s.gate)
		r.stop(t)
		entries, err := metaEntries(s.sealed())
		if err != nil {
			t.Fatal(err)
		}
		var lost uint64
		for _, e := range entries {
			if l, is := e.(*crdt.Loss); is {
				lost += l.Count
				if l.Reason != crdt.LossQueueFull || l.Source != "test" {
					t.Errorf("loss %+v", l)
				}
			}
		}
		if lost != uint64(dropped)*100 {
			t.Errorf("losses in the meta feed count %d, want %d", lost, dropped*100)
		}
		checkSums(t, r.pipe.Stats())
	})
}

// TestPipeline_failingStore: what waits is told, what cannot wait is kept and comes with a later group.
func TestPipeline_failingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.gate = make(chan error)
		r := start(t, ingest.Config{}, s, nil, nil)
		told := make(chan error, 1)
		if err := r.pipe.Add(t.Context(), r.batch(t, 3), func(err error) { told <- err }); err != nil {
			t.Fatal(err)
		}
		<-s.entry
		kept := make(chan error, 1)
		r.pipe.Offer(r.batch(t, 5), func(err error) { kept <- err })
		s.gate <- errDisk
		if err := <-told; !errors.Is(err, errDisk) {
			t.Fatalf("told %v", err)
		}
		if r.pipe.Stats().Failing == nil {
			t.Error("the pipeline does not say that it fails")
		}
		<-s.entry
		s.gate <- errDisk // the offered batch's first try
		<-s.entry
		s.gate <- nil
		if err := <-kept; err != nil {
			t.Fatalf("kept batch: %v", err)
		}
		close(s.gate)
		r.stop(t)
		stats := r.pipe.Stats()
		if stats.Refused != 3 || stats.Stored != 5 || stats.Failing != nil {
			t.Errorf("stats %+v", stats)
		}
		checkSums(t, stats)
	})
}

// TestSealer_rules: when blocks are made, and how many readings they have.
func TestSealer_rules(t *testing.T) {
	for name, test := range map[string]struct {
		mutate func(*ingest.CollectionConfig)
		n      int
		after  time.Duration // of the first block with data
		counts []uint32      // of the blocks then
	}{
		"full":         {nil, 4096*2 + 10, 0, []uint32{4096, 4096}},
		"delay":        {nil, 64, 10 * time.Second, []uint32{64}},
		"few":          {nil, 63, 60 * time.Second, []uint32{63}},
		"fast":         {func(c *ingest.CollectionConfig) { c.Seal = "fast" }, 3, 0, []uint32{3}},
		"alarm":        {func(c *ingest.CollectionConfig) { c.Priority = "alarm" }, 3, 0, []uint32{3}},
		"max_readings": {func(c *ingest.CollectionConfig) { c.MaxReadings = 10 }, 35, 0, []uint32{10, 10, 10}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeStore()
				r := start(t, ingest.Config{}, s, nil, test.mutate)
				began := time.Now()
				if err := add(t.Context(), r.pipe, r.readings(t, test.n)); err != nil {
					t.Fatal(err)
				}
				for {
					synctest.Wait()
					if len(data(s.sealed())) > 0 {
						break
					}
					if time.Since(began) > 2*time.Minute {
						t.Fatal("no block in two minutes")
					}
					time.Sleep(time.Second / 2) //nolint:forbidigo // the bubble's clock
				}
				if d := time.Since(began); d != test.after {
					t.Errorf("sealed after %s, want %s", d, test.after)
				}
				var counts []uint32
				for _, b := range data(s.sealed()) {
					counts = append(counts, b.Count)
				}
				if fmt.Sprint(counts) != fmt.Sprint(test.counts) {
					t.Errorf("blocks of %v readings, want %v", counts, test.counts)
				}
				r.stop(t)
				if n, _, _ := s.Unsealed(""); n != 0 {
					t.Errorf("%d readings are unsealed after the stop", n)
				}
			})
		})
	}
}

// TestSealer_splitsByBytes: a block's payload keeps max_bytes, whatever the readings are.
func TestSealer_splitsByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		r := start(t, ingest.Config{}, s, nil, func(c *ingest.CollectionConfig) { c.MaxBytes = 8 << 10 })
		text, err := r.table.Intern(sensors.Series{Name: "text", Type: sensors.String})
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, 2))
		var rs []sensors.Reading
		for i := range 500 {
			var b strings.Builder
			for range 40 {
				fmt.Fprintf(&b, "%x", rng.Uint64())
			}
			rs = append(rs, sensors.Reading{Series: text, Time: int64(i), Str: b.String()[:600]})
		}
		if err := add(t.Context(), r.pipe, rs); err != nil {
			t.Fatal(err)
		}
		r.stop(t)
		total := uint32(0)
		for _, b := range data(s.sealed()) {
			total += b.Count
			if len(b.Payload) > 8<<10 {
				t.Errorf("a payload of %d bytes", len(b.Payload))
			}
		}
		if total != 500 {
			t.Errorf("%d readings in blocks, want 500", total)
		}
	})
}

// TestSealer_manySeries: more definitions than one meta block or one seal can have.
func TestSealer_manySeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20_000
		s := newFakeStore()
		r := start(t, ingest.Config{}, s, nil, nil)
		rs := make([]sensors.Reading, n)
		for i := range rs {
			series, err := r.table.Intern(sensors.Series{Name: fmt.Sprint("series-", i), Type: sensors.Bool, Tags: []sensors.Tag{{Key: "long", Value: strings.Repeat("x", 200)}}})
			if err != nil {
				t.Fatal(err)
			}
			rs[i] = sensors.Reading{Series: series, Time: int64(i), Num: 1}
		}
		if err := add(t.Context(), r.pipe, rs); err != nil {
			t.Fatal(err)
		}
		r.stop(t)
		checkFeeds(t, s.sealed(), n)
	})
}

// checkFeeds checks chains, needs and the numbers of series of all blocks.
func checkFeeds(t *testing.T, blocks []*crdt.Block, readings int) {
	t.Helper()
	heads := map[crdt.FeedID]*crdt.Block{}
	defined := map[uint64]int{} // series by meta seq
	series, count := 0, 0
	var hybrid uint64
	for _, b := range blocks {
		before := heads[b.Feed]
		if b.Seq > 0 && (before == nil || before.Seq+1 != b.Seq || before.CID != b.Prev) {
			t.Fatalf("block %d of feed %s does not continue the feed", b.Seq, b.Feed)
		}
		heads[b.Feed] = b
		if b.Clock.Hybrid < hybrid {
			t.Errorf("the hybrid clock went back from %d to %d", hybrid, b.Clock.Hybrid)
		}
		hybrid = b.Clock.Hybrid
		switch b.Codec {
		case crdt.CodecMeta:
			entries, err := crdt.DecodeMeta(b.Payload)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if d, is := e.(*crdt.SeriesDef); is {
					if series++; int(d.Number) != series {
						t.Fatalf("series %d follows %d", d.Number, series-1)
					}
				}
			}
			defined[b.Seq] = series
		case crdt.CodecColumns:
			count += int(b.Count)
			if _, has := defined[b.Needs]; !has {
				t.Errorf("block %d needs meta block %d, which is not before it", b.Seq, b.Needs)
			}
		case crdt.CodecOpening:
		}
	}
	if count != readings {
		t.Errorf("%d readings in blocks, want %d", count, readings)
	}
}

// TestSealer_failingSeals: seals that fail at random leave whole feeds and lose nothing.
func TestSealer_failingSeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(7, 7))
		disk := rand.New(rand.NewPCG(8, 8)) // the sealer's
		s := newFakeStore()
		var fails atomic.Bool
		fails.Store(true)
		s.full = func() error {
			if fails.Load() && disk.IntN(3) > 0 {
				return errDisk
			}
			return nil
		}
		r := start(t, ingest.Config{}, s, nil, func(c *ingest.CollectionConfig) { c.MaxReadings = 50 })
		total := 0
		for i := range 60 {
			series, err := r.table.Intern(sensors.Series{Name: fmt.Sprint("s", i/3), Type: sensors.Int})
			if err != nil {
				t.Fatal(err)
			}
			rs := r.readings(t, 1+rng.IntN(80))
			for k := range rs {
				rs[k].Series = series
			}
			total += len(rs)
			if err := add(t.Context(), r.pipe, rs); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
		}
		synctest.Wait()
		fails.Store(false)
		r.stop(t)
		checkFeeds(t, s.sealed(), total)
	})
}

// TestSealer_unsyncedClock: blocks with arrival times of an unsynced clock say so and carry boot and monotonic clock.
func TestSealer_unsyncedClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		clock := func() (time.Time, bool) { return time.Unix(1000, 0), false }
		r := start(t, ingest.Config{}, s, clock, nil)
		rs := r.readings(t, 5)
		for i := range rs {
			rs[i].Quality = sensors.QualityArrival | sensors.QualityUnsynced
		}
		if err := add(t.Context(), r.pipe, rs); err != nil {
			t.Fatal(err)
		}
		r.stop(t)
		for _, b := range s.sealed() {
			c := b.Clock
			if c.Quality != crdt.ClockUnsynced || c.Boot != [8]byte{1} || c.First-int64(c.Mono) != 1000 {
				t.Errorf("block %d of codec %s: clock %+v", b.Seq, b.Codec, c)
			}
			if c.Hybrid>>16 != 0 {
				t.Errorf("the hybrid clock took the wall time %d of an unsynced clock", c.Hybrid>>16)
			}
		}
	})
}

// TestDedup_dropsOnlyRepeatsOfDurableReadings.
func TestDedup_dropsOnlyRepeatsOfDurableReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.gate = make(chan error, 10)
		r := start(t, ingest.Config{}, s, nil, nil)
		d := ingest.NewDedup(r.pipe, time.Minute)
		s.gate <- errDisk
		if err := add(t.Context(), d, r.readings(t, 3)); !errors.Is(err, errDisk) {
			t.Fatalf("first: %v", err)
		}
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock: the committer tries again
		s.gate <- nil
		if err := add(t.Context(), d, r.readings(t, 3)); err != nil { // its first commit failed: not a repeat
			t.Fatal(err)
		}
		s.gate <- nil
		if err := add(t.Context(), d, r.readings(t, 4)); err != nil { // three repeats, one new
			t.Fatal(err)
		}
		close(s.gate)
		r.stop(t)
		stats := r.pipe.Stats()
		if stats.Stored != 4 || stats.Filtered != 3 || stats.Refused != 3 {
			t.Errorf("stats %+v, want 4 stored, 3 filtered, 3 refused", stats)
		}
		checkSums(t, stats)
	})
}

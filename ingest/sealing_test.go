package ingest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/crdt/columns"
	"github.com/skerry-edge/skerry/sensors"
)

// noise returns readings of all types and many series, in no order, hard to compress.
func (r *rig) noise(rng *rand.Rand, n int) sensors.Batch {
	r.t.Helper()
	b := sensors.Batch{Source: "line", Collection: "climate"}
	for range n {
		typ := sensors.Type(rng.IntN(4) + 1)
		reading := sensors.Reading{
			Series: r.series(fmt.Sprint(typ, rng.IntN(30)), typ), Time: testStart + rng.Int64N(1e12), Quality: sensors.Quality(rng.IntN(2)),
		}
		switch typ {
		case sensors.Float, sensors.Int:
			reading.Num = rng.Uint64()
		case sensors.Bool:
			reading.Num = rng.Uint64N(2)
		case sensors.String:
			reading.Str = fmt.Sprintf("%x", rng.Uint64())
		}
		b.Readings = append(b.Readings, reading)
	}
	return b
}

// A block that is cut by its bytes has the oldest readings all the same, though encoding sorts them;
// seals fail in between, and losses come with their readings. The store checks every seal.
func TestSealer_exactlyTheOldest(t *testing.T) {
	for _, failures := range []int{0, 2} {
		t.Run(fmt.Sprint("failures ", failures), func(t *testing.T) {
			rng := seeded(t)
			seed := rng.Uint64()
			synctest.Test(t, func(t *testing.T) {
				disk := rand.New(rand.NewPCG(seed, 1)) // the sealer's
				var sound atomic.Bool
				f := newFake(t)
				f.onSeal = func() error {
					if !sound.Load() && disk.IntN(3) < failures {
						return errDisk
					}
					return nil
				}
				cfg := testConfig("climate")
				cfg.MaxReadings, cfg.MaxBytes = 400, 1<<10
				r := start(t, f, Config{QueueBytes: 300 * readingBytes}, synced, cfg)
				for i := range 40 {
					b := r.noise(rng, 1+rng.IntN(900))
					b.Readings[0].Series = r.series(fmt.Sprint("new", i/3), b.Readings[0].Series.Type) // seals that fail define series
					if err := r.add(b); err != nil {
						t.Error(err)
					}
					for range rng.IntN(4) {
						r.pipe.Offer(r.noise(rng, 1+rng.IntN(200)), nil)
					}
					<-time.After(time.Duration(rng.IntN(3000)) * time.Millisecond)
				}
				sound.Store(true)
				s := r.finish()
				sealed := uint64(0)
				for _, l := range f.tails["climate"].lost {
					sealed += l.Count
				}
				if sealed != s.Lost {
					t.Errorf("%d lost, %d sealed as losses", s.Lost, sealed)
				}
				for _, seal := range f.seals {
					for _, b := range seal.blocks {
						if len(b.Payload) > cfg.MaxBytes || b.Count > uint32(cfg.MaxReadings) {
							t.Errorf("a block has %d readings and %d bytes", b.Count, len(b.Payload))
						}
					}
				}
			})
		})
	}
}

// Strings that no payload can hold together are cut, not refused for ever.
func TestSealer_longStrings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		r := start(t, f, Config{}, synced)
		s := r.series("text", sensors.String)
		b := sensors.Batch{Source: "line", Collection: "climate"}
		for i := range 200 {
			b.Readings = append(b.Readings, sensors.Reading{Series: s, Time: testStart + int64(i), Str: strings.Repeat(fmt.Sprint(1000+i), 16<<10)})
		}
		if err := r.add(b); err != nil {
			t.Error(err)
		}
		if s := r.finish(); s.Stored != 200 {
			t.Errorf("stats %+v, want 200 stored", s)
		}
	})
}

// Losses of any number of hours and sources fit into a seal, with exact counts.
func TestSealer_manyLosses(t *testing.T) {
	for name, source := range map[string]func(i int) string{
		"hours":   func(int) string { return "line" },
		"sources": func(i int) string { return fmt.Sprint(strings.Repeat("x", 200), i) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				r := start(t, f, Config{}, synced)
				for i := range 20_000 {
					l := sensors.Loss{
						Collection: "climate", Source: source(i), First: int64(i) * int64(time.Hour), Last: int64(i)*int64(time.Hour) + 5,
						Count: uint64(i), Reason: sensors.LostQueueFull,
					}
					if err := f.Append(nil, []sensors.Loss{l}); err != nil {
						t.Fatal(err)
					}
				}
				if s := r.finish(); s.Failing != nil {
					t.Errorf("stats %+v", s)
				}
				sum, first, last := uint64(0), int64(math.MaxInt64), int64(0)
				for _, l := range f.tails["climate"].lost {
					sum += l.Count
					first, last = min(first, l.First), max(last, l.Last)
				}
				if sum != 20_000*19_999/2 || first != 0 || last != 19_999*int64(time.Hour)+5 {
					t.Errorf("%d lost from %d to %d", sum, first, last)
				}
			})
		})
	}
}

func TestLossSums_bounded(t *testing.T) {
	s := lossSums{}
	for i := range 100_000 {
		at := int64(i) * int64(time.Hour)
		s.add(&sensors.Batch{Collection: "climate", Source: fmt.Sprint(i % 3), Readings: []sensors.Reading{{Time: at}, {Time: at + 1}}})
	}
	sum := uint64(0)
	for _, l := range s {
		sum += l.Count
	}
	if len(s) > maxLossHours+3 || sum != 200_000 {
		t.Errorf("%d entries of %d readings, want at most %d of 200,000", len(s), sum, maxLossHours+3)
	}
}

// Many collections that have little each do not stop the committer until their delays end.
func TestSealer_pressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		f := newFake(t)
		var collections []CollectionConfig
		for i := range 20 {
			collections = append(collections, testConfig(fmt.Sprint("c", i)))
		}
		r := start(t, f, Config{MaxUnsealed: 5000}, synced, collections...)
		for i := range 200 {
			b := r.batch(100)
			b.Collection = fmt.Sprint("c", i%20)
			if err := r.add(b); err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("the committer waited for %v", d)
		}
		if s := r.finish(); s.Stored != 20_000 {
			t.Errorf("stats %+v", s)
		}
	})
}

// While seals fail the journal goes on taking readings until MaxUnsealed, then Add waits and Offer drops.
func TestSealer_failsForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var sound atomic.Bool
		var tries atomic.Int32
		f.onSeal = func() error {
			tries.Add(1)
			if sound.Load() {
				return nil
			}
			return errDisk
		}
		cfg := testConfig("climate")
		cfg.MaxReadings = 100
		r := start(t, f, Config{MaxUnsealed: 1000, QueueBytes: 5 * batchOf100}, synced, cfg)
		for range 15 {
			if err := r.pipe.Add(context.Background(), r.batch(100), func(error) {}); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		if n, _, _ := f.Unsealed("climate"); n != 1100 {
			t.Errorf("%d readings are journalled, want 1,100", n)
		}
		if s := r.pipe.Stats(); s.Failing == nil {
			t.Error("not said to be failing")
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			for range 5 {
				if err := r.add(r.batch(100)); err != nil {
					t.Error(err)
				}
			}
		})
		<-time.After(20 * time.Second)
		if n := tries.Load(); n > 60 {
			t.Errorf("%d tries in 20 s: they must wait", n)
		}
		sound.Store(true)
		wg.Wait()
		if s := r.finish(); s.Stored != 2000 || s.Failing != nil {
			t.Errorf("stats %+v", s)
		}
	})
}

// A failing seal is not tried again with each group that is journalled meanwhile.
func TestSealer_waitsBetweenTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var sound atomic.Bool
		var tries atomic.Int32
		f.onSeal = func() error {
			if sound.Load() {
				return nil
			}
			tries.Add(1)
			return errDisk
		}
		cfg := testConfig("climate")
		cfg.MaxReadings = 10
		r := start(t, f, Config{}, synced, cfg)
		for range 100 {
			if err := r.add(r.batch(10)); err != nil {
				t.Error(err)
			}
			<-time.After(50 * time.Millisecond)
		}
		if n := tries.Load(); n < 5 || n > 6 {
			t.Errorf("%d tries in 5 s, want one a second", n)
		}
		sound.Store(true)
		r.finish()
	})
}

// Strings that wait for blocks are bounded in bytes, too.
func TestSealer_boundsText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var sound atomic.Bool
		f.onSeal = func() error {
			if sound.Load() {
				return nil
			}
			return errDisk
		}
		r := start(t, f, Config{}, synced)
		text := strings.Repeat("x", columns.MaxString)
		b := sensors.Batch{Source: "line", Collection: "climate"}
		for range (4 << 20) / len(text) {
			b.Readings = append(b.Readings, sensors.Reading{Series: r.series("text", sensors.String), Time: testStart, Str: text})
		}
		const batches = 8
		for range batches {
			go func() {
				if err := r.add(b); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		_, _, unsealed := f.Unsealed("climate")
		if unsealed <= maxUnsealedText || unsealed > maxUnsealedText+4<<20 {
			t.Errorf("%d bytes of strings are in no block, want one batch more than %d", unsealed, maxUnsealedText)
		}
		sound.Store(true)
		<-time.After(2 * time.Second)
		if s := r.finish(); s.Stored != batches*uint64(len(b.Readings)) {
			t.Errorf("stats %+v, want all stored", s)
		}
	})
}

// The hybrid clock never goes back: not when the clock does, nor over a restart, nor while unsynced.
func TestCollection_hybridClock(t *testing.T) {
	times := []struct {
		now    time.Time
		synced bool
	}{
		{time.UnixMilli(5000), true},
		{time.UnixMilli(4000), true},
		{time.UnixMilli(9000), false},
		{time.UnixMilli(6000), true},
		{time.UnixMilli(-5), true},
	}
	c, err := NewCollection(testConfig("climate"), testKey(), Resume{Hybrid: 4999 << 16}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []uint64
	for _, at := range times {
		c.tick(instant{now: at.now, synced: at.synced})
		got = append(got, c.hybrid)
	}
	want := []uint64{5000 << 16, 5000<<16 + 1, 5000<<16 + 2, 6000 << 16, 6000<<16 + 1}
	if !slices.Equal(got, want) {
		t.Errorf("hybrid clock %x, want %x", got, want)
	}
}

// Another precision opens new feeds.
func TestNewCollection_precision(t *testing.T) {
	cfg := testConfig("climate")
	data, meta := openFeeds(t, cfg)
	for precision, keeps := range map[string]bool{"ms": true, "us": false, "ns": false} {
		cfg.Precision = precision
		c, err := NewCollection(cfg, testKey(), Resume{Data: data, Meta: meta, Hybrid: 77, Readings: 5}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if (c.data == data) != keeps || c.hybrid != 77 || (c.sealed == 5) != keeps {
			t.Errorf("%s: feeds resumed: %v, want %v", precision, c.data == data, keeps)
		}
	}
	cfg.Kind = "pictures"
	if _, err := NewCollection(cfg, testKey(), Resume{}, nil); err == nil {
		t.Error("a collection of an unknown kind was made")
	}
}

func openFeeds(t *testing.T, cfg CollectionConfig) (data, meta *crdt.Feed) {
	t.Helper()
	c, err := NewCollection(cfg, testKey(), Resume{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.open(crdt.Clock{}); err != nil {
		t.Fatal(err)
	}
	return c.data, c.meta
}

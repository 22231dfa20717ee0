package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// gate lets Appends through one by one.
type gate struct {
	entered chan int // batches of the group
	open    chan error
}

func newGate(f *fakeStore) *gate {
	g := &gate{entered: make(chan int), open: make(chan error)}
	f.onAppend = func(b []sensors.Batch) error {
		g.entered <- len(b)
		return <-g.open
	}
	return g
}

const batchOf100 = entryBytes + 100*readingBytes // memory

// All that arrives during a sync goes into one next group, and nobody is told before the sync of its own group.
func TestPipeline_groupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		g := newGate(f)
		r := start(t, f, Config{}, synced)
		told := 0
		done := func(err error) {
			if err != nil {
				t.Error(err)
			}
			told++
		}
		expect := func(batches, tell int) {
			t.Helper()
			synctest.Wait()
			if n := <-g.entered; n != batches {
				t.Errorf("a group has %d batches, want %d", n, batches)
			}
			if told != tell {
				t.Errorf("%d were told, want %d", told, tell)
			}
		}
		add := func() {
			if err := r.pipe.Add(context.Background(), r.batch(1), done); err != nil {
				t.Error(err)
			}
		}
		add()
		expect(1, 0)
		for range 50 {
			add()
		}
		for range 7 {
			r.pipe.Offer(r.batch(1), done)
		}
		g.open <- nil
		expect(57, 1)
		g.open <- nil
		synctest.Wait()
		if told != 58 {
			t.Errorf("%d were told, want 58", told)
		}
		if s := r.finish(); s.Groups != 2 || s.Stored != 58 {
			t.Errorf("stats %+v, want 2 groups with 58 readings", s)
		}
	})
}

// A storage failure acknowledges nothing: who waits is told, what cannot wait is kept and stored later.
func TestPipeline_storageFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var failing atomic.Bool
		failing.Store(true)
		f.onAppend = func([]sensors.Batch) error {
			if failing.Load() {
				return errDisk
			}
			return nil
		}
		r := start(t, f, Config{}, synced)
		kept := make(chan error, 1)
		r.pipe.Offer(r.batch(10), func(err error) { kept <- err })
		synctest.Wait()
		if err := r.add(r.batch(5)); !errors.Is(err, errDisk) {
			t.Errorf("who waits was told %v, want the disk's error", err)
		}
		s := r.pipe.Stats()
		checkSums(t, s)
		if s.Refused != 5 || s.Queued != 10 || s.Stored != 0 || !errors.Is(s.Failing, errDisk) {
			t.Errorf("stats %+v, want 5 refused, 10 queued, failing", s)
		}
		failing.Store(false)
		if err := <-kept; err != nil {
			t.Errorf("what cannot wait was told %v", err)
		}
		if s := r.pipe.Stats(); s.Failing != nil {
			t.Errorf("still failing: %v", s.Failing)
		}
		if s := r.finish(); s.Stored != 10 || s.Lost != 0 {
			t.Errorf("stats %+v, want 10 stored", s)
		}
	})
}

// When storage fails for long, offered batches are dropped as from any full queue, and counted once.
func TestPipeline_storageFailsForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var failing atomic.Bool
		failing.Store(true)
		f.onAppend = func([]sensors.Batch) error {
			if failing.Load() {
				return errDisk
			}
			return nil
		}
		r := start(t, f, Config{QueueBytes: 3 * batchOf100}, synced)
		for range 100 {
			r.pipe.Offer(r.batch(100), nil)
			<-time.After(500 * time.Millisecond)
			checkSums(t, r.pipe.Stats())
		}
		failing.Store(false)
		<-time.After(10 * time.Second)
		s := r.finish()
		lost := uint64(0)
		for _, l := range f.losses {
			lost += l.Count
		}
		if s.Stored+s.Lost != 10_000 || s.Lost != lost || s.Lost == 0 {
			t.Errorf("stats %+v, %d lost journalled, want 10,000 stored or lost", s, lost)
		}
	})
}

// At the end nobody is left without an answer, also when the journal does not take the last group.
func TestPipeline_lastGroupFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.onAppend = func([]sensors.Batch) error { return errDisk }
		r := start(t, f, Config{Hold: true}, synced)
		told := map[string]error{}
		r.pipe.Offer(r.batch(3), func(err error) { told["offered"] = err })
		if err := r.pipe.Add(context.Background(), r.batch(4), func(err error) { told["added"] = err }); err != nil {
			t.Error(err)
		}
		_ = r.stop()
		if !errors.Is(told["offered"], errDisk) || !errors.Is(told["added"], errDisk) {
			t.Errorf("told %v, want the disk's error", told)
		}
		s := r.pipe.Stats()
		checkSums(t, s)
		if s.Refused != 7 || s.Queued != 0 {
			t.Errorf("stats %+v, want 7 refused", s)
		}
		// And later ones are refused.
		if err := r.pipe.Add(context.Background(), r.batch(1), nil); !errors.Is(err, errStopped) {
			t.Errorf("added after the end: %v, want errStopped", err)
		}
		r.pipe.Offer(r.batch(1), func(err error) { told["late"] = err })
		if !errors.Is(told["late"], sensors.ErrDropped) {
			t.Errorf("offered after the end: told %v, want ErrDropped", told["late"])
		}
		checkSums(t, r.pipe.Stats())
	})
}

// Sums are exact at every moment, whatever happens, and losses are journalled with the same count.
func TestPipeline_sumsUnderLoad(t *testing.T) {
	rng := seeded(t)
	f := newFake(t)
	var appends, seals int // of the committer, of the sealer
	f.onAppend = func([]sensors.Batch) error {
		if appends++; appends%7 == 3 {
			return errDisk
		}
		return nil
	}
	f.onSeal = func() error {
		if seals++; seals%50 == 2 {
			return errDisk
		}
		return nil
	}
	dedup := testConfig("climate")
	dedup.MaxReadings = 100
	r := start(t, f, Config{QueueBytes: 50_000, MaxUnsealed: 5000}, synced, dedup)
	sink := NewFilter(r.pipe, FilterConfig{DedupWindow: time.Hour})
	ctx, cancel := context.WithCancel(context.Background())
	var producers, sampler sync.WaitGroup
	sampler.Go(func() {
		for ctx.Err() == nil {
			checkSums(t, r.pipe.Stats())
		}
	})
	for p := range 8 {
		seed := rng.Uint64()
		producers.Go(func() {
			for i := range 300 {
				b := r.batch(1 + int(seed>>(i%48))&63)
				b.Source = fmt.Sprint("source", p)
				switch p % 4 {
				case 0:
					short, end := context.WithTimeout(ctx, time.Duration(i%5)*time.Millisecond)
					_ = r.pipe.Add(short, b, func(error) {})
					end()
				case 1:
					_ = sink.Add(ctx, b, func(error) {})
				default:
					r.pipe.Offer(b, nil)
				}
			}
		})
	}
	producers.Wait()
	for r.pipe.Stats().Queued > 0 {
		<-time.After(time.Millisecond)
	}
	cancel()
	sampler.Wait()
	s := r.finish()
	lost := uint64(0)
	for _, l := range f.losses {
		lost += l.Count
	}
	sealed := uint64(0)
	for _, n := range lostBySource(f.tails["climate"].lost) {
		sealed += n
	}
	if lost != s.Lost || sealed != s.Lost {
		t.Errorf("%d lost, %d journalled, %d sealed", s.Lost, lost, sealed)
	}
	t.Logf("%+v", s)
}

package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// All that arrives during a sync goes into one next group.
func TestPipeline_groupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		g := newGate(f)
		r := start(t, f, Config{}, synced)
		var wg sync.WaitGroup
		send := func() {
			if err := r.add(r.batch(1)); err != nil {
				t.Error(err)
			}
		}
		wg.Go(send)
		if n := <-g.entered; n != 1 {
			t.Errorf("the first group has %d batches, want 1", n)
		}
		for range 50 {
			wg.Go(send)
		}
		for range 7 {
			r.pipe.Offer(r.batch(1), nil)
		}
		synctest.Wait() // all are in the queue
		g.open <- nil
		if n := <-g.entered; n != 57 {
			t.Errorf("the second group has %d batches, want 57", n)
		}
		g.open <- nil
		wg.Wait()
		if s := r.finish(); s.Groups != 2 || s.Stored != 58 {
			t.Errorf("stats %+v, want 2 groups with 58 readings", s)
		}
	})
}

// With durability "interval" what cannot wait is held; an acknowledgement is waited for a second.
func TestPipeline_holds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var commits []string
		f := newFake(t)
		f.onAppend = func(b []sensors.Batch) error {
			commits = append(commits, fmt.Sprint(time.Since(began), " ", len(b)))
			return nil
		}
		r := start(t, f, Config{Hold: true, Interval: 10 * time.Second, AckMaxWait: time.Second, QueueBytes: 20_000 * readingBytes}, synced)
		r.pipe.Offer(r.batch(1), nil) // committed after 10 s, with the next
		<-time.After(4 * time.Second)
		r.pipe.Offer(r.batch(1), nil)
		<-time.After(7 * time.Second) // 11 s
		r.pipe.Offer(r.batch(1), nil) // committed with the next
		<-time.After(2 * time.Second) // 13 s
		if err := r.add(r.batch(1)); err != nil {
			t.Error(err)
		}
		if since := time.Since(began); since != 14*time.Second {
			t.Errorf("the acknowledgement came after %v, want 14s", since)
		}
		for range 17 { // more than three quarters of the queue: at once
			r.pipe.Offer(r.batch(1000), nil)
		}
		synctest.Wait()
		r.pipe.Offer(r.batch(1), nil)
		<-time.After(time.Second) // 15 s
		s := r.finish()           // commits at once what is left
		want := []string{"10s 2", "14s 2", "14s 10", "15s 3"}
		if strings.Join(commits[:2], ",") != strings.Join(want[:2], ",") || !strings.HasPrefix(commits[2], "14s") || !strings.HasPrefix(commits[len(commits)-1], "15s") {
			t.Errorf("commits %v, want about %v", commits, want)
		}
		if s.Stored != 17_005 {
			t.Errorf("stats %+v, want 17,005 readings", s)
		}
	})
}

func TestPipeline_addWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		g := newGate(f)
		r := start(t, f, Config{QueueBytes: 3*(entryBytes+50*readingBytes) + 10}, synced)
		var added, acked atomic.Int64
		add := func() {
			err := r.pipe.Add(context.Background(), r.batch(50), func(err error) {
				if err != nil {
					t.Error(err)
				}
				acked.Add(1)
			})
			if err != nil {
				t.Error(err)
			}
			added.Add(1)
		}
		var wg sync.WaitGroup
		wg.Go(add)
		<-g.entered // the first is being committed
		for range 10 {
			wg.Go(add)
		}
		synctest.Wait()
		if n := added.Load(); n != 4 {
			t.Errorf("%d batches were taken, want 1 under way and 3 waiting", n)
		}
		if waiting, _ := r.pipe.QueueStats(); waiting.Length > waiting.Capacity || waiting.Length < waiting.Capacity/2 {
			t.Errorf("queue %+v", waiting)
		}
		ctx, cancel := context.WithCancel(context.Background())
		gaveUp := make(chan error)
		go func() {
			gaveUp <- r.pipe.Add(ctx, r.batch(50), func(error) { t.Error("done of a batch that was not taken") })
		}()
		synctest.Wait()
		cancel()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
		go func() {
			for range g.entered {
			}
		}()
		for range 5 {
			g.open <- nil
			synctest.Wait()
			if acked.Load() == 11 {
				break
			}
		}
		wg.Wait()
		f.onAppend = nil
		if s := r.finish(); s.Stored != 11*50 || s.Decoded != 11*50 {
			t.Errorf("stats %+v, want 550 readings", s)
		}
		close(g.entered)
	})
}

// A batch larger than the whole queue is taken when the queue is empty; one larger than the journal never.
func TestPipeline_hugeBatches(t *testing.T) {
	r := start(t, newFake(t), Config{QueueBytes: 1000}, synced)
	if err := r.add(r.batch(5000)); err != nil {
		t.Error(err)
	}
	told := make(chan error, 1)
	r.pipe.Offer(r.batch(3000), func(err error) { told <- err })
	if err := <-told; err != nil {
		t.Error(err)
	}
	if err := r.add(r.batch(maxBatchBytes / readingBytes)); err == nil {
		t.Error("a batch that is too large was taken")
	}
	bad := r.batch(1)
	bad.Readings[0].Series = r.series("text", sensors.String)
	bad.Readings[0].Str = strings.Repeat("x", 64<<10+1)
	if err := r.add(bad); err == nil {
		t.Error("a string that no block can hold was taken")
	}
	r.pipe.Offer(bad, func(err error) { told <- err })
	if err := <-told; err == nil {
		t.Error("a string that no block can hold was taken")
	}
	r.pipe.Offer(sensors.Batch{Collection: "climate", Readings: make([]sensors.Reading, 1)}, func(err error) { told <- err })
	if err := <-told; err == nil {
		t.Error("a reading without series was taken")
	}
	if err := r.add(sensors.Batch{Collection: "none"}); err == nil {
		t.Error("a batch for an unknown collection was taken")
	}
	r.pipe.Offer(sensors.Batch{Collection: "none"}, func(err error) { told <- err })
	if err := <-told; err == nil {
		t.Error("a batch for an unknown collection was taken")
	}
	if s := r.finish(); s.Stored != 8000 || s.Refused != 2 {
		t.Errorf("stats %+v, want 8,000 stored and 2 refused", s)
	}
}

// When the offered queue is full the oldest goes, is counted, told, journalled, and sealed as a loss.
func TestPipeline_dropsOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		g := newGate(f)
		r := start(t, f, Config{QueueBytes: 3*batchOf100 + 10}, synced)
		r.pipe.Offer(r.batch(1), nil)
		<-g.entered // busy
		told := map[int]error{}
		for i := range 20 {
			b := r.batch(100)
			b.Source = []string{"line", "other"}[i%2]
			r.pipe.Offer(b, func(err error) { told[i] = err })
		}
		if len(told) != 17 || !errors.Is(told[0], sensors.ErrDropped) || !errors.Is(told[16], sensors.ErrDropped) {
			t.Errorf("told %v, want the 17 oldest dropped", told)
		}
		checkSums(t, r.pipe.Stats())
		if _, offered := r.pipe.QueueStats(); offered.Dropped != 17 || offered.Length > offered.Capacity {
			t.Errorf("queue %+v, want 17 dropped", offered)
		}
		g.open <- nil
		if n := <-g.entered; n != 3 {
			t.Errorf("the next group has %d batches, want the 3 newest", n)
		}
		f.onAppend = nil
		g.open <- nil
		s := r.finish()
		if s.Lost != 1700 || s.Stored != 301 {
			t.Errorf("stats %+v, want 1,700 lost and 301 stored", s)
		}
		journalled := map[string]uint64{}
		for _, l := range f.losses {
			journalled[l.Source] += l.Count
			if l.First != testStart || l.Last != testStart+99e6 || l.Reason != sensors.LostQueueFull {
				t.Errorf("journalled loss %+v", l)
			}
		}
		sealed := lostBySource(f.tails["climate"].lost)
		for source, want := range map[string]uint64{"line": 900, "other": 800} {
			if journalled[source] != want || sealed[source] != want {
				t.Errorf("%s: %d losses journalled, %d sealed, want %d", source, journalled[source], sealed[source], want)
			}
		}
		if c := f.tails["climate"].counters; c == nil || c.Lost != 1700 {
			t.Errorf("counters %+v, want 1,700 lost", c)
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
	sink := NewDedup(r.pipe, time.Hour)
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

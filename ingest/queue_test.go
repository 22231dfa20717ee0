package ingest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/skerry-edge/skerry/sensors"
)

// The committer ranges over a group's losses while sources go on dropping: the group's must be its own.
func TestQueue_dropsBehindATakenGroup(t *testing.T) {
	s := &sensors.Series{Name: "n", Type: sensors.Int}
	one := func() entry {
		return entry{batch: sensors.Batch{Source: "line", Collection: "climate", Readings: []sensors.Reading{{Series: s, Time: 1}}}}
	}
	q := newQueue(entryBytes + readingBytes) // room for one batch
	q.offer(one())
	g := q.take()
	q.offer(one())
	q.offer(one()) // drops the one before
	if len(g.losses) != 0 {
		t.Errorf("a group that was taken before has losses: %v", g.losses)
	}
	q.failed(g) // its batch does not fit either
	total := uint64(0)
	for _, l := range q.take().losses {
		total += l.Count
	}
	if total != 2 || total != q.count().lost {
		t.Errorf("losses of %d readings, %d counted; want 2", total, q.count().lost)
	}
}

// Add waits while its queue is full, until its context ends.
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

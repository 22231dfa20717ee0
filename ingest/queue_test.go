package ingest

import (
	"testing"
	"testing/synctest"
	"time"

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

// What was held and could not be stored is tried again soon, not held once more.
func TestPipeline_heldGroupFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		f := newFake(t)
		fails := true
		f.onAppend = func([]sensors.Batch) error {
			if fails {
				fails = false
				return errDisk
			}
			return nil
		}
		r := start(t, f, Config{Hold: true, Interval: 10 * time.Second}, synced)
		told := make(chan error, 1)
		r.pipe.Offer(r.batch(1), func(err error) { told <- err })
		if err := <-told; err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d != 10*time.Second+retryFirst {
			t.Errorf("stored after %v, want 10 s and the first retry's wait", d)
		}
		r.finish()
	})
}

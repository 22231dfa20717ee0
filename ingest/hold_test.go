package ingest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
)

// With durability "interval" what cannot wait is held for the interval, unless an acknowledgement is waited for or
// more than three quarters of the queue are full; the end waits for nothing.
func TestPipeline_holds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		type group struct {
			at      time.Duration
			batches int
		}
		var got []group
		f := newFake(t)
		f.onAppend = func(b []sensors.Batch) error {
			got = append(got, group{time.Since(began), len(b)})
			return nil
		}
		r := start(t, f, Config{Hold: true, Interval: 10 * time.Second, AckMaxWait: time.Second, QueueBytes: 8 * batchOf100}, synced)
		offer := func(n int) {
			for range n {
				r.pipe.Offer(r.batch(100), nil)
			}
			synctest.Wait()
		}
		until := func(at time.Duration) { <-time.After(at - time.Since(began)) }
		offer(1)
		until(4 * time.Second)
		offer(1) // both are committed at 10 s
		until(11 * time.Second)
		offer(1)
		until(13 * time.Second)
		if err := r.add(r.batch(100)); err != nil { // at 14 s, with the one before
			t.Error(err)
		}
		offer(6) // three quarters: still held
		until(15 * time.Second)
		offer(1) // all 7 at once
		until(16 * time.Second)
		add := func() {
			if err := r.pipe.Add(context.Background(), r.batch(100), nil); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		for range 7 {
			add()
		}
		offer(1)
		until(17 * time.Second)
		if s := r.finish(); s.Stored != 1900 {
			t.Errorf("stats %+v, want 1,900 readings", s)
		}
		want := []group{{10 * time.Second, 2}, {14 * time.Second, 2}, {15 * time.Second, 7}, {16 * time.Second, 7}, {17 * time.Second, 1}}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(group{})); diff != "" {
			t.Errorf("groups: -want +got\n%s", diff)
		}
	})
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

package ingest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// A reading whose commit failed is no repeat when it comes again.
func TestDedup_afterAFailedCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		fails := true
		f.onAppend = func([]sensors.Batch) error {
			if fails {
				return errDisk
			}
			return nil
		}
		r := start(t, f, Config{}, synced)
		d := NewFilter(r.pipe, FilterConfig{DedupWindow: time.Minute})
		for i, c := range []struct {
			readings int
			err      error
		}{{3, errDisk}, {3, nil}, {4, nil}} { // the last: three repeats, one new
			told := make(chan error, 1)
			if err := d.Add(context.Background(), r.batch(c.readings), func(err error) { told <- err }); err != nil {
				t.Fatal(err)
			}
			if err := <-told; !errors.Is(err, c.err) {
				t.Errorf("batch %d was told %v, want %v", i, err, c.err)
			}
			synctest.Wait() // the committer waits to try again
			fails = false
		}
		if s := r.finish(); s.Stored != 4 || s.Filtered != 3 || s.Refused != 3 {
			t.Errorf("stats %+v, want 4 stored, 3 filtered, 3 refused", s)
		}
	})
}

// A repeat counts for the window, not longer, and a value that differs is no repeat.
func TestDedup_window(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newFake(t), Config{}, synced)
		d := NewFilter(r.pipe, FilterConfig{DedupWindow: time.Minute})
		send := func(b sensors.Batch) (kept uint64) {
			before := r.pipe.Stats().Stored
			done := make(chan error, 1)
			if err := d.Add(context.Background(), b, func(err error) { done <- err }); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			return r.pipe.Stats().Stored - before
		}
		for i, step := range []struct {
			after time.Duration
			want  uint64
		}{{0, 10}, {0, 0}, {59 * time.Second, 0}, {2 * time.Second, 10}, {50 * time.Second, 0}, {5 * time.Minute, 10}} {
			<-time.After(step.after)
			if kept := send(r.batch(10)); kept != step.want {
				t.Errorf("step %d: %d readings kept, want %d", i, kept, step.want)
			}
		}
		other := r.batch(10)
		for i := range other.Readings {
			other.Readings[i].Num++
		}
		if kept := send(other); kept != 10 {
			t.Errorf("%d of 10 readings with other values kept", kept)
		}
		twice := r.batch(20)
		twice.Readings = append(twice.Readings, twice.Readings[10:]...)
		if kept := send(twice); kept != 30 { // none of it is durable with these values any more
			t.Errorf("%d readings kept, want 30: none of them was durable before", kept)
		}
		r.finish()
	})
}

// What dedup remembers is bounded.
func TestDedup_bounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newFake(t), Config{}, synced)
		d := NewFilter(r.pipe, FilterConfig{DedupWindow: time.Hour})
		for i := range 200 {
			b := r.batch(1000)
			for k := range b.Readings {
				b.Readings[k].Time += int64(i) * 1e9
			}
			d.Offer(b, nil)
			synctest.Wait()
		}
		if n := len(d.current) + len(d.before); n > 2*maxRemembered+2000 || n < maxRemembered {
			t.Errorf("%d readings are remembered", n)
		}
		r.finish()
	})
}

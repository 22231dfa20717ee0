package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/skerry-edge/skerry/sensors"
)

// Readings that were acknowledged before a query began are seen by it, each exactly once, whatever is
// appended and sealed meanwhile; a watcher sees each exactly once, too.
func TestConcurrent(t *testing.T) {
	groups := 400
	if testing.Short() {
		groups = 100
	}
	r := newRig(t)
	rng := seeded(t)
	s := r.series("n", sensors.Int)
	var acked atomic.Int64 // readings 0 to acked-1
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var readers, sealer, watcher sync.WaitGroup

	watched := r.db.Watch(context.Background(), Query{Collection: "climate"})
	watcher.Go(func() {
		next := int64(0)
		for row, err := range watched {
			if err != nil {
				t.Error(err)
				return
			}
			if row.Int() != next {
				t.Errorf("the watcher sees %d, want %d", row.Int(), next)
				return
			}
			next++
		}
		if n := acked.Load(); next != n {
			t.Errorf("the watcher saw %d readings of %d", next, n)
		}
	})
	sealer.Go(func() {
		for ctx.Err() == nil {
			if n, _, _ := r.db.Unsealed("climate"); n > 0 {
				r.seal("climate", 1+n/2, 37)
			}
		}
	})
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if err := seesAll(r.db, acked.Load()); err != nil {
					t.Error(err)
					return
				}
				r.db.Collections()
			}
		})
	}
	for range groups {
		var rs []sensors.Reading
		from := acked.Load()
		for i := range 1 + rng.Int64N(50) {
			rs = append(rs, sensors.Reading{Series: s, Time: testStart + (from+i)*1e6, Num: uint64(from + i)})
		}
		r.append("climate", rs...)
		acked.Add(int64(len(rs)))
	}
	stop()
	readers.Wait()
	sealer.Wait()
	r.db.watchers.close() // as Close does: the watcher takes what waits, then ends
	watcher.Wait()
	if err := seesAll(r.db, acked.Load()); err != nil {
		t.Error(err)
	}
	r.verify()
}

// seesAll expects readings 0 to at least n-1, each once.
func seesAll(db *DB, n int64) error {
	_, seq, err := db.Query(context.Background(), Query{Collection: "climate"})
	if errors.Is(err, ErrNoCollection) && n == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	next := int64(0)
	for row, err := range seq {
		if err != nil {
			return err
		}
		if row.Int() != next {
			return fmt.Errorf("a query sees %d, want %d", row.Int(), next)
		}
		next++
	}
	if next < n {
		return fmt.Errorf("a query sees %d readings, %d were acknowledged before", next, n)
	}
	return nil
}

func TestWatch_slowReader(t *testing.T) {
	for name, size := range map[string]int{"many groups": 1, "many readings": 5000} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			s := r.series("n", sensors.Int)
			slow := r.db.Watch(context.Background(), Query{Collection: "climate"})
			other := r.db.Watch(context.Background(), Query{Collection: "power"})
			sent := 0
			for sent < watchReadings+2*size && sent/size < watchQueue+10 {
				rs := make([]sensors.Reading, size)
				for i := range rs {
					rs[i] = sensors.Reading{Series: s, Time: testStart + int64(sent), Num: uint64(sent)}
					sent++
				}
				if err := r.db.Append([]sensors.Batch{{Collection: "climate", Readings: rs}}, nil); err != nil {
					t.Fatal(err)
				}
			}
			got := 0
			var last error
			for row, err := range slow {
				if last = err; err != nil {
					continue
				}
				if row.Num != uint64(got) {
					t.Fatalf("got reading %d, want %d", row.Num, got)
				}
				got++
			}
			if !errors.Is(last, ErrSlowReader) || got == 0 || got >= sent {
				t.Errorf("got %d of %d readings, then %v, want some and ErrSlowReader", got, sent, last)
			}
			r.db.watchers.close()
			for range other {
				t.Error("a watcher of another collection got something")
			}
		})
	}
}

func TestWatch_oneLargeGroupIsNotSlow(t *testing.T) {
	r := newRig(t)
	s := r.series("n", sensors.Int)
	seq := r.db.Watch(context.Background(), Query{Collection: "climate"})
	rs := make([]sensors.Reading, watchReadings+10_000)
	for i := range rs {
		rs[i] = sensors.Reading{Series: s, Time: testStart + int64(i), Num: uint64(i)}
	}
	n := len(rs)
	if err := r.db.Append([]sensors.Batch{{Collection: "climate", Readings: rs}}, nil); err != nil {
		t.Fatal(err)
	}
	r.db.watchers.close()
	got := 0
	for _, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		got++
	}
	if got != n {
		t.Errorf("got %d readings of %d", got, n)
	}
}

func TestWatch_ends(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(context.Background())
	seq := r.db.Watch(ctx, Query{Collection: "climate"})
	cancel()
	for row, err := range seq {
		t.Errorf("got %v, %v after the end", row, err)
	}
	if n := len(r.db.watchers.all); n != 0 {
		t.Errorf("%d watchers are left", n)
	}
	r.db.watchers.close()
	for range r.db.Watch(context.Background(), Query{Collection: "climate"}) {
		t.Error("got a row of a closed store")
	}
}

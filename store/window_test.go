package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/skerry-edge/skerry/sensors"
)

func (r *rig) checkAllWays(collection string, from, to int64) {
	r.t.Helper()
	for _, newest := range []bool{false, true} {
		r.check(Query{Collection: collection, Newest: newest})
		r.check(Query{Collection: collection, Newest: newest, From: from, To: to})
		r.check(Query{Collection: collection, Newest: newest, From: from, To: to, Limit: 10})
		r.check(Query{Collection: collection, Newest: newest, Limit: 100})
	}
}

func TestQuery_manyTinyBlocks(t *testing.T) {
	r := newRig(t)
	rng := seeded(t)
	s := r.series("temp", sensors.Float)
	for part := range 30 {
		var rs []sensors.Reading
		for i := range 100 {
			rs = append(rs, r.float(s, testStart+int64(part*100+i)*60e9+rng.Int64N(1e9), float64(i)))
		}
		r.append("climate", rs...)
	}
	r.perSeal = 20
	r.seal("climate", 2900, 1)
	r.checkAllWays("climate", testStart+1000*60e9, testStart+2000*60e9)
	r.close()
	r.open()
	r.checkAllWays("climate", testStart+1000*60e9, testStart+2000*60e9)
	r.verify()
}

// Blocks whose readings are spread over days overlap all others.
func TestQuery_blocksSpanDays(t *testing.T) {
	r := newRig(t)
	rng := seeded(t)
	s := r.series("temp", sensors.Float)
	for range 60 {
		var rs []sensors.Reading
		for range 200 {
			rs = append(rs, r.float(s, testStart+rng.Int64N(20*bucketNanos), rng.NormFloat64()))
		}
		r.append("climate", rs...)
	}
	r.seal("climate", 11_000, 100)
	r.checkAllWays("climate", testStart+3*bucketNanos, testStart+4*bucketNanos)
	r.verify()
}

// One late reading stretches a block over a day in which it has nothing else: the index promises few
// readings where there are many.
func TestQuery_oneLateReadingABlock(t *testing.T) {
	r := newRig(t)
	s := r.series("temp", sensors.Float)
	n := int64(0)
	for range 300 {
		var rs []sensors.Reading
		for range 999 {
			rs = append(rs, r.float(s, testStart+n*1e6, float64(n)))
			n++
		}
		rs = append(rs, r.float(s, testStart+n*1e6-bucketNanos, -1))
		r.append("climate", rs...)
		r.seal("climate", 1000, 1000)
	}
	_, seq, err := r.db.Query(context.Background(), Query{Collection: "climate"})
	if err != nil {
		t.Fatal(err)
	}
	last, count := int64(math.MinInt64), 0
	for row, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		if row.Time < last {
			t.Fatalf("row %d goes back in time", count)
		}
		last = row.Time
		count++
	}
	if count != 300_000 {
		t.Errorf("%d rows, want 300,000", count)
	}
	for _, newest := range []bool{false, true} {
		s, err := r.db.snapshot(Query{Collection: "climate", To: maxTime, Newest: newest}, false)
		if err != nil {
			t.Fatal(err)
		}
		w := s.walk()
		w.target = 1e9 // whatever the index promises
		most := 0
		for w.lo < w.hi {
			if err := w.next(); err != nil {
				t.Fatal(err)
			}
			most = max(most, len(w.rows))
		}
		s.close()
		if most > mostReadings+1000 {
			t.Errorf("newest %v: a window has %d rows, want at most %d and a block", newest, most, mostReadings)
		}
	}
	r.check(Query{Collection: "climate", Newest: true, Limit: 500})
	r.check(Query{Collection: "climate", From: testStart + 1e9, To: testStart + 3e9})
}

// Every reading has the same time: no window can be cut.
func TestQuery_oneTime(t *testing.T) {
	r := newRig(t)
	var rs []sensors.Reading
	for i := range 5000 {
		rs = append(rs, r.float(r.series(fmt.Sprintf("s%04d", i), sensors.Float), testStart, float64(i)))
	}
	r.append("climate", rs...)
	r.seal("climate", 4000, 500)
	r.checkAllWays("climate", testStart, testStart+1)
	r.check(Query{Collection: "climate", From: testStart + 1})
	r.check(Query{Collection: "climate", To: testStart})
}

// A query of many readings holds few of them.
func TestQuery_memoryIsBounded(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 300_000
	}
	r := newRig(t)
	s := r.series("temp", sensors.Float)
	for at := 0; at < n; at += 10_000 {
		rs := make([]sensors.Reading, 0, 10_000)
		for i := at; i < at+10_000; i++ {
			rs = append(rs, r.float(s, testStart+int64(i)*1e6, float64(i%100)))
		}
		if err := r.db.Append([]sensors.Batch{{Source: "line", Collection: "climate", Readings: rs}}, nil); err != nil {
			t.Fatal(err)
		}
		r.seal("climate", 10_000, 2500)
	}
	for _, newest := range []bool{false, true} {
		_, seq, err := r.db.Query(context.Background(), Query{Collection: "climate", Newest: newest})
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		var before, now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		most := uint64(0)
		for _, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			if count++; count%100_000 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
		}
		if count != n {
			t.Errorf("%d rows, want %d", count, n)
		}
		if extra := int64(most) - int64(before.HeapAlloc); extra > 16<<20 {
			t.Errorf("newest %v: the query holds %d MB, want less than 16", newest, extra>>20)
		}
	}
}

func TestQuery_limitsOfTime(t *testing.T) {
	r := newRig(t)
	s := r.series("temp", sensors.Float)
	r.append("climate", r.float(s, 0, 1), r.float(s, math.MaxInt64-1, 2), r.float(s, testStart, 3))
	r.check(Query{Collection: "climate"})
	r.check(Query{Collection: "climate", Newest: true})
	r.seal("climate", 3, 2)
	r.check(Query{Collection: "climate"})
	r.check(Query{Collection: "climate", Newest: true})
	r.check(Query{Collection: "climate", From: 1})
	r.verify()
}

func TestQuery_unknownCollection(t *testing.T) {
	r := newRig(t)
	if _, _, err := r.db.Query(context.Background(), Query{Collection: "none"}); !errors.Is(err, ErrNoCollection) {
		t.Errorf("got %v, want ErrNoCollection", err)
	}
}

// Rows that nobody reads, and rows read twice, hold nothing and say so.
func TestQuery_release(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 100)
	r.seal("climate", 50, 50)
	ctx, cancel := context.WithCancel(context.Background())
	_, seq, err := r.db.Query(ctx, Query{Collection: "climate"})
	if err != nil {
		t.Fatal(err)
	}
	_, unread, err := r.db.Query(ctx, Query{Collection: "climate"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		count := 0
		for _, err = range seq {
			count++
		}
		if count == 1 {
			break
		}
		if count != 100 {
			t.Errorf("%d rows, want 100", count)
		}
	}
	if !errors.Is(err, errSpent) {
		t.Errorf("read again: got %v, want errSpent", err)
	}
	cancel()
	for _, err = range unread {
		if err == nil {
			t.Fatal("a row after the end of ctx")
		}
	}
	if !errors.Is(err, context.Canceled) && !errors.Is(err, errSpent) {
		t.Errorf("read after the end of ctx: got %v", err)
	}
	// A query stops between windows when ctx ends.
	ctx, cancel = context.WithCancel(context.Background())
	_, seq, err = r.db.Query(ctx, Query{Collection: "climate"})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for _, err = range seq {
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

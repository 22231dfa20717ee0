package store

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/crdt/columns"
	"github.com/skerry-edge/skerry/sensors"
)

// Blocks overlap in time: feeds run side by side, and late data comes in later blocks. To give rows
// in order with bounded memory, a query goes through time in windows: each takes, from every block that
// overlaps it, the readings inside it, sorts them and hands them out. Windows are cut so that, by the
// index, about windowReadings fall into each, the first ones less: a query with a limit may need no more
// than them. A block that overlaps several windows is decoded for each.
const (
	leastWindow    = 250
	firstWindow    = 4_000
	windowReadings = 32_000
	mostReadings   = 4 * windowReadings // then it is cut once more
)

// ref is a block that a query may need.
type ref struct {
	times
	segment segment
	feed    uint32
}

// walk is a query's way through time. With newest it goes backwards: then the window before next is
// taken, else the one from next on.
type walk struct {
	*snapshot
	lo, hi int64 // what is left: lo ≤ time < hi
	refs   []ref // of loaded segments, overlapping what is left
	target float64
	rows   []row   // of the window
	order  []place // of rows, as the query wants
}

// rows yields the rows in order, one window after the other. A row is valid until the next.
func (s *snapshot) rows(ctx context.Context) iter.Seq2[*row, error] {
	return func(yield func(*row, error) bool) {
		w := s.walk()
		for w.lo < w.hi {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			if err := w.next(); err != nil {
				yield(nil, err)
				return
			}
			for _, p := range w.order {
				if !yield(&w.rows[p.at], nil) {
					return
				}
			}
		}
	}
}

// next sets rows and order to those of the next window and goes on behind it.
func (w *walk) next() error {
	from, to, err := w.cut()
	if err != nil {
		return err
	}
	for {
		whole, err := w.read(from, to)
		if err != nil {
			return err
		}
		if whole {
			break
		}
		from, to = w.shrink(from, to)
	}
	if w.q.Newest {
		w.hi = from
	} else {
		w.lo = to
	}
	return nil
}

// shrink makes a window smaller in which more readings lie than the index led to expect: w.rows are
// some of them.
func (w *walk) shrink(from, to int64) (int64, int64) {
	at := w.order[len(w.order)/4].time
	if w.q.Newest {
		return min(max(at, from+1), to-1), to
	}
	return from, min(max(at, from+1), to-1)
}

// walk bounds the query by what there is.
func (s *snapshot) walk() *walk {
	w := &walk{snapshot: s, lo: maxTime, hi: minTime, target: firstWindow}
	if limit := s.q.Limit; limit > 0 && limit < firstWindow/2 {
		w.target = max(leastWindow, 2*float64(limit))
	}
	for _, seg := range s.segments {
		w.lo, w.hi = min(w.lo, seg.First), max(w.hi, afterTime(seg.Last))
	}
	for i := range s.tail {
		w.lo, w.hi = min(w.lo, s.tail[i].Time), max(w.hi, afterTime(s.tail[i].Time))
	}
	w.lo, w.hi = max(w.lo, s.q.From), min(w.hi, s.q.To)
	// Segments are loaded from the back of the slice.
	if s.q.Newest {
		slices.SortFunc(s.segments, func(a, b placedSegment) int { return compareTimes(a.Last, b.Last) })
	} else {
		slices.SortFunc(s.segments, func(a, b placedSegment) int { return compareTimes(b.First, a.First) })
	}
	return w
}

// afterTime returns the end of a window that includes t. The largest time of all is in no window.
func afterTime(t int64) int64 { return min(t, maxTime-1) + 1 }

func compareTimes(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// cut chooses the next window and makes sure that every block that overlaps it is among refs.
func (w *walk) cut() (from, to int64, err error) {
	w.refs = slices.DeleteFunc(w.refs, func(r ref) bool { return r.last < w.lo || r.first >= w.hi })
	for {
		from, to = w.lo, w.hi
		limited := false
		if n := len(w.segments); n > 0 { // nothing of segments that are not loaded may be in the window
			next := w.segments[n-1]
			if w.q.Newest && next.Last >= from {
				from, limited = afterTime(next.Last), true
			} else if !w.q.Newest && next.First < to {
				to, limited = next.First, true
			}
			if from >= to || limited && w.estimate(from, to) < w.target {
				if err := w.load(next); err != nil {
					return 0, 0, err
				}
				w.segments = w.segments[:n-1]
				continue
			}
		}
		break
	}
	if w.estimate(from, to) > w.target {
		from, to = w.narrow(from, to)
	}
	w.target = min(w.target*2, windowReadings)
	return from, to, nil
}

// narrow cuts the window so that about target readings fall into it, and at least one step of time.
func (w *walk) narrow(from, to int64) (int64, int64) {
	lo, hi := from, to              // the cut lies in lo < cut ≤ hi, or for newest lo ≤ cut < hi
	for uint64(hi)-uint64(lo) > 1 { //nolint:gosec // differences of int64 fit uint64
		mid := int64(uint64(lo) + (uint64(hi)-uint64(lo))/2) //nolint:gosec // wraps back
		a, b := from, mid
		if w.q.Newest {
			a, b = mid, to
		}
		if (w.estimate(a, b) > w.target) == !w.q.Newest {
			hi = mid
		} else {
			lo = mid
		}
	}
	if w.q.Newest {
		return min(hi, to-1), to
	}
	return from, max(lo, from+1)
}

// estimate returns about how many readings lie in from ≤ time < to, by the index.
func (w *walk) estimate(from, to int64) float64 {
	sum := 0.0
	for i := range w.refs {
		r := &w.refs[i]
		if r.last < from || r.first >= to {
			continue
		}
		span := float64(r.last) - float64(r.first) + 1
		overlap := min(float64(r.last)+1, float64(to)) - max(float64(r.first), float64(from))
		sum += float64(r.count) * min(max(overlap/span, 0), 1)
	}
	return sum
}

// load adds the blocks of a segment that overlap what is left.
func (w *walk) load(p placedSegment) error {
	prefix := segmentKey(keyTimes, w.number, p.segment)
	var blocks, readings uint64
	err := scan(w.txn, prefix, func(k, v []byte) error {
		seg, feed, seq, ok := parseBlockKey(k)
		if !ok {
			return fmt.Errorf("time index row %q has a malformed key", k)
		}
		entries, err := parseTimes(v, seq)
		if err != nil {
			return fmt.Errorf("time index row %q: %w", k, err)
		}
		f := w.feeds[feed]
		for _, t := range entries {
			if f != nil && t.seq > f.head.Seq {
				break // of a seal that failed after its commit
			}
			blocks++
			readings += uint64(t.count)
			if f := w.feeds[feed]; f != nil && !w.q.writtenBy(f.author) {
				continue
			}
			if t.last >= w.lo && t.first < w.hi {
				w.refs = append(w.refs, ref{t, seg, feed})
			}
		}
		return nil
	})
	if err == nil && (blocks != p.Blocks || readings != p.Readings) { // Badger leaves out what it cannot read
		err = fmt.Errorf("it has %d blocks with %d readings, want %d with %d", blocks, readings, p.Blocks, p.Readings)
	}
	if err != nil {
		return fmt.Errorf("read time index of segment %d.%d: %w", p.bucket, p.part, err)
	}
	return nil
}

// read sets rows and order to the window's. It returns false where they are too many for one window
// that can be cut further; then they are only some.
func (w *walk) read(from, to int64) (whole bool, err error) {
	w.rows = w.rows[:0]
	for i := range w.refs {
		r := &w.refs[i]
		if r.last < from || r.first >= to {
			continue
		}
		f := w.feeds[r.feed]
		if f == nil {
			return false, fmt.Errorf("block %d of feed number %d is in no known feed", r.seq, r.feed)
		}
		rs, err := w.reader.readings(r, f, from, to, w.wanted)
		if err != nil {
			return false, fmt.Errorf("block %d of feed %s: %w", r.seq, f.id, err)
		}
		for j := range rs {
			w.rows = append(w.rows, row{rs[j], f.author})
		}
		if len(w.rows) > mostReadings && to-from > 1 {
			w.sort()
			return false, nil
		}
	}
	for _, p := range w.tailWindow(from, to) {
		w.rows = append(w.rows, w.tail[p.at])
	}
	w.sort()
	return true, nil
}

// sort orders the window's rows.
func (w *walk) sort() { w.order = w.arrange(w.order[:0], w.rows) }

// tailWindow returns the part of the tail with from ≤ time < to, ordered.
func (w *walk) tailWindow(from, to int64) []place {
	newest := w.q.Newest
	search := func(t int64) int { // the first row at or after t; newest: before t
		at, _ := slices.BinarySearchFunc(w.tailOrder, t, func(p place, t int64) int {
			if p.time < t != newest {
				return -1
			}
			return 1
		})
		return at
	}
	a, b := search(from), search(to)
	if newest {
		a, b = b, a
	}
	return w.tailOrder[a:b]
}

// blockReader reads data blocks of one collection and checks them. Not safe for concurrent use.
type blockReader struct {
	txn        *badger.Txn
	collection uint32
	columns    *columns.Decoder
	raw        []byte
	readingBuf []sensors.Reading
}

func newBlockReader(txn *badger.Txn, collection uint32) (*blockReader, error) {
	d, err := columns.NewDecoder()
	if err != nil {
		return nil, fmt.Errorf("create block reader: %w", err)
	}
	return &blockReader{txn: txn, collection: collection, columns: d}, nil
}

// block reads a block and checks its bytes against the index. It is valid until the next call.
func (br *blockReader) block(r *ref, id crdt.FeedID) (*crdt.Block, error) {
	raw, err := value(br.txn, blockKey(keyBlock, br.collection, r.segment, r.feed, r.seq), br.raw)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	br.raw = raw
	b, err := crdt.DecodeBlock(raw)
	if err != nil {
		return nil, err
	}
	if checkOf(b) != r.check || b.Seq != r.seq || b.Feed != id {
		return nil, crdt.ErrCIDMismatch
	}
	return b, nil
}

// readings returns the wanted readings of a block in from ≤ time < to; valid until the next call.
func (br *blockReader) readings(r *ref, f *feedView, from, to int64, wanted func(*sensors.Series) bool) ([]sensors.Reading, error) {
	b, err := br.block(r, f.id)
	if err != nil {
		return nil, err
	}
	if b.Needs > f.place.head {
		return nil, nil // queryable as soon as the meta feed has come that far
	}
	lookup := func(n uint32, t sensors.Type) (*sensors.Series, error) {
		if n == 0 || uint64(n) > uint64(len(f.defs.series)) || f.defs.series[n-1].Type != t {
			return nil, fmt.Errorf("series %d is not defined as %s", n, t)
		}
		if s := f.defs.series[n-1]; wanted(s) {
			return s, nil
		}
		return nil, nil //nolint:nilnil // the decoder's way to skip a series
	}
	br.readingBuf, err = br.columns.Decode(br.readingBuf[:0], b.Payload, b.Count, from, to, lookup)
	return br.readingBuf, err
}

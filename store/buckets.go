package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// ErrTooManySeries ends buckets of which one has more series, or text, than fit into memory.
var ErrTooManySeries = errors.New("too many series in one bucket")

// What one bucket of time holds in memory.
const (
	maxBucketSeries = 20_000
	maxBucketText   = 8 << 20 // bytes of first and last strings
)

// Division says how readings come together in buckets.
type Division struct {
	Every      time.Duration // from sensors.MinEvery to sensors.MaxEvery
	Aggregates []sensors.Aggregate
}

// Buckets streams what the readings that q selects come to, as Query would stream them: buckets in the order time, series (with
// Newest: time descending). There are none without readings, and none of series that have none of the aggregates. q.Limit is
// of buckets. A bucket at the edge of q's time has only the readings inside. It holds one moment's series in memory; more than
// 20,000 of them are ErrTooManySeries.
func (db *DB) Buckets(ctx context.Context, q Query, d Division) (sensors.Precision, iter.Seq2[sensors.Bucket, error], error) {
	limit := q.Limit
	q.Limit = 0
	s, err := db.snapshotOf(q)
	if err != nil {
		return 0, nil, err
	}
	return s.precision, once(ctx, s, func(yield func(sensors.Bucket, error) bool) {
		left := limit
		for b, err := range s.buckets(ctx, d) {
			if !yield(b, err) || err != nil {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}), nil
}

// buckets yields a bucket when time has passed it.
func (s *snapshot) buckets(ctx context.Context, d Division) iter.Seq2[sensors.Bucket, error] {
	return func(yield func(sensors.Bucket, error) bool) {
		g := newGroup(d)
		for r, err := range s.rows(ctx) {
			if err == nil && !g.has(r.Time) {
				if !g.close(yield) {
					return
				}
				g.start = sensors.BucketStart(r.Time, d.Every)
			}
			if err == nil {
				err = g.add(&r.Reading)
			}
			if err != nil {
				yield(sensors.Bucket{}, err)
				return
			}
		}
		g.close(yield)
	}
}

// group is the bucket of time that readings come into now: a fold for each series.
type group struct {
	Division

	spread  bool // stddev is asked for
	start   int64
	slots   map[*sensors.Series]int // of series that came, in this bucket or before
	keys    map[string]int          // the same by name, tags, unit, and whether they are numbers
	folds   []fold
	names   []*sensors.Series // of each fold; Float stands for all numbers
	ranks   []int             // of each fold, by names; older than names if shorter
	touched []int             // folds with readings
	text    int               // bytes
}

func newGroup(d Division) *group {
	g := &group{Division: d, spread: slices.Contains(d.Aggregates, sensors.AggStdDev)}
	g.forget()
	return g
}

func (g *group) forget() {
	g.slots, g.keys = map[*sensors.Series]int{}, map[string]int{}
	g.folds, g.names, g.ranks = nil, nil, nil
}

// has reports whether a time falls into the bucket. What is empty has none.
func (g *group) has(ns int64) bool {
	return len(g.touched) > 0 && ns >= g.start && uint64(ns)-uint64(g.start) < uint64(g.Every) //nolint:gosec // wraps back
}

func (g *group) add(r *sensors.Reading) error {
	at, known := g.slots[r.Series]
	if !known {
		at = g.slot(r.Series)
	}
	f := &g.folds[at]
	if f.count == 0 {
		g.touched = append(g.touched, at)
	}
	g.text += f.add(r, g.spread)
	if len(g.touched) > maxBucketSeries || g.text > maxBucketText {
		return fmt.Errorf("%w: more than %d series or %d MiB of text from %s on; select fewer, or a shorter span",
			ErrTooManySeries, maxBucketSeries, maxBucketText>>20, sensors.AppendTime(nil, g.start, sensors.Milliseconds))
	}
	return nil
}

// slot finds or makes the fold that a series comes into.
func (g *group) slot(s *sensors.Series) int {
	kind := *s
	if kind.Type == sensors.Int {
		kind.Type = sensors.Float
	}
	key := string(kind.AppendKey(nil))
	at, known := g.keys[key]
	if !known {
		at = len(g.folds)
		g.folds, g.names = append(g.folds, fold{}), append(g.names, &kind)
		g.keys[key] = at
	}
	g.slots[s] = at
	return at
}

// close yields what the series come to and empties the bucket.
func (g *group) close(yield func(sensors.Bucket, error) bool) bool {
	if len(g.touched) == 0 {
		return true
	}
	g.rank()
	slices.SortFunc(g.touched, func(a, b int) int { return cmp.Compare(g.ranks[a], g.ranks[b]) })
	for _, at := range g.touched {
		f := &g.folds[at]
		b := sensors.Bucket{Series: f.series, Time: g.start, Values: make([]sensors.Value, len(g.Aggregates))}
		has := false
		for i, a := range g.Aggregates {
			b.Values[i] = f.value(a)
			has = has || b.Values[i].Type != 0
		}
		*f = fold{}
		if has && !yield(b, nil) {
			return false
		}
	}
	g.touched, g.text = g.touched[:0], 0
	if len(g.slots) > maxBucketSeries {
		g.forget()
	}
	return true
}

// rank orders the series, when there are new ones.
func (g *group) rank() {
	if len(g.ranks) == len(g.names) {
		return
	}
	order := make([]int, len(g.names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return compareSeries(g.names[a], g.names[b]) })
	g.ranks = make([]int, len(g.names))
	for rank, at := range order {
		g.ranks[at] = rank
	}
}

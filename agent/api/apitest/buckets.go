package apitest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/sensors"
)

// Buckets streams what the rows that q selects come to, reckoned the slow way.
func (m *Memory) Buckets(ctx context.Context, q api.Query, d api.Division) (api.Buckets, error) {
	limit := q.Limit
	newest := q.Newest
	q.Limit, q.Newest = 0, false
	rows, err := m.Query(ctx, q)
	if err != nil {
		return api.Buckets{}, err
	}
	return api.Buckets{Precision: rows.Precision, Seq: func(yield func(sensors.Bucket, error) bool) {
		var all []sensors.Row
		for row, err := range rows.Seq {
			if err != nil {
				yield(sensors.Bucket{}, err)
				return
			}
			all = append(all, row)
		}
		for _, b := range divide(all, d, newest, limit) {
			if !yield(b, nil) {
				return
			}
		}
	}}, nil
}

// divide makes buckets of rows that are in order.
func divide(rows []sensors.Row, d api.Division, newest bool, limit int64) []sensors.Bucket {
	type place struct {
		start int64
		key   string
	}
	parts := map[place][]sensors.Row{}
	for _, row := range rows {
		kind := *row.Series
		if kind.Type == sensors.Int {
			kind.Type = sensors.Float
		}
		at := place{startOf(row.Time, d.Every), string(kind.AppendKey(nil))}
		parts[at] = append(parts[at], row)
	}
	var out []sensors.Bucket
	for at, part := range parts {
		b := sensors.Bucket{Time: at.start, Series: part[0].Series}
		for _, row := range part {
			if row.Series.Type == sensors.Float {
				b.Series = row.Series
			}
		}
		has := false
		for _, a := range d.Aggregates {
			v := naive(a, b.Series.Type, part)
			b.Values = append(b.Values, v)
			has = has || v.Type != 0
		}
		if has {
			out = append(out, b)
		}
	}
	slices.SortFunc(out, func(a, b sensors.Bucket) int {
		byTime := cmp.Compare(a.Time, b.Time)
		if newest {
			byTime = -byTime
		}
		return cmp.Or(byTime, compareSeries(a.Series, b.Series), cmp.Compare(kindOf(a), kindOf(b)), cmp.Compare(a.Series.Unit, b.Series.Unit))
	})
	if limit > 0 && int64(len(out)) > limit {
		out = out[:limit]
	}
	return out
}

// kindOf tells numbers, booleans and strings apart.
func kindOf(b sensors.Bucket) sensors.Type {
	if b.Series.Type == sensors.Int {
		return sensors.Float
	}
	return b.Series.Type
}

// startOf finds a bucket's start by the calendar's arithmetic, not by that of nanoseconds.
func startOf(ns int64, every time.Duration) int64 {
	zero := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	if every%(7*24*time.Hour) == 0 {
		zero = time.Date(1970, 1, 5, 0, 0, 0, 0, time.UTC) // the first Monday; nothing here is older
	}
	since := time.Unix(0, ns).Sub(zero)
	return zero.Add(since - since%every).UnixNano()
}

// naive reckons one aggregate with numbers of any size.
func naive(a sensors.Aggregate, t sensors.Type, rows []sensors.Row) sensors.Value {
	plain := func(row sensors.Row) sensors.Value {
		v := sensors.ValueOf(&row.Reading)
		if n, _ := v.Number(); t == sensors.Float {
			return sensors.FloatValue(n)
		}
		return v
	}
	switch a { //nolint:exhaustive // the others are of numbers
	case sensors.AggCount:
		return sensors.IntValue(int64(len(rows)))
	case sensors.AggFirst:
		return plain(rows[0])
	case sensors.AggLast:
		return plain(rows[len(rows)-1])
	}
	if t != sensors.Float && t != sensors.Int {
		return sensors.Value{}
	}
	sum, infinite, extreme := new(big.Rat), 0.0, rows[0]
	var numbers []sensors.Row
	for _, row := range rows {
		n, _ := sensors.ValueOf(&row.Reading).Number()
		switch {
		case math.IsNaN(n):
			continue
		case math.IsInf(n, 0):
			infinite += n
		case row.Series.Type == sensors.Int:
			sum.Add(sum, new(big.Rat).SetInt64(row.Int()))
		default:
			sum.Add(sum, new(big.Rat).SetFloat64(n))
		}
		numbers = append(numbers, row)
		was, _ := sensors.ValueOf(&extreme.Reading).Number()
		if len(numbers) == 1 || a == sensors.AggMin && less(row, extreme, n, was) || a == sensors.AggMax && less(extreme, row, was, n) {
			extreme = row
		}
	}
	if len(numbers) == 0 {
		return sensors.FloatValue(math.NaN())
	}
	switch a { //nolint:exhaustive // done above
	case sensors.AggMin, sensors.AggMax:
		return plain(extreme)
	case sensors.AggStdDev:
		return sensors.FloatValue(deviation(numbers, sum, infinite))
	case sensors.AggMean:
		sum.Quo(sum, new(big.Rat).SetInt64(int64(len(numbers))))
	}
	if infinite != 0 {
		return sensors.FloatValue(infinite)
	}
	if a == sensors.AggSum && t == sensors.Int && sum.Num().IsInt64() {
		return sensors.IntValue(sum.Num().Int64())
	}
	f, _ := sum.Float64()
	return sensors.FloatValue(f)
}

func less(a, b sensors.Row, x, y float64) bool {
	if a.Series.Type == sensors.Int && b.Series.Type == sensors.Int {
		return a.Int() < b.Int()
	}
	return x < y
}

// deviation is the root of the mean square of the differences to the mean, in two passes.
func deviation(numbers []sensors.Row, sum *big.Rat, infinite float64) float64 {
	if len(numbers) < 2 || infinite != 0 {
		return math.NaN()
	}
	mean := new(big.Rat).Quo(sum, new(big.Rat).SetInt64(int64(len(numbers))))
	squares := new(big.Rat)
	for _, row := range numbers {
		n, _ := sensors.ValueOf(&row.Reading).Number()
		diff := new(big.Rat).SetFloat64(n)
		if row.Series.Type == sensors.Int {
			diff.SetInt64(row.Int())
		}
		diff.Sub(diff, mean)
		squares.Add(squares, diff.Mul(diff, diff))
	}
	f, _ := squares.Quo(squares, new(big.Rat).SetInt64(int64(len(numbers)-1))).Float64()
	return math.Sqrt(f)
}

// differ says how two buckets of the same division differ, "" if they do not. Floats that were reckoned may differ in their last digits.
func differ(want, got sensors.Bucket, list []sensors.Aggregate) string {
	bare := func(b sensors.Bucket) string {
		b.Values = nil
		return string(b.AppendTypedJSON(nil, sensors.Nanoseconds, list))
	}
	if a, b := bare(want), bare(got); a != b || len(want.Values) != len(got.Values) {
		return fmt.Sprintf("want %s with %d values\n got %s with %d", a, len(want.Values), b, len(got.Values))
	}
	for i, a := range list {
		w, g := want.Values[i], got.Values[i]
		if w.Type != g.Type || w.Str != g.Str {
			return fmt.Sprintf("%s of %s: want %v, got %v", a, bare(want), w, g)
		}
		x, _ := w.Number()
		y, _ := g.Number()
		if w.Num == g.Num || math.IsNaN(x) && math.IsNaN(y) || reckoned(a) && w.Type == sensors.Float && math.Abs(x-y) <= 1e-9*max(math.Abs(x), 1e-9) {
			continue
		}
		return fmt.Sprintf("%s of %s: want %v, got %v", a, bare(want), x, y)
	}
	return ""
}

func reckoned(a sensors.Aggregate) bool {
	return a == sensors.AggSum || a == sensors.AggMean || a == sensors.AggStdDev
}

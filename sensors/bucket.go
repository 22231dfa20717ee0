package sensors

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Bucket is what the readings of one series within one span of time come to. Readings of all authors come together, and
// so do those of type Int and Float: a bucket is of a name, tags and a unit, and of numbers, booleans or strings.
type Bucket struct {
	Series *Series // its type is Float where Int and Float came together
	Time   int64   // the span's first moment, in nanoseconds since 1970 UTC
	Values []Value // one for each aggregate asked for, in that order
}

// Value is a value of any type. The zero Value is none.
type Value struct {
	Type Type
	Num  uint64 // as in Reading
	Str  string
}

// Aggregate names what is made of a bucket's readings.
type Aggregate uint8

// The aggregates. Of booleans and strings there are AggCount, AggFirst and AggLast.
const (
	AggCount  Aggregate = iota + 1 // readings
	AggSum                         // of integers exact, where it fits; of floats compensated
	AggMean                        // the sum by the number of numbers
	AggMin                         // the smallest number
	AggMax                         // the largest number
	AggFirst                       // the earliest reading's value
	AggLast                        // the latest reading's value
	AggStdDev                      // the standard deviation of a sample: n-1 in the divisor; NaN of one number
)

// Aggregates returns all, in the order that people are told of them.
func Aggregates() []Aggregate {
	return []Aggregate{AggCount, AggSum, AggMean, AggMin, AggMax, AggFirst, AggLast, AggStdDev}
}

// String returns the name that requests and answers have.
func (a Aggregate) String() string {
	switch a {
	case AggCount:
		return "count"
	case AggSum:
		return "sum"
	case AggMean:
		return "mean"
	case AggMin:
		return "min"
	case AggMax:
		return "max"
	case AggFirst:
		return "first"
	case AggLast:
		return "last"
	case AggStdDev:
		return "stddev"
	}
	return "unknown"
}

// Of reports whether series of type t have the aggregate.
func (a Aggregate) Of(t Type) bool {
	return t == Float || t == Int || a == AggCount || a == AggFirst || a == AggLast
}

// ParseAggregates reads names with commas between them, each at most once.
func ParseAggregates(text string) ([]Aggregate, error) {
	var list []Aggregate
	all := Aggregates()
	for name := range strings.SplitSeq(text, ",") {
		i := slices.IndexFunc(all, func(a Aggregate) bool { return a.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("aggregate %.40q: want some of %s, with commas between them", name, JoinAggregates(all))
		}
		if slices.Contains(list, all[i]) {
			return nil, fmt.Errorf("aggregate %q: given twice", name)
		}
		list = append(list, all[i])
	}
	return list, nil
}

// JoinAggregates is the inverse of ParseAggregates.
func JoinAggregates(list []Aggregate) string {
	names := make([]string, 0, len(list))
	for _, a := range list {
		names = append(names, a.String())
	}
	return strings.Join(names, ",")
}

// The spans that a bucket may have.
const (
	MinEvery = time.Millisecond
	MaxEvery = 36_525 * 24 * time.Hour // a hundred years
)

// week is a span whose multiples begin on Mondays.
const week = 7 * 24 * time.Hour

// BucketStart returns the first moment of the bucket that ns falls into. Buckets lie side by side from 1970-01-01T00:00Z on,
// in UTC; those of whole weeks begin on Mondays.
func BucketStart(ns int64, every time.Duration) int64 {
	origin := int64(0)
	if every%week == 0 {
		origin = int64(4 * 24 * time.Hour) // 1970-01-05, a Monday
	}
	_, rest := floorDiv(ns-origin, int64(every))
	return ns - rest
}

// FloatValue returns f as a Value.
func FloatValue(f float64) Value { return Value{Type: Float, Num: math.Float64bits(f)} }

// IntValue returns n as a Value.
func IntValue(n int64) Value { return Value{Type: Int, Num: uint64(n)} } //nolint:gosec // two's complement by definition

// ValueOf returns the value of a reading.
func ValueOf(r *Reading) Value { return Value{Type: r.Series.Type, Num: r.Num, Str: r.Str} }

// Number returns the value as a float, booleans as 0 and 1. False: it is a string, or none.
func (v Value) Number() (float64, bool) {
	switch v.Type {
	case Float:
		return math.Float64frombits(v.Num), true
	case Int:
		return float64(int64(v.Num)), true //nolint:gosec // two's complement by definition
	case Bool:
		return float64(v.Num), true
	case String:
	}
	return 0, false
}

// AppendText appends the value as Reading.AppendValue does; of none nothing.
func (v Value) AppendText(dst []byte) []byte {
	r := Reading{Series: &Series{Type: v.Type}, Num: v.Num, Str: v.Str}
	return r.AppendValue(dst)
}

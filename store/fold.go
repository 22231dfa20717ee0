package store

import (
	"math"
	"math/bits"
	"strings"

	"github.com/skerry-edge/skerry/sensors"
)

// fold is what the readings of one series in one bucket come to so far. Readings come forwards or backwards in time.
//
// A NaN counts, and is a first or last value, but is no number: sum, mean, min, max and stddev are of the others, NaN where there
// is no other. Infinities are numbers. Integers are summed exactly, in 128 bits; floats by Neumaier's compensated sum, whose
// error does not grow with their number; the deviation is Welford's, which does not suffer from a large mean.
type fold struct {
	series *sensors.Series // one that came; of type Float if one of that type came
	count  uint64          // readings

	first, last         sensors.Value
	firstTime, lastTime int64

	ints              uint64 // readings of type Int
	sumHi             int64  // of these: sumHi << 64 + sumLo
	sumLo             uint64
	leastInt, mostInt int64

	reals       uint64  // readings of type Float that are not NaN
	sum, rest   float64 // of these that are finite
	infinite    float64 // the sum of the others
	least, most float64

	average, deviation float64 // Welford's; only with spread
}

// add takes a reading into account. It returns how many bytes of text more, or less, are kept.
func (f *fold) add(r *sensors.Reading, spread bool) (grown int) {
	if f.count == 0 || r.Series.Type == sensors.Float && f.series.Type == sensors.Int {
		f.series = r.Series
	}
	if f.count == 0 || r.Time < f.firstTime {
		f.firstTime = r.Time
		grown += keep(&f.first, r)
	}
	if f.count == 0 || r.Time >= f.lastTime {
		f.lastTime = r.Time
		grown += keep(&f.last, r)
	}
	f.count++
	x := 0.0
	switch r.Series.Type {
	case sensors.Int:
		x = float64(r.Int())
		f.addInt(r.Int())
	case sensors.Float:
		if x = r.Float(); math.IsNaN(x) {
			return grown
		}
		f.addFloat(x)
	case sensors.Bool, sensors.String:
		return grown
	}
	if spread {
		delta := x - f.average
		f.average += delta / float64(f.ints+f.reals)
		f.deviation += delta * (x - f.average)
	}
	return grown
}

// keep puts a reading's value in the place of v. A text is copied: it may share memory with much more.
func keep(v *sensors.Value, r *sensors.Reading) (grown int) {
	if r.Series.Type != sensors.String {
		*v = sensors.ValueOf(r)
		return 0
	}
	grown = len(r.Str) - len(v.Str)
	v.Type = sensors.String
	if v.Str != r.Str {
		v.Str = strings.Clone(r.Str)
	}
	return grown
}

func (f *fold) addInt(n int64) {
	if f.ints == 0 {
		f.leastInt, f.mostInt = n, n
	}
	f.leastInt, f.mostInt = min(f.leastInt, n), max(f.mostInt, n)
	f.ints++
	var carry uint64
	f.sumLo, carry = bits.Add64(f.sumLo, uint64(n), 0) //nolint:gosec // two's complement by definition
	f.sumHi += n>>63 + int64(carry)                    //nolint:gosec // 0 or 1
}

func (f *fold) addFloat(x float64) {
	if f.reals == 0 {
		f.least, f.most = x, x
	}
	f.least, f.most = min(f.least, x), max(f.most, x)
	f.reals++
	if math.IsInf(x, 0) {
		f.infinite += x
		return
	}
	total := f.sum + x
	if math.Abs(f.sum) >= math.Abs(x) {
		f.rest += f.sum - total + x
	} else {
		f.rest += x - total + f.sum
	}
	f.sum = total
}

// value returns what an aggregate is; none where the series has it not.
func (f *fold) value(a sensors.Aggregate) sensors.Value {
	t := f.series.Type
	if !a.Of(t) {
		return sensors.Value{}
	}
	switch a {
	case sensors.AggCount:
		return sensors.IntValue(int64(f.count)) //nolint:gosec // fewer readings than that
	case sensors.AggSum:
		if t == sensors.Int && (f.sumHi == 0 && f.sumLo < 1<<63 || f.sumHi == -1 && f.sumLo >= 1<<63) {
			return sensors.IntValue(int64(f.sumLo)) //nolint:gosec // it fits
		}
		return sensors.FloatValue(f.total())
	case sensors.AggMean:
		return sensors.FloatValue(f.total() / float64(f.ints+f.reals))
	case sensors.AggMin:
		if t == sensors.Int {
			return sensors.IntValue(f.leastInt)
		}
		return sensors.FloatValue(f.extreme(f.least, float64(f.leastInt), math.Min))
	case sensors.AggMax:
		if t == sensors.Int {
			return sensors.IntValue(f.mostInt)
		}
		return sensors.FloatValue(f.extreme(f.most, float64(f.mostInt), math.Max))
	case sensors.AggFirst:
		return as(t, f.first)
	case sensors.AggLast:
		return as(t, f.last)
	case sensors.AggStdDev:
		if f.ints+f.reals < 2 {
			return sensors.FloatValue(math.NaN())
		}
		return sensors.FloatValue(math.Sqrt(f.deviation / float64(f.ints+f.reals-1)))
	}
	return sensors.Value{}
}

// total is the sum of all numbers; NaN of none. One beyond the floats' range is an infinity.
func (f *fold) total() float64 {
	switch {
	case f.ints+f.reals == 0:
		return math.NaN()
	case f.infinite != 0: // or NaN
		return f.infinite
	}
	sum := f.sum
	if !math.IsInf(sum, 0) {
		sum += f.rest
	}
	if f.ints == 0 {
		return sum
	}
	hi, lo, sign := uint64(f.sumHi), f.sumLo, 1.0 //nolint:gosec // two's complement by definition
	if f.sumHi < 0 {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
		sign = -1
	}
	return sign*(float64(hi)*(1<<64)+float64(lo)) + sum
}

// extreme joins those of floats and of integers.
func (f *fold) extreme(ofFloats, ofInts float64, choose func(a, b float64) float64) float64 {
	switch {
	case f.ints+f.reals == 0:
		return math.NaN()
	case f.reals == 0:
		return ofInts
	case f.ints == 0:
		return ofFloats
	}
	return choose(ofFloats, ofInts)
}

// as makes a float of an integer in a bucket that has floats.
func as(t sensors.Type, v sensors.Value) sensors.Value {
	if t == sensors.Float && v.Type == sensors.Int {
		return sensors.FloatValue(float64(int64(v.Num))) //nolint:gosec // two's complement by definition
	}
	return v
}

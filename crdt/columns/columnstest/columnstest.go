// Package columnstest makes the readings that the codec is measured with.
package columnstest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/skerry-edge/skerry/sensors"
)

// What the generated readings look like.
const (
	Start  = 1_700_000_000_000 // the nominal time of the first reading, in milliseconds since 1970
	Period = 1000              // milliseconds from one reading of a series to its next
	Spread = 5                 // milliseconds of jitter, and hundredths of a step, to either side
)

// Jitter returns n readings of that many series, in the order in which they arrive: one reading of
// each series a second, each time off by its own ±5 ms, evenly spread; each value a random walk of
// two decimals whose steps are ±0.05, evenly spread. So one reading has 2 × log2(11) bits of news,
// 0.865 bytes. Equal arguments make equal readings.
func Jitter(n, series int, seed uint64, table *sensors.Table) []sensors.Reading {
	return walk(n, series, seed, table, false)
}

// Messages is Jitter with one time for all series of one second: the fields of one message.
func Messages(n, series int, seed uint64, table *sensors.Table) []sensors.Reading {
	return walk(n, series, seed, table, true)
}

func walk(n, series int, seed uint64, table *sensors.Table, shared bool) []sensors.Reading {
	rng := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // repeatable on purpose
	off := func() int64 { return rng.Int64N(2*Spread+1) - Spread }
	all := make([]*sensors.Series, series)
	now := make([]int64, series)
	for i := range all {
		s := sensors.Series{Name: fmt.Sprintf("series%03d", i), Unit: "°C", Type: sensors.Float}
		made, err := table.Intern(s)
		if err != nil {
			made = &s
		}
		all[i], now[i] = made, 1000+rng.Int64N(4000)
	}
	rs := make([]sensors.Reading, n)
	var jitter int64
	for i := range rs {
		k := i % series
		if k == 0 || !shared {
			jitter = off()
		}
		now[k] += off()
		rs[i] = sensors.Reading{
			Series: all[k],
			Time:   (Start + int64(i/series)*Period + jitter) * 1_000_000,
			Num:    math.Float64bits(float64(now[k]) / 100),
		}
	}
	return rs
}

package store

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// TestBuckets_tooManySeries: the bucket's memory is bounded; another one, with fewer, is not affected.
func TestBuckets_tooManySeries(t *testing.T) {
	for name, test := range map[string]struct {
		series int
		text   string
		want   error
	}{
		"as many as there may be": {maxBucketSeries, "", nil},
		"one more":                {maxBucketSeries + 1, "", ErrTooManySeries},
		"long texts":              {maxBucketText>>10/2 + 1, strings.Repeat("x", 1024), ErrTooManySeries},
		"short of it":             {maxBucketText >> 10 / 2, strings.Repeat("x", 1024), nil},
	} {
		g := newGroup(Division{Every: time.Hour, Aggregates: sensors.Aggregates()})
		table := sensors.NewTable()
		var err error
		for round := range 2 { // a bucket that was closed leaves nothing
			for i := range test.series {
				series := sensors.Series{Name: fmt.Sprint("s", i), Type: sensors.Float}
				if test.text != "" {
					series.Type = sensors.String
				}
				known, internErr := table.Intern(series)
				if internErr != nil {
					t.Fatal(internErr)
				}
				for range 2 { // first and last
					if err = g.add(&sensors.Reading{Series: known, Time: int64(round) * 3600e9, Str: test.text}); err != nil {
						break
					}
				}
			}
			closed := 0
			g.close(func(sensors.Bucket, error) bool { closed++; return true })
			if err == nil && closed != test.series {
				t.Errorf("%s: %d buckets, want %d", name, closed, test.series)
			}
		}
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

// TestFold_exact has sums in which plain floats lose digits.
func TestFold_exact(t *testing.T) {
	foldOf := func(values ...float64) *fold {
		f := &fold{}
		series := &sensors.Series{Name: "s", Type: sensors.Float}
		for i, v := range values {
			f.add(&sensors.Reading{Series: series, Time: int64(i), Num: math.Float64bits(v)}, true)
		}
		return f
	}
	tenths := make([]float64, 10_000_000)
	for i := range tenths {
		tenths[i] = 0.1
	}
	big := make([]float64, 1000)
	for i := range big {
		big[i] = 1e9 + float64(i%2)
	}
	for _, test := range []struct {
		name string
		fold *fold
		of   sensors.Aggregate
		want float64
	}{
		{"cancelled", foldOf(1, 1e100, 1, -1e100), sensors.AggSum, 2},
		{"ten million tenths", foldOf(tenths...), sensors.AggSum, 1e6},
		{"large mean", foldOf(big...), sensors.AggStdDev, math.Sqrt(250.0 / 999)},
		{"beyond the range", foldOf(math.MaxFloat64, math.MaxFloat64), sensors.AggSum, math.Inf(1)},
		{"and the mean", foldOf(math.MaxFloat64, math.MaxFloat64), sensors.AggMean, math.Inf(1)},
	} {
		if got, _ := test.fold.value(test.of).Number(); got != test.want && math.Abs(got-test.want) > 1e-12*test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
	if got, _ := foldOf(math.Inf(1), math.Inf(-1)).value(sensors.AggSum).Number(); !math.IsNaN(got) {
		t.Errorf("both infinities: got %v, want NaN", got)
	}
	var ints fold
	series := &sensors.Series{Name: "s", Type: sensors.Int}
	for range 1000 {
		for _, n := range []int64{math.MinInt64, math.MaxInt64, 1, -1} {
			ints.add(&sensors.Reading{Series: series, Num: uint64(n)}, false)
		}
	}
	if got := ints.value(sensors.AggSum); got != sensors.IntValue(-1000) {
		t.Errorf("integers: got %v, want -1000", got)
	}
}

func BenchmarkGroup(b *testing.B) {
	table := sensors.NewTable()
	var readings []sensors.Reading
	for i := range 50 {
		series, err := table.Intern(sensors.Series{Name: fmt.Sprint("s", i), Type: sensors.Float})
		if err != nil {
			b.Fatal(err)
		}
		readings = append(readings, sensors.Reading{Series: series, Num: math.Float64bits(float64(i))})
	}
	g := newGroup(Division{Every: time.Hour, Aggregates: sensors.Aggregates()})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := g.add(&readings[i%len(readings)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

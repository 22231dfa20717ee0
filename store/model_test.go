package store

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/skerry-edge/skerry/sensors"
)

const testStart = int64(1_700_000_000_000_000_000)

// random returns readings as a bad day makes them: late ones, several at one time, all types.
func (r *rig) random(rng *rand.Rand, n int, now int64) []sensors.Reading {
	r.t.Helper()
	rs := make([]sensors.Reading, 0, n)
	for range n {
		typ := sensors.Type(rng.IntN(4) + 1)
		name := []string{"temp", "temp.in", "hum", "a*b", "tür"}[rng.IntN(5)]
		var tags []sensors.Tag
		for k := range rng.IntN(3) {
			tags = append(tags, sensors.Tag{Key: fmt.Sprint("k", k), Value: fmt.Sprint("v", rng.IntN(2))})
		}
		reading := sensors.Reading{Series: r.series(name, typ, tags...), Time: now + rng.Int64N(1000)*1e6}
		switch rng.IntN(50) {
		case 0:
			reading.Time -= rng.Int64N(4 * bucketNanos) // days late
		case 1:
			reading.Quality = sensors.QualityUnsynced | sensors.QualityArrival
		case 2:
			reading.Time = now
		case 3:
			reading.Time += rng.Int64N(1000) // not a multiple of anything
		}
		switch typ {
		case sensors.Float:
			reading.Num = math.Float64bits(math.Round(rng.NormFloat64()*1000) / 100)
		case sensors.Int:
			reading.Num = rng.Uint64()
		case sensors.Bool:
			reading.Num = rng.Uint64N(2)
		case sensors.String:
			reading.Str = fmt.Sprint("state ", rng.IntN(5))
		}
		rs = append(rs, reading)
	}
	return rs
}

func randomQuery(rng *rand.Rand, collection string, now int64) Query {
	q := Query{Collection: collection, Newest: rng.IntN(2) == 0}
	if rng.IntN(2) == 0 {
		q.From = testStart + rng.Int64N(now-testStart+1) - rng.Int64N(5)*bucketNanos
	}
	if rng.IntN(2) == 0 {
		q.To = testStart + rng.Int64N(now-testStart+2e9) - rng.Int64N(2)*bucketNanos
	}
	if rng.IntN(2) == 0 {
		q.Series = []string{"*", "temp", "temp*", "*m*", "*.in", "a*b", "none", "t*r", "**", "*"}[rng.IntN(10)]
	}
	if rng.IntN(3) == 0 {
		q.Tags = []sensors.Tag{{Key: fmt.Sprint("k", rng.IntN(2)), Value: fmt.Sprint("v", rng.IntN(3))}}
	}
	if rng.IntN(3) == 0 {
		q.Limit = rng.Int64N(200) + 1
	}
	return q
}

// A store under random appends, seals and restarts answers as a plain slice does.
func TestModel(t *testing.T) {
	steps := 400
	if testing.Short() {
		steps = 100
	}
	rng := seeded(t)
	r := newRig(t)
	now := testStart
	collections := []string{"climate", "power", "door"}
	for range steps {
		name := collections[rng.IntN(3)]
		switch p := rng.IntN(100); {
		case p < 50:
			now += rng.Int64N(30e9)
			if rng.IntN(20) == 0 {
				now += rng.Int64N(2 * bucketNanos)
			}
			r.append(name, r.random(rng, 1+rng.IntN(300), now)...)
		case p < 75:
			unsealed, _, _ := r.db.Unsealed(name)
			r.seal(name, min(unsealed, 1+rng.IntN(2000)), 1+rng.IntN(500))
		case p < 79:
			r.close()
			r.open()
		case p < 83:
			r.crash()
			r.open()
		default:
			if len(r.model[name]) > 0 {
				r.check(randomQuery(rng, name, now))
			}
		}
		if t.Failed() {
			return
		}
	}
	for _, name := range collections {
		if len(r.model[name]) > 0 {
			r.check(Query{Collection: name})
			r.check(Query{Collection: name, Newest: true})
		}
	}
	r.verify()
}

func TestMatchGlob(t *testing.T) {
	rng := seeded(t)
	letters := func(n int, from string) string {
		b := make([]byte, rng.IntN(n))
		for i := range b {
			b[i] = from[rng.IntN(len(from))]
		}
		return string(b)
	}
	for range 20_000 {
		glob, text := letters(6, "ab**"), letters(8, "ab")
		if got, want := matchGlob(glob, text), matchModel(glob, text); got != want {
			t.Errorf("%q matches %q: %v, want %v", glob, text, got, want)
		}
	}
}

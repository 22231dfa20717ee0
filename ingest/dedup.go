package ingest

import (
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// dedup knows readings that repeat a durable one of the same series, time and value, for sources with
// dedup = "series_time". It remembers what became durable within the window since the program
// started, the latest maxRemembered readings at least where they are more. Only a durable reading makes its repeat
// superfluous: one whose commit is under way does not, because that may fail. Its filter's mutex guards it.
type dedup struct {
	window  time.Duration
	current map[dedupKey]dedupValue // two generations: when current is a window old or full it becomes before
	before  map[dedupKey]dedupValue
	began   time.Time // of current
}

type dedupKey struct {
	series *sensors.Series
	time   int64
}

type dedupValue struct {
	num uint64
	str string
	at  time.Time // when it was durable
}

const maxRemembered = 50_000

func newDedup(window time.Duration, now time.Time) *dedup {
	return &dedup{window: window, current: map[dedupKey]dedupValue{}, began: now}
}

// turn forgets what is too old or too much.
func (d *dedup) turn(now time.Time) {
	if len(d.current) >= maxRemembered || now.Sub(d.began) > d.window {
		d.before, d.current, d.began = d.current, map[dedupKey]dedupValue{}, now
	}
}

func (d *dedup) knows(r *sensors.Reading, now time.Time) bool {
	for _, generation := range []map[dedupKey]dedupValue{d.current, d.before} {
		v, known := generation[dedupKey{r.Series, r.Time}]
		if known && v.num == r.Num && v.str == r.Str && now.Sub(v.at) <= d.window {
			return true
		}
	}
	return false
}

// remember notes durable readings.
func (d *dedup) remember(rs []sensors.Reading, now time.Time) {
	for i := range rs {
		d.current[dedupKey{rs[i].Series, rs[i].Time}] = dedupValue{rs[i].Num, rs[i].Str, now}
	}
}

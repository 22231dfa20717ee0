package ingest

import (
	"context"
	"sync"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// Dedup drops readings that repeat a durable one of the same series, time and value, for sources with
// dedup = "series_time". It remembers what became durable within the window since the program
// started, at most maxRemembered readings. Only a durable reading makes its repeat superfluous: one whose commit
// is under way does not, because that may fail.
type Dedup struct {
	pipeline *Pipeline
	window   time.Duration

	mu      sync.Mutex
	current map[dedupKey]dedupValue // two generations: after half a window current becomes before
	before  map[dedupKey]dedupValue
	began   time.Time
}

type dedupKey struct {
	series *sensors.Series
	time   int64
}

type dedupValue struct {
	num uint64
	str string
}

const maxRemembered = 100_000

// NewDedup wraps the pipeline for one source.
func NewDedup(p *Pipeline, window time.Duration) *Dedup {
	return &Dedup{pipeline: p, window: window, current: map[dedupKey]dedupValue{}, began: time.Now()}
}

// Add implements sensors.Sink.
func (d *Dedup) Add(ctx context.Context, b sensors.Batch, done func(error)) error {
	b.Readings = d.filter(b.Readings)
	return d.pipeline.Add(ctx, b, d.remember(b.Readings, done))
}

// Offer implements sensors.Sink.
func (d *Dedup) Offer(b sensors.Batch, done func(error)) {
	b.Readings = d.filter(b.Readings)
	d.pipeline.Offer(b, d.remember(b.Readings, done))
}

// filter returns the readings that repeat nothing, in the same memory.
func (d *Dedup) filter(rs []sensors.Reading) []sensors.Reading {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.began) > d.window/2 || len(d.current) > maxRemembered/2 {
		d.before, d.current, d.began = d.current, map[dedupKey]dedupValue{}, time.Now()
	}
	kept := rs[:0]
	for i := range rs {
		if !d.knownLocked(&rs[i]) {
			kept = append(kept, rs[i])
		}
	}
	d.pipeline.filtered.Add(uint64(len(rs) - len(kept))) //nolint:gosec // kept is not longer
	return kept
}

func (d *Dedup) knownLocked(r *sensors.Reading) bool {
	key, value := dedupKey{r.Series, r.Time}, dedupValue{r.Num, r.Str}
	if v, known := d.current[key]; known && v == value {
		return true
	}
	v, known := d.before[key]
	return known && v == value
}

func (d *Dedup) remember(rs []sensors.Reading, done func(error)) func(error) {
	return func(err error) {
		if err == nil {
			d.mu.Lock()
			for i := range rs {
				d.current[dedupKey{rs[i].Series, rs[i].Time}] = dedupValue{rs[i].Num, rs[i].Str}
			}
			d.mu.Unlock()
		}
		if done != nil {
			done(err)
		}
	}
}

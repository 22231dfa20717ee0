package ingest

import (
	"context"
	"sync"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// Dedup drops readings that repeat a durable one of the same series, time and value, for sources with
// dedup = "series_time". It remembers what became durable within the window since the program
// started, the latest maxRemembered readings at least where they are more. Only a durable reading makes its repeat
// superfluous: one whose commit is under way does not, because that may fail.
type Dedup struct {
	pipeline *Pipeline
	window   time.Duration

	mu      sync.Mutex
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

// NewDedup wraps the pipeline for one source.
func NewDedup(p *Pipeline, window time.Duration) *Dedup {
	return &Dedup{pipeline: p, window: window, current: map[dedupKey]dedupValue{}, began: time.Now()}
}

// Add implements sensors.Sink.
func (d *Dedup) Add(ctx context.Context, b sensors.Batch, done func(error)) error {
	filtered := len(b.Readings)
	b.Readings = d.filter(b.Readings)
	filtered -= len(b.Readings)
	if err := d.pipeline.Add(ctx, b, d.remember(b.Readings, done)); err != nil {
		return err
	}
	d.pipeline.filtered.Add(uint64(filtered)) //nolint:gosec // not negative
	return nil
}

// Offer implements sensors.Sink.
func (d *Dedup) Offer(b sensors.Batch, done func(error)) {
	filtered := len(b.Readings)
	b.Readings = d.filter(b.Readings)
	filtered -= len(b.Readings)
	d.pipeline.filtered.Add(uint64(filtered)) //nolint:gosec // not negative
	d.pipeline.Offer(b, d.remember(b.Readings, done))
}

// filter returns the readings that repeat nothing, in the same memory.
func (d *Dedup) filter(rs []sensors.Reading) []sensors.Reading {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.current) >= maxRemembered || now.Sub(d.began) > d.window {
		d.before, d.current, d.began = d.current, map[dedupKey]dedupValue{}, now
	}
	kept := rs[:0]
	for i := range rs {
		if !d.knownLocked(&rs[i], now) {
			kept = append(kept, rs[i])
		}
	}
	return kept
}

func (d *Dedup) knownLocked(r *sensors.Reading, now time.Time) bool {
	for _, generation := range []map[dedupKey]dedupValue{d.current, d.before} {
		v, known := generation[dedupKey{r.Series, r.Time}]
		if known && v.num == r.Num && v.str == r.Str && now.Sub(v.at) <= d.window {
			return true
		}
	}
	return false
}

// remember returns done, which first notes the readings as durable.
func (d *Dedup) remember(rs []sensors.Reading, done func(error)) func(error) {
	return func(err error) {
		if err == nil {
			now := time.Now()
			d.mu.Lock()
			for i := range rs {
				d.current[dedupKey{rs[i].Series, rs[i].Time}] = dedupValue{rs[i].Num, rs[i].Str, now}
			}
			d.mu.Unlock()
		}
		if done != nil {
			done(err)
		}
	}
}

package rows

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/skerry-edge/skerry/bench/child"
	"github.com/skerry-edge/skerry/bench/line"
	"github.com/skerry-edge/skerry/bench/load"
	"github.com/skerry-edge/skerry/bench/report"
	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors"
)

const (
	filterSeries = 10_000
	filterFlying = 4000 // messages that wait for their acknowledgement: four clients' max_inflight
)

// filterTask hands readings to a sink over a line.
type filterTask struct {
	Dir   string
	Whole bool // JSON messages are decoded and most readings kept or dropped; else readings that are all dropped
	Rules map[string]ingest.Rule
	For   time.Duration
}

type filterAnswer struct {
	Rate     float64 // readings a second
	Allocs   float64 // a reading
	Filtered float64 // of all readings
}

// filter measures what a filter drops alone, and the whole line with and without rules, on one core.
func (b *Bench) filter(ctx context.Context) error {
	alone, err := b.filterOnce(ctx, filterTask{Rules: map[string]ingest.Rule{"*": {Deadband: 1, Heartbeat: time.Hour}}})
	if err != nil {
		return err
	}
	how := fmt.Sprintf("batches of 10, %d series, deadband and heartbeat, all within it, GOMAXPROCS=1", filterSeries)
	b.add(
		report.Row{Group: "filter", Name: "a filter alone", How: how, Figure: alone.Rate, Unit: "readings/s"},
		report.Row{Group: "filter", Name: "a filter alone", How: "heap", Figure: alone.Allocs, Unit: "allocations a reading"}.AtMost(0.05),
	)
	return b.filterLine(ctx)
}

// filterLine takes the whole line with several rules in turn, several rounds, and then medians.
func (b *Bench) filterLine(ctx context.Context) error {
	kinds := []struct {
		name  string
		rules map[string]ingest.Rule
	}{
		{"without rules", nil},
		{"a deadband that keeps nearly all", map[string]ingest.Rule{"*": {Deadband: 1e-9, Heartbeat: time.Hour}}},
		{"a deadband that drops most", map[string]ingest.Rule{"*": {Deadband: 0.2, Heartbeat: time.Hour}}},
	}
	rates, ratios, allocs := make([][]float64, len(kinds)), make([][]float64, len(kinds)), make([][]float64, len(kinds))
	dropped := make([]float64, len(kinds))
	for range pick(b, 5, 1) {
		for i, c := range kinds {
			a, err := b.filterOnce(ctx, filterTask{Whole: true, Rules: c.rules})
			if err != nil {
				return err
			}
			rates[i], allocs[i], dropped[i] = append(rates[i], a.Rate), append(allocs[i], a.Allocs), a.Filtered
			ratios[i] = append(ratios[i], a.Rate/rates[0][len(rates[0])-1])
		}
	}
	for i, c := range kinds {
		r := report.Row{
			Group: "filter", Name: "whole line, " + c.name, Figure: median(rates[i]), Unit: "readings/s",
			How: fmt.Sprintf("JSON to durable blocks, %d series, %.0f %% dropped, 4,000 messages in flight, GOMAXPROCS=1; %.2f allocations a reading",
				2*decodeTopics, 100*dropped[i], median(allocs[i])),
		}
		if i > 0 {
			r = r.Against("without rules", r.Figure/median(ratios[i]))
		}
		b.add(r)
	}
	return nil
}

func (b *Bench) filterOnce(ctx context.Context, task filterTask) (a filterAnswer, err error) {
	if task.Dir, err = b.folder("filter"); err != nil {
		return a, err
	}
	task.For = pick(b, 2*time.Second, 100*time.Millisecond)
	a, err = child.Work[filterAnswer](ctx, "filter", task, "GOMAXPROCS=1")
	return a, errors.Join(err, os.RemoveAll(task.Dir))
}

// filterChild does a filterTask.
func filterChild(ctx context.Context, t filterTask) (a filterAnswer, err error) {
	l, err := line.Open(ctx, line.Options{Dir: t.Dir})
	if err != nil {
		return a, err
	}
	var sink sensors.Sink = l.Pipe
	if t.Rules != nil {
		sink = ingest.NewFilter(l.Pipe, ingest.FilterConfig{Rules: t.Rules, MaxSeries: 4 * filterSeries})
	}
	var failed atomic.Pointer[error]
	flying := make(chan struct{}, filterFlying)
	done := func(err error) {
		<-flying
		if err != nil {
			store := err
			failed.Store(&store)
		}
	}
	keep := func(rs []sensors.Reading) error {
		flying <- struct{}{}
		return sink.Add(ctx, sensors.Batch{Source: line.Source, Collection: line.Collection, Readings: rs}, done)
	}
	next := wanderers
	if t.Whole {
		next = messages
	}
	batch, err := next(l.Table)
	for warm := 0; err == nil && warm < filterSeries/10; warm++ { // every series is known
		err = keepNext(batch, keep, nil)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, count := time.Now(), 0
	for i := 0; err == nil && (i%1024 != 0 || time.Since(began) < t.For); i++ {
		err = keepNext(batch, keep, &count)
	}
	runtime.ReadMemStats(&after)
	stats := l.Pipe.Stats()
	err = errors.Join(err, l.Close())
	if f := failed.Load(); f != nil {
		err = errors.Join(err, *f)
	}
	a.Rate = float64(count) / time.Since(began).Seconds()
	a.Allocs = float64(after.Mallocs-before.Mallocs) / float64(count)
	a.Filtered = float64(stats.Filtered) / float64(stats.Decoded)
	return a, err
}

func keepNext(batch func() ([]sensors.Reading, error), keep func([]sensors.Reading) error, count *int) error {
	rs, err := batch()
	if err != nil {
		return err
	}
	if count != nil {
		*count += len(rs)
	}
	return keep(rs)
}

// wanderers returns batches of 10 readings that go round the series; their values stay within a deadband of 1. After
// the first round a batch is of the same memory as the one before.
func wanderers(table *sensors.Table) (func() ([]sensors.Reading, error), error) {
	all := make([]*sensors.Series, filterSeries)
	for i := range all {
		s, err := table.Intern(sensors.Series{Name: fmt.Sprint("s", i), Type: sensors.Int})
		if err != nil {
			return nil, err
		}
		all[i] = s
	}
	var space []sensors.Reading
	at, now, known := 0, int64(1_700_000_000_000_000_000), false
	return func() ([]sensors.Reading, error) {
		if space == nil || !known { // what is kept belongs to the pipeline
			space = make([]sensors.Reading, 10)
		}
		now += int64(time.Millisecond)
		for i := range space {
			space[i] = sensors.Reading{Series: all[at], Time: now, Num: 7}
			if at++; at == len(all) {
				at = 0
			}
		}
		known = known || at == 0
		return space, nil
	}, nil
}

// messages returns what the JSON decoder makes of load's messages.
func messages(table *sensors.Table) (func() ([]sensors.Reading, error), error) {
	format, err := jsonFormat(table)
	if err != nil {
		return nil, err
	}
	decoder := format.Decoder()
	inputs, senders := make([]sensors.Raw, decodeTopics), make([]*load.Message, decodeTopics)
	for i := range inputs {
		inputs[i] = sensors.Raw{Source: line.Source, Topic: fmt.Sprintf("bench/c%d", i), Arrived: time.Now()}
		senders[i] = load.NewMessage(uint64(i))
	}
	at := 0
	var chunk []sensors.Reading // several messages share one allocation, as at the doors
	return func() ([]sensors.Reading, error) {
		raw := &inputs[at]
		raw.Payload = senders[at].Next()
		at = (at + 1) % decodeTopics
		if cap(chunk)-len(chunk) < load.MessageReadings {
			chunk = make([]sensors.Reading, 0, 64)
		}
		rs, err := decoder.Decode(chunk[len(chunk):], *raw)
		chunk = chunk[:len(chunk)+len(rs)]
		return slices.Clip(rs), err
	}, nil
}

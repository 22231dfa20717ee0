package rows

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/skerry-edge/skerry/bench/child"
	"github.com/skerry-edge/skerry/bench/line"
	"github.com/skerry-edge/skerry/bench/load"
	"github.com/skerry-edge/skerry/bench/report"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/decode"
)

const decodeTopics = 25 // two series each

// decodeTask decodes messages; with a Dir the readings go into a line.
type decodeTask struct {
	Dir string
	For time.Duration
}

type decodeAnswer struct {
	Rate   float64 // readings a second
	Allocs float64 // a reading
}

// decode measures the JSON decoder alone, and with the whole line behind it, and then the other formats, on one core.
func (b *Bench) decode(ctx context.Context) error {
	for _, whole := range []bool{false, true} {
		task := decodeTask{For: pick(b, 3*time.Second, 100*time.Millisecond)}
		name := "JSON decoder alone"
		if whole {
			name = "JSON to durable blocks, whole line"
			dir, err := b.folder("decode")
			if err != nil {
				return err
			}
			task.Dir = dir
		}
		a, err := child.Work[decodeAnswer](ctx, "decode", task, "GOMAXPROCS=1")
		if task.Dir != "" {
			err = errors.Join(err, os.RemoveAll(task.Dir))
		}
		if err != nil {
			return err
		}
		b.add(report.Row{
			Group: "decode", Name: name, How: "60-byte JSON, 2 readings, 25 topics, GOMAXPROCS=1", Figure: a.Rate, Unit: "readings/s",
		}.AtLeast(400_000), report.Row{
			Group: "decode", Name: name, How: "heap", Figure: a.Allocs, Unit: "allocations a reading",
		})
	}
	return b.formats(ctx)
}

// decodeChild does a decodeTask.
func decodeChild(ctx context.Context, t decodeTask) (a decodeAnswer, err error) {
	table, keep := sensors.NewTable(), func([]sensors.Reading) error { return nil }
	var l *line.Line
	var failed atomic.Pointer[error]
	if t.Dir != "" {
		if l, err = line.Open(ctx, line.Options{Dir: t.Dir}); err != nil {
			return a, err
		}
		done := func(err error) {
			if err != nil {
				failed.Store(&err)
			}
		}
		table, keep = l.Table, func(rs []sensors.Reading) error { return l.Send(ctx, rs, done) }
	}
	format, err := jsonFormat(table)
	if err != nil {
		return a, err
	}
	decoder := format.Decoder()
	inputs := make([]sensors.Raw, decodeTopics)
	messages := make([]*load.Message, decodeTopics)
	for i := range inputs {
		inputs[i] = sensors.Raw{Source: line.Source, Topic: fmt.Sprintf("bench/c%d", i), Arrived: time.Now()}
		messages[i] = load.NewMessage(uint64(i))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, count := time.Now(), 0
	var space []sensors.Reading
	for i := 0; i%1024 != 0 || time.Since(began) < t.For; i++ {
		raw := &inputs[i%decodeTopics]
		raw.Payload = messages[i%decodeTopics].Next()
		rs, err := decoder.Decode(space, *raw)
		if err == nil {
			err = keep(rs)
		}
		if err != nil {
			return a, err
		}
		count += len(rs)
		if l == nil {
			space = rs[:0]
		}
	}
	runtime.ReadMemStats(&after)
	if l != nil {
		err = l.Close()
	}
	if f := failed.Load(); f != nil {
		err = errors.Join(err, *f)
	}
	a.Rate = float64(count) / time.Since(began).Seconds()
	a.Allocs = float64(after.Mallocs-before.Mallocs) / float64(count)
	return a, err
}

// jsonFormat is that of the messages that load makes.
func jsonFormat(table *sensors.Table) (*decode.Format, error) {
	pattern, err := sensors.ParseTopicPattern("bench/{client}")
	if err != nil {
		return nil, err
	}
	c := decode.DefaultConfig()
	c.Format, c.Time, c.TimeUnit = "json", "ts", "ms"
	return decode.New(c, line.Source, []sensors.TopicPattern{pattern}, sensors.Milliseconds, table)
}

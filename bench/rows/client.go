package rows

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/skerry-edge/skerry/bench/child"
	"github.com/skerry-edge/skerry/bench/line"
	"github.com/skerry-edge/skerry/bench/load"
	"github.com/skerry-edge/skerry/bench/report"
	"github.com/skerry-edge/skerry/bench/rival"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/mqtt"
	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

const (
	drainTopics = "bench/{client}"
	drainFilter = "bench/+"
)

// client compares our subscriber of an outside broker with one that only counts.
func (b *Bench) client(ctx context.Context) error {
	for _, inflight := range []int{20, 1000} {
		var ratios, ours, counts []float64
		for range pick(b, 3, 1) {
			durable, err := b.drainOnce(ctx, "drain", inflight)
			if err != nil {
				return fmt.Errorf("acks after fsync: %w", err)
			}
			counted, err := b.drainOnce(ctx, "count", inflight)
			if err != nil {
				return fmt.Errorf("automatic acks: %w", err)
			}
			ours, counts, ratios = append(ours, durable), append(counts, counted), append(ratios, durable/counted)
		}
		how := fmt.Sprintf("%s messages queued in mosquitto, max_inflight_messages %d", report.Number(float64(b.queued())), inflight)
		row := report.Row{Group: "client", Unit: "messages/s"}
		counted, durable := row, row
		counted.Name, counted.How, counted.Figure = fmt.Sprintf("automatic acks, in-flight %d", inflight), how+", paho that only counts", median(counts)
		durable.Name, durable.How, durable.Figure = fmt.Sprintf("acks after fsync, in-flight %d", inflight), how+", to blocks", median(ours)
		b.add(durable.Against("automatic acks", median(ours)/median(ratios)).RatioAtLeast(0.9), counted)
	}
	return nil
}

// queued is how many messages wait.
func (b *Bench) queued() int { return pick(b, 50_000, 500) }

// drainOnce queues messages for a session and has a child take them. It returns messages a second.
func (b *Bench) drainOnce(ctx context.Context, work string, inflight int) (rate float64, err error) {
	dir, err := b.folder("client")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	m, err := startMosquitto(ctx, dir, "max_queued_messages 0", fmt.Sprintf("max_inflight_messages %d", inflight))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, m.Stop()) }()
	task := rival.DrainTask{Broker: m.URL(), ClientID: "drain", Filter: drainFilter, Dir: filepath.Join(dir, "data"), Messages: b.queued(), Inflight: inflight}
	if err := queue(ctx, m.Addr(), task); err != nil {
		return 0, err
	}
	a, err := child.Work[rival.DrainAnswer](ctx, work, task)
	if err != nil {
		return 0, err
	}
	return float64(task.Messages-1) / a.Seconds, nil
}

// queue makes the session and publishes what waits for it.
func queue(ctx context.Context, addr string, t rival.DrainTask) error {
	c, err := mqtttest.Dial(ctx, mqtttest.Options{Addr: addr, ClientID: t.ClientID, Keep: true})
	if err != nil {
		return err
	}
	if err := errors.Join(c.Subscribe(ctx, t.Filter, 1), c.Disconnect()); err != nil {
		return err
	}
	if c, err = mqtttest.Dial(ctx, mqtttest.Options{Addr: addr, ClientID: "publisher", Window: 1000}); err != nil {
		return err
	}
	message := load.NewMessage(1)
	for i := range t.Messages {
		if _, err := c.Publish(fmt.Sprintf("bench/c%d", i%16), message.Next(), 1); err != nil {
			return err
		}
	}
	return errors.Join(c.Drain(ctx), c.Disconnect())
}

// drainChild takes queued messages as an agent's source does, into a real line.
func drainChild(ctx context.Context, t rival.DrainTask) (rival.DrainAnswer, error) {
	l, err := line.Open(ctx, line.Options{Dir: t.Dir})
	if err != nil {
		return rival.DrainAnswer{}, err
	}
	sink := &timedSink{Sink: l.Pipe, left: t.Messages, all: make(chan error, 1)}
	source, err := drainSource(l, sink, t)
	if err != nil {
		return rival.DrainAnswer{}, errors.Join(err, l.Close())
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- source.Run(running) }()
	select {
	case err = <-sink.all:
	case <-ctx.Done():
		err = ctx.Err()
	}
	stop()
	err = errors.Join(err, <-ended, l.Close())
	return rival.DrainAnswer{Seconds: sink.last.Sub(sink.first).Seconds()}, err
}

func drainSource(l *line.Line, sink sensors.Sink, t rival.DrainTask) (sensors.Source, error) {
	decoder, err := jsonFormat(l.Table)
	if err != nil {
		return nil, err
	}
	pattern, err := sensors.ParseTopicPattern(drainTopics)
	if err != nil {
		return nil, err
	}
	c := mqtt.DefaultSourceConfig()
	c.Name, c.Broker, c.Topics, c.MaxInflight = line.Source, t.Broker, []string{drainTopics}, max(t.Inflight, c.MaxInflight)
	clock := func() (time.Time, sensors.Quality) { return time.Now(), 0 }
	return mqtt.NewClient(c, t.ClientID, line.Collection, []sensors.TopicPattern{pattern}, decoder.Decoder, sink, clock, nil,
		sensors.NewTally("mqtt", c.Name, time.Now()), slog.New(slog.DiscardHandler)), nil
}

// timedSink notes when the first batch was offered and when the last one was durable.
type timedSink struct {
	sensors.Sink

	first time.Time // owned by the source's goroutine
	last  time.Time // owned, like left, by the committer
	left  int
	all   chan error
}

// Add implements sensors.Sink.
func (s *timedSink) Add(ctx context.Context, b sensors.Batch, done func(error)) error {
	if s.first.IsZero() {
		s.first = time.Now()
	}
	return s.Sink.Add(ctx, b, func(err error) {
		done(err)
		if s.left--; s.left == 0 || err != nil {
			s.last = time.Now()
			select {
			case s.all <- err:
			default: // it was told already
			}
		}
	})
}

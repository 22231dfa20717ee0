package rows

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/skerry-edge/skerry/bench/child"
	"github.com/skerry-edge/skerry/bench/gateway"
	"github.com/skerry-edge/skerry/bench/load"
	"github.com/skerry-edge/skerry/bench/report"
	"github.com/skerry-edge/skerry/sensors/mqtt/mosquittotest"
	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

// The brokers that take the same load, in this order.
const (
	ours = iota
	counting
	mosquitto
	nats
	brokers
)

func brokerName(i int) string {
	return [brokers]string{"agent", "counting hook", "mosquitto", "nats-server"}[i]
}

type shape struct {
	clients, window int
	rivals          bool // there are goals against the other brokers
	without         int  // a broker that does not stand it; 0: none
}

func (s shape) String() string { return fmt.Sprintf("%d×%d", s.clients, s.window) }

// qos1 compares brokers that all run at the same time, loaded in turn.
func (b *Bench) qos1(ctx context.Context) (err error) {
	dir, err := b.folder("qos1")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	addrs, stop, err := b.startBrokers(ctx, dir)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return err
	}
	shapes := []shape{
		{clients: 1, window: 1},
		{clients: 1, window: 100, rivals: true},
		{clients: 16, window: 20, rivals: true},
		{clients: 64, window: 100, without: nats}, // 6,400 in flight take seconds there, and it closes the connections
	}
	for _, s := range pick(b, shapes, shapes[1:2]) {
		if err := b.qos1Shape(ctx, s, addrs); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// startBrokers starts all four. stop ends those that run, also after an error.
func (b *Bench) startBrokers(ctx context.Context, dir string) (addrs [brokers]string, stop func() error, err error) {
	var stops []func() error
	stop = func() error {
		var errs []error
		for _, s := range stops {
			errs = append(errs, s())
		}
		return errors.Join(errs...)
	}
	g, err := gateway.New(ctx, b.Program, filepath.Join(dir, "gateway"), "")
	if err != nil {
		return addrs, stop, err
	}
	stops = append(stops, g.Stop)
	if err := g.Start(ctx, nil); err != nil {
		return addrs, stop, err
	}
	addrs[ours] = g.Addr
	for i, name := range map[int]string{counting: "counter", nats: "nats"} {
		s, err := child.Serve(ctx, name, filepath.Join(dir, name))
		if err != nil {
			return addrs, stop, err
		}
		stops = append(stops, s.Close)
		addrs[i] = s.Addr
	}
	m, err := startMosquitto(ctx, dir)
	if err != nil {
		return addrs, stop, err
	}
	stops = append(stops, m.Stop)
	addrs[mosquitto] = m.Addr()
	return addrs, stop, keepInNATS(ctx, addrs[nats])
}

// startMosquitto starts one that writes neither messages nor a log of them.
func startMosquitto(ctx context.Context, dir string, lines ...string) (*mosquittotest.Broker, error) {
	lines = append(lines, "log_type none", "log_type information", "log_type error", "connection_messages false")
	m, err := mosquittotest.New(dir, mosquittotest.Config{Lines: lines})
	if err != nil {
		return nil, err
	}
	return m, m.Start(ctx)
}

// keepInNATS leaves a persistent session that wants all messages: without one nats-server keeps none.
func keepInNATS(ctx context.Context, addr string) error {
	c, err := mqtttest.Dial(ctx, mqtttest.Options{Addr: addr, ClientID: "keeper", Keep: true})
	if err != nil {
		return err
	}
	return errors.Join(c.Subscribe(ctx, "bench/#", 1), c.Disconnect())
}

// qos1Shape measures one shape on all brokers, several rounds in turn, and takes medians.
func (b *Bench) qos1Shape(ctx context.Context, s shape, addrs [brokers]string) error {
	var rates [brokers][]float64
	var syncs, p50s, p99s, bare99s []float64
	for range pick(b, 3, 1) {
		bare, err := b.syncs()
		if err != nil {
			return err
		}
		syncs = append(syncs, bare.Rate)
		bare99s = append(bare99s, bare.P99.Seconds()*bare.Rate)
		for i, addr := range addrs {
			if i == s.without && i != ours {
				continue
			}
			r, err := b.loadBroker(ctx, s, i, addr)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], r.Rate)
			if i == ours {
				p50s = append(p50s, r.P50.Seconds()*bare.Rate)
				p99s = append(p99s, r.P99.Seconds()*bare.Rate)
			}
			if err := pause(ctx, 200*time.Millisecond); err != nil {
				return err
			}
		}
	}
	b.qos1Rows(s, rates, median(syncs))
	if s.clients == 1 && s.window > 1 {
		b.add(report.Row{
			Group: "qos1", Name: s.String() + " latency p99", Figure: median(p99s), Unit: "bare syncs",
			How: fmt.Sprintf("from message to ack; p50 %.1f; p99 of the bare syncs themselves %.1f", median(p50s), median(bare99s)),
		}.AtMost(8))
	}
	return nil
}

// loadBroker loads one broker once. nats-server gets a second try: it closes connections when its disk is slow.
func (b *Bench) loadBroker(ctx context.Context, s shape, i int, addr string) (r load.Result, err error) {
	for range 2 {
		r, err = load.Run(ctx, load.Options{
			Addr: addr, Clients: s.clients, Window: s.window,
			Warm: pick(b, 500*time.Millisecond, 0), For: pick(b, 2*time.Second, 100*time.Millisecond),
		})
		if err == nil || i != nats {
			break
		}
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w", brokerName(i), err)
	}
	return r, nil
}

// qos1Rows adds the rows of one shape.
func (b *Bench) qos1Rows(s shape, rates [brokers][]float64, bare float64) {
	const how = "60-byte JSON, 2 readings"
	row := func(name, how string, figure float64) report.Row {
		return report.Row{Group: "qos1", Name: s.String() + " " + name, How: how, Figure: figure, Unit: "messages/s"}
	}
	own := row("agent", how+", acked after fsync, decoded", median(rates[ours])).Against("bare fdatasync", bare)
	if s.clients*s.window == 1 {
		own = own.RatioAtLeast(0.6)
	}
	b.add(own, row("bare fdatasync", "4 KiB append + fdatasync", bare))
	notes := [brokers]string{counting: "the same broker, acked at once", mosquitto: "no persistence", nats: "JetStream, sync always"}
	goals := [brokers]float64{counting: 1, mosquitto: 1.3, nats: 15}
	for i := counting; i < brokers; i++ {
		if len(rates[i]) == 0 {
			continue
		}
		rate := median(rates[i])
		against := row("agent", "against "+brokerName(i), own.Figure).Against(brokerName(i), rate)
		if s.rivals {
			against = against.RatioAtLeast(goals[i])
		}
		b.add(row(brokerName(i), notes[i], rate), against)
	}
}

func median(fs []float64) float64 {
	if len(fs) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(fs))
	return s[len(s)/2]
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

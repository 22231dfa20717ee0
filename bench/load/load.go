// Package load publishes messages as fast as a broker acknowledges them, or at a pace.
package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

// Options say what to publish.
type Options struct {
	Addr    string
	Clients int
	Window  int           // messages in flight of each client
	Warm    time.Duration // before what is measured
	For     time.Duration // what is measured

	TLS      *tls.Config // nil = without
	Username string
	Password string
}

// Result is what a load came to.
type Result struct {
	Rate     float64       // messages acknowledged a second
	P50, P99 time.Duration // from a message to its ack
}

const (
	sampleEvery = 16 // messages to one whose latency is measured
	drainLimit  = 30 * time.Second
)

// Run publishes at QoS 1 from all clients.
func Run(ctx context.Context, o Options) (Result, error) {
	publishers := make([]*publisher, o.Clients)
	defer func() {
		for _, p := range publishers {
			if p != nil {
				_ = p.client.Disconnect() // the result is complete
			}
		}
	}()
	for i := range publishers {
		p := &publisher{message: NewMessage(uint64(i)), topic: fmt.Sprintf("bench/c%d", i)}
		client, err := mqtttest.Dial(ctx, mqtttest.Options{
			Addr: o.Addr, ClientID: fmt.Sprintf("bench-%d", i), Window: o.Window, OnAck: p.acked,
			TLS: o.TLS, Username: o.Username, Password: o.Password,
		})
		if err != nil {
			return Result{}, err
		}
		p.client, publishers[i] = client, p
	}
	return measure(ctx, o, publishers)
}

func measure(ctx context.Context, o Options, publishers []*publisher) (Result, error) {
	publishing, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(publishers))
	var group sync.WaitGroup
	for i, p := range publishers {
		group.Go(func() {
			if errs[i] = p.run(publishing); errs[i] != nil {
				stop()
			}
		})
	}
	acked := func() (n uint64) {
		for _, p := range publishers {
			n += p.client.Acked()
		}
		return n
	}
	wait(publishing, o.Warm)
	for _, p := range publishers {
		p.measure.Store(true)
	}
	first, began := acked(), time.Now()
	wait(publishing, o.For)
	last, took := acked(), time.Since(began)
	stop()
	group.Wait()
	if err := firstOf(errs); err != nil {
		return Result{}, fmt.Errorf("publish: %w", err)
	}
	draining, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	var all []time.Duration
	for _, p := range publishers {
		if err := p.client.Drain(draining); err != nil {
			return Result{}, fmt.Errorf("publish: %w", err)
		}
		p.mu.Lock()
		all = append(all, p.latencies...)
		p.mu.Unlock()
	}
	r := Result{Rate: float64(last-first) / took.Seconds()}
	if slices.Sort(all); len(all) > 0 {
		r.P50, r.P99 = all[len(all)/2], all[len(all)*99/100]
	}
	return r, nil
}

// firstOf returns one of the errors: all clients lose a broker in the same way.
func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// publisher is one client.
type publisher struct {
	client  *mqtttest.Client
	message *Message
	topic   string
	measure atomic.Bool
	sent    [1 << 16]atomic.Int64 // by packet id: when, if it is a sample

	mu        sync.Mutex // guards what follows
	latencies []time.Duration
}

func (p *publisher) run(ctx context.Context) error {
	for i := 0; ; i++ {
		if i%sampleEvery != 0 {
			if _, err := p.client.Publish(p.topic, p.message.Next(), 1); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		default:
		}
		id, err := p.client.Publish(p.topic, p.message.Next(), 1)
		if err != nil {
			return err
		}
		if p.measure.Load() {
			p.sent[id].Store(time.Now().UnixNano())
		}
	}
}

// acked notes how long a sampled message took. A sample whose ack is faster than Publish returns is lost.
func (p *publisher) acked(id uint16) {
	at := p.sent[id].Swap(0)
	if at == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latencies = append(p.latencies, time.Duration(time.Now().UnixNano()-at))
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

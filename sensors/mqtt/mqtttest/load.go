package mqtttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Load is a number of clients that each publish as fast as their window allows.
type Load struct {
	Options

	Clients  int
	QoS      byte
	Messages int // in all, at most; 0 = until Duration
	Duration time.Duration
	Topic    func(client int) string
	Payload  []byte
}

// Result is what a Load came to.
type Result struct {
	Acked   uint64 // at QoS 0: sent
	Elapsed time.Duration
	P50     time.Duration // from Publish to its ack, of a sample
	P99     time.Duration
}

// Rate returns messages a second.
func (r Result) Rate() float64 { return float64(r.Acked) / r.Elapsed.Seconds() }

// sampleEvery is how many messages of a client there are to one whose latency is measured.
const sampleEvery = 16

// Run connects the clients, publishes, and waits for all acks.
func (l Load) Run(ctx context.Context) (Result, error) {
	workers := make([]*worker, l.Clients)
	defer func() {
		for _, w := range workers {
			if w != nil {
				_ = w.client.Disconnect() // the result is complete
			}
		}
	}()
	for i := range workers {
		w := &worker{load: l, topic: l.Topic(i), sent: make(map[uint16]time.Time)}
		o := l.Options
		o.ClientID = fmt.Sprintf("%s-%d", l.ClientID, i)
		if l.QoS > 0 {
			o.OnAck = w.acked
		}
		client, err := Dial(ctx, o)
		if err != nil {
			return Result{}, err
		}
		w.client, workers[i] = client, w
	}
	var group sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(l.Messages))
	errs := make([]error, len(workers))
	start := time.Now()
	for i, w := range workers {
		group.Go(func() { errs[i] = w.run(ctx, start, &left) })
	}
	group.Wait()
	result := Result{Elapsed: time.Since(start)}
	var latencies []time.Duration
	for _, w := range workers {
		result.Acked += w.count
		latencies = append(latencies, w.latencies...)
	}
	if len(latencies) > 0 {
		slices.Sort(latencies)
		result.P50, result.P99 = latencies[len(latencies)/2], latencies[len(latencies)*99/100]
	}
	return result, errors.Join(errs...)
}

// worker is one client of a Load.
type worker struct {
	load   Load
	client *Client
	topic  string
	count  uint64

	mu        sync.Mutex // guards what follows
	sent      map[uint16]time.Time
	latencies []time.Duration
}

func (w *worker) run(ctx context.Context, start time.Time, left *atomic.Int64) error {
	for ; ; w.count++ {
		if w.count%64 == 0 && (ctx.Err() != nil || w.load.Duration > 0 && time.Since(start) >= w.load.Duration) {
			break
		}
		if w.load.Messages > 0 && left.Add(-1) < 0 {
			break
		}
		if w.load.QoS > 0 && w.count%sampleEvery == 0 {
			w.sample()
		}
		if _, err := w.client.Publish(w.topic, w.load.Payload, w.load.QoS); err != nil {
			return err
		}
	}
	return w.client.Drain(ctx)
}

// sample notes when the next message is published. Its id is the next one unless that is still in flight, and then
// there is no sample.
func (w *worker) sample() {
	w.client.mu.Lock()
	id := w.client.last + 1
	w.client.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent[id] = time.Now()
}

func (w *worker) acked(id uint16) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at, ok := w.sent[id]; ok {
		w.latencies = append(w.latencies, time.Since(at))
		delete(w.sent, id)
	}
}

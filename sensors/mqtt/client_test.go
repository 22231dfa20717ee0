package mqtt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/mqtt/mosquittotest"
)

const clientTestPatience = 60 * time.Second

// clientEventually waits until cond holds.
func clientEventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(clientTestPatience)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited %s in vain until %s", clientTestPatience, what)
		}
	}
}

// clientDecoder gives one Int reading for a decimal payload.
type clientDecoder struct {
	table *sensors.Table
}

func (d *clientDecoder) Decode(dst []sensors.Reading, raw sensors.Raw) ([]sensors.Reading, error) {
	if string(raw.Payload) == "nothing" {
		return dst, nil
	}
	n, err := strconv.ParseInt(string(raw.Payload), 10, 64)
	if err != nil {
		return dst, &sensors.DecodeError{Reason: sensors.ReasonSyntax, What: "not a number"}
	}
	series, err := d.table.Intern(sensors.Series{Name: "n", Type: sensors.Int})
	if err != nil {
		return dst, &sensors.DecodeError{Reason: sensors.ReasonName, What: err.Error()}
	}
	return append(dst, sensors.Reading{Series: series, Time: raw.Arrived.UnixNano(), Num: uint64(n), Quality: raw.Quality | sensors.QualityArrival}), nil
}

// clientSink is a small line: a queue and a committer that can be held, and can fail.
type clientSink struct {
	mu      sync.Mutex
	changed *sync.Cond
	queue   []clientQueued
	held    bool
	failing error
	closed  bool
	stored  map[int64]int // value -> how often
	origins []sensors.Origin
	offered int
	most    int // messages in the queue at once
	stopped chan struct{}
}

type clientQueued struct {
	batch sensors.Batch
	done  func(error)
}

func newClientSink(t *testing.T) *clientSink {
	t.Helper()
	s := &clientSink{stored: map[int64]int{}, stopped: make(chan struct{})}
	s.changed = sync.NewCond(&s.mu)
	go s.commit()
	t.Cleanup(func() {
		s.set(func() { s.closed = true })
		<-s.stopped
	})
	return s
}

func (s *clientSink) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.changed.Broadcast()
}

func (s *clientSink) Add(ctx context.Context, b sensors.Batch, done func(error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.set(func() {
		s.queue = append(s.queue, clientQueued{b, done})
		s.most = max(s.most, len(s.queue))
	})
	return nil
}

func (s *clientSink) Offer(b sensors.Batch, done func(error)) {
	s.set(func() {
		s.offered++
		if done == nil {
			done = func(error) {}
		}
		s.queue = append(s.queue, clientQueued{b, done})
	})
}

func (s *clientSink) commit() {
	defer close(s.stopped)
	for {
		s.mu.Lock()
		for !s.closed && (s.held || len(s.queue) == 0) {
			s.changed.Wait()
		}
		if s.closed {
			s.mu.Unlock()
			return
		}
		group, err := s.queue, s.failing
		s.queue = nil
		if err == nil {
			for _, q := range group {
				for _, r := range q.batch.Readings {
					s.stored[r.Int()]++
				}
				if q.batch.Origin != nil {
					s.origins = append(s.origins, *q.batch.Origin)
				}
			}
		}
		s.mu.Unlock()
		for _, q := range group {
			q.done(err)
		}
	}
}

func (s *clientSink) hold()    { s.set(func() { s.held = true }) }
func (s *clientSink) release() { s.set(func() { s.held = false }) }

func (s *clientSink) fail(err error) { s.set(func() { s.failing = err }) }

func (s *clientSink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.stored)
}

func (s *clientSink) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue)
}

// doubles returns how many values were stored more than once, and how often in all.
func (s *clientSink) doubles() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, times := range s.stored {
		n += times - 1
	}
	return n
}

// requireAll checks that exactly the values 0 to n-1 are stored, each at least once.
func (s *clientSink) requireAll(t *testing.T, n int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	missing := 0
	for i := range n {
		if s.stored[int64(i)] == 0 {
			missing++
		}
	}
	if missing > 0 || len(s.stored) != n {
		t.Fatalf("%d of %d messages are missing, %d values stored", missing, n, len(s.stored))
	}
}

// clientRun is a client under test.
type clientRun struct {
	client *Client
	cancel context.CancelFunc
	done   chan error
	log    *clientLog
}

// clientLog is a log that can be read while it is written.
type clientLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *clientLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *clientLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func clientTestConfig(url string) SourceConfig {
	c := DefaultSourceConfig()
	c.Name, c.Broker, c.Topics = "meters", url, []string{"site/{sensor}"}
	return c
}

func newTestClient(t *testing.T, c SourceConfig, sink sensors.Sink, seen Seen) (*Client, *clientLog) {
	t.Helper()
	var patterns []sensors.TopicPattern
	for _, topic := range c.Topics {
		p, err := sensors.ParseTopicPattern(topic)
		if err != nil {
			t.Fatal(err)
		}
		patterns = append(patterns, p)
	}
	log := &clientLog{}
	clock := func() (time.Time, sensors.Quality) { return time.Now(), 0 }
	id := c.ClientID
	if id == "" {
		id = "skerry-test-" + c.Name
	}
	table := sensors.NewTable()
	client := NewClient(c, id, "climate", patterns, func() sensors.Decoder { return &clientDecoder{table} }, sink, clock, seen,
		sensors.NewTally("mqtt", c.Name, time.Now()), slog.New(slog.NewTextHandler(log, nil)))
	client.retry = clientRetry{first: 10 * time.Millisecond, most: 50 * time.Millisecond}
	return client, log
}

func startClient(t *testing.T, c SourceConfig, sink sensors.Sink, seen Seen) *clientRun {
	t.Helper()
	client, log := newTestClient(t, c, sink, seen)
	return runClient(t, client, log)
}

func runClient(t *testing.T, client *Client, log *clientLog) *clientRun {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &clientRun{client: client, cancel: cancel, done: make(chan error, 1), log: log}
	go func() { r.done <- client.Run(ctx) }()
	t.Cleanup(func() {
		r.stop(t)
		if t.Failed() {
			t.Logf("client's log:\n%s", r.log)
		}
	})
	return r
}

// stop ends Run; more than once is fine.
func (r *clientRun) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	timer := time.NewTimer(clientTestPatience)
	defer timer.Stop()
	select {
	case err := <-r.done:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
		r.done <- nil
	case <-timer.C:
		t.Errorf("Run did not return")
	}
}

func (r *clientRun) state() (state, text string) {
	s := r.client.Status()
	return s.State, s.Text
}

func (r *clientRun) waitConnected(t *testing.T) {
	t.Helper()
	clientEventually(t, "the client is connected", func() bool {
		state, text := r.state()
		return state == "connected" && text == ""
	})
}

// requireMosquitto writes a broker's configuration. Without mosquitto the test fails, or skips if the environment says so.
func requireMosquitto(t *testing.T, c mosquittotest.Config) *mosquittotest.Broker {
	t.Helper()
	if testing.Short() {
		t.Skip("starts mosquitto: not in -short")
	}
	b, err := mosquittotest.New(t.TempDir(), c)
	if errors.Is(err, mosquittotest.ErrNotInstalled) && os.Getenv(mosquittotest.SkipVariable) == "1" {
		t.Skipf("%v; %s=1", err, mosquittotest.SkipVariable)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("mosquitto's log:\n%s", b.Log())
		}
	})
	return b
}

func startMosquitto(t *testing.T, c mosquittotest.Config) *mosquittotest.Broker {
	t.Helper()
	b := requireMosquitto(t, c)
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// newPublisher connects a paho client that publishes to url and keeps what the broker has not acknowledged.
func newPublisher(t *testing.T, url string, set func(*paho.ClientOptions)) paho.Client {
	t.Helper()
	o := paho.NewClientOptions().AddBroker(url).SetClientID(fmt.Sprintf("publisher-%d", time.Now().UnixNano())).
		SetCleanSession(false).SetMaxReconnectInterval(100 * time.Millisecond).SetOrderMatters(false)
	if set != nil {
		set(o)
	}
	p := paho.NewClient(o)
	if token := p.Connect(); !token.WaitTimeout(clientTestPatience) || token.Error() != nil {
		t.Fatalf("connect publisher: %v", token.Error())
	}
	t.Cleanup(func() { p.Disconnect(100) })
	return p
}

// publish publishes the values from to to-1 and waits until the broker has them.
func publish(t *testing.T, p paho.Client, qos byte, from, to int) {
	t.Helper()
	// While it reconnects paho's tokens are done before the broker has the message.
	clientEventually(t, "the publisher is connected", p.IsConnectionOpen)
	tokens := make([]paho.Token, 0, to-from)
	for i := from; i < to; i++ {
		tokens = append(tokens, p.Publish(fmt.Sprintf("site/s%d", i%5), qos, false, strconv.Itoa(i)))
	}
	for _, token := range tokens {
		if !token.WaitTimeout(clientTestPatience) || token.Error() != nil {
			t.Fatalf("publish: %v", token.Error())
		}
	}
}

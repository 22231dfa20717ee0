package mqtt

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

// countingConn counts writes.
type countingConn struct {
	net.Conn

	writes atomic.Int64
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// pipe connects without a socket. It returns the broker's side as well.
func (f *fixture) pipe(tb testing.TB) (*rawClient, *countingConn) {
	tb.Helper()
	near, far := net.Pipe()
	counted := &countingConn{Conn: far}
	var group sync.WaitGroup
	group.Go(func() { f.broker.serve(counted, nil, "") })
	tb.Cleanup(func() {
		_ = near.Close()
		group.Wait()
	})
	return &rawClient{Conn: near, version: 4}, counted
}

func TestBroker_writesTheAcksOfAGroupAtOnce(t *testing.T) {
	sink := mqtttest.NewSink(1000, false)
	f := startBroker(t, sink, nil)
	c, counted := f.pipe(t)
	c.write(t, connect4("a", true))
	c.expect(t, 0x20)
	const count = 500
	var all []byte
	for id := range uint16(count) {
		all = mqtttest.AppendPublish(all, mqtttest.Message{Topic: "site/one", Payload: []byte("1"), QoS: 1, ID: id + 1})
	}
	c.write(t, all)
	awaitWaiting(t, sink, count)
	before := counted.writes.Load()
	sink.Commit(-1)
	for id := range uint16(count) {
		if ack := c.expect(t, 0x40); ack.PacketID != id+1 {
			t.Fatalf("acked %d, want %d", ack.PacketID, id+1)
		}
	}
	if n := counted.writes.Load() - before; n > count/10 {
		t.Errorf("%d writes for %d acks of one group", n, count)
	}
}

func TestBroker_clientThatReadsNoAcksBlocksOnlyItself(t *testing.T) {
	sink := mqtttest.NewSink(1, true)
	f := startBroker(t, sink, nil)
	slow, _ := f.pipe(t)
	slow.write(t, connect4("slow", true))
	slow.expect(t, 0x20)
	stopped := make(chan int, 1)
	go func() {
		for sent := 0; ; sent++ {
			message := mqtttest.AppendPublish(nil, mqtttest.Message{Topic: "site/one", Payload: []byte("1"), QoS: 1, ID: uint16(sent%60000) + 1})
			err := slow.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
			if err == nil {
				_, err = slow.Write(message)
			}
			if err != nil {
				stopped <- sent
				return
			}
		}
	}()
	n := receive(t, stopped, "the slow client's socket to be full")
	var held int
	f.broker.eachConn(func(c *brokerConn) {
		c.mu.Lock()
		defer c.mu.Unlock()
		held += len(c.out) + c.writing
	})
	if held == 0 || held > 2*highWater {
		t.Errorf("%d bytes of acks are held after %d messages", held, n)
	}
	other := f.dial(t, "other", nil)
	publishNow(t, other, "site/one", "1", 1)
	receive(t, other.acks, "the other client's ack")
	for range n { // and it was only waiting
		slow.expect(t, 0x40)
	}
}

func TestBroker_keepsALimitedNumberOfSessions(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), func(c *BrokerConfig, _ *BrokerOptions) { c.MaxClients = 2 })
	first := f.dial(t, "first", keep)
	subscribe(t, first, "site/#", 1)
	for i := range 2*sessionsPerClient + 5 {
		c := f.dial(t, fmt.Sprint("client ", i), keep)
		if err := c.Disconnect(); err != nil {
			t.Fatal(err)
		}
		f.awaitClients(t, 1)
	}
	if s := f.broker.Status(); s.Sessions > 2*sessionsPerClient || s.Forgotten < 5 {
		t.Errorf("status %+v", s)
	}
	f.broker.mu.Lock()
	n := len(f.broker.sessions)
	f.broker.mu.Unlock()
	if n > 2*sessionsPerClient {
		t.Errorf("%d sessions are remembered", n)
	}
	publishNow(t, first, "site/one", "1", 1)
	receive(t, first.messages, "a message for the one that stayed")
}

// awaitClients waits until that many clients are connected.
func (f *fixture) awaitClients(tb testing.TB, n int64) {
	tb.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	ctx := within(tb)
	for f.broker.Status().Clients != n {
		select {
		case <-ctx.Done():
			tb.Fatalf("%d clients are connected, want %d", f.broker.Status().Clients, n)
		case <-ticker.C:
		}
	}
}

func TestBroker_refusesLongNames(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), nil)
	long := strings.Repeat("x", maxBrokerClientID+1)
	if _, err := mqtttest.Dial(within(t), mqtttest.Options{Addr: f.broker.Addr().String(), ClientID: long}); !errors.Is(err, mqtttest.ErrRefused) {
		t.Errorf("client id: %v", err)
	}
	c := f.dial(t, "a", nil)
	if err := c.Subscribe(within(t), strings.Repeat("a/", 600), 1); err == nil {
		t.Error("a filter of 1,200 bytes was accepted")
	}
	if _, err := c.Publish(strings.Repeat("a/", 600), nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, c)
	will := f.raw(t, willConnect("w", "site/+", "1", 0))
	will.expectEnd(t)
}

func TestBroker_limitsQoS2Exchanges(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), func(c *BrokerConfig, _ *BrokerOptions) { c.MaxInflight = 5 })
	c, _ := f.dial5(t, "a", nil)
	for id := range uint16(5) {
		c.write(t, encode5(t, publish5("site/one", "1", 2, id+1)))
		c.expect(t, 0x50)
	}
	c.write(t, encode5(t, publish5("site/one", "1", 2, 3))) // one of them again is no more
	c.expect(t, 0x50)
	c.write(t, encode5(t, publish5("site/one", "1", 2, 6)))
	if got := c.expectEnd(t); len(got) != 1 || got[0].ReasonCode != packets.ErrReceiveMaximum.Code {
		t.Errorf("got %+v", got)
	}
}

func TestBroker_noticesASilentClient(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), nil)
	listener := f.dial(t, "l", nil)
	subscribe(t, listener, "#", 0)
	c := willConnect("silent", "elsewhere", "gone", 0)
	c[11] = 1 // keep alive: 1 s
	silent := f.raw(t, c)
	silent.expect(t, 0x20)
	start := time.Now()
	receive(t, listener.messages, "the will")
	if d := time.Since(start); d < 1400*time.Millisecond || d > 4*time.Second {
		t.Errorf("noticed after %s", d)
	}
}

func TestBroker_portTaken(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), nil)
	config := DefaultBrokerConfig()
	config.Listen = f.broker.Addr().String()
	err := NewBroker(config, nil, nil, clockForTest, f.broker.options).Listen(t.Context())
	var fault *ListenError
	if !errors.As(err, &fault) || fault.Hint() == "" || !strings.Contains(err.Error(), config.Listen) {
		t.Errorf("got %v", err)
	}
}

func TestBrokerConfig_Validate(t *testing.T) {
	for _, c := range []struct {
		change func(*BrokerConfig)
		want   string
	}{
		{func(*BrokerConfig) {}, ""},
		{func(c *BrokerConfig) { c.Listen = "127.0.0.1:1883" }, ""},
		{func(c *BrokerConfig) { c.Listen = "[::1]:0" }, ""},
		{func(c *BrokerConfig) { c.Listen = "localhost:1883" }, ""},
		{func(c *BrokerConfig) { c.Listen = ":1883" }, "listen"},
		{func(c *BrokerConfig) { c.Listen = "0.0.0.0:1883" }, "listen"},
		{func(c *BrokerConfig) { c.Listen = "192.168.1.2:1883" }, "listen"},
		{func(c *BrokerConfig) { c.Listen, c.AllowAnonymous = "0.0.0.0:1883", true }, ""},
		{func(c *BrokerConfig) { c.Listen = "1883" }, "listen"},
		{func(c *BrokerConfig) { c.Listen = "127.0.0.1:mqtt" }, "listen"},
		{func(c *BrokerConfig) { c.Listen = "127.0.0.1:70000" }, "listen"},
		{func(c *BrokerConfig) { c.MaxClients = 0 }, "max_clients"},
		{func(c *BrokerConfig) { c.MaxInflight = 65536 }, "max_inflight"},
		{func(c *BrokerConfig) { c.MaxPacket = 10 }, "max_packet"},
	} {
		config := DefaultBrokerConfig()
		c.change(&config)
		got := ""
		config.Validate(func(key, what, hint string) {
			got += key
			if what == "" || hint == "" {
				t.Errorf("%+v: no words", config)
			}
		})
		if got != c.want {
			t.Errorf("%+v: faults %q, want %q", config, got, c.want)
		}
	}
}

package demo

import (
	"encoding/json"
	"log/slog"
	"math"
	"net"
	"testing"
	"time"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// message is one that a broker took.
type message struct {
	topic   string
	qos     byte
	payload string
}

// allow lets every client do everything.
type allow struct{ broker.HookBase }

func (*allow) Provides(b byte) bool {
	return b == broker.OnConnectAuthenticate || b == broker.OnACLCheck
}
func (*allow) OnConnectAuthenticate(*broker.Client, packets.Packet) bool { return true }
func (*allow) OnACLCheck(*broker.Client, string, bool) bool              { return true }

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// serve runs a broker at the address.
func serve(t *testing.T, address string) <-chan message {
	t.Helper()
	server := broker.New(&broker.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
	if err := server.AddHook(new(allow), nil); err != nil {
		t.Fatal(err)
	}
	if err := server.AddListener(listeners.NewTCP(listeners.Config{ID: "t", Address: address})); err != nil {
		t.Fatal(err)
	}
	got := make(chan message, 1<<14)
	err := server.Subscribe("site/#", 1, func(_ *broker.Client, _ packets.Subscription, p packets.Packet) {
		got <- message{p.TopicName, p.FixedHeader.Qos, string(p.Payload)}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return got
}

func next(t *testing.T, from <-chan message) message {
	t.Helper()
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	select {
	case m := <-from:
		return m
	case <-timer.C:
		t.Fatal("no message arrived")
		return message{}
	}
}

func TestPowerMeters_publish(t *testing.T) {
	address := freeAddress(t)
	got := serve(t, address)
	s, stop := start(t, Config{Broker: address, Meters: 3, Rate: 100, Seed: 1})
	seen := map[string]int{}
	for seen[Topic(1)] < 5 || seen[Topic(2)] < 5 || seen[Topic(3)] < 5 {
		m := next(t, got)
		seen[m.topic]++
		var values struct {
			TS                     int64 `json:"ts"`
			Power, Energy, Voltage float64
		}
		if err := json.Unmarshal([]byte(m.payload), &values); err != nil || m.qos != 1 {
			t.Fatalf("%+v: %v", m, err)
		}
		if age := time.Since(time.UnixMilli(values.TS)); age < 0 || age > deadline ||
			values.Power <= 0 || values.Energy < 1000 || math.Abs(values.Voltage-230) > 20 {
			t.Fatalf("%+v", m)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if c := s.Counts(); c.Acked < 12 || c.Published < c.Acked || c.Published > c.Acked+3 {
		t.Errorf("counts %+v", c)
	}
	if len(seen) != 3 {
		t.Errorf("topics %v", seen)
	}
}

func TestPowerMeters_waitForTheBroker(t *testing.T) {
	address := freeAddress(t)
	_, stop := start(t, Config{Broker: address, Meters: 1, Rate: 100})
	next(t, serve(t, address))
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestPowerMeters_stopWithoutBroker(t *testing.T) {
	_, stop := start(t, Config{Broker: freeAddress(t), Meters: 2, Rate: 1})
	began := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Run took %v to return", took)
	}
}

func TestMeter_countsEnergy(t *testing.T) {
	m := newMeter(1, 1)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	first := m.next(now)
	last, used := first, 0.0
	for range 24 * 60 {
		now = now.Add(time.Minute)
		l := m.next(now)
		if l.energy < last.energy || l.power <= 0 {
			t.Fatalf("%+v after %+v", l, last)
		}
		used += l.power / 60 / 1000
		last = l
	}
	if diff := math.Abs(last.energy - first.energy - used); diff > 1e-6 {
		t.Errorf("energy is %v kWh off", diff)
	}
}

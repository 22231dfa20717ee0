package mqtttest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/mqtt"
	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

func startBroker(t *testing.T) string {
	t.Helper()
	config := mqtt.DefaultBrokerConfig()
	config.Listen = "127.0.0.1:0"
	clock := func() (time.Time, sensors.Quality) { return time.Now(), 0 }
	b := mqtt.NewBroker(config, nil, mqtttest.NewSink(1, true), clock, mqtt.BrokerOptions{Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	if err := b.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	return b.Addr().String()
}

func TestLoad_publishesWhatItSays(t *testing.T) {
	addr := startBroker(t)
	for qos := range byte(3) {
		load := mqtttest.Load{
			Options: mqtttest.Options{Addr: addr, ClientID: "load", Window: 10},
			Clients: 4, QoS: qos, Messages: 1003, Payload: []byte("x"),
			Topic: func(i int) string { return fmt.Sprintf("topic/%d", i) },
		}
		result, err := load.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if result.Acked != 1003 || result.Rate() <= 0 || qos > 0 && (result.P50 <= 0 || result.P99 < result.P50) {
			t.Errorf("qos %d: got %+v", qos, result)
		}
	}
}

func TestClient_wrapsItsPacketIDs(t *testing.T) {
	c, err := mqtttest.Dial(t.Context(), mqtttest.Options{Addr: startBroker(t), ClientID: "a", Window: 100})
	if err != nil {
		t.Fatal(err)
	}
	for range 70_000 {
		if _, err := c.Publish("topic", nil, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := c.Acked(); n != 70_000 {
		t.Errorf("%d acked", n)
	}
	if err := c.Disconnect(); err != nil {
		t.Error(err)
	}
	if _, err := c.Publish("topic", nil, 1); err == nil {
		t.Error("published after the end")
	}
}

func TestSink_dropsTheOldestOffered(t *testing.T) {
	s := mqtttest.NewSink(2, false)
	results := make(chan string, 10)
	note := func(name string) func(error) {
		return func(err error) { results <- fmt.Sprint(name, " ", err) }
	}
	s.Offer(sensors.Batch{Source: "a"}, note("a"))
	if err := s.Add(t.Context(), sensors.Batch{Source: "b"}, note("b")); err != nil {
		t.Fatal(err)
	}
	s.Offer(sensors.Batch{Source: "c"}, note("c"))
	if got, want := <-results, fmt.Sprint("a ", sensors.ErrDropped); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Add(ctx, sensors.Batch{Source: "d"}, note("d")); !errors.Is(err, context.Canceled) {
		t.Errorf("a full sink: %v", err)
	}
	if n := s.Commit(1); n != 1 || <-results != "b <nil>" {
		t.Errorf("%d committed", n)
	}
	if n := s.Fail(-1, errors.ErrUnsupported); n != 1 || <-results != fmt.Sprint("c ", errors.ErrUnsupported) {
		t.Errorf("%d failed", n)
	}
	if stored := s.Stored(); len(stored) != 1 || stored[0].Source != "b" {
		t.Errorf("stored %+v", stored)
	}
}

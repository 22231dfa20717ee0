package mqtt

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

// numberDecoder makes one reading of a payload that is a number, none of "skip", and fails on the rest.
type numberDecoder struct{ series *sensors.Series }

func (d numberDecoder) Decode(dst []sensors.Reading, raw sensors.Raw) ([]sensors.Reading, error) {
	if string(raw.Payload) == "skip" {
		return dst, nil
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(raw.Payload)), 10, 64)
	if err != nil {
		return dst, &sensors.DecodeError{Reason: sensors.ReasonSyntax, What: "not a number"}
	}
	return append(dst, sensors.Reading{Series: d.series, Time: raw.Arrived.UnixNano(), Num: n}), nil
}

// sinkUnderTest is what the tests need of a sink.
type sinkUnderTest interface{ sensors.Sink }

type fixture struct {
	broker *Broker
	tally  *sensors.Tally // of the source "meters": site/#
	second *sensors.Tally // of the source "again": site/both
	stop   func()         // ends Run and waits for it
}

func clockForTest() (time.Time, sensors.Quality) { return time.Now(), 0 }

func patterns(tb testing.TB, texts ...string) []sensors.TopicPattern {
	tb.Helper()
	var out []sensors.TopicPattern
	for _, text := range texts {
		p, err := sensors.ParseTopicPattern(text)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func startBroker(tb testing.TB, sink sinkUnderTest, change func(*BrokerConfig, *BrokerOptions)) *fixture {
	tb.Helper()
	config := DefaultBrokerConfig()
	config.Listen = "127.0.0.1:0"
	options := BrokerOptions{Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&config, &options)
	}
	config.Validate(func(key, what, hint string) { tb.Errorf("%s: %s; %s", key, what, hint) })
	series, err := sensors.NewTable().Intern(sensors.Series{Name: "n", Type: sensors.Int})
	if err != nil {
		tb.Fatal(err)
	}
	decoder := func() sensors.Decoder { return numberDecoder{series} }
	f := &fixture{
		tally:  sensors.NewTally("mqtt", "meters", time.Now()),
		second: sensors.NewTally("mqtt", "again", time.Now()),
	}
	f.broker = NewBroker(config, []Route{
		{Source: "meters", Collection: "climate", Patterns: patterns(tb, "site/#"), NewDecoder: decoder, Tally: f.tally},
		{Source: "again", Collection: "other", Patterns: patterns(tb, "site/both"), NewDecoder: decoder, Tally: f.second},
	}, sink, clockForTest, options)
	ctx, cancel := context.WithCancel(context.Background())
	if err := f.broker.Listen(ctx); err != nil {
		tb.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- f.broker.Run(ctx) }()
	stopped := false
	f.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ran; err != nil {
			tb.Error(err)
		}
	}
	tb.Cleanup(f.stop)
	return f
}

// dial connects a client whose acks and messages go to channels.
type testClient struct {
	*mqtttest.Client

	acks     chan uint16
	messages chan mqtttest.Message
}

func (f *fixture) dial(tb testing.TB, id string, change func(*mqtttest.Options)) *testClient {
	tb.Helper()
	c := &testClient{acks: make(chan uint16, 10000), messages: make(chan mqtttest.Message, 10000)}
	o := mqtttest.Options{
		Addr: f.broker.Addr().String(), ClientID: id, Window: 5000,
		OnAck: func(id uint16) { c.acks <- id },
		OnMessage: func(m mqtttest.Message) {
			m.Payload = append([]byte(nil), m.Payload...)
			c.messages <- m
		},
	}
	if change != nil {
		change(&o)
	}
	client, err := mqtttest.Dial(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	c.Client = client
	tb.Cleanup(func() { _ = client.Close() })
	return c
}

func keep(o *mqtttest.Options) { o.Keep = true }

const patience = 10 * time.Second

func receive[T any](tb testing.TB, from <-chan T, what string) T {
	tb.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-from:
		return v
	case <-timer.C:
		tb.Fatalf("waited too long for %s", what)
		return *new(T) // not reached
	}
}

func none[T any](tb testing.TB, from <-chan T, what string) {
	tb.Helper()
	timer := time.NewTimer(50 * time.Millisecond)
	defer timer.Stop()
	select {
	case v := <-from:
		tb.Fatalf("got %s: %v", what, v)
	case <-timer.C:
	}
}

func publishNow(tb testing.TB, c *testClient, topic, payload string, qos byte) uint16 {
	tb.Helper()
	id, err := c.Publish(topic, []byte(payload), qos)
	if err != nil {
		tb.Fatal(err)
	}
	if err := c.Flush(); err != nil {
		tb.Fatal(err)
	}
	return id
}

func within(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	tb.Cleanup(cancel)
	return ctx
}

func awaitWaiting(tb testing.TB, s *mqtttest.Sink, n int) {
	tb.Helper()
	if err := s.AwaitWaiting(within(tb), n); err != nil {
		tb.Fatalf("wait for %d batches: %v", n, err)
	}
}

func subscribe(tb testing.TB, c *testClient, filter string, qos byte) {
	tb.Helper()
	if err := c.Subscribe(within(tb), filter, qos); err != nil {
		tb.Fatal(err)
	}
}

func awaitEnd(tb testing.TB, c *testClient) {
	tb.Helper()
	receive(tb, c.Ended(), "the connection's end")
}

func TestBroker_acksAfterCommit(t *testing.T) {
	for _, qos := range []byte{1, 2} {
		sink := mqtttest.NewSink(100, false)
		f := startBroker(t, sink, nil)
		c := f.dial(t, "a", nil)
		id := publishNow(t, c, "site/one", "42", qos)
		awaitWaiting(t, sink, 1)
		none(t, c.acks, "an ack before the commit")
		sink.Commit(-1)
		if got := receive(t, c.acks, "the ack"); got != id {
			t.Errorf("qos %d: acked %d, want %d", qos, got, id)
		}
		stored := sink.Stored()
		if len(stored) != 1 || stored[0].Source != "meters" || stored[0].Collection != "climate" || stored[0].Readings[0].Num != 42 {
			t.Errorf("qos %d: stored %+v", qos, stored)
		}
		if o := stored[0].Origin; o == nil || o.Client != "a" || o.PacketID != id || o.Hash == 0 {
			t.Errorf("qos %d: origin %+v", qos, o)
		}
		if s := f.broker.Status(); s.Messages != 1 || s.Acked != 1 || s.Clients != 1 {
			t.Errorf("qos %d: status %+v", qos, s)
		}
	}
}

func TestBroker_acksInOrderOfArrival(t *testing.T) {
	sink := mqtttest.NewSink(5000, false)
	f := startBroker(t, sink, nil)
	c := f.dial(t, "a", nil)
	var want []uint16
	for i := range 500 {
		payload := strconv.Itoa(i)
		if i%7 == 3 {
			payload = "no number" // nothing to wait for, and yet in order
		}
		want = append(want, publishNow(t, c, "site/one", payload, 1))
	}
	awaitWaiting(t, sink, 429)
	for _, id := range want[:3] { // the fourth, which is not to be stored, waits for these
		none(t, c.acks, "an ack before the commit")
		sink.Commit(1)
		if got := receive(t, c.acks, "an ack"); got != id {
			t.Fatalf("acked %d, want %d", got, id)
		}
	}
	want = want[3:]
	for sink.Commit(13) > 0 {
	}
	for i, id := range want {
		if got := receive(t, c.acks, "an ack"); got != id {
			t.Fatalf("ack %d: got %d, want %d", i, got, id)
		}
	}
	if s := f.tally.Status(); s.Rejected[sensors.ReasonSyntax] != 71 || s.Decoded != 429 || s.Offered != 500 || s.Readings != 429 {
		t.Errorf("tally %+v", s)
	}
}

func TestBroker_acksWhatCannotBeDecoded(t *testing.T) {
	sink := mqtttest.NewSink(100, false)
	f := startBroker(t, sink, nil)
	c := f.dial(t, "a", nil)
	receiveAck := func(id uint16) {
		t.Helper()
		if got := receive(t, c.acks, "the ack"); got != id {
			t.Errorf("acked %d, want %d", got, id)
		}
	}
	receiveAck(publishNow(t, c, "site/one", "not a number", 1))
	receiveAck(publishNow(t, c, "site/one", "skip", 2))
	s := f.tally.Status()
	if s.Offered != 2 || s.Decoded != 1 || s.Rejected[sensors.ReasonSyntax] != 1 || len(s.Samples) != 1 || s.Samples[0].Bytes != "not a number" {
		t.Errorf("tally %+v", s)
	}
}

func TestBroker_acksAfterAllSources(t *testing.T) {
	sink := mqtttest.NewSink(100, false)
	f := startBroker(t, sink, nil)
	c := f.dial(t, "a", nil)
	publishNow(t, c, "site/both", "1", 1)
	awaitWaiting(t, sink, 2)
	sink.Commit(1)
	none(t, c.acks, "an ack before the second commit")
	sink.Commit(1)
	receive(t, c.acks, "the ack")
	if f.tally.Status().Decoded != 1 || f.second.Status().Decoded != 1 {
		t.Error("a source did not count the message")
	}
}

func TestBroker_closesWhenStorageFails(t *testing.T) {
	sink := mqtttest.NewSink(100, false)
	f := startBroker(t, sink, nil)
	c, other := f.dial(t, "a", nil), f.dial(t, "b", nil)
	publishNow(t, c, "site/one", "1", 1)
	publishNow(t, c, "site/one", "2", 2)
	awaitWaiting(t, sink, 2)
	sink.Fail(-1, context.DeadlineExceeded)
	awaitEnd(t, c)
	none(t, c.acks, "an ack for what failed")
	publishNow(t, other, "site/one", "3", 1)
	awaitWaiting(t, sink, 1)
	sink.Commit(-1)
	receive(t, other.acks, "the other client's ack")
}

func TestBroker_dropsAcksOfAnOlderConnection(t *testing.T) {
	sink := mqtttest.NewSink(100, false)
	f := startBroker(t, sink, nil)
	old := f.dial(t, "a", keep)
	publishNow(t, old, "site/one", "1", 1)
	awaitWaiting(t, sink, 1)
	c := f.dial(t, "a", keep)
	awaitEnd(t, old)
	if !c.SessionPresent {
		t.Error("the session was not taken over")
	}
	sink.Commit(-1)
	none(t, c.acks, "an ack on the new connection")
	publishNow(t, c, "site/one", "2", 1)
	awaitWaiting(t, sink, 1)
	sink.Commit(-1)
	receive(t, c.acks, "the ack")
}

func TestBroker_passesOnWhatNoSourceTakes(t *testing.T) {
	sink := mqtttest.NewSink(100, false)
	f := startBroker(t, sink, nil)
	listener, c := f.dial(t, "l", nil), f.dial(t, "a", nil)
	subscribe(t, listener, "elsewhere/#", 2)
	for qos := range byte(3) {
		publishNow(t, c, "elsewhere/x", "hello", qos)
		if m := receive(t, listener.messages, "the message"); string(m.Payload) != "hello" || m.QoS != qos || m.Topic != "elsewhere/x" || m.Retain {
			t.Errorf("got %+v", m)
		}
		if qos > 0 {
			receive(t, c.acks, "the ack")
		}
	}
	publishNow(t, c, "$SYS/broker/uptime", "lies", 1)
	receive(t, c.acks, "the ack")
	if s := f.broker.Status(); s.Passed != 3 || s.Refused != 1 {
		t.Errorf("status %+v", s)
	}
}

func TestBroker_acksWhatNoSourceTakesInItsTurn(t *testing.T) {
	sink := mqtttest.NewSink(100, false)
	f := startBroker(t, sink, nil)
	c := f.dial(t, "a", nil)
	want := []uint16{publishNow(t, c, "site/one", "1", 1), publishNow(t, c, "elsewhere", "2", 1), publishNow(t, c, "$SYS/x", "3", 1)}
	awaitWaiting(t, sink, 1)
	none(t, c.acks, "an ack before the commit of the first")
	sink.Commit(-1)
	for _, id := range want {
		if got := receive(t, c.acks, "an ack"); got != id {
			t.Errorf("acked %d, want %d", got, id)
		}
	}
}

func TestBroker_refusesOneClientTooMany(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), func(c *BrokerConfig, _ *BrokerOptions) { c.MaxClients = 2 })
	f.dial(t, "a", nil)
	f.dial(t, "b", nil)
	if _, err := mqtttest.Dial(within(t), mqtttest.Options{Addr: f.broker.Addr().String(), ClientID: "c"}); err == nil {
		t.Error("a third client was let in")
	}
}

func TestBroker_endsConnectionOfOversizePacket(t *testing.T) {
	sink := mqtttest.NewSink(100, true)
	f := startBroker(t, sink, func(c *BrokerConfig, _ *BrokerOptions) { c.MaxPacket = 4096 })
	c := f.dial(t, "a", nil)
	fits := strings.Repeat(" ", 4096-3-2-8-2-1) + "7"
	publishNow(t, c, "site/one", fits, 1)
	receive(t, c.acks, "the ack of the longest packet")
	if _, err := c.Publish("site/one", []byte(" "+fits), 1); err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, c)
}

func TestBroker_blocksOnlyTheClientWithTooManyInFlight(t *testing.T) {
	sink := mqtttest.NewSink(100, false)
	f := startBroker(t, sink, func(c *BrokerConfig, _ *BrokerOptions) { c.MaxInflight = 10 })
	greedy, modest := f.dial(t, "greedy", nil), f.dial(t, "modest", nil)
	for i := range 50 {
		publishNow(t, greedy, "site/one", strconv.Itoa(i), 1)
	}
	awaitWaiting(t, sink, 10)
	publishNow(t, modest, "site/one", "1000", 1)
	awaitWaiting(t, sink, 11)
	none(t, greedy.acks, "an ack")
	if s := f.broker.Status(); s.Messages > 12 {
		t.Errorf("%d messages were read, want at most 12", s.Messages)
	}
	for stored := 0; stored < 51; stored += sink.Commit(-1) {
		awaitWaiting(t, sink, 1)
	}
	for range 50 {
		receive(t, greedy.acks, "an ack")
	}
	receive(t, modest.acks, "the modest client's ack")
}

func TestBroker_aFullPipelineBlocksOnlyItsClients(t *testing.T) {
	sink := mqtttest.NewSink(3, false)
	f := startBroker(t, sink, nil)
	c, listener, other := f.dial(t, "a", nil), f.dial(t, "l", nil), f.dial(t, "o", nil)
	for i := range 8 {
		publishNow(t, c, "site/one", strconv.Itoa(i), 1)
	}
	awaitWaiting(t, sink, 3)
	subscribe(t, listener, "elsewhere", 1)
	publishNow(t, other, "elsewhere", "x", 1)
	receive(t, listener.messages, "a message that is not stored")
	for stored := 0; stored < 8; stored += sink.Commit(-1) {
		awaitWaiting(t, sink, 1)
	}
	for range 8 {
		receive(t, c.acks, "an ack")
	}
}

func TestBroker_drainsWhenItEnds(t *testing.T) {
	sink := mqtttest.NewSink(100, false)
	f := startBroker(t, sink, nil)
	c := f.dial(t, "a", nil)
	publishNow(t, c, "site/one", "1", 1)
	awaitWaiting(t, sink, 1)
	ended := make(chan struct{})
	go func() { defer close(ended); f.stop() }()
	none(t, ended, "the end before the commit")
	sink.Commit(-1)
	receive(t, c.acks, "the ack")
	receive(t, ended, "the end")
	awaitEnd(t, c)
}

func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

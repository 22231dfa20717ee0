package mqtt

import (
	"errors"
	"testing"

	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

func resend(tb testing.TB, c *testClient, topic, payload string, qos byte, id uint16) {
	tb.Helper()
	if err := c.Send(mqtttest.Message{Topic: topic, Payload: []byte(payload), QoS: qos, ID: id, Dup: true}); err != nil {
		tb.Fatal(err)
	}
}

func TestBroker_suppressesRepeats(t *testing.T) {
	sink := mqtttest.NewSink(100, true)
	f := startBroker(t, sink, nil)
	c := f.dial(t, "a", keep)
	id := publishNow(t, c, "site/both", "1", 1)
	receive(t, c.acks, "the ack")
	resend(t, c, "site/both", "1", 1, id)
	receive(t, c.acks, "the repeat's ack")
	_ = c.Close()
	c = f.dial(t, "a", keep)
	resend(t, c, "site/both", "1", 1, id)
	receive(t, c.acks, "the ack on the new connection")
	if n := len(sink.Stored()); n != 2 {
		t.Errorf("%d batches stored, want 2", n)
	}
	for _, tally := range []interface{ Repeats() uint64 }{repeats{f, 0}, repeats{f, 1}} {
		if n := tally.Repeats(); n != 2 {
			t.Errorf("%d repeats counted, want 2", n)
		}
	}
	for name, m := range map[string]mqtttest.Message{
		"another payload":   {Topic: "site/both", Payload: []byte("2"), ID: id},
		"another topic":     {Topic: "site/b", Payload: []byte("oth1"), ID: id},
		"another packet id": {Topic: "site/both", Payload: []byte("1"), ID: id + 4096},
	} {
		before := f.tally.Status().Repeats
		resend(t, c, m.Topic, string(m.Payload), 1, m.ID)
		receive(t, c.acks, "the ack")
		if f.tally.Status().Repeats != before {
			t.Errorf("%s: taken for a repeat", name)
		}
	}
	_ = c.Close()
	c = f.dial(t, "a", nil) // a new session
	before := f.tally.Status().Repeats
	resend(t, c, "site/both", "1", 1, id+4096)
	receive(t, c.acks, "the ack")
	if f.tally.Status().Repeats != before {
		t.Error("taken for a repeat in a new session")
	}
}

type repeats struct {
	f *fixture
	i int
}

func (r repeats) Repeats() uint64 { return r.f.broker.table.Load().routes[r.i].Tally.Status().Repeats }

func TestBroker_recognisesRepeatsThatWaitForTheirCommit(t *testing.T) {
	for _, qos := range []byte{1, 2} {
		sink := mqtttest.NewSink(100, false)
		f := startBroker(t, sink, nil)
		c := f.dial(t, "a", keep)
		id := publishNow(t, c, "site/one", "1", qos)
		awaitWaiting(t, sink, 1)
		resend(t, c, "site/one", "1", qos, id)
		publishNow(t, c, "site/one", "2", 1)
		awaitWaiting(t, sink, 2)
		_ = c.Close()
		c = f.dial(t, "a", keep)
		resend(t, c, "site/one", "1", qos, id)
		none(t, c.acks, "an ack before the commit")
		sink.Commit(-1)
		if got := receive(t, c.acks, "the ack"); got != id {
			t.Errorf("acked %d, want %d", got, id)
		}
		none(t, c.acks, "a second ack")
		if s := f.tally.Status(); len(sink.Stored()) != 2 || s.Repeats != 2 || s.Offered != 4 {
			t.Errorf("qos %d: stored %d, tally %+v", qos, len(sink.Stored()), s)
		}
	}
}

func TestBroker_storesAgainWhatFailed(t *testing.T) {
	for _, qos := range []byte{1, 2} {
		sink := mqtttest.NewSink(100, false)
		f := startBroker(t, sink, nil)
		c, listener := f.dial(t, "a", keep), f.dial(t, "l", nil)
		subscribe(t, listener, "#", 2)
		id := publishNow(t, c, "site/both", "1", qos)
		awaitWaiting(t, sink, 2)
		sink.Commit(1)
		sink.Fail(1, errors.New("disk is full"))
		awaitEnd(t, c)
		c = f.dial(t, "a", keep)
		resend(t, c, "site/both", "1", qos, id)
		awaitWaiting(t, sink, 1)
		sink.Commit(-1)
		receive(t, c.acks, "the ack")
		receive(t, listener.messages, "the message")
		stored := map[string]int{}
		for _, b := range sink.Stored() {
			stored[b.Source]++
		}
		if stored["again"] != 1 || stored["meters"] != 1 {
			t.Errorf("qos %d: stored %v", qos, stored)
		}
	}
}

func TestBroker_qos2StoresOnce(t *testing.T) {
	sink := mqtttest.NewSink(100, true)
	f := startBroker(t, sink, nil)
	c := f.raw(t, connect4("a", false))
	c.expect(t, 0x20)
	packet := func(dup bool) []byte {
		return mqtttest.AppendPublish(nil, mqtttest.Message{Topic: "site/one", Payload: []byte("1"), QoS: 2, ID: 3, Dup: dup})
	}
	c.write(t, packet(false))
	c.expect(t, 0x50)
	c.write(t, packet(false)) // without DUP, which is not to be trusted
	c.expect(t, 0x50)
	_ = c.Close()
	c = f.raw(t, connect4("a", false))
	c.expect(t, 0x20)
	c.write(t, packet(true))
	c.expect(t, 0x50)
	c.write(t, []byte{0x62, 2, 0, 3})
	c.expect(t, 0x70)
	c.write(t, []byte{0x62, 2, 0, 3}) // once more, as after a lost PUBCOMP
	c.expect(t, 0x70)
	if n := len(sink.Stored()); n != 1 {
		t.Errorf("%d batches stored, want 1", n)
	}
	c.write(t, packet(false)) // the id is free: another message
	c.expect(t, 0x50)
	if n := len(sink.Stored()); n != 2 {
		t.Errorf("%d batches stored, want 2", n)
	}
}

func TestBrokerSession_remembersTheLatest(t *testing.T) {
	var s brokerSession
	for id := range uint16(10000) {
		s.record(id, journalled{hash: uint64(id) * 7, mask: 1, id: id, table: 3})
	}
	for id := range uint16(10000) {
		if got, want := s.seen(id, uint64(id)*7, 3) != 0, id >= 10000-4096; got != want {
			t.Fatalf("message %d: seen = %v, want %v", id, got, want)
		}
	}
	if s.seen(9999, 1, 3) != 0 {
		t.Error("seen with another hash")
	}
}

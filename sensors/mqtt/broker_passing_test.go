package mqtt

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

func TestBroker_passesOnAfterCommit(t *testing.T) {
	sink := mqtttest.NewSink(100, false)
	f := startBroker(t, sink, nil)
	listener, c := f.dial(t, "l", nil), f.dial(t, "a", nil)
	subscribe(t, listener, "site/#", 2)
	for qos := range byte(3) {
		publishNow(t, c, "site/one", "7", qos)
		awaitWaiting(t, sink, 1)
		none(t, listener.messages, "a message before its commit")
		sink.Commit(-1)
		if m := receive(t, listener.messages, "the message"); string(m.Payload) != "7" || m.QoS != qos || m.Topic != "site/one" {
			t.Errorf("got %+v", m)
		}
	}
}

func TestBroker_passesOnAtOnceWhenTold(t *testing.T) {
	sink := mqtttest.NewSink(100, false)
	f := startBroker(t, sink, func(_ *BrokerConfig, o *BrokerOptions) { o.PassQoS0AtOnce = true })
	listener, c := f.dial(t, "l", nil), f.dial(t, "a", nil)
	subscribe(t, listener, "site/#", 1)
	publishNow(t, c, "site/one", "7", 0)
	receive(t, listener.messages, "the message before its commit")
	publishNow(t, c, "site/one", "8", 1)
	awaitWaiting(t, sink, 2)
	none(t, listener.messages, "a QoS 1 message before its commit")
	sink.Commit(-1)
}

func TestBroker_passesOnWhatTheFullQueueDropped(t *testing.T) {
	sink := mqtttest.NewSink(1, false)
	f := startBroker(t, sink, nil)
	listener, c := f.dial(t, "l", nil), f.dial(t, "a", nil)
	subscribe(t, listener, "site/#", 1)
	publishNow(t, c, "site/one", "1", 0)
	awaitWaiting(t, sink, 1)
	publishNow(t, c, "site/one", "2", 0)
	if m := receive(t, listener.messages, "the dropped message"); string(m.Payload) != "1" {
		t.Errorf("got %+v", m)
	}
	none(t, listener.messages, "what is not committed")
	sink.Commit(-1)
}

func TestBroker_passesOnInOrder(t *testing.T) {
	sink := mqtttest.NewSink(10000, false)
	f := startBroker(t, sink, nil)
	listener, c := f.dial(t, "l", nil), f.dial(t, "a", nil)
	subscribe(t, listener, "site/#", 1)
	want := []string{}
	for i := range 900 {
		payload := strconv.Itoa(i)
		if i%5 == 0 {
			payload = "no number " + payload
		}
		want = append(want, payload)
		topic := "site/one"
		if i%3 == 0 {
			topic = "site/both"
		}
		publishNow(t, c, topic, payload, 1)
	}
	awaitWaiting(t, sink, 960)
	for sink.Commit(7) > 0 {
	}
	for i := range want {
		if m := receive(t, listener.messages, "a message"); string(m.Payload) != want[i] {
			t.Fatalf("message %d: got %q, want %q", i, m.Payload, want[i])
		}
	}
}

func TestBroker_waitsForASubscriberThatKeepsUp(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), nil)
	f.broker.pace.once, f.broker.pace.most = 10*time.Second, 10*time.Second // this machine may be busy
	listener, c := f.dial(t, "l", nil), f.dial(t, "a", nil)
	subscribe(t, listener, "#", 1)
	for i := range 8000 {
		if _, err := c.Publish([]string{"site/one", "elsewhere"}[i%2], []byte("1"), 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Drain(within(t)); err != nil {
		t.Fatal(err)
	}
	for range 8000 {
		receive(t, listener.messages, "a message")
	}
	if s := f.broker.Status(); s.Dropped != 0 {
		t.Errorf("%d messages dropped", s.Dropped)
	}
}

func TestBroker_waitsForASubscriberThatAcknowledgesLate(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), nil)
	f.broker.pace.once, f.broker.pace.most = 10*time.Second, 10*time.Second // likewise
	listener, _ := f.dial5(t, "l", nil)
	listener.subscribe5(t, packets.Subscription{Filter: "#", Qos: 1})
	c := f.dial(t, "a", nil)
	for range maxQueued + 100 {
		publishNow(t, c, "site/one", "1", 1)
	}
	var ids []uint16
	for range maxQueued {
		ids = append(ids, listener.expect(t, 0x30).PacketID)
	}
	listener.expectNothing(t)
	for _, id := range ids {
		listener.write(t, encode5(t, packets.Packet{FixedHeader: header(packets.Puback, 0), PacketID: id}))
	}
	for range 100 {
		listener.expect(t, 0x30)
	}
}

func TestBroker_noticesSubscribersThatComeAndGo(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), nil)
	listener, c := f.dial(t, "l", nil), f.dial(t, "a", nil)
	for _, topic := range []string{"site/one", "elsewhere"} {
		publishNow(t, c, topic, "1", 1)
		receive(t, c.acks, "the ack")
		subscribe(t, listener, topic, 1)
		publishNow(t, c, topic, "2", 1)
		receive(t, c.acks, "the second ack")
		if m := receive(t, listener.messages, "the message"); string(m.Payload) != "2" {
			t.Errorf("got %+v", m)
		}
	}
}

func TestBroker_clientThatHearsItselfIsNotStuck(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), nil)
	c := f.dial(t, "a", nil)
	subscribe(t, c, "#", 1)
	for i := range 8000 {
		if _, err := c.Publish([]string{"site/one", "elsewhere"}[i%2], []byte("1"), 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Drain(within(t)); err != nil {
		t.Fatal(err)
	}
}

func TestPace_isAPartOfTheTime(t *testing.T) {
	p := pace{once: paceOnce, most: paceCredit}
	now := time.Unix(1000, 0)
	waited := time.Duration(0)
	for range 10000 {
		d := p.allowed(now)
		p.spend(d)
		waited += d
		now = now.Add(d + time.Millisecond)
	}
	if all := now.Sub(time.Unix(1000, 0)); waited > paceCredit+all/paceShare || waited < all/paceShare/2 {
		t.Errorf("waited for %s of %s", waited, all)
	}
}

func TestBroker_queuesForASubscriberThatIsAway(t *testing.T) {
	sink := mqtttest.NewSink(1, true)
	f := startBroker(t, sink, nil)
	listener, c := f.dial(t, "l", keep), f.dial(t, "a", nil)
	subscribe(t, listener, "site/#", 1)
	subscribe(t, listener, "elsewhere", 1)
	_ = listener.Close()
	for i := range 100 {
		publishNow(t, c, []string{"site/one", "elsewhere"}[i%2], strconv.Itoa(i), 1)
		receive(t, c.acks, "an ack")
	}
	listener = f.dial(t, "l", keep)
	last := []int{-1, -1} // messages of one topic come in order
	for range 100 {
		m := receive(t, listener.messages, "a queued message")
		n, err := strconv.Atoi(string(m.Payload))
		if err != nil || n < last[n%2] {
			t.Fatalf("got %q after %d: %v", m.Payload, last[n%2], err)
		}
		last[n%2] = n
	}
}

func TestBroker_limitsTheBytesThatWaitForSubscribers(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), nil)
	c := f.dial(t, "a", nil)
	payload := make([]byte, 200<<10)
	const away = 4
	for i := range away {
		listener := f.dial(t, strconv.Itoa(i), keep)
		subscribe(t, listener, "elsewhere", 1+byte(i%2))
		if err := listener.Disconnect(); err != nil {
			t.Fatal(err)
		}
	}
	f.awaitClients(t, 1)
	const count = 2 * maxHeld / (away * (200 << 10))
	for range count {
		if _, err := c.Publish("elsewhere", payload, 2); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Drain(within(t)); err != nil {
		t.Fatal(err)
	}
	if held := f.broker.held.Load(); held < maxHeld || held > maxHeld+away*(200<<10+2*heldPacket) {
		t.Errorf("%d bytes wait, want %d and little more", held, maxHeld)
	}
	if f.broker.Status().Dropped == 0 {
		t.Error("nothing was counted as dropped")
	}
	late := f.dial(t, "late", keep) // has a share in any case
	subscribe(t, late, "small", 1)
	publishNow(t, c, "small", "1", 1)
	receive(t, late.messages, "a message")

	for i := range away { // and all of it ends with the sessions, or with their acks
		if i == 0 {
			listener := f.dial(t, "0", keep)
			for range 10 {
				receive(t, listener.messages, "a message that waited")
			}
			continue
		}
		f.dial(t, strconv.Itoa(i), nil)
	}
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for ctx := within(t); f.broker.held.Load() != 0; {
		select {
		case <-ctx.Done():
			t.Fatalf("%d bytes wait, want none", f.broker.held.Load())
		case <-ticker.C:
		}
	}
}

func TestBroker_sharesSubscriptions(t *testing.T) {
	sink := mqtttest.NewSink(1, true)
	f := startBroker(t, sink, nil)
	one, two, c := f.dial(t, "one", nil), f.dial(t, "two", nil), f.dial(t, "a", nil)
	for _, l := range []*testClient{one, two} {
		subscribe(t, l, "$share/group/site/#", 1)
	}
	for range 100 {
		publishNow(t, c, "site/one", "1", 1)
		receive(t, c.acks, "the ack")
	}
	for range 100 {
		select {
		case <-one.messages:
		case <-two.messages:
		case <-within(t).Done():
			t.Fatal("a message is missing")
		}
	}
	none(t, one.messages, "a message twice")
	none(t, two.messages, "a message twice")
}

func TestBroker_retains(t *testing.T) {
	sink := mqtttest.NewSink(100, false)
	f := startBroker(t, sink, nil)
	c := f.dial(t, "a", nil)
	for i, topic := range []string{"site/one", "elsewhere"} {
		if err := c.Send(mqtttest.Message{Topic: topic, Payload: []byte("5"), ID: uint16(i + 1), QoS: 1, Retain: true}); err != nil {
			t.Fatal(err)
		}
	}
	awaitWaiting(t, sink, 1)
	early := f.dial(t, "early", nil)
	subscribe(t, early, "site/#", 1)
	none(t, early.messages, "a retained message before its commit")
	sink.Commit(-1)
	receive(t, c.acks, "the ack")
	receive(t, c.acks, "the other ack")
	if m := receive(t, early.messages, "the message"); m.Retain {
		t.Error("a message passed on is marked as retained")
	}
	late := f.dial(t, "late", nil)
	for _, filter := range []string{"site/+", "elsewhere"} {
		subscribe(t, late, filter, 1)
		if m := receive(t, late.messages, "the retained message"); !m.Retain || string(m.Payload) != "5" {
			t.Errorf("got %+v", m)
		}
	}
	if n := f.broker.retained.total; n != len("site/one")+len("elsewhere")+2 {
		t.Errorf("%d bytes retained", n)
	}
	if err := c.Send(mqtttest.Message{Topic: "elsewhere", ID: 9, QoS: 1, Retain: true}); err != nil {
		t.Fatal(err)
	}
	receive(t, c.acks, "the ack")
	later := f.dial(t, "later", nil)
	subscribe(t, later, "elsewhere", 1)
	none(t, later.messages, "a retained message that was removed")
}

func TestBroker_sendsAllRetainedMessages(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), nil)
	c := f.dial(t, "a", nil)
	const count = 5000
	for i := range count {
		m := mqtttest.Message{Topic: "elsewhere/" + strconv.Itoa(i), Payload: []byte("1"), Retain: true}
		if err := c.SendRaw(mqtttest.AppendPublish(nil, m)); err != nil {
			t.Fatal(err)
		}
	}
	publishNow(t, c, "elsewhere", "last", 1)
	receive(t, c.acks, "the ack")
	listener := f.dial(t, "l", nil)
	subscribe(t, listener, "elsewhere/+", 1)
	for range count {
		receive(t, listener.messages, "a retained message")
	}
}

func TestRetained_isBounded(t *testing.T) {
	var r retained
	for i := range maxRetained {
		if !r.allow(strconv.Itoa(i), 1) {
			t.Fatalf("message %d was not retained", i)
		}
	}
	if r.allow("one more", 1) {
		t.Error("too many messages are retained")
	}
	if !r.allow("5", 2) || !r.allow("6", 0) || !r.allow("one more", 1) {
		t.Error("a message that takes another's place was not retained")
	}
	if r.allow("7", maxRetainedBytes) {
		t.Error("too many bytes are retained")
	}
	for i := range maxRetained {
		r.remove(strconv.Itoa(i))
	}
	r.remove("one more")
	if r.total != 0 || len(r.sizes) != 0 {
		t.Errorf("%d bytes of %d messages are left", r.total, len(r.sizes))
	}
}

// willConnect is a CONNECT packet with a will.
func willConnect(id, topic, payload string, flags byte) []byte {
	body := []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0x06 | flags, 0, 60}
	for _, s := range []string{id, topic, payload} {
		body = append(body, byte(len(s)>>8), byte(len(s)))
		body = append(body, s...)
	}
	return mqtttest.AppendPacket(nil, 0x10, body)
}

func TestBroker_publishesWills(t *testing.T) {
	sink := mqtttest.NewSink(100, false)
	f := startBroker(t, sink, nil)
	listener := f.dial(t, "l", nil)
	subscribe(t, listener, "#", 2)

	mourned := f.raw(t, willConnect("mourned", "site/one", "99", 0x08|0x20)) // QoS 1, retained
	mourned.expect(t, 0x20)
	_ = mourned.Close()
	awaitWaiting(t, sink, 1)
	none(t, listener.messages, "the will before its commit")
	sink.Commit(-1)
	if m := receive(t, listener.messages, "the will"); m.Topic != "site/one" || string(m.Payload) != "99" || m.QoS != 1 {
		t.Errorf("got %+v", m)
	}
	if s := sink.Stored(); len(s) != 1 || s[0].Readings[0].Num != 99 || s[0].Source != "meters" {
		t.Errorf("stored %+v", s)
	}
	late := f.dial(t, "late", nil)
	subscribe(t, late, "site/one", 1)
	if m := receive(t, late.messages, "the retained will"); !m.Retain {
		t.Errorf("got %+v", m)
	}

	elsewhere := f.raw(t, willConnect("elsewhere", "elsewhere", "gone", 0))
	elsewhere.expect(t, 0x20)
	_ = elsewhere.Close()
	if m := receive(t, listener.messages, "the will"); m.Topic != "elsewhere" || string(m.Payload) != "gone" {
		t.Errorf("got %+v", m)
	}

	polite := f.raw(t, willConnect("polite", "elsewhere", "not needed", 0))
	polite.expect(t, 0x20)
	polite.write(t, []byte{0xe0, 0})
	polite.expectEnd(t)
	none(t, listener.messages, "a will after good-bye")
}

func TestBroker_publishesNoWillsWhenItEnds(t *testing.T) {
	sink := mqtttest.NewSink(100, false)
	f := startBroker(t, sink, nil)
	c := f.raw(t, willConnect("c", "site/one", "99", 0))
	c.expect(t, 0x20)
	f.stop()
	if sink.Commit(-1) != 0 {
		t.Error("the end of the agent was stored as the client's")
	}
}

func TestBroker_slowSubscriberBlocksNobody(t *testing.T) {
	sink := mqtttest.NewSink(1, true)
	f := startBroker(t, sink, nil)
	c, listener := f.dial(t, "a", nil), f.dial(t, "l", nil)
	slow := f.raw(t, connect4("slow", true))
	slow.expect(t, 0x20)
	slow.write(t, []byte{0x82, 11, 0, 1, 0, 6, 's', 'i', 't', 'e', '/', '#', 1}) // and reads nothing from now on
	subscribe(t, listener, "site/#", 1)
	payload := make([]byte, 10000)
	for i := range payload {
		payload[i] = ' '
	}
	payload[len(payload)-1] = '1'
	const count = 4000 // more than sockets and queues hold
	done := make(chan error, 1)
	go func() {
		for range count {
			if _, err := c.Publish("site/one", payload, 1); err != nil {
				done <- err
				return
			}
		}
		done <- c.Drain(context.Background())
	}()
	for range count {
		receive(t, listener.messages, "a message")
	}
	if err := receive(t, done, "the publisher"); err != nil {
		t.Fatal(err)
	}
	if f.broker.Status().Dropped == 0 {
		t.Error("nothing was dropped for the slow subscriber")
	}
}

package mqtt

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

func publish5(topic, payload string, qos byte, id uint16) packets.Packet {
	return packets.Packet{FixedHeader: header(packets.Publish, qos), TopicName: topic, Payload: []byte(payload), PacketID: id}
}

func TestBroker5_saysItsLimits(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), func(c *BrokerConfig, _ *BrokerOptions) { c.MaxInflight, c.MaxPacket = 17, 5000 })
	_, ack := f.dial5(t, "a", nil)
	p := ack.Properties
	if p.ReceiveMaximum != 17 || p.MaximumPacketSize != 5000 || p.TopicAliasMaximum != maxTopicAlias {
		t.Errorf("got %+v", p)
	}
}

func TestBroker5_keepsProperties(t *testing.T) {
	sink := mqtttest.NewSink(100, false)
	f := startBroker(t, sink, nil)
	for _, topic := range []string{"site/one", "elsewhere"} {
		listener, _ := f.dial5(t, "l", nil)
		listener.subscribe5(t, packets.Subscription{Filter: topic, Qos: 2, Identifier: 12})
		c, _ := f.dial5(t, "a", nil)
		pk := publish5(topic, "4", 1, 9)
		pk.Properties = packets.Properties{
			PayloadFormat: 1, PayloadFormatFlag: true, MessageExpiryInterval: 100, ContentType: "text/plain",
			ResponseTopic: "answer/here", CorrelationData: []byte{1, 2, 3},
			User: []packets.UserProperty{{Key: "k", Val: "v"}, {Key: "k", Val: "w"}}, TopicAlias: 3, TopicAliasFlag: true,
		}
		want := pk.Properties
		want.TopicAlias, want.TopicAliasFlag = 0, false
		want.SubscriptionIdentifier = []int{12}
		for _, name := range []string{topic, ""} { // the second by its alias
			pk.TopicName = name
			c.write(t, encode5(t, pk))
			if topic == "site/one" {
				awaitWaiting(t, sink, 1)
				sink.Commit(-1)
			}
			if ack := c.expect(t, 0x40); ack.PacketID != 9 || ack.ReasonCode != 0 {
				t.Errorf("ack %+v", ack)
			}
			got := listener.expect(t, 0x30)
			if got.TopicName != topic || string(got.Payload) != "4" {
				t.Errorf("got %+v", got)
			}
			if left := got.Properties.MessageExpiryInterval; left < 95 || left > 100 {
				t.Errorf("expires in %d s", left)
			}
			got.Properties.MessageExpiryInterval = 100
			if diff := cmp.Diff(want, got.Properties); diff != "" {
				t.Errorf("%s: properties (-want +got):\n%s", topic, diff)
			}
			listener.write(t, encode5(t, packets.Packet{FixedHeader: header(packets.Puback, 0), PacketID: got.PacketID}))
		}
	}
}

func TestBroker5_noLocal(t *testing.T) {
	sink := mqtttest.NewSink(100, true)
	f := startBroker(t, sink, nil)
	c, _ := f.dial5(t, "a", nil)
	other, _ := f.dial5(t, "b", nil)
	c.subscribe5(t, packets.Subscription{Filter: "#", Qos: 0, NoLocal: true})
	other.subscribe5(t, packets.Subscription{Filter: "#", Qos: 0})
	for _, topic := range []string{"site/one", "elsewhere"} {
		c.write(t, encode5(t, publish5(topic, "4", 1, 1)))
		c.expect(t, 0x40)
		other.expect(t, 0x30)
	}
	c.expectNothing(t)
}

func TestBroker5_closesForWhatIsWrong(t *testing.T) {
	alias := publish5("", "1", 1, 1)
	alias.Properties = packets.Properties{TopicAlias: 5, TopicAliasFlag: true}
	high := publish5("site/one", "1", 1, 1)
	high.Properties = packets.Properties{TopicAlias: maxTopicAlias + 1, TopicAliasFlag: true}
	for name, c := range map[string]struct {
		packet []byte
		code   packets.Code
	}{
		"unknown alias": {encode5(t, alias), packets.ErrTopicAliasInvalid},
		"high alias":    {encode5(t, high), packets.ErrTopicAliasInvalid},
		"no topic":      {encode5(t, publish5("", "1", 1, 1)), packets.ErrProtocolViolationNoTopic},
		"wildcard":      {encode5(t, publish5("site/+", "1", 1, 1)), packets.ErrTopicNameInvalid},
		"packet id 0":   {[]byte{0x32, 6, 0, 1, 'a', 0, 0, 0}, packets.ErrProtocolViolationNoPacketID},
		"qos 3":         {[]byte{0x36, 6, 0, 1, 'a', 0, 1, 0}, packets.ErrProtocolViolationQosOutOfRange},
		"dup at qos 0":  {[]byte{0x38, 4, 0, 1, 'a', 0}, packets.ErrProtocolViolationDupNoQos},
		"properties":    {[]byte{0x30, 5, 0, 1, 'a', 9, 1}, packets.ErrMalformedProperties},
		"length":        {[]byte{0x30, 0xff, 0xff, 0xff, 0xff}, packets.ErrMalformedVariableByteInteger},
		"too long":      {[]byte{0x30, 0xff, 0xff, 0xff, 0x7f}, packets.ErrPacketTooLarge},
		"pubrel flags":  {[]byte{0x60, 2, 0, 1}, packets.ErrMalformedFlags},
	} {
		f := startBroker(t, mqtttest.NewSink(1, true), nil)
		client, _ := f.dial5(t, "a", nil)
		client.write(t, c.packet)
		got := client.expectEnd(t)
		if len(got) != 1 || got[0].FixedHeader.Type != packets.Disconnect || got[0].ReasonCode != c.code.Code {
			t.Errorf("%s: got %+v, want DISCONNECT %#x", name, got, c.code.Code)
		}
	}
}

func TestBroker5_heedsReceiveMaximum(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), nil)
	listener, _ := f.dial5(t, "l", func(pk *packets.Packet) { pk.Properties.ReceiveMaximum = 3 })
	listener.subscribe5(t, packets.Subscription{Filter: "#", Qos: 1})
	c := f.dial(t, "a", nil)
	for range 200 {
		publishNow(t, c, "site/one", "1", 1)
	}
	for range 200 {
		receive(t, c.acks, "an ack")
	}
	var held []uint16
	for range 3 {
		held = append(held, listener.expect(t, 0x30).PacketID)
	}
	listener.expectNothing(t)
	for range 197 {
		listener.write(t, encode5(t, packets.Packet{FixedHeader: header(packets.Puback, 0), PacketID: held[0]}))
		held = append(held[1:], listener.expect(t, 0x30).PacketID)
	}
	listener.expectNothing(t)
}

func TestBroker5_qos2(t *testing.T) {
	sink := mqtttest.NewSink(100, false)
	f := startBroker(t, sink, nil)
	for _, topic := range []string{"site/one", "elsewhere"} {
		c, _ := f.dial5(t, "a", nil)
		c.write(t, encode5(t, publish5(topic, "1", 2, 5)))
		if topic == "site/one" {
			awaitWaiting(t, sink, 1)
			c.expectNothing(t)
			sink.Commit(-1)
		}
		if ack := c.expect(t, 0x50); ack.PacketID != 5 || ack.ReasonCode != 0 {
			t.Errorf("%s: %+v", topic, ack)
		}
		again := publish5(topic, "1", 2, 5)
		again.FixedHeader.Dup = true
		c.write(t, encode5(t, again))
		if ack := c.expect(t, 0x50); ack.PacketID != 5 || ack.ReasonCode != 0 {
			t.Errorf("%s: again: %+v", topic, ack)
		}
		release := packets.Packet{FixedHeader: header(packets.Pubrel, 1), PacketID: 5}
		c.write(t, encode5(t, release))
		if ack := c.expect(t, 0x70); ack.ReasonCode != 0 {
			t.Errorf("%s: %+v", topic, ack)
		}
		c.write(t, encode5(t, release))
		if ack := c.expect(t, 0x70); ack.ReasonCode != packets.ErrPacketIdentifierNotFound.Code {
			t.Errorf("%s: released twice: %+v", topic, ack)
		}
	}
	if n := len(sink.Stored()); n != 1 {
		t.Errorf("%d batches stored, want 1", n)
	}
}

func TestBroker5_wills(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), nil)
	listener, _ := f.dial5(t, "l", nil)
	listener.subscribe5(t, packets.Subscription{Filter: "#", Qos: 0})
	will := func(delay, session uint32) func(*packets.Packet) {
		return func(pk *packets.Packet) {
			pk.Connect.Clean = false
			pk.Properties = packets.Properties{SessionExpiryInterval: session, SessionExpiryIntervalFlag: true}
			pk.Connect.WillFlag, pk.Connect.WillTopic, pk.Connect.WillPayload = true, "elsewhere", []byte("gone")
			pk.Connect.WillProperties = packets.Properties{WillDelayInterval: delay, ContentType: "text/plain", ResponseTopic: "r"}
		}
	}
	c, _ := f.dial5(t, "a", will(0, 100))
	_ = c.Close()
	if got := listener.expect(t, 0x30); got.Properties.ContentType != "text/plain" || got.Properties.ResponseTopic != "r" || string(got.Payload) != "gone" {
		t.Errorf("got %+v", got)
	}

	c, _ = f.dial5(t, "a", will(1, 100)) // a delay, and nobody comes back
	_ = c.Close()
	listener.expectNothing(t)
	listener.expect(t, 0x30)

	c, _ = f.dial5(t, "a", will(1000, 10000)) // a delay, and it comes back in time
	_ = c.Close()
	f.awaitClients(t, 1)
	c, _ = f.dial5(t, "a", will(1000, 10000))
	listener.expectNothing(t)
	c2, _ := f.dial5(t, "a", will(1000, 10000)) // goes on with the session: no will
	c.expectEnd(t)
	listener.expectNothing(t)
	_ = c2.Close()
	c3, _ := f.dial5(t, "a", nil) // begins a new one: now
	listener.expect(t, 0x30)
	_ = c3.Close()

	c, _ = f.dial5(t, "a", will(1000, 0)) // the session ends with the connection, and the delay with it
	c.write(t, encode5(t, packets.Packet{FixedHeader: header(packets.Disconnect, 0), ReasonCode: packets.CodeDisconnectWillMessage.Code}))
	listener.expect(t, 0x30)
}

func TestBroker5_willsOfForgottenSessions(t *testing.T) {
	f := startBroker(t, mqtttest.NewSink(1, true), func(c *BrokerConfig, _ *BrokerOptions) { c.MaxClients = 2 })
	listener, _ := f.dial5(t, "l", nil)
	listener.subscribe5(t, packets.Subscription{Filter: "#", Qos: 0})
	const sessions = 2*sessionsPerClient - 1 // beside the listener's
	for i := range sessions + 1 {
		c, _ := f.dial5(t, fmt.Sprint("client ", i), func(pk *packets.Packet) {
			pk.Connect.Clean = false
			pk.Properties = packets.Properties{SessionExpiryInterval: 10000, SessionExpiryIntervalFlag: true}
			pk.Connect.WillFlag, pk.Connect.WillTopic, pk.Connect.WillPayload = true, "elsewhere", []byte(strconv.Itoa(i))
			pk.Connect.WillProperties = packets.Properties{WillDelayInterval: 10000}
		})
		_ = c.Close()
		f.awaitClients(t, 1)
	}
	got := listener.expect(t, 0x30)
	listener.expectNothing(t)
	f.broker.mu.Lock()
	defer f.broker.mu.Unlock()
	// Sessions that ended in the same second are equally old: any of them may have had to go.
	if _, kept := f.broker.wills["client "+string(got.Payload)]; kept {
		t.Errorf("got the will %s, want that of the session that had to go", got.Payload)
	}
	if n := len(f.broker.wills); n != sessions {
		t.Errorf("%d wills are kept, want %d", n, sessions)
	}
}

func TestBroker_keepsALimitedNumberOfWills(t *testing.T) {
	b := NewBroker(BrokerConfig{MaxClients: 1}, nil, nil, clockForTest, BrokerOptions{})
	for i := range sessionsPerClient {
		if !b.delayWill(strconv.Itoa(i), delayedWill{}) {
			t.Fatalf("will %d was not kept", i)
		}
	}
	if b.delayWill("one more", delayedWill{}) || !b.delayWill("0", delayedWill{}) {
		t.Error("one will too many was kept, or none in place of an earlier one")
	}
}

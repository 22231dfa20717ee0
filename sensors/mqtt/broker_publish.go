package mqtt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"slices"

	"github.com/mochi-mqtt/server/v2/packets"
)

var errClosed = net.ErrClosed

// publication is one PUBLISH as it was received. Its bytes are valid while it is handled.
type publication struct {
	topic      *topic
	payload    []byte
	properties *packets.Properties // nil when there are none
	hash       uint64              // of topic and payload; 0 at QoS 0
	id         uint16
	qos        byte
	dup        bool
	retain     bool
}

// publish handles one PUBLISH. An error ends the connection.
func (c *brokerConn) publish(first byte, body []byte) error {
	c.broker.messages.Add(1)
	p, err := c.parsePublish(first, body)
	if err != nil {
		var code packets.Code
		if !errors.As(err, &code) {
			code = packets.ErrMalformedPacket
		}
		return c.refuse(code)
	}
	if p.qos == 0 {
		c.publishOnce(p)
		return nil
	}
	if p.qos == 2 && !c.session.mayExchange(p.id, c.broker.config.MaxInflight) {
		return c.refuse(packets.ErrReceiveMaximum) // only its PUBREL, which we read, can make room
	}
	if !c.admit() {
		return errClosed
	}
	if p.topic.denied {
		c.deny(p)
		return nil
	}
	if len(p.topic.routes) == 0 {
		c.passOn(p)
		return nil
	}
	c.hash.Reset()
	_, _ = c.hash.WriteString(p.topic.name) // never fails
	_, _ = c.hash.Write([]byte{0})
	_, _ = c.hash.Write(p.payload)
	p.hash = c.hash.Sum64()
	return c.take(p)
}

// parsePublish reads a PUBLISH packet without its fixed header.
func (c *brokerConn) parsePublish(first byte, body []byte) (*publication, error) {
	p := &c.intake.publication
	*p = publication{qos: first >> 1 & 3, dup: first&flagDup != 0, retain: first&flagRetain != 0}
	if p.qos == 3 {
		return nil, packets.ErrProtocolViolationQosOutOfRange
	}
	if p.qos == 0 && p.dup {
		return nil, packets.ErrProtocolViolationDupNoQos
	}
	if len(body) < 2 {
		return nil, packets.ErrMalformedTopic
	}
	size := int(binary.BigEndian.Uint16(body))
	rest := body[2:]
	if len(rest) < size {
		return nil, packets.ErrMalformedTopic
	}
	name, rest := rest[:size], rest[size:]
	if p.qos > 0 {
		if len(rest) < 2 {
			return nil, packets.ErrMalformedPacketID
		}
		if p.id = binary.BigEndian.Uint16(rest); p.id == 0 {
			return nil, packets.ErrProtocolViolationNoPacketID
		}
		rest = rest[2:]
	}
	if c.version == 5 {
		var err error
		if name, rest, err = c.parseProperties(p, name, rest); err != nil {
			return nil, err
		}
	}
	p.payload = rest
	var err error
	p.topic, err = c.topics.find(name, c.broker, c.account.Load())
	return p, err
}

// parseProperties reads the properties of MQTT 5 that rest begins with. It returns the topic, which an
// alias may stand for, and the payload.
func (c *brokerConn) parseProperties(p *publication, name, rest []byte) (topic, payload []byte, err error) {
	if len(rest) == 0 {
		return nil, nil, packets.ErrMalformedProperties
	}
	if rest[0] == 0 { // no properties
		return name, rest[1:], nil
	}
	p.properties = &packets.Properties{}
	held := bytes.Clone(rest) // the properties' strings share its memory
	size, err := p.properties.Decode(packets.Publish, bytes.NewBuffer(held))
	if err != nil || size > len(rest) {
		return nil, nil, packets.ErrMalformedProperties
	}
	if len(p.properties.SubscriptionIdentifier) > 0 {
		return nil, nil, packets.ErrProtocolViolationSurplusSubID
	}
	if p.properties.TopicAliasFlag {
		if name, err = c.topics.alias(p.properties.TopicAlias, name); err != nil {
			return nil, nil, err
		}
		p.properties.TopicAlias, p.properties.TopicAliasFlag = 0, false
	}
	return name, rest[size:], nil
}

// publishOnce handles a message of QoS 0, which never waits.
func (c *brokerConn) publishOnce(p *publication) {
	b := c.broker
	switch {
	case p.topic.refused:
		b.refused.Add(1)
		return
	case p.topic.denied:
		b.refusals.deny(b.log, deniedPublish, c.account.Load(), p.topic.name)
		return
	case len(p.topic.routes) == 0:
		b.passed.Add(1)
		c.deliver(c.packet(p))
		return
	}
	packet := c.packet(p)
	if packet == nil || b.passAtOnce.Load() {
		c.intake.offer(c, p, nil)
		c.deliver(packet)
		return
	}
	m := c.begin(p, packet, len(p.topic.routes))
	if m == nil { // too many wait for their commit already: the readings are kept, subscribers miss the message
		b.unpassed.Add(1)
		c.intake.offer(c, p, nil)
		return
	}
	c.intake.offer(c, p, m)
}

// passOn handles a message of QoS 1 or 2 that no source takes. It is acknowledged in its turn, after those that came before
// it and wait for their commit [MQTT-4.6.0-2].
func (c *brokerConn) passOn(p *publication) {
	b := c.broker
	fresh := p.qos != 2 || c.session.receive(p.id)
	switch {
	case p.topic.refused:
		b.refused.Add(1)
	case fresh:
		b.passed.Add(1)
		c.deliver(c.packet(p))
	}
	c.begin(p, nil, 1).skip()
}

// deny handles a message of QoS 1 or 2 that the rules do not allow: it goes nowhere, and is answered in its turn. A client of MQTT
// 5 is told so. Before, there is no answer that says so, and one that got none would send the message again for ever: it is
// acknowledged, and counted [MQTT-3.3.5-2]. The caller has admitted it.
func (c *brokerConn) deny(p *publication) {
	c.broker.refusals.deny(c.broker.log, deniedPublish, c.account.Load(), p.topic.name)
	if c.version < 5 {
		if p.qos == 2 {
			c.session.receive(p.id)
		}
		c.begin(p, nil, 1).skip()
		return
	}
	m := c.begin(p, nil, 1)
	m.reason = packets.ErrNotAuthorized.Code // at QoS 2 there is no exchange then
	m.skip()
}

// take handles a message of QoS 1 or 2 that sources take. The caller has admitted it.
func (c *brokerConn) take(p *publication) error {
	if p.qos == 2 && !c.beginExchange(p) || p.qos == 1 && p.dup && c.follow(p) {
		c.countRepeat(p, settledBit)
		return nil
	}
	var have uint32 // the routes that journalled it before
	if p.dup {
		have = c.session.seen(p.id, p.hash, p.topic.table.number)
		c.countRepeat(p, have)
	}
	if have&settledBit != 0 {
		c.begin(p, nil, 1).skip()
		return nil
	}
	m := c.begin(p, c.packet(p), len(p.topic.routes))
	m.mask = have
	return c.intake.add(c, p, m, have)
}

// beginExchange begins a QoS 2 exchange. It reports false when there is one with this id, whose message this is again:
// then it is answered when that is journalled.
func (c *brokerConn) beginExchange(p *publication) bool {
	for !c.session.begin(p.id) {
		if c.session.received(p.id) {
			c.reply(headPubrec, p.id)
			return false
		}
		if c.follow(p) {
			return false
		} // else it was settled this moment: journalled, or failed
	}
	return true
}

func (c *brokerConn) countRepeat(p *publication, have uint32) {
	for i, r := range p.topic.routes {
		if have&(settledBit|routeBit(i)) != 0 {
			p.topic.table.routes[r].Tally.Repeat(len(p.payload))
		}
	}
}

// packet returns what subscribers get, or nil when there are none and nothing is to be retained.
func (c *brokerConn) packet(p *publication) *packets.Packet {
	if !p.retain && !p.topic.heardNow(c.broker) {
		return nil
	}
	pk := &packets.Packet{
		FixedHeader:     packets.FixedHeader{Type: packets.Publish, Qos: p.qos, Retain: p.retain},
		TopicName:       p.topic.name,
		Payload:         slices.Clone(p.payload),
		Origin:          c.client.ID,
		ProtocolVersion: c.version,
		PacketID:        p.id,
	}
	if p.properties != nil {
		pk.Properties = *p.properties
	}
	return pk
}

func appendAck(dst []byte, head byte, id uint16, reason ...byte) []byte {
	dst = append(dst, head, byte(2+len(reason))) //nolint:gosec // there is one reason at most
	return append(binary.BigEndian.AppendUint16(dst, id), reason...)
}

func headOfAck(qos byte) byte {
	if qos == 2 {
		return headPubrec
	}
	return headPuback
}

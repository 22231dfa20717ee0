package mqtt

import (
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// delayedWill is the will of a client that is gone but may come back in time.
type delayedWill struct {
	packet *packets.Packet
	due    time.Time
}

// takeWill makes the client's will ours: the server forgets most properties of a will, and would
// publish it past the routes.
func (c *brokerConn) takeWill(cl *mochi.Client, connect *packets.Packet) {
	cl.Properties.Will = mochi.Will{}
	if !connect.Connect.WillFlag {
		return
	}
	w := &connect.Connect
	c.will = &packets.Packet{
		FixedHeader:     packets.FixedHeader{Type: packets.Publish, Qos: w.WillQos, Retain: w.WillRetain},
		TopicName:       w.WillTopic,
		Payload:         w.WillPayload,
		Properties:      w.WillProperties,
		Origin:          cl.ID,
		ProtocolVersion: cl.Properties.ProtocolVersion,
	}
	c.will.Properties.WillDelayInterval = 0
	c.willDelay = time.Duration(w.WillProperties.WillDelayInterval) * time.Second
}

// depart publishes the will of a client whose connection has ended without good-bye, or keeps it until its delay is over.
// There are never more of those than sessions: one more is published early.
func (b *Broker) depart(c *brokerConn, cl *mochi.Client, fate sessionFate) {
	if c.will == nil || b.stopping.Load() {
		return
	}
	session := time.Duration(cl.Properties.Props.SessionExpiryInterval) * time.Second
	delay := min(c.willDelay, session)
	switch {
	case delay == 0 || fate == sessionReplaced:
		b.publishWill(c.will)
	case fate == sessionKept:
		if !b.delayWill(cl.ID, delayedWill{packet: c.will, due: time.Now().Add(delay)}) {
			b.publishWill(c.will)
		}
	}
}

// delayWill keeps a will, and reports false when there are too many.
func (b *Broker) delayWill(id string, will delayedWill) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, had := b.wills[id]; !had && int64(len(b.wills)) >= b.config.MaxClients*sessionsPerClient {
		return false
	}
	b.wills[id] = will
	return true
}

// comeBack settles the delayed will of a client that is there again: it is void if the session goes on.
func (b *Broker) comeBack(id string, resumed bool) {
	b.mu.Lock()
	will, ok := b.wills[id]
	delete(b.wills, id)
	b.mu.Unlock()
	if ok && !resumed {
		b.publishWill(will.packet)
	}
}

// publishDueWills publishes the wills whose delay is over.
func (b *Broker) publishDueWills(now time.Time) {
	var due []*packets.Packet
	b.mu.Lock()
	for id, will := range b.wills {
		if !will.due.After(now) {
			due = append(due, will.packet)
			delete(b.wills, id)
		}
	}
	b.mu.Unlock()
	for _, packet := range due {
		b.publishWill(packet)
	}
}

// publishWill routes and passes on a will like a message. Nobody waits for its ack, so it is offered like one of QoS 0.
func (b *Broker) publishWill(packet *packets.Packet) {
	b.willing.Lock()
	defer b.willing.Unlock()
	c := b.estate
	t, err := c.topics.find([]byte(packet.TopicName), b, c.account.Load())
	if err != nil || t.refused {
		b.refused.Add(1)
		return
	}
	p := &publication{topic: t, payload: packet.Payload}
	if len(t.routes) == 0 || b.passAtOnce.Load() {
		c.intake.offer(c, p, nil)
		c.deliver(packet)
		return
	}
	m := c.begin(p, packet, len(t.routes))
	if m == nil {
		b.unpassed.Add(1)
	}
	c.intake.offer(c, p, m)
}

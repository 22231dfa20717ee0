package mqtt

import (
	"strings"
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	maxAhead     = 16 << 20    // bytes of messages of QoS 0 on their way to all clients; beyond, a client has aheadFree
	aheadFree    = 256 << 10   // bytes on their way to one client, however many are to others
	aheadForgets = time.Second // in which a client that has read everything empties its queue in the server
)

// ahead bounds in bytes the messages of QoS 0 that the server has queued for clients that do not read. The server bounds them in
// number only, and unlike those of QoS 1 and 2 (see hold) nothing else bounds them. It says neither how large a message is when it asks whether a client may have it,
// nor whether it queued it, so a message counts from the question to the moment at which it is about to be written. What was
// counted and not queued (another bound was reached at the same moment) is forgotten when the client has read everything else.
//
// Two messages with one topic that are passed on at the same time both count as the larger one.
type ahead struct {
	mu    sync.Mutex // guards what follows, and aheadOf of each connection; taken last
	total int64
	under map[string]passing // messages that are being passed on, by topic
}

// passing is the messages of one topic that are being passed on.
type passing struct {
	count int
	size  int64 // of the largest
	qos   byte  // of that with the lowest
}

// aheadOf is one connection's part.
type aheadOf struct {
	bytes int64
	at    time.Time // of the latest message
	ended bool      // nothing counts any more
}

func sizeAhead(pk *packets.Packet) int64 { return int64(heldPacket + len(pk.Payload)) }

// begin notes that a message is being passed on, until end.
func (a *ahead) begin(pk *packets.Packet) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.under == nil {
		a.under = make(map[string]passing)
	}
	p, more := a.under[pk.TopicName]
	if !more {
		p.qos = pk.FixedHeader.Qos
	}
	a.under[pk.TopicName] = passing{p.count + 1, max(p.size, sizeAhead(pk)), min(p.qos, pk.FixedHeader.Qos)}
}

func (a *ahead) end(pk *packets.Packet) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.under[pk.TopicName]
	if p.count--; p.count == 0 {
		delete(a.under, pk.TopicName)
		return
	}
	a.under[pk.TopicName] = p
}

// look returns the size and QoS of the message that is being passed on, or of the retained one.
func (b *Broker) look(topic string) passing {
	b.ahead.mu.Lock()
	p, known := b.ahead.under[topic]
	b.ahead.mu.Unlock()
	if pk, retained := b.server.Topics.Retained.Get(topic); retained && !known {
		p = passing{1, sizeAhead(&pk), pk.FixedHeader.Qos}
	}
	return p
}

// mayQueue reports whether a message with the topic may be queued for the client, and counts it if it will be of QoS 0.
func (b *Broker) mayQueue(c *brokerConn, cl *mochi.Client, topic string) bool {
	p := b.look(topic)
	if c.life.Err() != nil || p.qos > 0 && (!b.takesQoS0(c, cl) || subscribedQoS(cl, topic) > 0) {
		return true // it is not queued, or held
	}
	size, read := p.size, c.hasRead() // its lock comes first
	a := &b.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if read && now.Sub(c.ahead.at) >= aheadForgets {
		a.releaseLocked(c, c.ahead.bytes)
	}
	if c.ahead.bytes > 0 && a.total+size > maxAhead && c.ahead.bytes+size > aheadFree {
		return false
	}
	if !c.ahead.ended {
		c.ahead.bytes += size
		c.ahead.at = now
		a.total += size
	}
	return true
}

// written notes that a message is about to be written to the client, or was not queued.
func (a *ahead) written(c *brokerConn, pk *packets.Packet) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.releaseLocked(c, sizeAhead(pk))
}

func (a *ahead) releaseLocked(c *brokerConn, size int64) {
	size = min(size, c.ahead.bytes)
	c.ahead.bytes -= size
	a.total -= size
}

// forget notes that the server gives up what it has queued for a connection: its session ended, or goes on elsewhere.
func (a *ahead) forget(c *brokerConn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.releaseLocked(c, c.ahead.bytes)
	c.ahead.ended = true
}

// of returns the bytes on their way to a client.
func (a *ahead) of(c *brokerConn) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return c.ahead.bytes
}

// hasRead reports whether nothing waits to be written to the client, nor for the client.
func (c *brokerConn) hasRead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.out)+c.writing == 0 && c.waiting == 0
}

// OnPublishDropped is called when the client's queue is full by number.
func (h *brokerHook) OnPublishDropped(cl *mochi.Client, pk packets.Packet) {
	if c, ok := connOf(cl); ok && (pk.FixedHeader.Qos == 0 || subscribedQoS(cl, pk.TopicName) == 0) {
		h.broker.ahead.written(c, &pk)
	}
}

// takesQoS0 reports whether any subscription of the client is of QoS 0: most have none, and then need not be looked at one by one.
func (b *Broker) takesQoS0(c *brokerConn, cl *mochi.Client) bool {
	epoch := b.epoch.Load() + 1
	if known := c.qos0.Load(); known>>1 == epoch {
		return known&1 == 1
	}
	known := epoch << 1
	for _, s := range cl.State.Subscriptions.GetAll() {
		if s.Qos == 0 {
			known |= 1
		}
	}
	c.qos0.Store(known)
	return known&1 == 1
}

// subscribedQoS returns the highest QoS with which the client subscribes to the topic.
func subscribedQoS(cl *mochi.Client, topic string) (qos byte) {
	for filter, s := range cl.State.Subscriptions.GetAll() {
		if s.Qos > qos && filterTakes(filter, topic) {
			qos = s.Qos
		}
	}
	return qos
}

// filterTakes reports whether a subscription's filter takes a topic.
func filterTakes(filter, topic string) bool {
	if shared, is := strings.CutPrefix(filter, "$share/"); is {
		_, filter, _ = strings.Cut(shared, "/")
	}
	for {
		want, moreWanted, wants := strings.Cut(filter, "/")
		if want == "#" {
			return true
		}
		have, more, has := strings.Cut(topic, "/")
		if want != "+" && want != have {
			return false
		}
		if !wants || !has {
			return wants == has || wants && moreWanted == "#"
		}
		filter, topic = moreWanted, more
	}
}

package mqtt

import (
	"sync/atomic"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	maxHeld    = 16 << 20 // bytes of messages that wait for all subscribers' acks; beyond, a session has heldFree
	heldFree   = 64 << 10 // bytes that wait for one session, however much waits for others
	heldPacket = 1 << 10  // bytes that a waiting message takes besides its topic and payload, roughly
)

// mayHold reports whether one more message may wait for the client's ack, connected or not.
func (b *Broker) mayHold(c *brokerConn, cl *mochi.Client) bool {
	if c.session == nil || b.held.Load() < maxHeld {
		return true
	}
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) > cl.State.Inflight.Len() { // the server tells of most that it forgets, but not of all
		for id := range s.held {
			if _, waits := cl.State.Inflight.Get(id); !waits {
				b.held.Add(-s.letGoLocked(id))
			}
		}
	}
	return s.heldBytes < heldFree
}

// hold notes that a message of QoS 1 or 2 waits for the client's ack.
func (b *Broker) hold(cl *mochi.Client, pk *packets.Packet) {
	c, ok := connOf(cl)
	if !ok || c.session == nil {
		return
	}
	size := int64(heldPacket + len(pk.TopicName) + len(pk.Payload))
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = make(map[uint16]int64)
	}
	before := s.letGoLocked(pk.PacketID) // the same message, sent again
	s.held[pk.PacketID] = size
	s.heldBytes += size
	b.held.Add(size - before)
}

// letGo notes that a message waits no more. A connection whose session another one took up has handed its messages over.
func (b *Broker) letGo(cl *mochi.Client, id uint16) {
	c, ok := connOf(cl)
	if !ok || c.session == nil {
		return
	}
	b.mu.Lock()
	current := c.session.conn == c
	b.mu.Unlock()
	if !current {
		return
	}
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	b.held.Add(-c.session.letGoLocked(id))
}

// letGoLocked forgets a message that waits and returns its size, 0 when there is none.
func (s *brokerSession) letGoLocked(id uint16) int64 {
	size := s.held[id]
	delete(s.held, id)
	s.heldBytes -= size
	return size
}

// missed counts a message that a subscriber does not get.
func (b *Broker) missed() { atomic.AddInt64(&b.server.Info.InflightDropped, 1) }

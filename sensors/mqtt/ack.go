package mqtt

import (
	"errors"
	"fmt"

	"github.com/mochi-mqtt/server/v2/packets"
)

// inbound is a message from its arrival until it was acknowledged and passed on to subscribers.
//
// Messages of a connection are acknowledged and passed on in order of arrival, each after all routes
// that take it have settled it: journalled, failed, or found nothing to keep. Guarded by conn.mu; done
// may be called by any goroutine. Its memory is used again for the connection's later messages.
type inbound struct {
	conn      *brokerConn
	done      func(error)     // settles the first route
	packet    *packets.Packet // what subscribers get; nil when there are none
	followers []*inbound      // the same message again, on a later connection of the session
	err       error           // why it was not journalled
	hash      uint64
	left      int    // routes that have not settled it
	mask      uint32 // the routes that journalled it: see routeBit
	table     uint16 // number of the routeTable
	id        uint16
	qos       byte
	reason    byte // of its answer, in MQTT 5; 0 = success
}

// settledBit is set in the mask of a message of which all routes journalled what they wanted.
const settledBit = 1 << 31

// routeBit returns the bit of the route at position i of those that take a topic. Routes beyond the 31st have none: when
// storage fails for some routes only, those store the message again.
func routeBit(i int) uint32 {
	if i >= 31 {
		return 0
	}
	return 1 << i
}

// messageQueue is a first-in first-out queue in a ring.
type messageQueue struct {
	ring  []*inbound // its length is a power of two
	first int
	count int
}

func (q *messageQueue) at(i int) *inbound { return q.ring[(q.first+i)&(len(q.ring)-1)] }

func (q *messageQueue) push(m *inbound) {
	if q.count == len(q.ring) {
		grown := make([]*inbound, max(8, 2*len(q.ring)))
		for i := range q.count {
			grown[i] = q.at(i)
		}
		q.ring, q.first = grown, 0
	}
	q.ring[(q.first+q.count)&(len(q.ring)-1)] = m
	q.count++
}

func (q *messageQueue) pop() {
	q.ring[q.first] = nil
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.count--
}

func (q *messageQueue) dropLast() {
	q.count--
	q.ring[(q.first+q.count)&(len(q.ring)-1)] = nil
}

// admit waits until one more message may be in flight, and reports whether the connection is still open.
func (c *brokerConn) admit() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed && c.inflight < c.broker.config.MaxInflight && c.roomLocked() {
		return true
	}
	c.occupy()
	defer c.pacing.busy.Store(false)
	return c.awaitLocked(func() bool { return c.inflight < c.broker.config.MaxInflight && c.roomLocked() })
}

// begin queues a message that the given number of routes will settle. It returns nil for one of QoS 0 when too many
// are in flight; others were admitted.
func (c *brokerConn) begin(p *publication, packet *packets.Packet, routes int) *inbound {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.qos == 0 && c.inflight >= c.broker.config.MaxInflight {
		return nil
	}
	var m *inbound
	if n := len(c.free); n > 0 {
		m = c.free[n-1]
		c.free = c.free[:n-1]
	} else {
		m = &inbound{conn: c}
		m.done = func(err error) { m.settle(0, err) }
	}
	m.packet, m.id, m.qos, m.hash, m.left = packet, p.id, p.qos, p.hash, routes
	if p.topic != nil {
		m.table = p.topic.table.number
	}
	c.inflight++
	c.queue.push(m)
	return m
}

// doneOf returns what the pipeline is to call for the route at position i.
func (m *inbound) doneOf(i int) func(error) {
	if i == 0 {
		return m.done
	}
	return func(err error) { m.settle(i, err) }
}

// settle says that the route at position i journalled the message, or why it did not.
func (m *inbound) settle(i int, err error) {
	if err == nil {
		m.finish(1, routeBit(i), nil)
		return
	}
	m.finish(1, 0, err)
}

// skip says that a route has nothing to keep of the message.
func (m *inbound) skip() { m.finish(1, 0, nil) }

// finish says that n routes settled the message. m may be another message when it returns.
func (m *inbound) finish(n int, mask uint32, err error) {
	c := m.conn
	c.mu.Lock()
	m.mask |= mask
	if err != nil && m.qos > 0 {
		m.err = err
	}
	m.left -= n
	if m.left > 0 {
		c.mu.Unlock()
		return
	}
	err, followers := m.err, m.followers
	c.recordLocked(m)
	c.advanceLocked()
	c.mu.Unlock()
	for _, f := range followers {
		f.finish(1, 0, err)
	}
	if err != nil {
		c.fail(err)
	}
}

// recordLocked tells the session what became of m.
func (c *brokerConn) recordLocked(m *inbound) {
	if m.qos == 0 || c.session == nil || m.reason != 0 {
		return
	}
	if m.qos == 2 {
		c.session.end(m.id, m.err == nil)
	}
	// At QoS 2 the exchange tells repeats, except of what is to be stored again.
	if m.mask != 0 && (m.qos == 1 || m.err != nil) {
		mask := m.mask
		if m.err == nil {
			mask |= settledBit
		}
		c.session.record(m.id, journalled{hash: m.hash, mask: mask, id: m.id, table: m.table})
	}
}

// advanceLocked acknowledges and passes on the messages that are settled, up to the first that is not.
func (c *brokerConn) advanceLocked() {
	var acked uint64
	for c.queue.count > 0 {
		m := c.queue.at(0)
		if m.left > 0 {
			break
		}
		c.queue.pop()
		if m.qos > 0 && m.err == nil && !c.closed {
			if m.reason == 0 {
				c.out = appendAck(c.out, headOfAck(m.qos), m.id)
			} else {
				c.out = appendAck(c.out, headOfAck(m.qos), m.id, m.reason)
			}
			acked++
		}
		if m.packet == nil || m.err != nil {
			c.releaseLocked(m)
		} else {
			c.broker.fanout.push(m)
		}
	}
	if acked > 0 {
		c.broker.acked.Add(acked)
		c.more.Signal()
	}
}

// releaseLocked gives a message's place to a later one.
func (c *brokerConn) releaseLocked(m *inbound) {
	m.packet, m.err, m.followers, m.mask, m.reason = nil, nil, nil, 0, 0
	c.inflight--
	c.free = append(c.free, m)
	c.wakeWaiting()
}

// release is releaseLocked after a message was passed on.
func (c *brokerConn) release(m *inbound) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.releaseLocked(m)
}

// follow reports whether the session has the same message in queue: then this one is acknowledged, if it came on a later
// connection, when that one is. The same is: by packet id at QoS 2, also by content at QoS 1.
func (c *brokerConn) follow(p *publication) bool {
	c.mu.Lock()
	_, found := c.pendingLocked(p)
	prev := c.prev
	c.mu.Unlock()
	if found {
		return true // and acknowledged once
	}
	if prev == nil {
		return false
	}
	f := c.begin(p, nil, 1)
	for old := prev; old != nil; {
		old.mu.Lock()
		m, found := old.pendingLocked(p)
		if found {
			m.followers = append(m.followers, f)
		}
		next := old.prev
		old.mu.Unlock()
		if found {
			return true
		}
		old = next
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue.dropLast()
	c.releaseLocked(f)
	return false
}

func (c *brokerConn) pendingLocked(p *publication) (*inbound, bool) {
	for i := range c.queue.count {
		m := c.queue.at(i)
		if m.left > 0 && m.id == p.id && m.qos == p.qos && (p.qos == 2 || m.hash == p.hash) {
			return m, true
		}
	}
	return nil, false
}

// fail closes the connection because a message could not be stored: its client will send it again.
func (c *brokerConn) fail(err error) {
	if !errors.Is(err, errClosed) {
		c.broker.complain(fmt.Errorf("store message: %w", err))
	}
	_ = c.refuse(packets.ErrImplementationSpecificError)
}

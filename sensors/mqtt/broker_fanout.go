package mqtt

import (
	"sync"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// fanout passes committed messages on to subscribers, in order, in a goroutine of its own: commits must
// not wait for it. What waits in it counts as in flight at its publisher, which bounds it.
type fanout struct {
	mu     sync.Mutex // guards what follows
	filled sync.Cond
	queue  []*inbound
	ended  bool
}

func newFanout() *fanout {
	f := &fanout{}
	f.filled.L = &f.mu
	return f
}

// push queues a message. After the end it does nothing.
func (f *fanout) push(m *inbound) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	f.queue = append(f.queue, m)
	if len(f.queue) == 1 {
		f.filled.Signal()
	}
}

// end makes run return, after what is queued.
func (f *fanout) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.filled.Signal()
}

// run passes messages on until end.
func (f *fanout) run(b *Broker) {
	shadow := b.newShadow()
	var batch []*inbound
	for {
		f.mu.Lock()
		for len(f.queue) == 0 && !f.ended {
			f.filled.Wait()
		}
		batch, f.queue = f.queue, batch[:0]
		f.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for i, m := range batch {
			b.deliver(shadow, m.packet)
			m.conn.release(m)
			batch[i] = nil
		}
	}
}

// newShadow returns a client that is connected to nothing and publishes in other clients' names. It is
// to be used by one goroutine.
func (b *Broker) newShadow() *mochi.Client {
	return b.server.NewClient(nil, mochi.LocalListener, "", true)
}

// deliver passes a message on at once, in the connection's own name.
func (c *brokerConn) deliver(pk *packets.Packet) {
	if pk == nil {
		return
	}
	if c.shadow == nil {
		c.shadow = c.broker.newShadow()
	}
	c.occupy()
	defer c.pacing.busy.Store(false)
	c.broker.deliver(c.shadow, pk)
}

// deliver queues the message for all who subscribe to its topic, and retains it if it is to be retained.
// It does not wait for any of them: what does not fit a client's queue is dropped and counted.
func (b *Broker) deliver(shadow *mochi.Client, pk *packets.Packet) {
	b.switching.RLock()
	defer b.switching.RUnlock()
	if pk.FixedHeader.Retain && !b.retained.allow(pk.TopicName, len(pk.Payload)) {
		pk.FixedHeader.Retain = false
		b.unretained.Add(1)
	}
	if pk.FixedHeader.Qos > 0 && pk.PacketID == 0 {
		pk.PacketID = 1 // a will has none, and the server insists
	}
	shadow.ID = pk.Origin
	shadow.Properties.ProtocolVersion = pk.ProtocolVersion
	b.ahead.begin(pk)
	defer b.ahead.end(pk)
	if err := b.server.InjectPacket(shadow, *pk); err != nil {
		b.unpassed.Add(1)
		b.log.Debug("message not passed on", "topic", pk.TopicName, "err", err)
	}
}

const (
	maxRetained      = 10_000   // messages
	maxRetainedBytes = 16 << 20 // of their topics and payloads
)

// retained bounds the messages that the server retains.
type retained struct {
	mu    sync.Mutex // guards what follows
	sizes map[string]int
	total int
}

// allow reports whether the topic's retained message may be replaced by one of size bytes, or removed by
// one of none, and notes it.
func (r *retained) allow(topic string, size int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, had := r.sizes[topic]
	if size == 0 {
		r.removeLocked(topic)
		return true
	}
	size += len(topic)
	if r.total-old+size > maxRetainedBytes || !had && len(r.sizes) >= maxRetained {
		return false
	}
	if r.sizes == nil {
		r.sizes = make(map[string]int)
	}
	r.sizes[topic] = size
	r.total += size - old
	return true
}

// remove notes that the topic's message is retained no more.
func (r *retained) remove(topic string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.removeLocked(topic)
}

func (r *retained) removeLocked(topic string) {
	r.total -= r.sizes[topic]
	delete(r.sizes, topic)
}

package mqtt

import (
	"sync"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// clientReceipt is the place of one message in the order in which its connection acknowledges.
type clientReceipt struct {
	conn   *clientConn
	ticket uint64
}

// settle acknowledges the message once all before it are settled. It never blocks, and does nothing
// when the connection is gone.
func (r clientReceipt) settle() {
	if r.conn != nil {
		r.conn.acks.settle(r.ticket)
	}
}

// clientAck is one message that the broker waits for.
type clientAck struct {
	id      uint16
	kind    byte // packets.Puback or packets.Pubrec
	settled bool
}

// clientAcks puts acknowledgements into the order in which the messages came (MQTT-4.6.0-2) and
// gathers those that are due, so that one write carries what one commit settled. Safe for concurrent use.
type clientAcks struct {
	wake chan struct{} // capacity 1: something is due

	mu     sync.Mutex
	order  []clientAck // order[head:] wait
	head   int
	passed uint64 // tickets that left order
	due    []byte
	end    bool // nothing behind order[endAt] will ever be settled
	endAt  uint64
}

func newClientAcks() *clientAcks { return &clientAcks{wake: make(chan struct{}, 1)} }

// clientMaxUnsettled is how many messages can wait on one connection: each has a packet id of its own.
const clientMaxUnsettled = 65535

// expect takes the next place for a message of QoS 1 or 2; false when more wait than a broker may send.
func (a *clientAcks) expect(id uint16, qos byte) (ticket uint64, ok bool) {
	kind := byte(packets.Puback)
	if qos == 2 {
		kind = packets.Pubrec
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	waiting := len(a.order) - a.head
	if waiting >= clientMaxUnsettled {
		return 0, false
	}
	a.order = append(a.order, clientAck{id: id, kind: kind})
	return a.passed + uint64(waiting), true //nolint:gosec // not negative
}

// settle marks the place as done and makes due what is done from the front on.
func (a *clientAcks) settle(ticket uint64) {
	if a.mark(ticket) {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

func (a *clientAcks) mark(ticket uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ticket < a.passed {
		return false
	}
	at := ticket - a.passed
	if at >= uint64(len(a.order)-a.head) { //nolint:gosec // not negative
		return false
	}
	a.order[a.head+int(at)].settled = true //nolint:gosec // at is below len(order)
	some := false
	for a.head < len(a.order) && a.order[a.head].settled {
		ack := a.order[a.head]
		a.due = append(a.due, ack.kind<<4, 2, byte(ack.id>>8), byte(ack.id)) //nolint:gosec // two halves
		a.head++
		a.passed++
		some = true
	}
	if a.head == len(a.order) {
		a.order, a.head = a.order[:0], 0
	} else if a.head >= 1024 && a.head*2 >= len(a.order) {
		a.order = a.order[:copy(a.order, a.order[a.head:])]
		a.head = 0
	}
	return some
}

// abandon says that the place, and therefore none behind it, will be settled on this connection.
func (a *clientAcks) abandon(ticket uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.end || ticket < a.endAt {
		a.end, a.endAt = true, ticket
	}
}

// swap returns what is due and takes buf, emptied, to gather the next.
func (a *clientAcks) swap(buf []byte) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	due := a.due
	a.due = buf[:0]
	return due
}

// drained reports whether nothing more can become due and all that was due is taken.
func (a *clientAcks) drained() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.due) == 0 && (a.head == len(a.order) || a.end && a.passed >= a.endAt)
}

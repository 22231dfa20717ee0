package mqtt

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	connectTimeout = 10 * time.Second       // from the connection to its CONNECT
	aliveSlack     = 250 * time.Millisecond // by which a silent client is noticed late, so that not every read sets a deadline
	lastWords      = time.Second            // to write what is left when a connection closes
	highWater      = 64 << 10               // bytes that wait for a client to read them; beyond, its own reads stop
	spareBytes     = 64 << 10               // a write buffer grown beyond is not kept
	burstLooks     = 64                     // how often the writer looks whether a burst of acks goes on
)

// brokerConn is a client's connection as the server (mochi) sees it: it stands between the socket and
// the server. Towards the server it is a net.Conn.
//
// Aim: a message costs no more than its bytes, its decoder and its place in a commit group; no client
// can make another wait.
//
// Reading: Read cuts the stream into packets. PUBLISH and PUBREL are handled right there, in the goroutine that
// reads for this client; the server never sees them. All other packets go through unchanged, one at a time, so that
// the server has handled one before the next byte is looked at. A client that must wait (too many messages in
// flight, the pipeline full, acks that it does not read) waits here, which stops its socket and nobody else's.
//
// Writing: Write and the acks of a commit append to out and never block; one goroutine per connection
// writes what has gathered, so that the acks of one commit group leave in one write. What may
// block does so before it appends: see awaitRoom.
//
// The road not taken: a hook OnPublish that returns ErrRejectPacket also defers acks, but the server shares one table
// of packet ids between both directions (a client's PUBLISH 7 forgets the message 7 on its way to that
// client), refuses a repeated QoS 2 message with an error, and copies each packet five times.
type brokerConn struct {
	net    net.Conn
	broker *Broker
	life   lifetime

	// Constant once the session is established, before the first packet is handled here.
	session *brokerSession
	client  *mochi.Client
	version byte
	idle    time.Duration // silence after which the client is gone; 0 = never
	sendMax int           // the client's Receive Maximum; 0 = none

	// Constant once the connection is served.
	place    *admission // nil: it has none, as it is connected to nothing
	certUser string     // who the client is by its certificate; empty: by its password, or nobody

	account atomic.Pointer[account] // nil until the client has said who it is

	// Owned by the goroutine that reads.
	in            []byte // in[start:end] was received and is not handled yet
	start         int
	end           int
	pass          int // bytes of a packet that go to the server unchanged
	grow          bool
	refreshed     time.Time
	topics        topicCache
	intake        intake
	hash          xxhash.Digest
	shadow        *mochi.Client // publishes in the client's name; nil until needed
	retainedFrom  uint64        // encoded when the latest SUBSCRIBE came
	retainedSent  uint64        // messages queued because of it
	will          *packets.Packet
	willDelay     time.Duration
	resumed       bool // the session is older than the connection
	switching     bool // holds Broker.switching
	rates         rates
	claimed       string // client id: see claim
	deniedFilters []int  // of the latest SUBSCRIBE, by position

	pacing   pacing
	ahead    aheadOf       // guarded by Broker.ahead
	qos0     atomic.Uint64 // takesQoS0 as of a Broker.epoch
	draining atomic.Bool

	mu          sync.Mutex // guards what follows; taken before brokerSession.mu and fanout.mu
	more        sync.Cond  // out is not empty, or closed
	room        sync.Cond  // something was written, released or acknowledged, or closed
	waiting     int        // for room
	out         []byte     // to be written
	writing     int        // bytes on their way
	closed      bool
	established bool         // the client was told that it is connected
	queue       messageQueue // in order of arrival
	inflight    int          // messages taken from free and not given back
	free        []*inbound
	encoded     uint64              // messages written to the client, or about to be
	prev        *brokerConn         // the session's connection before, while it has messages in queue
	sent        map[uint16]struct{} // QoS 1 and 2 on their way to a client that set a Receive Maximum
}

func newBrokerConn(b *Broker, network net.Conn) *brokerConn {
	c := &brokerConn{net: network, broker: b, life: newLifetime(), rates: newRates(&b.config)}
	c.pacing.freed = make(chan struct{}, 1)
	c.more.L, c.room.L = &c.mu, &c.mu
	return c
}

// Write queues p, which is one whole packet, and never blocks.
func (c *brokerConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	if c.sendMax > 0 {
		if id, ok := publishID(p); ok {
			c.sent[id] = struct{}{}
		}
	}
	c.out = append(c.out, p...)
	c.more.Signal()
	return len(p), nil
}

// Close ends the connection: nothing is read from now on, and what is queued is written within lastWords.
func (c *brokerConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked()
	return nil
}

func (c *brokerConn) closeLocked() {
	if c.closed {
		return
	}
	c.closed = true
	c.life.end()
	// Errors here mean that the socket is gone already, which the reader and the writer notice.
	_ = c.net.SetReadDeadline(time.Unix(1, 0))
	_ = c.net.SetWriteDeadline(time.Now().Add(lastWords))
	c.more.Broadcast()
	c.room.Broadcast()
}

// forget gives back the memory of a connection that nobody reads any more. Its session may keep the rest of it for days.
func (c *brokerConn) forget() {
	c.in, c.start, c.end = nil, 0, 0
	c.topics, c.intake, c.shadow, c.will = topicCache{}, intake{}, nil, nil
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out, c.free = nil, nil
}

// writeAll writes what is queued until the connection is closed, and then closes the socket.
func (c *brokerConn) writeAll() {
	var batch []byte
	for {
		batch = c.nextBatch(batch)
		if len(batch) == 0 {
			break
		}
		if _, err := c.net.Write(batch); err != nil {
			break
		}
	}
	_ = c.Close()
	_ = c.net.Close()
}

// nextBatch waits for something to write and returns it, or nothing when the connection is closed. last was written.
func (c *brokerConn) nextBatch(last []byte) []byte {
	if cap(last) > spareBytes {
		last = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = 0
	c.wakeWaiting()
	for len(c.out) == 0 && !c.closed {
		c.more.Wait()
	}
	// Acks of a commit group come in a burst, one after the other: let it end before the write if there may be more.
	for look, seen := 0, len(c.out); look < burstLooks && !c.closed && c.queue.count > 0; look++ {
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
		if len(c.out) == seen {
			break
		}
		seen = len(c.out)
	}
	batch := c.out
	c.out = last[:0]
	c.writing = len(batch)
	return batch
}

func (c *brokerConn) wakeWaiting() {
	if c.waiting > 0 {
		c.room.Broadcast()
	}
}

// awaitLocked waits until ready, and reports whether the connection is still open.
func (c *brokerConn) awaitLocked(ready func() bool) bool {
	for !c.closed && !ready() {
		c.waiting++
		c.room.Wait()
		c.waiting--
	}
	return !c.closed
}

func (c *brokerConn) roomLocked() bool { return len(c.out)+c.writing < highWater }

// awaitRoom waits until the client has read enough of what was written.
func (c *brokerConn) awaitRoom() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.awaitLocked(c.roomLocked)
}

// awaitSend waits until a message may be sent to the client: until it has read enough, and at QoS 1
// and 2 acknowledged enough. What an earlier connection did not acknowledge comes first.
func (c *brokerConn) awaitSend(qos byte, again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() {
		c.encoded++
		c.wakeWaiting()
	}()
	c.awaitLocked(func() bool {
		if again {
			return c.roomLocked()
		}
		return c.established && c.roomLocked() && (c.sendMax == 0 || qos == 0 || len(c.sent) < c.sendMax)
	})
}

// establishedNow lets messages be sent to the client.
func (c *brokerConn) establishedNow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.established = true
	c.wakeWaiting()
}

// arrived notes that the client has acknowledged a message sent to it.
func (c *brokerConn) arrived(id uint16) {
	if c.sendMax == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sent, id)
	c.wakeWaiting()
}

// reply queues a packet of the ack family for id. MQTT 5 may give one reason.
func (c *brokerConn) reply(head byte, id uint16, reason ...byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.out = appendAck(c.out, head, id, reason...)
	c.more.Signal()
}

// drain makes the reader stop at the next packet, wait for the commits of what it took, and leave.
func (c *brokerConn) drain() {
	c.draining.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		_ = c.net.SetReadDeadline(time.Unix(1, 0))
		c.wakeWaiting()
	}
}

// leave waits until every message taken was committed and acknowledged, and says good-bye.
func (c *brokerConn) leave() error {
	c.mu.Lock()
	c.awaitLocked(func() bool { return c.inflight == 0 })
	c.mu.Unlock()
	return c.refuse(packets.ErrServerShuttingDown)
}

// refuse ends the connection because of code, which a client of MQTT 5 is told, and returns it.
func (c *brokerConn) refuse(code packets.Code) error {
	if c.client != nil && c.version == 5 {
		_ = c.broker.server.DisconnectClient(c.client, code) // it returns the code
	}
	_ = c.Close()
	return code
}

// refresh puts off the moment at which a silent client is gone.
func (c *brokerConn) refresh() {
	idle := c.idle
	if c.session == nil {
		return // the deadline of connectTimeout stands
	}
	now := time.Now()
	if now.Sub(c.refreshed) < aliveSlack {
		return
	}
	c.refreshed = now
	var deadline time.Time
	if idle > 0 {
		deadline = now.Add(idle + aliveSlack)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed && !c.draining.Load() {
		_ = c.net.SetReadDeadline(deadline) // a failure shows at the read
	}
}

// LocalAddr returns the socket's.
func (c *brokerConn) LocalAddr() net.Addr { return c.net.LocalAddr() }

// RemoteAddr returns the socket's.
func (c *brokerConn) RemoteAddr() net.Addr { return c.net.RemoteAddr() }

// SetDeadline does nothing: see refresh.
func (c *brokerConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing: see refresh.
func (c *brokerConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: Write does not block.
func (c *brokerConn) SetWriteDeadline(time.Time) error { return nil }

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

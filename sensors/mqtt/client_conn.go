package mqtt

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/skerry-edge/skerry/sensors"
)

// Time-outs of a connection.
const (
	clientWriteTimeout = 20 * time.Second // a broker that reads nothing for so long is left
	clientReadBuffer   = 32 << 10
)

// errClientEnded is what paho sees of a connection that ended; why is in clientConn.cause. (Of an error
// that names a closed connection paho would not tell anyone.)
var errClientEnded = errors.New("connection ended")

// clientConn is the network connection under paho. It is ours so that four things hold:
//
//   - Back-pressure. When the line is full the message callback blocks, and paho, which reads one packet
//     after another, sees no PINGRESP: its own ping time-out would end a good connection. So pings go
//     out from here whether or not anyone reads, and the broker's silence counts only while reading.
//   - Acknowledgements are written from here, in the order of arrival and as many in one write as one
//     commit settled; paho's Message.Ack costs three hand-overs and a write each.
//   - Hostile lengths end here (clientReader), and reads are buffered: paho reads a packet in three.
//   - Whoever ends the connection leaves the reason in cause, and paho always notices.
//
// Safe for concurrent use, except Read, which belongs to paho's reader.
type clientConn struct {
	net.Conn
	in        *clientReader
	acks      *clientAcks
	keepAlive time.Duration
	started   time.Time

	ready  chan struct{} // closed when the session is known: messages may be taken
	closed chan struct{} // closed when the connection has ended, by whomever
	gone   chan struct{} // closed when paho has stopped all that it started

	open      atomic.Bool // the handshake is over
	lastRead  atomic.Int64
	lastWrite atomic.Int64 // both nanoseconds since started
	arrived   uint64       // PUBLISH packets that reached the callback; owned by it
	cuts      atomic.Int32 // len(cutSizes), to look without mu

	mu       sync.Mutex
	err      error // why it ended
	ended    bool
	cutSizes map[uint64]int // whole lengths of shortened PUBLISH packets on their way to the callback
}

func newClientConn(network net.Conn, keepAlive time.Duration, topics int) *clientConn {
	c := &clientConn{
		Conn: network, acks: newClientAcks(), keepAlive: keepAlive, started: time.Now(),
		ready: make(chan struct{}), closed: make(chan struct{}), gone: make(chan struct{}),
		cutSizes: map[uint64]int{},
	}
	c.in = &clientReader{r: bufio.NewReaderSize(clientSocket{c}, clientReadBuffer), topics: topics, onCut: c.cut}
	return c
}

// Read hands paho the next bytes.
func (c *clientConn) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	if err != nil {
		c.fail(err)
		return n, errClientEnded
	}
	return n, nil
}

// Write sends whole packets; concurrent writes do not mix.
func (c *clientConn) Write(p []byte) (int, error) {
	if c.open.Load() {
		if err := c.SetWriteDeadline(time.Now().Add(clientWriteTimeout)); err != nil {
			c.fail(err)
			return 0, errClientEnded
		}
	}
	n, err := c.Conn.Write(p)
	c.lastWrite.Store(int64(time.Since(c.started)))
	if err != nil {
		c.fail(err)
		return n, errClientEnded
	}
	return n, nil
}

// SetDeadline bounds the handshake; the zero time, which paho sets after it, ends it.
func (c *clientConn) SetDeadline(t time.Time) error {
	err := c.Conn.SetDeadline(t)
	if t.IsZero() {
		c.open.Store(true)
	}
	return err
}

// publish sends messages at QoS 0. What does not go out now, because the connection ends, goes nowhere.
func (c *clientConn) publish(messages []sensors.Message) {
	for _, m := range messages {
		size := 2 + len(m.Topic) + len(m.Payload)
		packet := make([]byte, 5, 5+size)
		packet[0] = packets.Publish << 4
		packet = packet[:1+putLength(packet[1:], size)]
		packet = binary.BigEndian.AppendUint16(packet, uint16(len(m.Topic))) //nolint:gosec // at most sensors.MaxTopicBytes
		packet = append(append(packet, m.Topic...), m.Payload...)
		if _, err := c.Write(packet); err != nil {
			return
		}
	}
}

// Close ends the connection without a cause.
func (c *clientConn) Close() error {
	c.fail(errClientEnded)
	return nil
}

// fail ends the connection; the first cause counts. It does not block.
func (c *clientConn) fail(cause error) {
	c.mu.Lock()
	first := !c.ended
	if first {
		c.ended, c.err = true, cause
		close(c.closed)
	}
	c.mu.Unlock()
	if first {
		_ = c.Conn.Close() // it is of no more use, whatever Close says
	}
}

// cause returns why the connection ended; nil while it has not.
func (c *clientConn) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// write sends acknowledgements and pings until ctx or the connection ends. For the connection's one writer.
func (c *clientConn) write(ctx context.Context) {
	ping := time.NewTicker(c.keepAlive / 4)
	defer ping.Stop()
	var buf []byte
	for {
		select {
		case <-c.acks.wake:
			buf = c.acks.swap(buf)
			if len(buf) == 0 {
				continue
			}
			if _, err := c.Write(buf); err != nil {
				return
			}
		case <-ping.C:
			now := int64(time.Since(c.started))
			idle := int64(c.keepAlive / 2)
			if now-c.lastWrite.Load() < idle && now-c.lastRead.Load() < idle {
				continue
			}
			if _, err := c.Write([]byte{packets.Pingreq << 4, 0}); err != nil {
				return
			}
		case <-c.closed:
			return
		case <-ctx.Done():
			return
		}
	}
}

// leave sends the acknowledgements that are still owed, as far as they become due before ctx ends, then
// says goodbye and waits for the broker to close: only then has it read the acknowledgements, which it
// would forget if the next connection of this client id came first. The writer has stopped before.
func (c *clientConn) leave(ctx context.Context) {
	for {
		if due := c.acks.swap(nil); len(due) > 0 {
			if _, err := c.Write(due); err != nil {
				return
			}
		}
		if c.acks.drained() {
			break
		}
		select {
		case <-c.acks.wake:
			continue
		case <-c.closed:
			return
		case <-ctx.Done():
		}
		break
	}
	if _, err := c.Write([]byte{packets.Disconnect << 4, 0}); err != nil {
		return
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		select {
		case <-c.closed:
		case <-ctx.Done():
		}
	}
}

// cut notes that a PUBLISH was shortened from size bytes.
func (c *clientConn) cut(ordinal uint64, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cutSizes[ordinal] = size
	c.cuts.Add(1)
}

// nextCut counts a PUBLISH that reached the callback and returns its whole length if it was shortened, else 0.
func (c *clientConn) nextCut() int {
	ordinal := c.arrived
	c.arrived++
	if c.cuts.Load() == 0 {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	size, cut := c.cutSizes[ordinal]
	if cut {
		delete(c.cutSizes, ordinal)
		c.cuts.Add(-1)
	}
	return size
}

// clientSocket reads from the network and gives up on a broker that is silent although it is pinged.
type clientSocket struct{ c *clientConn }

func (s clientSocket) Read(p []byte) (int, error) {
	c := s.c
	patience := c.keepAlive + c.keepAlive/2
	if c.open.Load() {
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Read(p)
	c.lastRead.Store(int64(time.Since(c.started)))
	if c.open.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
		return n, fmt.Errorf("broker was silent for %s: %w", patience, err)
	}
	return n, err
}

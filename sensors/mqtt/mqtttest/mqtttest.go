// Package mqtttest drives MQTT brokers in tests and benchmarks: a client of MQTT 3.1.1 on bare TCP that is faster
// than the brokers, and a sink whose commits a test controls.
package mqtttest

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Options say how a Client connects.
type Options struct {
	Addr      string
	ClientID  string
	Username  string
	Password  string
	KeepAlive uint16        // seconds; 0 = none
	Keep      bool          // keep the session: clean session off
	Window    int           // messages in flight at QoS 1 and 2, 1 to 65,000; 0 = 1
	Timeout   time.Duration // to connect; 0 = 10 s
	TLS       *tls.Config   // nil = without
	Will      *Message      // nil = none

	// OnAck is called for each PUBACK and PUBCOMP, in the goroutine that reads. It must not call the Client.
	OnAck func(id uint16)
	// OnMessage is called for each message received, likewise; its bytes are valid during the call.
	OnMessage func(Message)
}

// Message is a PUBLISH packet that was received.
type Message struct {
	Topic   string
	Payload []byte
	ID      uint16
	QoS     byte
	Dup     bool
	Retain  bool
}

// The first bytes of packets.
const (
	headConnect    = 0x10
	headConnack    = 0x20
	headPublish    = 0x30
	headPuback     = 0x40
	headPubrec     = 0x50
	headPubrel     = 0x62
	headPubcomp    = 0x70
	headSubscribe  = 0x82
	headSuback     = 0x90
	headPingreq    = 0xc0
	headPingresp   = 0xd0
	headDisconnect = 0xe0
)

const (
	maxWindow = 65000
	buffer    = 64 << 10
)

// ErrRefused says that the broker refused the connection.
var ErrRefused = errors.New("connection refused by the broker")

// RefusedError is ErrRefused with the code of the CONNACK.
type RefusedError struct{ Code byte }

// Error names the code.
func (e *RefusedError) Error() string { return fmt.Sprintf("connect: code %d: %v", e.Code, ErrRefused) }

// Unwrap returns ErrRefused.
func (e *RefusedError) Unwrap() error { return ErrRefused }

// Client is one MQTT connection. Its methods are safe for concurrent use; messages published by one goroutine
// are sent in order.
type Client struct {
	// SessionPresent is what the broker said at the connect.
	SessionPresent bool

	options Options
	conn    net.Conn
	read    *bufio.Reader
	ended   chan struct{} // closed when nothing is read any more
	err     error         // why; set before ended is closed

	mu       sync.Mutex // guards what follows
	room     sync.Cond
	write    *bufio.Writer
	last     uint16          // packet id
	used     [1 << 16]bool   // packet ids in flight
	inflight int             // of them
	replies  map[uint16]byte // of SUBSCRIBE: 0 = none yet, else the return code + 1
	acked    uint64
	answered bool // something is in the buffer that the broker waits for
	closed   bool
}

// Dial connects. The Client must be closed.
func Dial(ctx context.Context, o Options) (*Client, error) {
	if o.Window == 0 {
		o.Window = 1
	}
	if o.Window < 1 || o.Window > maxWindow {
		return nil, fmt.Errorf("dial: window %d is out of range", o.Window)
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	conn, err := (&net.Dialer{Timeout: o.Timeout}).DialContext(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	if o.TLS != nil {
		secured := tls.Client(conn, o.TLS)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("dial: %w", err)
		}
		conn = secured
	}
	c := &Client{
		options: o, conn: conn, read: bufio.NewReaderSize(conn, buffer), write: bufio.NewWriterSize(conn, buffer),
		ended: make(chan struct{}), replies: make(map[uint16]byte),
	}
	c.room.L = &c.mu
	if err := c.connect(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	go c.receive()
	return c, nil
}

func (c *Client) connect() error {
	o := c.options
	flags := byte(0)
	if !o.Keep {
		flags |= 0x02
	}
	body := binary.BigEndian.AppendUint16([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0}, o.KeepAlive)
	body = appendString(body, o.ClientID)
	if o.Will != nil {
		flags |= 0x04 | o.Will.QoS<<3
		body = appendString(appendString(body, o.Will.Topic), string(o.Will.Payload))
	}
	if o.Username != "" {
		flags |= 0x80
		body = appendString(body, o.Username)
		if o.Password != "" {
			flags |= 0x40
			body = appendString(body, o.Password)
		}
	}
	body[7] = flags
	if err := c.conn.SetDeadline(time.Now().Add(o.Timeout)); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if _, err := c.conn.Write(AppendPacket(nil, headConnect, body)); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	head, answer, err := c.packet(nil)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if head != headConnack || len(answer) < 2 {
		return fmt.Errorf("connect: answer %#x is no CONNACK", head)
	}
	if answer[1] != 0 {
		return &RefusedError{Code: answer[1]}
	}
	c.SessionPresent = answer[0]&1 != 0
	if err := c.conn.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

// packet reads one packet. The body is valid until the next call with the same space.
func (c *Client) packet(space []byte) (head byte, body []byte, err error) {
	if head, err = c.read.ReadByte(); err != nil {
		return 0, nil, fmt.Errorf("read packet: %w", err)
	}
	length := 0
	for shift := 0; ; shift += 7 {
		b, err := c.read.ReadByte()
		if err != nil {
			return 0, nil, fmt.Errorf("read packet: %w", err)
		}
		length |= int(b&0x7f) << shift
		if b&0x80 == 0 {
			break
		}
		if shift == 21 {
			return 0, nil, errors.New("read packet: malformed length")
		}
	}
	if cap(space) < length {
		space = make([]byte, length)
	}
	body = space[:length]
	if _, err := io.ReadFull(c.read, body); err != nil {
		return 0, nil, fmt.Errorf("read packet: %w", err)
	}
	return head, body, nil
}

// AppendPacket appends a packet with that first byte and body.
func AppendPacket(dst []byte, head byte, body []byte) []byte {
	dst = append(dst, head)
	dst = appendLength(dst, len(body))
	return append(dst, body...)
}

func appendLength(dst []byte, n int) []byte {
	return binary.AppendUvarint(dst, uint64(n)) //nolint:gosec // not negative
}

func appendString(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s))) //nolint:gosec // short strings of tests
	return append(dst, s...)
}

// AppendPublish appends a PUBLISH packet of MQTT 3.1.1.
func AppendPublish(dst []byte, m Message) []byte {
	head := byte(headPublish) | m.QoS<<1
	if m.Dup {
		head |= 0x08
	}
	if m.Retain {
		head |= 0x01
	}
	length := 2 + len(m.Topic) + len(m.Payload)
	if m.QoS > 0 {
		length += 2
	}
	dst = append(dst, head)
	dst = appendLength(dst, length)
	dst = appendString(dst, m.Topic)
	if m.QoS > 0 {
		dst = binary.BigEndian.AppendUint16(dst, m.ID)
	}
	return append(dst, m.Payload...)
}

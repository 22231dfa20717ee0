package mqtt

import (
	"encoding/binary"
	"errors"

	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	firstRead = 2 << 10  // bytes of a client's read buffer at first
	mostRead  = 32 << 10 // to which it grows with the traffic; only one long packet makes it longer, and only while it lasts

	flagDup    = 0x08
	flagRetain = 0x01

	headPuback  = packets.Puback << 4
	headPubrec  = packets.Pubrec << 4
	headPubcomp = packets.Pubcomp << 4
	headPubrel  = packets.Pubrel<<4 | 0x02
)

var errMalformed = errors.New("malformed packet")

// Read gives the server the next bytes of a packet that is the server's to handle, and handles those
// that are not before it: see brokerConn.
func (c *brokerConn) Read(p []byte) (int, error) {
	if c.pacing.busy.Load() { // by a SUBSCRIBE
		c.pacing.busy.Store(false)
	}
	for c.pass == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if c.start == c.end {
		if err := c.fill(1); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.in[c.start:min(c.end, c.start+c.pass)])
	c.start += n
	c.pass -= n
	return n, nil
}

// next handles one packet, or sets pass for one that is the server's.
func (c *brokerConn) next() error {
	head, rest, err := c.header()
	if err != nil {
		return err
	}
	if head+rest > c.broker.config.MaxPacket {
		return c.refuse(packets.ErrPacketTooLarge)
	}
	first := c.in[c.start]
	kind := first >> 4
	if c.session == nil || kind != packets.Publish && kind != packets.Pubrel {
		if _, open := c.slow(kind, 0, head+rest); !open {
			return errClosed
		}
		c.pass = head + rest
		return nil
	}
	for c.end-c.start < head+rest {
		if err := c.fill(head + rest); err != nil {
			return err
		}
	}
	body := c.in[c.start+head : c.start+head+rest]
	c.start += head + rest
	drop, open := c.slow(kind, first>>1&3, head+rest)
	switch {
	case !open:
		return errClosed
	case drop:
		return nil
	case kind == packets.Pubrel:
		return c.pubrel(first, body)
	}
	return c.publish(first, body)
}

// header returns the length of the next packet's fixed header and of what follows it.
func (c *brokerConn) header() (head, rest int, err error) {
	for {
		head, rest, err = parseHeader(c.in[c.start:c.end])
		if err != nil {
			return 0, 0, c.refuse(packets.ErrMalformedVariableByteInteger)
		}
		if head > 0 {
			return head, rest, nil
		}
		if err := c.fill(1); err != nil {
			return 0, 0, err
		}
	}
}

// parseHeader returns the lengths that a fixed header says, or 0 when there is more of it to come.
func parseHeader(b []byte) (head, rest int, err error) {
	for i := 1; i < len(b); i++ {
		rest |= int(b[i]&0x7f) << (7 * (i - 1))
		if b[i]&0x80 == 0 {
			return i + 1, rest, nil
		}
		if i == 4 {
			return 0, 0, errMalformed
		}
	}
	return 0, 0, nil
}

// fill reads once. There is then room for a packet of need bytes.
func (c *brokerConn) fill(need int) error {
	held := c.in[c.start:c.end]
	want := max(len(c.in), firstRead)
	if c.grow && want < mostRead {
		want *= 2
	}
	if want > mostRead {
		want = mostRead // after a long packet
	}
	want = max(want, need, len(held)+1)
	if want == len(c.in) {
		copy(c.in, held)
	} else {
		grown := make([]byte, want)
		copy(grown, held)
		c.in = grown
	}
	c.start, c.end = 0, len(held)
	c.refresh()
	n, err := c.net.Read(c.in[c.end:])
	c.end += n
	c.grow = c.end == len(c.in)
	switch {
	case n > 0:
		return nil
	case isTimeout(err) && c.draining.Load():
		return c.leave()
	default:
		return err
	}
}

// pubrel ends a QoS 2 exchange.
func (c *brokerConn) pubrel(first byte, body []byte) error {
	if first != headPubrel || len(body) < 2 {
		return c.refuse(packets.ErrMalformedFlags)
	}
	if !c.awaitRoom() {
		return errClosed
	}
	id := binary.BigEndian.Uint16(body)
	known := c.session.release(id)
	if known || c.version < 5 {
		c.reply(headPubcomp, id)
	} else {
		c.reply(headPubcomp, id, packets.ErrPacketIdentifierNotFound.Code)
	}
	return nil
}

// publishID returns the packet id of a whole PUBLISH packet of QoS 1 or 2.
func publishID(p []byte) (uint16, bool) {
	if len(p) == 0 || p[0]>>4 != packets.Publish || p[0]&0x06 == 0 {
		return 0, false
	}
	head, _, err := parseHeader(p)
	if err != nil || head == 0 || len(p) < head+2 {
		return 0, false
	}
	at := head + 2 + int(binary.BigEndian.Uint16(p[head:]))
	if len(p) < at+2 {
		return 0, false
	}
	return binary.BigEndian.Uint16(p[at:]), true
}

package mqtt

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/skerry-edge/skerry/sensors"
)

// clientMaxPacket is the longest PUBLISH that is taken whole, in bytes behind its fixed header. The
// protocol allows 256 MiB, which paho would allocate.
const clientMaxPacket = 1 << 20

// clientReader lets a broker's packets through to paho, one after another, after a look at each fixed
// header. paho trusts the broker's lengths; this gateway does not:
//
//   - a PUBLISH that is too long becomes a short one, with the beginning of the payload, and is
//     reported by its ordinal: it can then be rejected and acknowledged instead of coming for ever;
//   - a packet that no broker sends, or of a length that its type cannot have, ends the connection.
//
// Owned by one goroutine.
type clientReader struct {
	r         *bufio.Reader
	topics    int                            // return codes that a SUBACK may have
	onCut     func(ordinal uint64, size int) // before the shortened PUBLISH is handed on
	published uint64                         // PUBLISH packets handed on
	head      [5]byte                        // fixed header of the packet under way
	headAt    int
	headLen   int
	body      int // bytes behind the header still to be handed on
	skip      int // bytes behind those to be thrown away
}

// Read hands on bytes of one packet at most.
func (c *clientReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.headAt == c.headLen && c.body == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if c.headAt < c.headLen {
		n := copy(p, c.head[c.headAt:c.headLen])
		c.headAt += n
		return n, nil
	}
	n, err := c.r.Read(p[:min(len(p), c.body)])
	c.body -= n
	return n, err
}

// next reads the fixed header of the next packet and decides about it.
func (c *clientReader) next() error {
	if _, err := c.r.Discard(c.skip); err != nil {
		return err
	}
	c.skip = 0
	first, err := c.r.ReadByte()
	if err != nil {
		return err
	}
	length, err := readLength(c.r)
	if err != nil {
		return err
	}
	if err := c.check(first, length); err != nil {
		return err
	}
	c.body = length
	if first>>4 == packets.Publish {
		if length > clientMaxPacket {
			if err := c.cut(first, length); err != nil {
				return err
			}
		}
		c.published++
	}
	c.head[0] = first
	c.headAt, c.headLen = 0, 1+putLength(c.head[1:], c.body)
	return nil
}

// check says whether a broker may send a packet with this first byte and length.
func (c *clientReader) check(first byte, length int) error {
	low, high := 2, 2
	switch first >> 4 {
	case packets.Publish:
		qos := first >> 1 & 3
		if qos == 3 {
			return fmt.Errorf("broker sent a message of quality of service 3")
		}
		if qos > 0 {
			low = 4
		}
		high = 1<<28 - 1
	case packets.Suback:
		high = 2 + c.topics
	case packets.Pingresp:
		low, high = 0, 0
	case packets.Connack, packets.Puback, packets.Pubrec, packets.Pubrel, packets.Pubcomp, packets.Unsuback:
	default:
		return fmt.Errorf("broker sent a packet of type %d", first>>4)
	}
	if length < low || length > high {
		return fmt.Errorf("broker sent a packet of type %d with %d bytes, want %d to %d", first>>4, length, low, high)
	}
	return nil
}

// cut shortens the PUBLISH under way to its topic, packet id and the sample that a status keeps.
func (c *clientReader) cut(first byte, length int) error {
	topic, err := c.r.Peek(2)
	if err != nil {
		return err
	}
	keep := 2 + int(binary.BigEndian.Uint16(topic)) + sensors.SampleBytes
	if first>>1&3 > 0 {
		keep += 2
	}
	c.body, c.skip = keep, length-keep // keep is far below clientMaxPacket
	c.onCut(c.published, length)
	return nil
}

// readLength reads the remaining length of MQTT: 7 bits a byte, least first, at most 4 bytes.
func readLength(r io.ByteReader) (int, error) {
	length := 0
	for shift := 0; shift < 28; shift += 7 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		length |= int(b&0x7f) << shift
		if b < 0x80 {
			return length, nil
		}
	}
	return 0, fmt.Errorf("broker sent a packet whose length has more than 4 bytes")
}

// putLength writes length as readLength reads it and returns the number of bytes.
func putLength(dst []byte, length int) int {
	n := 0
	for length >= 0x80 {
		dst[n] = byte(length&0x7f) | 0x80
		length >>= 7
		n++
	}
	dst[n] = byte(length) //nolint:gosec // below 0x80
	return n + 1
}

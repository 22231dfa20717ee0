package mqtt

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

// rawClient is a connection that a test writes bytes to and reads packets from.
type rawClient struct {
	net.Conn

	version byte
}

// raw connects and sends a CONNECT packet.
func (f *fixture) raw(tb testing.TB, connect []byte) *rawClient {
	tb.Helper()
	conn, err := (&net.Dialer{}).DialContext(tb.Context(), "tcp", f.broker.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	c := &rawClient{Conn: conn, version: 4}
	c.write(tb, connect)
	return c
}

func connect4(id string, clean bool) []byte {
	flags := byte(0)
	if clean {
		flags = 2
	}
	body := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, flags, 0, 60, 0, byte(len(id))}, id...)
	return mqtttest.AppendPacket(nil, 0x10, body)
}

func (c *rawClient) write(tb testing.TB, b []byte) {
	tb.Helper()
	if _, err := c.Write(b); err != nil {
		tb.Fatal(err)
	}
}

// next reads one packet.
func (c *rawClient) next() (packets.Packet, error) {
	pk := packets.Packet{ProtocolVersion: c.version}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return pk, err
	}
	one := make([]byte, 1)
	if _, err := io.ReadFull(c, one); err != nil {
		return pk, err
	}
	if err := pk.FixedHeader.Decode(one[0]); err != nil {
		return pk, err
	}
	for shift := 0; ; shift += 7 {
		if _, err := io.ReadFull(c, one); err != nil {
			return pk, err
		}
		pk.FixedHeader.Remaining |= int(one[0]&0x7f) << shift
		if one[0]&0x80 == 0 {
			break
		}
	}
	body := make([]byte, pk.FixedHeader.Remaining)
	if _, err := io.ReadFull(c, body); err != nil {
		return pk, err
	}
	switch pk.FixedHeader.Type {
	case packets.Connack:
		return pk, pk.ConnackDecode(body)
	case packets.Publish:
		return pk, pk.PublishDecode(body)
	case packets.Puback:
		return pk, pk.PubackDecode(body)
	case packets.Pubrec:
		return pk, pk.PubrecDecode(body)
	case packets.Pubrel:
		return pk, pk.PubrelDecode(body)
	case packets.Pubcomp:
		return pk, pk.PubcompDecode(body)
	case packets.Suback:
		return pk, pk.SubackDecode(body)
	case packets.Unsuback:
		return pk, pk.UnsubackDecode(body)
	case packets.Disconnect:
		return pk, pk.DisconnectDecode(body)
	default:
		return pk, nil
	}
}

// expect reads one packet, whose first byte without flags is to be head.
func (c *rawClient) expect(tb testing.TB, head byte) packets.Packet {
	tb.Helper()
	pk, err := c.next()
	if err != nil {
		tb.Fatalf("wait for packet %#x: %v", head, err)
	}
	if pk.FixedHeader.Type != head>>4 {
		tb.Fatalf("got %+v, want a packet %#x", pk, head)
	}
	return pk
}

// expectNothing waits a little for what is not to come: any packet.
func (c *rawClient) expectNothing(tb testing.TB) {
	tb.Helper()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		tb.Fatal(err)
	}
	b := make([]byte, 100)
	if n, err := c.Read(b); n > 0 || !isTimeout(err) {
		tb.Fatalf("got % x, %v", b[:n], err)
	}
}

// expectEnd waits for the connection's end, and reports the packets before it.
func (c *rawClient) expectEnd(tb testing.TB) []packets.Packet {
	tb.Helper()
	var got []packets.Packet
	for {
		pk, err := c.next()
		if isTimeout(err) {
			tb.Fatal("the connection did not end")
		}
		if err != nil {
			return got
		}
		got = append(got, pk)
	}
}

// encode writes a packet of MQTT 5.
func encode5(tb testing.TB, pk packets.Packet) []byte {
	tb.Helper()
	pk.ProtocolVersion = 5
	pk.Mods.AllowResponseInfo = true
	var buf bytes.Buffer
	err := errors.New("unknown packet")
	switch pk.FixedHeader.Type {
	case packets.Connect:
		pk.Connect.ProtocolName = []byte("MQTT")
		err = pk.ConnectEncode(&buf)
	case packets.Publish:
		err = pk.PublishEncode(&buf)
	case packets.Puback:
		err = pk.PubackEncode(&buf)
	case packets.Pubrel:
		err = pk.PubrelEncode(&buf)
	case packets.Subscribe:
		err = pk.SubscribeEncode(&buf)
	case packets.Disconnect:
		err = pk.DisconnectEncode(&buf)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func header(kind, qos byte) packets.FixedHeader { return packets.FixedHeader{Type: kind, Qos: qos} }

// dial5 connects with MQTT 5.
func (f *fixture) dial5(tb testing.TB, id string, change func(*packets.Packet)) (*rawClient, packets.Packet) {
	tb.Helper()
	pk := packets.Packet{FixedHeader: header(packets.Connect, 0), Connect: packets.ConnectParams{ClientIdentifier: id, Clean: true, Keepalive: 60}}
	if change != nil {
		change(&pk)
	}
	c := f.raw(tb, encode5(tb, pk))
	c.version = 5
	ack := c.expect(tb, 0x20)
	if ack.ReasonCode != 0 {
		tb.Fatalf("connect: %+v", ack)
	}
	return c, ack
}

func (c *rawClient) subscribe5(tb testing.TB, s packets.Subscription) {
	tb.Helper()
	pk := packets.Packet{FixedHeader: header(packets.Subscribe, 1), PacketID: 77, Filters: packets.Subscriptions{s}}
	if s.Identifier > 0 {
		pk.Properties.SubscriptionIdentifier = []int{s.Identifier}
	}
	c.write(tb, encode5(tb, pk))
	if ack := c.expect(tb, 0x90); ack.ReasonCodes[0] > 2 {
		tb.Fatalf("subscribe: %+v", ack)
	}
}

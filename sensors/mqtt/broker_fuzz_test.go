package mqtt

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

// FuzzPublish sends bytes after a valid CONNECT. The broker must serve the next client, whatever they were.
func FuzzPublish(f *testing.F) {
	message := mqtttest.Message{Topic: "site/one", Payload: []byte("1"), QoS: 1, ID: 1}
	publish4 := mqtttest.AppendPublish(nil, message)
	message.QoS, message.Dup, message.Retain = 2, true, true
	exchange := append(mqtttest.AppendPublish(nil, message), 0x62, 2, 0, 1)
	f.Add(false, publish4)
	f.Add(false, exchange)
	f.Add(false, []byte{0x30, 0xff, 0xff, 0xff, 0x7f})
	f.Add(false, []byte{0x82, 6, 0, 1, 0, 1, '#', 1, 0xc0, 0, 0xe0, 0})
	f.Add(false, connect4("again", true))
	f.Add(true, []byte{0x32, 8, 0, 1, 'a', 0, 1, 3, 0x23, 0, 1})
	f.Add(true, []byte{0x32, 17, 0, 1, 'a', 0, 1, 11, 0x26, 0, 1, 'k', 0, 1, 'v', 0x0b, 0xff, 0xff, 0x7f})
	f.Add(true, []byte{0xe0, 2, 4, 0})
	sink := mqtttest.NewSink(1, true)
	fixture := startBroker(f, sink, func(c *BrokerConfig, _ *BrokerOptions) { c.MaxPacket, c.MaxClients, c.ConnectRate = 4096, 1000, 0 })
	f.Fuzz(func(t *testing.T, five bool, input []byte) {
		near, far := net.Pipe()
		served := make(chan struct{})
		go func() {
			defer close(served)
			fixture.broker.serve(far, nil, "")
		}()
		go func() { // whatever it answers
			buf := make([]byte, 4096)
			for {
				if _, err := near.Read(buf); err != nil {
					return
				}
			}
		}()
		connect := connect4("fuzz", true)
		if five {
			connect = encode5(t, packets.Packet{FixedHeader: header(packets.Connect, 0), Connect: packets.ConnectParams{ClientIdentifier: "fuzz", Clean: true}})
		}
		_ = near.SetWriteDeadline(time.Now().Add(patience))
		_, _ = near.Write(append(connect, input...)) // the broker may close before it has read all
		_ = near.Close()
		receive(t, served, "the connection's end")
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c, err := mqtttest.Dial(ctx, mqtttest.Options{Addr: fixture.broker.Addr().String(), ClientID: "next"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Publish("site/one", []byte("1"), 1); err != nil {
			t.Fatal(err)
		}
		if err := c.Drain(ctx); err != nil {
			t.Fatal(err)
		}
		if err := c.Disconnect(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzParsePublish looks at the parser alone, which is faster.
func FuzzParsePublish(f *testing.F) {
	f.Add(byte(4), byte(0x32), []byte{0, 1, 'a', 0, 1, 'x'})
	f.Add(byte(5), byte(0x32), []byte{0, 1, 'a', 0, 1, 0, 'x'})
	f.Add(byte(5), byte(0x30), []byte{0, 0, 3, 0x23, 0, 1, 'x'})
	b := NewBroker(DefaultBrokerConfig(), nil, nil, clockForTest, BrokerOptions{})
	f.Fuzz(func(t *testing.T, version, first byte, body []byte) {
		c := newBrokerConn(b, nil)
		c.account.Store(&account{free: true})
		c.version = version
		p, err := c.parsePublish(first&0x0f|0x30, body)
		if err != nil {
			return
		}
		if p.qos > 0 && p.id == 0 || p.topic.name == "" || len(p.payload) > len(body) {
			t.Errorf("got %+v", p)
		}
	})
}

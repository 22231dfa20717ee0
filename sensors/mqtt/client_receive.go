package mqtt

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/skerry-edge/skerry/sensors"
)

// clientReceiver is what one goroutine at a time, paho's callback, needs to take messages.
type clientReceiver struct {
	decoder sensors.Decoder
	chunk   []sensors.Reading // readings are cut from it, batch after batch
	tags    []sensors.Tag     // scratch
	last    string            // the topic that matched last
}

// clientChunk is how many readings are allocated at once.
const clientChunk = 64

// receive takes one message. It blocks while the line is full; after ctx ended it takes nothing, and
// what is not acknowledged comes again.
func (c *Client) receive(ctx context.Context, conn *clientConn, m paho.Message) {
	cut := conn.nextCut()
	select {
	case <-conn.ready:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return
	}
	size := max(len(m.Payload()), cut)
	if m.Qos() == 0 {
		if batch, ok := c.decode(conn, m, size, cut > 0); ok {
			c.tally.Decoded(size, len(batch.Readings))
			if len(batch.Readings) > 0 {
				c.sink.Offer(batch, nil)
			}
		}
		return
	}
	msg := &clientMessage{client: c, size: size, origin: sensors.Origin{
		Client: c.config.Broker, Hash: clientHash(m.Topic(), m.Payload()), PacketID: m.MessageID(),
	}}
	ticket, ok := conn.acks.expect(m.MessageID(), m.Qos())
	if !ok {
		conn.fail(errors.New("broker sent more messages at once than there are packet ids"))
		return
	}
	receipt := clientReceipt{conn: conn, ticket: ticket}
	if m.Duplicate() && c.seen != nil && c.session.unknown(m.MessageID()) &&
		c.seen.Journalled(c.config.Name, msg.origin.Client, msg.origin.PacketID, msg.origin.Hash) {
		c.tally.Repeat(size)
		receipt.settle()
		return
	}
	switch c.session.take(msg, m.Duplicate(), receipt) {
	case clientRepeat:
		c.tally.Repeat(size)
		receipt.settle()
	case clientWaiting:
		c.tally.Repeat(size)
	case clientFresh:
		c.keep(ctx, conn, msg, m, cut > 0)
	}
}

// keep decodes a fresh message and hands it to the sink.
func (c *Client) keep(ctx context.Context, conn *clientConn, msg *clientMessage, m paho.Message, cut bool) {
	batch, ok := c.decode(conn, m, msg.size, cut)
	if ok && len(batch.Readings) == 0 {
		c.tally.Decoded(msg.size, 0)
	}
	if !ok || len(batch.Readings) == 0 {
		owed, _ := c.session.finish(msg, false)
		owed.settle() // nothing to keep: acknowledged, and counted again if it comes again
		return
	}
	batch.Origin = &msg.origin
	readings := len(batch.Readings)
	if !c.window.acquire(ctx, msg.size) {
		c.giveUp(msg)
		return
	}
	if err := c.sink.Add(ctx, batch, msg.done); err != nil {
		c.window.release(msg.size)
		conn := c.giveUp(msg)
		if ctx.Err() == nil && conn != nil {
			conn.fail(storageFault(err))
		}
		return
	}
	c.tally.Decoded(msg.size, readings)
}

// giveUp forgets a message that was not handed over and returns its connection.
func (c *Client) giveUp(msg *clientMessage) *clientConn {
	owed, _ := c.session.finish(msg, false)
	if owed.conn != nil {
		owed.conn.acks.abandon(owed.ticket)
	}
	return owed.conn
}

// done is told by the sink when the message's readings are durable, or that they are not.
func (m *clientMessage) done(err error) {
	m.client.window.release(m.size)
	owed, also := m.client.session.finish(m, err == nil)
	if err == nil {
		owed.settle()
		for _, r := range also {
			r.settle()
		}
	} else if owed.conn != nil {
		owed.conn.acks.abandon(owed.ticket)
		owed.conn.fail(storageFault(err))
	}
}

// decode turns a message into a batch. A message that cannot be decoded is counted, and ok is false.
func (c *Client) decode(conn *clientConn, m paho.Message, size int, cut bool) (batch sensors.Batch, ok bool) {
	now, quality := c.clock()
	reject := func(fault *sensors.DecodeError) (sensors.Batch, bool) {
		c.tally.Reject(now, fault, m.Payload(), size)
		c.tally.Show(m.Topic(), m.Payload(), size, nil, fault)
		return sensors.Batch{}, false
	}
	if cut {
		return reject(&sensors.DecodeError{
			Reason: sensors.ReasonTooLong, What: fmt.Sprintf("message of %d bytes, want at most %d", size, clientMaxPacket),
		})
	}
	topic := m.Topic()
	if !c.matches(topic) {
		return reject(&sensors.DecodeError{
			Reason: sensors.ReasonName,
			What:   fmt.Sprintf("topic %.200q is none of this source's: an earlier subscription at the broker? a new client_id ends it", topic),
		})
	}
	r := &c.receiver
	if cap(r.chunk)-len(r.chunk) < 4 {
		r.chunk = make([]sensors.Reading, 0, clientChunk)
	}
	readings, err := r.decoder.Decode(r.chunk[len(r.chunk):], sensors.Raw{
		Source: c.config.Name, Topic: topic, Payload: m.Payload(), Arrived: now, Quality: quality,
	})
	if attentive, ok := r.decoder.(sensors.Attentive); ok {
		aside := attentive.Aside()
		c.tally.Aside(now, aside)
		if !c.clean { // an observer asks for nothing
			conn.publish(aside.Answers)
		}
	}
	if err != nil {
		var fault *sensors.DecodeError
		if !errors.As(err, &fault) {
			fault = &sensors.DecodeError{Reason: sensors.ReasonSyntax, What: err.Error()}
		}
		return reject(fault)
	}
	c.tally.Show(topic, m.Payload(), size, readings, nil)
	if used := len(r.chunk) + len(readings); used <= cap(r.chunk) {
		r.chunk = r.chunk[:used]
	}
	return sensors.Batch{Source: c.config.Name, Collection: c.collection, Readings: slices.Clip(readings)}, true
}

// matches reports whether a topic is one that this source asked for.
func (c *Client) matches(topic string) bool {
	r := &c.receiver
	if topic == r.last && topic != "" {
		return true
	}
	for _, p := range c.patterns {
		var ok bool
		if r.tags, ok = p.Match(topic, r.tags[:0]); ok {
			r.last = topic
			return true
		}
	}
	return false
}

// clientHash tells messages apart that use one packet id: FNV-1a of topic, a zero byte and payload. It is
// written to the journal, so it stays as it is.
func clientHash(topic string, payload []byte) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, topic) // a hash never fails
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(payload)
	return h.Sum64()
}

package mqtttest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
)

// Publish sends a message with the next free packet id, which it returns. At QoS 1 and 2 it waits while Window messages
// are in flight. What is sent may stay in a buffer until Flush, or until the window is full.
func (c *Client) Publish(topic string, payload []byte, qos byte) (uint16, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := Message{Topic: topic, Payload: payload, QoS: qos}
	if qos > 0 {
		id, err := c.nextLocked()
		if err != nil {
			return 0, err
		}
		m.ID = id
	}
	return m.ID, c.sendLocked(m)
}

// Send sends a message as it is, without waiting. Its ack counts like that of Publish.
func (c *Client) Send(m Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.QoS > 0 && !c.used[m.ID] {
		c.used[m.ID] = true
		c.inflight++
	}
	if err := c.sendLocked(m); err != nil {
		return err
	}
	return c.flushLocked()
}

// nextLocked waits until one more message may be in flight, and returns its id.
func (c *Client) nextLocked() (uint16, error) {
	for c.inflight >= c.options.Window && !c.closed {
		if c.write.Buffered() > 0 {
			if err := c.flushLocked(); err != nil {
				return 0, err
			}
			continue
		}
		c.room.Wait()
	}
	if c.closed {
		return 0, c.reasonLocked()
	}
	for {
		c.last++
		if c.last != 0 && !c.used[c.last] {
			break
		}
	}
	c.used[c.last] = true
	c.inflight++
	return c.last, nil
}

func (c *Client) sendLocked(m Message) error {
	if c.closed {
		return c.reasonLocked()
	}
	space := c.write.AvailableBuffer()
	if _, err := c.write.Write(AppendPublish(space, m)); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

// reasonLocked says why the connection ended, if that is known yet.
func (c *Client) reasonLocked() error {
	select {
	case <-c.ended:
		if c.err != nil {
			return c.err
		}
	default:
	}
	return net.ErrClosed
}

// SendRaw sends bytes as they are.
func (c *Client) SendRaw(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.write.Write(b); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return c.flushLocked()
}

// Flush sends what is in the buffer.
func (c *Client) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flushLocked()
}

func (c *Client) flushLocked() error {
	if err := c.write.Flush(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

// Drain sends what is in the buffer, and waits until nothing is in flight.
func (c *Client) Drain(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.room.Broadcast()
	})
	defer stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.flushLocked(); err != nil {
		return err
	}
	for c.inflight > 0 && !c.closed && ctx.Err() == nil {
		c.room.Wait()
	}
	switch {
	case c.inflight == 0:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("wait for %d acks: %w", c.inflight, ctx.Err())
	default:
		return c.reasonLocked()
	}
}

// Acked returns how many messages the broker has acknowledged.
func (c *Client) Acked() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acked
}

// Subscribe subscribes, and waits for the broker's answer.
func (c *Client) Subscribe(ctx context.Context, filter string, qos byte) error {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.room.Broadcast()
	})
	defer stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.last++; c.last == 0 || c.used[c.last]; c.last++ {
	}
	id := c.last
	c.replies[id] = 0
	defer delete(c.replies, id)
	body := binary.BigEndian.AppendUint16(nil, id)
	body = append(appendString(body, filter), qos)
	if _, err := c.write.Write(AppendPacket(nil, headSubscribe, body)); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := c.flushLocked(); err != nil {
		return err
	}
	for c.replies[id] == 0 && !c.closed && ctx.Err() == nil {
		c.room.Wait()
	}
	switch reply := c.replies[id]; {
	case reply == 0 && ctx.Err() != nil:
		return fmt.Errorf("subscribe: %w", ctx.Err())
	case reply == 0:
		return c.reasonLocked()
	case reply-1 > 2:
		return fmt.Errorf("subscribe to %q: code %#x", filter, reply-1)
	default:
		return nil
	}
}

// Ping sends a PINGREQ.
func (c *Client) Ping() error { return c.SendRaw([]byte{headPingreq, 0}) }

// Disconnect says good-bye and closes.
func (c *Client) Disconnect() error {
	err := c.SendRaw([]byte{headDisconnect, 0})
	return errors.Join(err, c.Close())
}

// Close closes the connection without good-bye, and waits until nothing is read any more.
func (c *Client) Close() error {
	err := c.conn.Close()
	<-c.ended
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// Ended is closed when the connection has ended.
func (c *Client) Ended() <-chan struct{} { return c.ended }

// receive reads until the connection ends.
func (c *Client) receive() {
	defer close(c.ended)
	var space []byte
	for {
		if c.read.Buffered() == 0 {
			c.catchUp()
		}
		head, body, err := c.packet(space)
		if err != nil {
			c.end(err)
			return
		}
		space = body[:cap(body)]
		if err := c.handle(head, body); err != nil {
			c.end(err)
			return
		}
	}
}

// catchUp is called when all that was received is handled: it wakes who waits and sends what was answered.
func (c *Client) catchUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room.Broadcast()
	if c.answered {
		c.answered = false
		_ = c.flushLocked() // a failure ends the reading as well
	}
}

func (c *Client) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err, c.closed = err, true
	c.room.Broadcast()
}

func (c *Client) handle(head byte, body []byte) error {
	if head&0xf0 == headPublish {
		return c.message(head, body)
	}
	if head == headPingresp {
		return nil
	}
	if head == headDisconnect {
		return errors.New("disconnected by the broker")
	}
	if len(body) < 2 {
		return fmt.Errorf("packet %#x is too short", head)
	}
	id := binary.BigEndian.Uint16(body)
	switch head {
	case headPuback, headPubcomp:
		if c.options.OnAck != nil {
			c.options.OnAck(id)
		}
		c.settle(id)
	case headPubrec:
		return c.answer(headPubrel, id)
	case headPubrel:
		return c.answer(headPubcomp, id)
	case headSuback:
		c.mu.Lock()
		defer c.mu.Unlock()
		if _, ok := c.replies[id]; ok && len(body) > 2 {
			c.replies[id] = body[2] + 1
			c.room.Broadcast()
		}
	}
	return nil
}

func (c *Client) settle(id uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acked++
	if c.used[id] {
		c.used[id] = false
		c.inflight--
	}
}

func (c *Client) answer(head byte, id uint16) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.write.Write(binary.BigEndian.AppendUint16([]byte{head, 2}, id)); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	c.answered = true
	return nil
}

func (c *Client) message(head byte, body []byte) error {
	m := Message{QoS: head >> 1 & 3, Dup: head&0x08 != 0, Retain: head&0x01 != 0}
	if len(body) < 2 {
		return errors.New("message is too short")
	}
	size := int(binary.BigEndian.Uint16(body))
	rest := body[2:]
	if len(rest) < size {
		return errors.New("message is too short")
	}
	m.Topic, rest = string(rest[:size]), rest[size:]
	if m.QoS > 0 {
		if len(rest) < 2 {
			return errors.New("message is too short")
		}
		m.ID, rest = binary.BigEndian.Uint16(rest), rest[2:]
	}
	m.Payload = rest
	if c.options.OnMessage != nil {
		c.options.OnMessage(m)
	}
	switch m.QoS {
	case 1:
		return c.answer(headPuback, m.ID)
	case 2:
		return c.answer(headPubrec, m.ID)
	default:
		return nil
	}
}

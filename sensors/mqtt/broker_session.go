package mqtt

import (
	"errors"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	maxBrokerClientID = 256           // bytes: the id is journalled with each message
	sessionsPerClient = 4             // sessions kept in all: this times max_clients
	keepSessions      = 7 * 24 * 3600 // seconds without a connection after which a session is forgotten
)

var errUnwelcome = errors.New("connection refused")

// sessionFate is what became of a session when one of its connections ended.
type sessionFate uint8

const (
	sessionKept     sessionFate = iota // until it expires, or a connection takes it up
	sessionResumed                     // a newer connection has taken it up
	sessionReplaced                    // a newer connection began a new one
)

// establish finds or makes the session of a client that the server is about to connect. Until the server has
// connected it, no message is passed on: one could be lost between the old connection and the new one.
func (b *Broker) establish(c *brokerConn, cl *mochi.Client, connect *packets.Packet) {
	b.switching.Lock()
	c.switching = true
	existing, ok := b.server.Clients.Get(cl.ID)
	if !ok {
		b.makeRoom()
	}
	// The server decides likewise.
	c.resumed = ok && !connect.Connect.Clean && (!existing.Properties.Clean || existing.Properties.ProtocolVersion >= 5)
	b.mu.Lock()
	session := b.sessions[cl.ID]
	if session == nil || !c.resumed {
		session = &brokerSession{owner: c.account.Load().user}
		b.sessions[cl.ID] = session
	}
	old := session.conn
	session.conn = c
	b.mu.Unlock()
	if old != nil {
		b.ahead.forget(old)
		c.prev = old.lastPending()
	}
	c.client, c.version = cl, cl.Properties.ProtocolVersion
	c.idle = time.Duration(cl.State.Keepalive) * time.Second * 3 / 2
	c.session = session
}

// lastPending returns the latest of the connection and those before it that has messages in queue.
func (c *brokerConn) lastPending() *brokerConn {
	for c != nil {
		c.mu.Lock()
		pending, prev := c.queue.count > 0, c.prev
		c.mu.Unlock()
		if pending {
			return c
		}
		c = prev
	}
	return nil
}

// connected lets messages pass again.
func (c *brokerConn) connected() {
	if c.switching {
		c.switching = false
		c.broker.switching.Unlock()
	}
}

// disconnected notes the end of a connection. expired: its session ends with it.
func (b *Broker) disconnected(c *brokerConn, cl *mochi.Client, expired bool) {
	fate := sessionKept
	b.mu.Lock()
	switch {
	case b.sessions[cl.ID] != c.session:
		fate = sessionReplaced
	case c.session.conn != c:
		fate = sessionResumed
	case expired:
		delete(b.sessions, cl.ID)
	}
	b.mu.Unlock()
	if expired {
		b.ahead.forget(c)
	}
	b.depart(c, cl, fate)
}

// expire forgets the session of a client that the server forgets. A will that waits for the client's return is due then.
func (b *Broker) expire(cl *mochi.Client) {
	cl.ClearInflights()
	b.server.UnsubscribeClient(cl)
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.sessions[cl.ID]; s != nil && s.conn.client == cl {
		delete(b.sessions, cl.ID)
		b.ahead.forget(s.conn)
		if will, ok := b.wills[cl.ID]; ok {
			will.due = time.Time{}
			b.wills[cl.ID] = will
		}
	}
}

// makeRoom forgets the session that is without a connection for longest when there are too many.
func (b *Broker) makeRoom() {
	if int64(b.server.Clients.Len()) < b.config.MaxClients*sessionsPerClient {
		return
	}
	var oldest *mochi.Client
	for _, cl := range b.server.Clients.GetAll() {
		if at := cl.StopTime(); at != 0 && (oldest == nil || at < oldest.StopTime()) {
			oldest = cl
		}
	}
	if oldest != nil {
		b.expire(oldest)
		b.server.Clients.Delete(oldest.ID)
		b.forgotten.Add(1)
	}
}

package mqtt

import (
	"sync"

	"github.com/skerry-edge/skerry/sensors"
)

// clientRemembered is how many packet ids a session remembers, at least; the oldest is forgotten first.
const clientRemembered = 4096

// clientVerdict is what a message turns out to be.
type clientVerdict uint8

const (
	clientFresh   clientVerdict = iota // not seen before: decode and store
	clientRepeat                       // journalled before: acknowledge
	clientWaiting                      // its first arrival waits for the commit, which will acknowledge this one
)

// clientMessage is a message of QoS 1 or 2, from its arrival until its packet id is forgotten.
type clientMessage struct {
	client *Client
	origin sensors.Origin
	size   int // what the window is charged

	journalled bool            // guarded by clientSession.mu
	owed       clientReceipt   // guarded by clientSession.mu: who waits for the commit
	also       []clientReceipt // guarded by clientSession.mu: and who else, on the same connection
}

// clientSession remembers what of the broker's session was journalled, by packet id: only so can a
// repeat be told from a new message, since brokers set DUP on first deliveries too. It outlives
// connections and ends with the broker's session. Safe for concurrent use.
type clientSession struct {
	mu   sync.Mutex
	byID map[uint16]*clientMessage
	ring []*clientMessage // in order of arrival; the slot at next is the oldest
	next int
	old  bool // the broker's session may be older than this process
}

func newClientSession(maxInflight int) *clientSession {
	limit := max(clientRemembered, maxInflight)
	return &clientSession{byID: map[uint16]*clientMessage{}, ring: make([]*clientMessage, limit), old: true}
}

// begin takes the broker's word on whether it still has the session.
func (s *clientSession) begin(present bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if present {
		return
	}
	clear(s.byID)
	clear(s.ring)
	s.old = false
}

// unknown reports whether nothing is remembered of the packet id and the session may be older than
// what is remembered: then only the journal can tell.
func (s *clientSession) unknown(id uint16) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.old && s.byID[id] == nil
}

// take decides what m is. A fresh message is remembered in place of an older one with its packet
// id; its receipt, or that of a message that is already waiting, is owed from now on.
func (s *clientSession) take(m *clientMessage, dup bool, receipt clientReceipt) clientVerdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.byID[m.origin.PacketID]
	if dup && have != nil && have.origin.Hash == m.origin.Hash {
		if have.journalled {
			return clientRepeat
		}
		if have.owed.conn == receipt.conn {
			have.also = append(have.also, receipt) // the broker did not wait for a new connection
		} else {
			have.owed, have.also = receipt, nil
		}
		return clientWaiting
	}
	m.owed = receipt
	if oldest := s.ring[s.next]; oldest != nil && s.byID[oldest.origin.PacketID] == oldest {
		delete(s.byID, oldest.origin.PacketID)
	}
	s.ring[s.next] = m
	s.next = (s.next + 1) % len(s.ring)
	s.byID[m.origin.PacketID] = m
	return clientFresh
}

// finish records the outcome for m and returns who waited for it: one receipt, and rarely more.
func (s *clientSession) finish(m *clientMessage, journalled bool) (owed clientReceipt, also []clientReceipt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if journalled {
		m.journalled = true
	} else if s.byID[m.origin.PacketID] == m {
		delete(s.byID, m.origin.PacketID)
	}
	owed, also = m.owed, m.also
	m.owed, m.also = clientReceipt{}, nil
	return owed, also
}

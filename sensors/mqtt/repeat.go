package mqtt

import "sync"

const (
	seenPages   = 16  // of a session, made when they are needed
	seenPerPage = 256 // 4,096 messages in all, 16 bytes each
)

// brokerSession is what is remembered of a client beyond one connection, for as long as the server
// keeps the client's session. Safe for concurrent use.
type brokerSession struct {
	owner string      // whose it is, constant; empty: of those without a name
	conn  *brokerConn // the latest; guarded by Broker.mu

	mu        sync.Mutex      // guards what follows
	exchanged map[uint16]bool // QoS 2 between PUBLISH and PUBREL; true = journalled, and answered with PUBREC
	pages     [seenPages]*[seenPerPage]journalled
	held      map[uint16]int64 // sizes of the messages that wait for the client's ack: see Broker.hold
	heldBytes int64
}

// journalled is the latest message with a packet id of QoS 1, or of QoS 2 that only some routes could journal.
type journalled struct {
	hash uint64
	mask uint32 // the routes that journalled it; 0 = there was no message
	id   uint16

	table uint16 // number of the routeTable that mask is of
}

// record remembers which routes journalled the message with that packet id. Of two packet ids a multiple of
// 4,096 apart only the later is remembered: a client with fewer messages in flight than that never notices.
func (s *brokerSession) record(id uint16, j journalled) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := id % (seenPages * seenPerPage)
	page := &s.pages[slot/seenPerPage]
	if *page == nil {
		*page = new([seenPerPage]journalled)
	}
	(*page)[slot%seenPerPage] = j
}

// seen returns the routes of a table that journalled the message with this id and hash, if it is the latest with the id. Which
// routes of an earlier table did, where not all, is of no use: then it is stored again.
func (s *brokerSession) seen(id uint16, hash uint64, table uint16) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := id % (seenPages * seenPerPage)
	page := s.pages[slot/seenPerPage]
	if page == nil {
		return 0
	}
	if have := page[slot%seenPerPage]; have.id == id && have.hash == hash && (have.table == table || have.mask&settledBit != 0) {
		return have.mask
	}
	return 0
}

// begin starts a QoS 2 exchange, and reports false when there is one with this id already.
func (s *brokerSession) begin(id uint16) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.exchanged[id]; ok {
		return false
	}
	s.setLocked(id, false)
	return true
}

// receive is begin for a message that nobody journals.
func (s *brokerSession) receive(id uint16) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.exchanged[id]
	s.setLocked(id, true)
	return !ok
}

func (s *brokerSession) setLocked(id uint16, received bool) {
	if s.exchanged == nil {
		s.exchanged = make(map[uint16]bool)
	}
	s.exchanged[id] = received
}

// end says whether the message of an exchange was journalled; if not, the exchange never was.
func (s *brokerSession) end(id uint16, received bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if received {
		s.setLocked(id, true)
		return
	}
	delete(s.exchanged, id)
}

// received reports whether PUBREC is the answer to a PUBLISH with this id.
func (s *brokerSession) received(id uint16) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exchanged[id]
}

// release ends an exchange whose PUBREL came, and reports whether it was that far.
func (s *brokerSession) release(id uint16) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.exchanged[id] {
		return false
	}
	delete(s.exchanged, id)
	return true
}

// mayExchange reports whether an exchange with this id goes on, or one more stays within limit.
func (s *brokerSession) mayExchange(id uint16, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.exchanged[id]
	return ok || len(s.exchanged) < limit
}

package decode

import (
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// What the edge nodes of one source may take and cost.
const (
	maxEdges         = 1000             // remembered; those without a birth give way
	maxRepeatAge     = 128              // messages back that a repeat of a message is known
	maxAsked         = 50               // requests in askedWindow, whatever edge nodes seem to be there
	askedWindow      = time.Second      //
	rebirthEvery     = 30 * time.Second // an edge node is asked for its births no more often
	birthBytes       = 512              // what a birth takes besides its metrics, roughly
	birthMetricBytes = 160 + fieldBytes // what a metric takes besides its name and unit, roughly
)

// edges is what the decoders of one source know of Sparkplug's edge nodes: what their births said, and which message
// comes next. Safe for concurrent use.
//
// The aim is that no value is ever taken for one of another metric. Data names its metrics by aliases, small numbers to
// which each birth may give another meaning. So an alias counts only while nothing is missing since the birth that gave
// it, by the number (seq, 0 to 255) that each message of an edge node has:
//
//   - A message whose number is the next is in order.
//   - One that was heard before, by number and content, is a repeat. It is decoded again: whether the first was stored
//     is not known here. A device that was born again since is the exception: its aliases may be others.
//   - One that is older than the birth, by the payload's time, comes late: from another birth. It is rejected.
//   - Any other follows a gap. In the gap may have been a birth: aliases do not count from here on, until the next birth of the
//     edge node (a device's is not enough: its edge node's is what starts the numbers). Metrics that data gives by name
//     and type go on.
//
// A birth that is older than the one that holds comes late, or the edge node's clock went back: neither holds then, and the
// next one does that is younger than either, or than the late one. An edge node is asked to be born again whenever something is rejected for want of
// a birth.
//
// What no receiver can see: a birth was lost together with the messages that make the numbers fit again, and so was the
// death before it, which is sent at QoS 1. Missed is for doors that know of such a hole.
//
// Locks: an edge's mu before edges' mu.
type edges struct {
	rebirth bool
	most    int64 // bytes of all births
	seed    maphash.Seed
	bytes   atomic.Int64 // of all births, roughly

	mu     sync.Mutex       // guards what follows
	byName map[string]*edge // "group/node"
	since  time.Time        // of the window
	asked  int              // in it
}

// edge is one edge node.
type edge struct {
	mu        sync.Mutex // guards what follows
	gone      bool       // it is not in the map any more
	born      bool
	sound     bool   // nothing is missing since the birth
	stamp     uint64 // of the birth, the latest if it does not hold, in ms; 0: it had none
	doubted   bool   // a birth came that was older than the last one that held
	doubt     uint64 // the stamp of that one
	session   uint64 // bdSeq of the birth
	sessioned bool   // the birth had one
	hash      uint64 // of the birth
	next      uint8  // the number that comes next
	count     uint64 // of the messages since the birth, those that are missing too
	seen      *[256]uint64
	own       *birth
	devices   map[string]*birth
	askedAt   time.Time
}

// birth is what a birth certificate says of an edge node or a device.
type birth struct {
	since   uint64 // edge.count when it came
	stamp   uint64 // in ms; 0: it had none
	metrics []bornMetric
	byAlias map[uint64]*bornMetric
	byName  map[string]*bornMetric
	bytes   int64
}

// bornMetric is a metric of a birth.
type bornMetric struct {
	name, unit string
	alias      uint64
	aliased    bool
	command    bool // no measurement: bdSeq and what controls the edge node
	datatype   uint64
	field      *field // nil: not asked for yet
}

func newEdges(rebirth bool, most int64) *edges {
	return &edges{rebirth: rebirth, most: most, seed: maphash.MakeSeed(), byName: make(map[string]*edge)}
}

// hash tells messages apart; it is never 0.
func (s *edges) hash(topic string, payload []byte) uint64 {
	return (maphash.Bytes(s.seed, payload) ^ maphash.String(s.seed, topic)*0x9e3779b97f4a7c15) | 1
}

// lock returns the edge node locked, which it makes if there is room and it is wanted; else nil.
func (s *edges) lock(name []byte, wanted bool) *edge {
	for {
		s.mu.Lock()
		e := s.byName[string(name)]
		if e == nil && wanted && s.makeRoomLocked() {
			e = &edge{}
			s.byName[string(name)] = e
		}
		s.mu.Unlock()
		if e == nil {
			return nil
		}
		e.mu.Lock()
		if !e.gone {
			return e
		}
		e.mu.Unlock()
	}
}

// makeRoomLocked reports whether there is room for one more edge node. One without a birth may give way.
func (s *edges) makeRoomLocked() bool {
	if len(s.byName) < maxEdges {
		return true
	}
	for name, e := range s.byName {
		if !e.mu.TryLock() {
			continue
		}
		spare := !e.born
		e.gone = e.gone || spare
		e.mu.Unlock()
		if spare {
			delete(s.byName, name)
			return true
		}
	}
	return false
}

// missed makes all aliases void until the next births.
func (s *edges) missed() {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.byName))
	s.mu.Unlock()
	for _, e := range all {
		e.mu.Lock()
		e.sound = false
		e.mu.Unlock()
	}
}

// mayAsk reports whether the edge node, which the caller has locked, is to be asked for its births now, and notes it.
func (s *edges) mayAsk(e *edge, now time.Time) bool {
	if since := now.Sub(e.askedAt); !s.rebirth || since >= 0 && since < rebirthEvery && !e.askedAt.IsZero() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if since := now.Sub(s.since); since < 0 || since >= askedWindow {
		s.since, s.asked = now, 0
	}
	if s.asked++; s.asked > maxAsked {
		return false
	}
	e.askedAt = now
	return true
}

// forget makes everything void that the edge node's births said.
func (s *edges) forget(e *edge) {
	s.free(e.own)
	for _, b := range e.devices {
		s.free(b)
	}
	e.born, e.sound, e.own, e.devices, e.seen = false, false, nil, nil, nil
}

func (s *edges) free(b *birth) {
	if b != nil {
		s.bytes.Add(-b.bytes)
	}
}

// reserve takes what a birth with so many metrics in so many bytes may need, before it is read.
func (s *edges) reserve(metrics, size int) (*birth, error) {
	b := &birth{bytes: birthBytes + int64(metrics)*birthMetricBytes + 2*int64(size)}
	if s.bytes.Add(b.bytes) > s.most {
		s.free(b)
		return nil, reject(sensors.ReasonSeries, "a birth with %d metrics: those of all edge nodes would take more than %d KiB, which grow with max_series", metrics, s.most>>10)
	}
	return b, nil
}

// install begins anew with a birth of the edge node.
func (e *edge) install(own *birth, p *wirePayload, hash uint64) {
	e.born, e.sound, e.doubted = true, true, false
	e.own, e.devices, e.seen = own, nil, new([256]uint64)
	e.stamp, e.hash, e.count = p.stamp, hash, 0
	e.next = uint8(p.seq) + 1 //nolint:gosec // below 256; wraps
}

// installDevice puts a device's birth in the place of its earlier one.
func (s *edges) installDevice(e *edge, device string, b *birth) {
	s.free(e.devices[device])
	if e.devices == nil {
		e.devices = make(map[string]*birth)
	}
	e.devices[device] = b
}

// forgetDevice makes the device's birth void.
func (s *edges) forgetDevice(e *edge, device []byte) {
	s.free(e.devices[string(device)])
	delete(e.devices, string(device))
}

// order is how a message stands to those before it.
type order uint8

const (
	inOrder order = iota
	repeated
	late
	afterGap
)

// isDoubtful reports whether the payload, a birth, is older than the one that holds, or than the last one that did and not
// younger than the one that made that void. A birth after a death may be older: clocks of edge nodes begin in 1970 where no
// battery keeps them.
func (e *edge) isDoubtful(p *wirePayload) bool {
	return e.isLate(p) && (e.born || e.doubted && p.stamp <= e.doubt)
}

// isLate reports whether the payload is older than the birth that holds.
func (e *edge) isLate(p *wirePayload) bool { return p.stamped && p.stamp < e.stamp }

// step says how a message with a number stands to those before it since the birth, and takes it for heard unless it is late.
// at is e.count as it was when the message first came.
func (e *edge) step(p *wirePayload, hash uint64) (how order, at uint64) {
	seq := uint8(p.seq) //nolint:gosec // below 256
	behind := e.next - 1 - seq
	switch {
	case seq != e.next && e.seen[seq] == hash && behind < maxRepeatAge && uint64(behind) <= e.count:
		return repeated, e.count - uint64(behind)
	case e.isLate(p):
		return late, e.count
	case seq != e.next:
		how = afterGap
		e.sound = false
	}
	for ; e.next != seq; e.next++ {
		e.seen[e.next] = 0
		e.count++
	}
	e.seen[seq] = hash
	e.next++
	e.count++
	return how, e.count
}

package ingest

import (
	"context"
	"sync"
	"time"
	"unsafe"

	"github.com/skerry-edge/skerry/sensors"
)

// entry is a batch that waits for its group, and whom to tell.
type entry struct {
	batch sensors.Batch
	done  func(error)
	size  int // bytes of memory
}

// QueueStats describes one queue: bytes of memory.
type QueueStats struct {
	Length   int64
	Capacity int64
	Dropped  uint64 // batches
}

// queue is the open group: batches that wait for their acknowledgement (Add) and batches that cannot
// wait (Offer), each bounded in bytes. A batch that is larger than the whole bound is taken when the queue is empty.
type queue struct {
	capacity int
	ready    chan struct{} // something to commit may have arrived

	mu      sync.Mutex
	waiting []entry
	offered []entry
	// space is closed and replaced when waiting was taken: blocked adders look again.
	space        chan struct{}
	waitingBytes int
	offeredBytes int
	waitingSince time.Time // arrival of the oldest in waiting
	offeredSince time.Time
	losses       lossSums
	dropped      uint64 // batches
	decoded      uint64 // readings
	lost         uint64 // readings
	queued       uint64 // readings, in the queue or being committed
	closed       bool
}

func newQueue(capacity int) *queue {
	return &queue{capacity: capacity, ready: make(chan struct{}, 1), space: make(chan struct{}), losses: lossSums{}}
}

const (
	readingBytes = int(unsafe.Sizeof(sensors.Reading{}))
	entryBytes   = int(unsafe.Sizeof(entry{})) + 64 // with an origin and a closure
)

func (e *entry) measure() {
	e.size = entryBytes + len(e.batch.Readings)*readingBytes + textOf(e.batch.Readings)
}

func textOf(rs []sensors.Reading) int {
	n := 0
	for i := range rs {
		n += len(rs[i].Str)
	}
	return n
}

// add puts e into the group, waiting for room until ctx ends.
func (q *queue) add(ctx context.Context, e entry) error {
	e.measure()
	q.mu.Lock()
	for !q.closed && q.waitingBytes > 0 && q.waitingBytes+e.size > q.capacity {
		space := q.space
		q.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-space:
		}
		q.mu.Lock()
	}
	if q.closed {
		q.mu.Unlock()
		return errStopped
	}
	if len(q.waiting) == 0 {
		q.waitingSince = time.Now()
	}
	q.waiting = append(q.waiting, e)
	q.waitingBytes += e.size
	q.count(e)
	q.mu.Unlock()
	signal(q.ready)
	return nil
}

// offer puts e into the group, dropping the oldest offered ones where there is no room.
func (q *queue) offer(e entry) {
	e.measure()
	var gone []entry
	q.mu.Lock()
	q.count(e)
	if q.closed {
		q.dropLocked(&e)
		gone = append(gone, e)
	} else {
		for len(q.offered) > 0 && q.offeredBytes+e.size > q.capacity {
			old := q.offered[0]
			q.offered = q.offered[1:]
			q.offeredBytes -= old.size
			q.dropLocked(&old)
			gone = append(gone, old)
		}
		if len(q.offered) == 0 {
			q.offeredSince = time.Now()
		}
		q.offered = append(q.offered, e)
		q.offeredBytes += e.size
	}
	q.mu.Unlock()
	signal(q.ready)
	for i := range gone {
		if gone[i].done != nil {
			gone[i].done(sensors.ErrDropped)
		}
	}
}

func (q *queue) count(e entry) {
	n := uint64(len(e.batch.Readings))
	q.decoded += n
	q.queued += n
}

// dropLocked counts a batch that is lost.
func (q *queue) dropLocked(e *entry) {
	n := uint64(len(e.batch.Readings))
	q.dropped++
	q.lost += n
	q.queued -= n
	q.losses.add(&e.batch)
}

// group is what the committer took.
type group struct {
	waiting []entry
	offered []entry
	losses  lossSums
}

func (g *group) empty() bool { return len(g.waiting) == 0 && len(g.offered) == 0 && len(g.losses) == 0 }

// due returns how long the group may still be held: zero or less when it is to be committed now. ok is false
// when there is nothing.
func (q *queue) due(now time.Time, c *Config) (hold time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 && len(q.offered) == 0 && len(q.losses) == 0 {
		return 0, false
	}
	if !c.Hold || q.closed || max(q.waitingBytes, q.offeredBytes) > q.capacity/2 {
		return 0, true
	}
	hold = c.Interval
	if len(q.offered) > 0 {
		hold = c.Interval - now.Sub(q.offeredSince)
	}
	if len(q.waiting) > 0 {
		hold = min(hold, c.AckMaxWait-now.Sub(q.waitingSince))
	}
	return hold, true
}

// take empties the queue into a group.
func (q *queue) take() group {
	q.mu.Lock()
	defer q.mu.Unlock()
	g := group{waiting: q.waiting, offered: q.offered, losses: q.losses}
	q.waiting, q.offered, q.losses = nil, nil, lossSums{}
	q.waitingBytes, q.offeredBytes = 0, 0
	close(q.space)
	q.space = make(chan struct{})
	return g
}

// done counts readings of a group as no longer under way.
func (q *queue) done(readings uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queued -= readings
}

// putBack returns offered batches and losses whose commit failed, as the oldest. What does not fit is lost.
func (q *queue) putBack(offered []entry, losses lossSums) {
	var gone []entry
	q.mu.Lock()
	for k, l := range losses {
		q.losses.merge(k, l)
	}
	for _, e := range offered {
		q.offeredBytes += e.size
	}
	all := append(offered[:len(offered):len(offered)], q.offered...)
	for len(all) > 1 && q.offeredBytes > q.capacity {
		q.offeredBytes -= all[0].size
		q.dropLocked(&all[0])
		gone = append(gone, all[0])
		all = all[1:]
	}
	if len(all) > 0 && len(q.offered) == 0 {
		q.offeredSince = time.Now()
	}
	q.offered = all
	q.mu.Unlock()
	for i := range gone {
		if gone[i].done != nil {
			gone[i].done(sensors.ErrDropped)
		}
	}
}

// close refuses what comes from now on.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	close(q.space)
	q.space = make(chan struct{})
}

func (q *queue) sums() (decoded, lost, queued uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.decoded, q.lost, q.queued
}

func (q *queue) stats() (waiting, offered QueueStats) {
	q.mu.Lock()
	defer q.mu.Unlock()
	capacity := int64(q.capacity)
	return QueueStats{Length: int64(q.waitingBytes), Capacity: capacity},
		QueueStats{Length: int64(q.offeredBytes), Capacity: capacity, Dropped: q.dropped}
}

// lossSums gathers what a full queue dropped, by collection, source and hour, until it is journalled.
type lossSums map[lossKey]sensors.Loss

type lossKey struct {
	collection, source string
	hour               int64 // of the first reading, since 1970
}

func (s lossSums) add(b *sensors.Batch) {
	if len(b.Readings) == 0 {
		return
	}
	l := sensors.Loss{
		Collection: b.Collection, Source: b.Source, Reason: sensors.LostQueueFull,
		First: b.Readings[0].Time, Last: b.Readings[0].Time, Count: uint64(len(b.Readings)),
	}
	for i := range b.Readings {
		l.First, l.Last = min(l.First, b.Readings[i].Time), max(l.Last, b.Readings[i].Time)
	}
	s.merge(lossKey{b.Collection, b.Source, l.First / int64(time.Hour)}, l)
}

func (s lossSums) merge(k lossKey, l sensors.Loss) {
	if have, is := s[k]; is {
		l.First, l.Last = min(l.First, have.First), max(l.Last, have.Last)
		l.Count += have.Count
	}
	s[k] = l
}

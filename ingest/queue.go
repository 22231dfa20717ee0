package ingest

import (
	"context"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"github.com/skerry-edge/skerry/crdt/columns"
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
	spare   []group // memory to be used again
	// space is closed and replaced when waiting was taken while adders were blocked: they look again.
	space        chan struct{}
	blocked      int
	waitingBytes int
	offeredBytes int
	waitingSince time.Time // arrival of the oldest in waiting
	offeredSince time.Time
	losses       lossSums
	dropped      uint64 // batches
	sums         sums
	closed       bool
}

// sums count readings. At every moment decoded = stored + lost + refused + queued.
type sums struct {
	decoded uint64
	stored  uint64
	lost    uint64
	refused uint64
	queued  uint64 // in the queue or being committed
}

func newQueue(capacity int) *queue {
	return &queue{capacity: capacity, ready: make(chan struct{}, 1), space: make(chan struct{}), losses: lossSums{}}
}

const (
	readingBytes = int(unsafe.Sizeof(sensors.Reading{}))
	entryBytes   = int(unsafe.Sizeof(entry{})) + 64 // with an origin and a closure

	// maxBatchBytes bounds one batch, so that no group is too large for the journal.
	maxBatchBytes = 24 << 20
)

// measure sets e.size. The error says why the journal or a block could never hold the batch.
func (e *entry) measure() error {
	rs := e.batch.Readings
	text := 0
	for i := range rs {
		switch n := len(rs[i].Str); {
		case rs[i].Series == nil:
			return fmt.Errorf("a reading of source %q has no series", e.batch.Source)
		case n > columns.MaxString:
			return fmt.Errorf("a string of source %q has %d bytes, want at most %d", e.batch.Source, n, columns.MaxString)
		default:
			text += n
		}
	}
	e.size = entryBytes + len(rs)*readingBytes + text
	if e.size > maxBatchBytes {
		return fmt.Errorf("a batch of source %q takes %d bytes, want at most %d", e.batch.Source, e.size, maxBatchBytes)
	}
	return nil
}

func (e *entry) readings() uint64 { return uint64(len(e.batch.Readings)) }

// add puts e into the group, waiting for room until ctx ends.
func (q *queue) add(ctx context.Context, e entry) error {
	if err := e.measure(); err != nil {
		return err
	}
	q.mu.Lock()
	for !q.closed && q.waitingBytes > 0 && q.waitingBytes+e.size > q.capacity {
		space := q.space
		q.blocked++
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
	q.countLocked(&e)
	q.mu.Unlock()
	signal(q.ready)
	return nil
}

// offer puts e into the group, dropping the oldest offered ones where there is no room.
func (q *queue) offer(e entry) {
	if err := e.measure(); err != nil {
		q.mu.Lock()
		q.countLocked(&e)
		q.settleLocked(0, e.readings())
		q.mu.Unlock()
		e.tell(err)
		return
	}
	var gone []entry
	q.mu.Lock()
	q.countLocked(&e)
	if q.closed {
		q.dropLocked(&e)
		gone = append(gone, e)
	} else {
		for len(q.offered) > 0 && q.offeredBytes+e.size > q.capacity {
			gone = append(gone, q.dropOldestLocked())
		}
		if len(q.offered) == 0 {
			q.offeredSince = time.Now()
		}
		q.offered = append(q.offered, e)
		q.offeredBytes += e.size
	}
	q.mu.Unlock()
	signal(q.ready)
	tell(gone, sensors.ErrDropped)
}

func (q *queue) countLocked(e *entry) {
	q.sums.decoded += e.readings()
	q.sums.queued += e.readings()
}

// settleLocked counts readings as no longer under way.
func (q *queue) settleLocked(stored, refused uint64) {
	q.sums.stored += stored
	q.sums.refused += refused
	q.sums.queued -= stored + refused
}

// dropLocked counts a batch that is lost.
func (q *queue) dropLocked(e *entry) {
	q.dropped++
	q.sums.lost += e.readings()
	q.sums.queued -= e.readings()
	q.losses.add(&e.batch)
}

func (q *queue) dropOldestLocked() entry {
	old := q.offered[0]
	q.offered[0] = entry{} // its readings must not stay in memory
	q.offered = q.offered[1:]
	q.offeredBytes -= old.size
	q.dropLocked(&old)
	return old
}

// group is what the committer took.
type group struct {
	waiting []entry
	offered []entry
	losses  lossSums

	offeredSince time.Time // arrival of the oldest in offered
}

func (g *group) empty() bool { return len(g.waiting) == 0 && len(g.offered) == 0 && len(g.losses) == 0 }

// due returns how long the group may still be held: zero or less when it is to be committed now. ok is false
// when there is nothing.
func (q *queue) due(now time.Time, c *Config) (hold time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 && len(q.offered) == 0 {
		return 0, len(q.losses) > 0
	}
	if !c.Hold || max(q.waitingBytes, q.offeredBytes) > q.capacity/4*3 {
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
	g := group{waiting: q.waiting, offered: q.offered, offeredSince: q.offeredSince}
	q.waiting, q.offered = nil, nil
	if n := len(q.spare); n > 0 {
		q.waiting, q.offered = q.spare[n-1].waiting, q.spare[n-1].offered
		q.spare = q.spare[:n-1]
	}
	if len(q.losses) > 0 { // a map that is not handed over stays the queue's alone
		g.losses, q.losses = q.losses, lossSums{}
	}
	q.waitingBytes, q.offeredBytes = 0, 0
	q.wakeLocked()
	return g
}

// wakeLocked lets blocked adders look again.
func (q *queue) wakeLocked() {
	if q.blocked > 0 {
		close(q.space)
		q.space, q.blocked = make(chan struct{}), 0
	}
}

// stored counts a group that was committed.
func (q *queue) stored(readings uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.settleLocked(readings, 0)
}

// recycle takes back the memory of a group whose senders were all told.
func (q *queue) recycle(g group) {
	const most = 4096 // entries that are worth keeping
	if cap(g.waiting) > most || cap(g.offered) > most {
		return
	}
	clear(g.waiting)
	clear(g.offered)
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.spare) == 0 {
		q.spare = append(q.spare, group{waiting: g.waiting[:0], offered: g.offered[:0]})
	}
}

// failed takes back a group whose commit failed: what waits is refused, offered batches and losses are
// the oldest of the queue again. What does not fit is lost; after the end all of it is refused. It returns whom to tell err.
func (q *queue) failed(g group) (refused, lost []entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	refused = g.waiting
	if q.closed {
		refused = append(refused, g.offered...)
		g.offered = nil
	}
	for i := range refused {
		q.settleLocked(0, refused[i].readings())
	}
	for k, l := range g.losses {
		q.losses.merge(k, l)
	}
	if len(g.offered) == 0 {
		return refused, nil
	}
	for i := range g.offered {
		q.offeredBytes += g.offered[i].size
	}
	q.offeredSince = g.offeredSince // they were held already
	q.offered = append(g.offered, q.offered...)
	for len(q.offered) > 1 && q.offeredBytes > q.capacity {
		lost = append(lost, q.dropOldestLocked())
	}
	return refused, lost
}

// close refuses what comes from now on.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wakeLocked()
}

func (q *queue) count() sums {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.sums
}

func (q *queue) stats() (waiting, offered QueueStats) {
	q.mu.Lock()
	defer q.mu.Unlock()
	capacity := int64(q.capacity)
	return QueueStats{Length: int64(q.waitingBytes), Capacity: capacity},
		QueueStats{Length: int64(q.offeredBytes), Capacity: capacity, Dropped: q.dropped}
}

func (e *entry) tell(err error) {
	if e.done != nil {
		e.done(err)
	}
}

func tell(entries []entry, err error) {
	for i := range entries {
		entries[i].tell(err)
	}
}

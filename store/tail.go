package store

import (
	"errors"
	"fmt"
	"slices"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/store/journal"
)

// tail is what of one collection is journalled and in no block yet, oldest first. DB.mu guards it.
type tail struct {
	chunks []journal.Chunk // the first may be partly sealed: its At and Readings begin after that
	count  int             // readings
	text   int             // bytes of their strings
	losses []placedLoss
}

type placedLoss struct {
	at   journal.Position
	loss sensors.Loss
}

func (db *DB) tailLocked(collection string) *tail {
	t := db.tails[collection]
	if t == nil {
		t = &tail{}
		db.tails[collection] = t
	}
	return t
}

func (t *tail) add(c journal.Chunk) {
	t.chunks = append(t.chunks, c)
	t.count += len(c.Readings)
	t.text += textBytes(c.Readings)
}

// addLoss takes a loss; one of no readings only says something to the journal's reader.
func (t *tail) addLoss(at journal.Position, l sensors.Loss) {
	if l.Count == 0 {
		return
	}
	t.losses = append(t.losses, placedLoss{at, l})
}

func textBytes(rs []sensors.Reading) int {
	n := 0
	for i := range rs {
		n += len(rs[i].Str)
	}
	return n
}

// peek appends up to limit readings from the front to dst: those that share a clock.
func (t *tail) peek(dst []sensors.Reading, limit int) []sensors.Reading {
	for _, c := range t.chunks {
		if limit <= 0 || c.Clock != t.chunks[0].Clock {
			break
		}
		n := min(limit, len(c.Readings))
		dst = append(dst, c.Readings[:n]...)
		limit -= n
	}
	return dst
}

// after returns the position after the first readings and losses of the tail; ok is false when that
// are none. The error says why they cannot be sealed without the rest: what is sealed is told by one position.
func (t *tail) after(readings, losses int) (p journal.Position, ok bool, err error) {
	if readings < 0 || readings > t.count || losses < 0 || losses > len(t.losses) {
		return p, false, fmt.Errorf("%d readings and %d losses, of %d and %d", readings, losses, t.count, len(t.losses))
	}

	left := readings
	for _, c := range t.chunks {
		if left == 0 {
			break
		}
		n := min(left, len(c.Readings))
		p, ok = c.At, true
		p.Index += uint32(n) //nolint:gosec // a chunk has at most 4096 readings
		left -= n
	}
	if losses > 0 {
		q := t.losses[losses-1].at
		q.Index = 1
		if !ok || q.Compare(p) > 0 {
			p, ok = q, true
		}
	}
	if next, more := t.next(readings); ok && more && next.Compare(p) < 0 {
		return p, false, errors.New("the losses lie behind readings that would stay unsealed")
	}
	if losses < len(t.losses) && ok && t.losses[losses].at.Compare(p) < 0 {
		return p, false, errors.New("the readings lie behind losses that would stay unsealed")
	}
	return p, ok, nil
}

// next returns the position of the reading after the first n; ok is false when there is none.
func (t *tail) next(n int) (p journal.Position, ok bool) {
	for _, c := range t.chunks {
		if n < len(c.Readings) {
			p = c.At
			p.Index += uint32(n) //nolint:gosec // a chunk has at most 4096 readings
			return p, true
		}
		n -= len(c.Readings)
	}
	return p, false
}

// drop removes the first readings and losses. Slices of readings taken before stay valid.
func (t *tail) drop(readings, losses int) {
	t.count -= readings
	for readings > 0 && len(t.chunks) > 0 {
		c := &t.chunks[0]
		if readings < len(c.Readings) {
			t.text -= textBytes(c.Readings[:readings])
			c.Readings = c.Readings[readings:]
			c.At.Index += uint32(readings) //nolint:gosec // a chunk has at most 4096 readings
			break
		}
		readings -= len(c.Readings)
		t.text -= textBytes(c.Readings)
		t.chunks = t.chunks[1:]
	}
	if len(t.chunks) == 0 {
		t.chunks = nil
	}
	t.losses = t.losses[losses:]
	if len(t.losses) == 0 {
		t.losses = nil
	}
}

// Unsealed returns the number of readings and losses of the collection that are in no block yet, and
// the bytes of the readings' strings.
func (db *DB) Unsealed(collection string) (readings, losses, text int) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	t := db.tails[collection]
	if t == nil {
		return 0, 0, 0
	}
	return t.count, len(t.losses), t.text
}

// UnsealedCollections returns the names of collections that have something in no block yet.
func (db *DB) UnsealedCollections() []string {
	db.mu.RLock()
	defer db.mu.RUnlock()
	var names []string
	for name, t := range db.tails {
		if t.count > 0 || len(t.losses) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Peek appends the oldest readings that are in no block yet to dst, at most limit and only such as
// share a clock, and returns with them that clock.
func (db *DB) Peek(collection string, dst []sensors.Reading, limit int) ([]sensors.Reading, sensors.ClockBase) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	t := db.tails[collection]
	if t == nil || len(t.chunks) == 0 {
		return dst, db.clock
	}
	return t.peek(dst, limit), t.chunks[0].Clock
}

// Losses returns the losses in no block yet that were journalled before the reading that follows the
// first so many: they are to be sealed with these.
func (db *DB) Losses(collection string, readings int) []sensors.Loss {
	db.mu.RLock()
	defer db.mu.RUnlock()
	t := db.tails[collection]
	if t == nil {
		return nil
	}
	next, more := t.next(readings)
	var losses []sensors.Loss
	for _, l := range t.losses {
		if more && l.at.Compare(next) > 0 {
			break
		}
		losses = append(losses, l.loss)
	}
	return losses
}

// UnsealedReadings returns the number of readings of all collections that are in no block yet.
func (db *DB) UnsealedReadings() uint64 {
	db.mu.RLock()
	defer db.mu.RUnlock()
	n := 0
	for _, t := range db.tails {
		n += t.count
	}
	return uint64(max(n, 0))
}

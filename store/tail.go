package store

import (
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

func (t *tail) addLoss(at journal.Position, l sensors.Loss) {
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

// after returns the position after the first n readings and losses of the tail; ok is false when
// there are none.
func (t *tail) after(readings, losses int) (p journal.Position, ok bool) {
	for _, c := range t.chunks {
		if readings <= 0 {
			break
		}
		n := min(readings, len(c.Readings))
		p, ok = c.At, true
		p.Index += uint32(n) //nolint:gosec // a chunk has at most 4096 readings
		readings -= n
	}
	if losses > 0 && losses <= len(t.losses) {
		q := t.losses[losses-1].at
		q.Index = 1
		if !ok || q.Compare(p) > 0 {
			p, ok = q, true
		}
	}
	return p, ok
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
// share a clock, and returns with them that clock and the losses that were journalled up to the last of
// them (all losses when no more readings follow).
func (db *DB) Peek(collection string, dst []sensors.Reading, limit int) ([]sensors.Reading, sensors.ClockBase, []sensors.Loss) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	t := db.tails[collection]
	if t == nil {
		return dst, sensors.ClockBase{}, nil
	}
	var clock sensors.ClockBase
	if len(t.chunks) > 0 {
		clock = t.chunks[0].Clock
	}
	before := len(dst)
	dst = t.peek(dst, limit)
	last, _ := t.after(len(dst)-before, 0)
	all := len(dst)-before == t.count
	var losses []sensors.Loss
	for _, l := range t.losses {
		if !all && l.at.Compare(last) > 0 {
			break
		}
		losses = append(losses, l.loss)
	}
	return dst, clock, losses
}

// replay fills the tails from the journal and returns where its newest file's records end.
func (db *DB) replay() (uint64, error) {
	sealed := map[string]journal.Position{}
	for name, c := range db.collections {
		if c.ownData != nil {
			sealed[name] = c.ownData.head.sealedTo()
		}
	}
	lastSealed := map[string]journal.SealedHead{}
	visit := journal.Visitor{
		Want: func(collection string, end journal.Position) bool { return end.Compare(sealed[collection]) > 0 },
		Chunk: func(c journal.Chunk) error {
			if from := sealed[c.Collection]; from.File == c.At.File && from.Offset == c.At.Offset {
				if uint64(from.Index) > uint64(len(c.Readings)) {
					return fmt.Errorf("sealed_to of %q lies beyond its record", c.Collection)
				}
				c.Readings, c.At.Index = c.Readings[from.Index:], from.Index
			}
			if len(c.Readings) > 0 {
				db.tailLocked(c.Collection).add(c)
				db.opened.Replayed += len(c.Readings)
			}
			return nil
		},
		Loss: func(at journal.Position, l sensors.Loss) error {
			if at.Compare(sealed[l.Collection]) >= 0 {
				db.tailLocked(l.Collection).addLoss(at, l)
			}
			return nil
		},
		Origin: func(source string, o sensors.Origin) error {
			db.opened.Origins = append(db.opened.Origins, Origin{source, o})
			if len(db.opened.Origins) > 2*maxOrigins {
				db.opened.Origins = slices.Clone(db.opened.Origins[maxOrigins:])
			}
			return nil
		},
		Sealed: func(heads []journal.SealedHead) error {
			for _, h := range heads {
				lastSealed[h.Collection] = h
			}
			return nil
		},
	}
	contents, err := journal.Read(db.journalDir(), db.table, visit)
	if err != nil {
		return 0, err
	}
	for _, h := range lastSealed {
		// A feed that we know and left behind was left on purpose; one that we do not know, or whose
		// head is older than the journal says, is what Badger lost.
		f := db.byID[h.Feed]
		if f == nil || f == f.collection.ownData && f.head.Seq < h.Seq {
			db.opened.TailLost = true
		}
	}
	db.opened.Torn = contents.Torn
	for _, d := range contents.Damage {
		db.opened.Damage = append(db.opened.Damage, Damage{File: "journal/" + d.File, Reason: fmt.Sprintf("at byte %d: %s", d.Offset, d.Reason)})
	}
	return contents.LastEnd, nil
}

// maxOrigins is how many of the newest journalled messages are remembered over a restart.
const maxOrigins = 16384

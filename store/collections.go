package store

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// CollectionStats describes a collection as the store holds it, journalled readings included.
type CollectionStats struct {
	Name      string
	Kind      crdt.Kind
	Precision sensors.Precision
	Readings  uint64
	Blocks    uint64
	Bytes     uint64 // of blocks
	First     int64  // earliest and latest time, nanoseconds; meaningful when Readings > 0
	Last      int64
	Digest    string // hex of the heads digest
}

// Collections lists what the store has, in name order.
func (db *DB) Collections() []CollectionStats {
	db.mu.RLock()
	defer db.mu.RUnlock()
	names := map[string]bool{}
	for name := range db.collections {
		names[name] = true
	}
	for name, t := range db.tails {
		if t.count > 0 {
			names[name] = true
		}
	}
	var out []CollectionStats
	for name := range names {
		out = append(out, db.statsLocked(name))
	}
	slices.SortFunc(out, func(a, b CollectionStats) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (db *DB) statsLocked(name string) CollectionStats {
	s := CollectionStats{Name: name, Kind: crdt.Events, Precision: sensors.Milliseconds, First: maxTime, Last: minTime}
	if c := db.collections[name]; c != nil {
		s.Kind, s.Precision = crdt.Kind(c.row.Kind), sensors.Precision(c.row.Precision)
		for _, seg := range c.segments {
			s.First, s.Last = min(s.First, seg.First), max(s.Last, seg.Last)
		}
		for _, f := range db.feeds {
			if f.collection == c {
				s.Readings += f.head.Readings
				s.Blocks += f.head.Blocks
				s.Bytes += f.head.Bytes
			}
		}
	}
	digest := crdt.Digest(db.headsLocked(name))
	s.Digest = hex.EncodeToString(digest[:])
	if t := db.tails[name]; t != nil {
		s.Readings += uint64(max(t.count, 0))
		for _, c := range t.chunks {
			for i := range c.Readings {
				s.First, s.Last = min(s.First, c.Readings[i].Time), max(s.Last, c.Readings[i].Time)
			}
		}
	}
	return s
}

// headsLocked returns the heads of all feeds of a collection, data and meta.
func (db *DB) headsLocked(name string) []crdt.Head {
	var heads []crdt.Head
	for _, f := range db.feeds {
		if f.collection.row.Name == name {
			heads = append(heads, crdt.Head{Feed: f.id, Seq: f.head.Seq, CID: f.headCID})
		}
	}
	return heads
}

// Feeds returns the number of feeds of a collection, data and meta.
func (db *DB) Feeds(name string) int {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return len(db.headsLocked(name))
}

// Totals returns the number of blocks and of readings in them, and the journal's bytes.
func (db *DB) Totals() (blocks, readings, journalBytes uint64) {
	db.mu.RLock()
	for _, f := range db.feeds {
		blocks += f.head.Blocks
		readings += f.head.Readings
	}
	db.mu.RUnlock()
	if db.journal != nil {
		db.journalMu.Lock()
		journalBytes = db.journal.Bytes()
		db.journalMu.Unlock()
	}
	return blocks, readings, journalBytes
}

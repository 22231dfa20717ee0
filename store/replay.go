package store

import (
	"fmt"
	"maps"
	"slices"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/store/journal"
)

const (
	// maxOrigins is how many of the newest journalled messages are remembered over a restart.
	maxOrigins = 16384
	// keepOrigins is how many of them a clean close keeps: what clients may have had in flight.
	keepOrigins = 4096
)

// replay is what reading the journal at opening gathers.
type replay struct {
	db      *DB
	lastEnd uint64                      // where the newest file's records end
	sealed  map[string]journal.Position // by collection, by Badger
	heads   map[crdt.FeedID]journal.SealedHead
	last    map[string]journal.SealedHead // by collection, the latest sealed record
	counted map[string]bool               // by collection: an opening before accounted for all that heads and last say
	losses  []sensors.Loss                // what neither Badger nor the journal has any more
}

// replay fills the tails from the journal.
func (db *DB) replay() (*replay, error) {
	r := &replay{
		db: db, sealed: map[string]journal.Position{}, heads: map[crdt.FeedID]journal.SealedHead{},
		last: map[string]journal.SealedHead{}, counted: map[string]bool{},
	}
	for name, c := range db.collections {
		if c.ownData != nil {
			r.sealed[name] = c.ownData.head.sealedTo()
		}
	}
	contents, err := journal.Read(db.journalDir(), db.table, journal.Visitor{
		Want:  func(collection string, end journal.Position) bool { return end.Compare(r.sealed[collection]) > 0 },
		Chunk: r.chunk, Loss: r.loss, Origin: r.origin, Sealed: r.heard,
	})
	if err != nil {
		return nil, err
	}
	r.lastEnd = contents.LastEnd
	db.opened.Torn = contents.Torn
	for _, d := range contents.Damage {
		db.opened.Damage = append(db.opened.Damage, Damage{File: "journal/" + d.File, Reason: fmt.Sprintf("at byte %d: %s", d.Offset, d.Reason)})
	}
	for name, h := range r.last {
		if r.behind(name, h) {
			db.opened.TailLost = true
			if !r.counted[name] {
				r.account(name, h)
			}
		}
	}
	return r, nil
}

func (r *replay) chunk(c journal.Chunk) error {
	if from := r.sealed[c.Collection]; from.File == c.At.File && from.Offset == c.At.Offset {
		if uint64(from.Index) > uint64(len(c.Readings)) {
			r.db.opened.Damage = append(r.db.opened.Damage, Damage{
				File: "journal", Reason: fmt.Sprintf("%d readings of %q at byte %d of file %d, of which %d are sealed", len(c.Readings), c.Collection, c.At.Offset, c.At.File, from.Index),
			})
			return nil
		}
		c.Readings, c.At.Index = c.Readings[from.Index:], from.Index
	}
	if len(c.Readings) > 0 {
		r.db.tailLocked(c.Collection).add(c)
		r.db.opened.Replayed += len(c.Readings)
	}
	return nil
}

func (r *replay) loss(at journal.Position, l sensors.Loss) error {
	if l.Reason == lostTail {
		r.counted[l.Collection] = true
		maps.DeleteFunc(r.heads, func(_ crdt.FeedID, h journal.SealedHead) bool { return h.Collection == l.Collection })
	}
	if at.Compare(r.sealed[l.Collection]) >= 0 {
		r.db.tailLocked(l.Collection).addLoss(at, l)
	}
	return nil
}

func (r *replay) origin(source string, o sensors.Origin) error {
	seen := append(r.db.opened.Origins, Origin{source, o})
	if len(seen) > 2*maxOrigins {
		seen = slices.Clone(seen[len(seen)-maxOrigins:])
	}
	r.db.opened.Origins = seen
	return nil
}

func (r *replay) heard(heads []journal.SealedHead) error {
	for _, h := range heads {
		r.heads[h.Feed], r.last[h.Collection], r.counted[h.Collection] = h, h, false
	}
	return nil
}

// behind reports whether Badger is behind the latest sealed record of a collection. A feed that was left behind on
// purpose, or opened under another id of the store, may be: it is never appended to again.
func (r *replay) behind(name string, h journal.SealedHead) bool {
	c := r.db.collections[name]
	if c == nil || c.ownData == nil {
		return !r.counted[name] // it had a feed
	}
	own := c.ownData
	if own.id == h.Feed && own.store == r.db.opened.StoreID {
		// A seal of losses alone moves what is sealed, and the meta feed, but not the data feed.
		return own.head.Seq < h.Seq || own.head.Seq == h.Seq && own.headCID != h.CID || own.head.sealedTo().Compare(h.SealedTo) < 0
	}
	return r.db.byID[h.Feed] == nil && !r.counted[name]
}

// account finds out how many readings are gone: sealed by the journal's word, in no block, and not
// replayed. The loss is journalled also when they are none: it says that what the journal said before it is settled.
func (r *replay) account(name string, h journal.SealedHead) {
	t := r.db.tailLocked(name)
	gone := uint64(0)
	for id, was := range r.heads {
		if was.Collection != name {
			continue
		}
		have := uint64(0)
		if f := r.db.byID[id]; f != nil {
			have = f.head.Readings
		}
		gone += was.Readings - min(have, was.Readings)
	}
	l := sensors.Loss{Collection: name, First: 0, Last: maxTime - 1, Reason: lostTail}
	if c := r.db.collections[name]; c != nil {
		for _, s := range c.segments {
			l.First = max(l.First, s.Last)
		}
	}
	for _, c := range t.chunks {
		if c.At.Compare(h.SealedTo) < 0 {
			end := uint64(c.At.Index) + uint64(len(c.Readings))
			if c.At.File == h.SealedTo.File && c.At.Offset == h.SealedTo.Offset {
				end = min(end, uint64(h.SealedTo.Index))
			}
			gone -= min(gone, end-uint64(c.At.Index))
		}
		for i := range c.Readings {
			l.Last = min(l.Last, c.Readings[i].Time)
		}
	}
	l.Count, l.First, l.Last = gone, min(l.First, l.Last), max(l.First, l.Last)
	r.losses = append(r.losses, l)
}

// lostTail is the reason of what Badger lost and the journal has no more.
const lostTail = sensors.LossReason(crdt.LossStoreTailLost)

// lastOrigins returns the newest origins of the journal, oldest first, the last of each packet id only.
func (db *DB) lastOrigins() ([]sensors.Batch, error) {
	type key struct {
		source, client string
		packet         uint16
	}
	var all []Origin
	_, err := journal.Read(db.journalDir(), sensors.NewTable(), journal.Visitor{
		Origin: func(source string, o sensors.Origin) error {
			if all = append(all, Origin{source, o}); len(all) > 2*maxOrigins {
				all = slices.Clone(all[len(all)-maxOrigins:])
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	known := map[key]bool{}
	var batches []sensors.Batch
	for _, o := range slices.Backward(all) {
		k := key{o.Source, o.Client, o.PacketID}
		if known[k] || len(batches) == keepOrigins {
			continue
		}
		known[k] = true
		batches = append(batches, sensors.Batch{Source: o.Source, Origin: &sensors.Origin{Client: o.Client, Hash: o.Hash, PacketID: o.PacketID}})
	}
	slices.Reverse(batches)
	return batches, nil
}

package store

import (
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"
	"github.com/ipfs/go-cid"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/store/journal"
)

// collection is what the store knows of one collection. DB.mu guards it.
type collection struct {
	number   uint32
	row      collectionRow
	ownData  *feed // our own current feed; nil: none yet
	ownMeta  *feed
	segments []placedSegment // by bucket, then part
}

type placedSegment struct {
	segment
	segmentRow
}

// feed is what the store knows of one feed. DB.mu guards it.
type feed struct {
	number     uint32
	id         crdt.FeedID
	author     crdt.Author
	role       crdt.Role
	collection *collection
	meta       *feed  // of a data feed
	store      string // of our own: see feedRow
	head       headRow
	headCID    cid.Cid

	// What the next block's index entries continue; empty after opening.
	range_ openRange
	row    openTimes

	series *definitions // of a meta feed; nil until needed
}

// openRange is the directory's last range of a feed.
type openRange struct {
	first, last uint64
	segment     segment
}

// openTimes is the time index's last row of a feed.
type openTimes struct {
	segment segment
	entries []times
}

// definitions is what a meta feed defines.
type definitions struct {
	series []*sensors.Series // series n is series[n-1]
	seqs   []uint64          // the meta feed's seq that defines it

	counters crdt.Counters // the latest
}

// with returns d and what another meta block of the same feed defines; d stays as it is.
func (d *definitions) with(b *crdt.Block, table *sensors.Table) (*definitions, error) {
	next := *d
	next.series, next.seqs = slices.Clip(d.series), slices.Clip(d.seqs)
	return &next, next.take(b, table)
}

func (f *feed) sealedHead() journal.SealedHead {
	return journal.SealedHead{
		Collection: f.collection.row.Name, Feed: f.id, Seq: f.head.Seq, CID: f.headCID,
		SealedTo: f.head.sealedTo(), Readings: f.head.Readings,
	}
}

// loadCatalog reads the catalog, heads and segments into memory.
func (db *DB) loadCatalog() error {
	txn := db.badger.NewTransaction(false)
	defer txn.Discard()
	if err := db.loadCollections(txn); err != nil {
		return err
	}
	if err := db.loadFeeds(txn); err != nil {
		return err
	}
	for _, c := range db.byNumber {
		c.ownData, c.ownMeta = db.feeds[c.row.OwnData], db.feeds[c.row.OwnMeta]
	}
	return scan(txn, []byte{keySegment}, func(k, v []byte) error {
		number, seg, ok := parseSegmentKey(k)
		c := db.byNumber[number]
		if !ok || c == nil {
			return fmt.Errorf("segment row %q has no collection", k)
		}
		s := placedSegment{segment: seg}
		if err := decodeRow(k, v, &s.segmentRow); err != nil {
			return err
		}
		c.segments = append(c.segments, s)
		return nil
	})
}

func (db *DB) loadCollections(txn *badger.Txn) error {
	return scan(txn, []byte{keyCollection}, func(k, v []byte) error {
		n, ok := parseNumberKey(k)
		if !ok {
			return fmt.Errorf("collection row %q has a malformed key", k)
		}
		c := &collection{number: n}
		if err := decodeRow(k, v, &c.row); err != nil {
			return err
		}
		db.collections[c.row.Name], db.byNumber[n] = c, c
		return nil
	})
}

func (db *DB) loadFeeds(txn *badger.Txn) error {
	metas := map[*feed]uint32{}
	err := scan(txn, []byte{keyFeed}, func(k, v []byte) error {
		n, ok := parseNumberKey(k)
		var row feedRow
		if err := decodeRow(k, v, &row); err != nil {
			return err
		}
		f := &feed{number: n, role: crdt.Role(row.Role), collection: db.byNumber[row.Collection], store: row.Store}
		if !ok || f.collection == nil || len(row.ID) != len(f.id) || len(row.Author) != len(f.author) {
			return fmt.Errorf("feed row %q is malformed or has no collection", k)
		}
		copy(f.id[:], row.ID)
		copy(f.author[:], row.Author)
		if row.Meta != 0 {
			metas[f] = row.Meta
		}
		has, err := fetch(txn, numberKey(keyHead, n), &f.head)
		if err != nil {
			return err
		}
		if !has {
			return fmt.Errorf("feed %s has no head row", f.id)
		}
		if f.headCID, err = cid.Cast(f.head.CID); err != nil {
			return fmt.Errorf("head of feed %s: %w", f.id, err)
		}
		db.commits = max(db.commits, f.head.Commit)
		db.feeds[n], db.byID[f.id] = f, f
		return nil
	})
	if err != nil {
		return err
	}
	for f, n := range metas {
		if f.meta = db.feeds[n]; f.meta == nil {
			return fmt.Errorf("feed %s relies on feed number %d, which is not in the catalog", f.id, n)
		}
	}
	return nil
}

// Own is what the writing end of our feeds in a collection resumes from.
type Own struct {
	Data, Meta OwnFeed
	Series     []*sensors.Series // as the meta feed numbers them, from 1
	SeriesSeqs []uint64          // the meta feed's seq that defines each
	Readings   uint64            // sealed ever in the data feed
	Counters   crdt.Counters     // the latest in the meta feed
	Hybrid     uint64            // the latest hybrid clock of both feeds
}

// OwnFeed is one of them.
type OwnFeed struct {
	ID      crdt.FeedID
	Opening crdt.Opening
	Seq     uint64
	CID     cid.Cid
}

// Own returns our own current feeds of the collection, and false when there are none to resume: none
// at all, or the store was copied or lost blocks since. Hybrid is to be kept also then.
func (db *DB) Own(name string) (Own, bool, error) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	c := db.collections[name]
	if c == nil || c.ownData == nil || c.ownMeta == nil {
		return Own{}, false, nil
	}
	hybrid := max(c.ownData.head.Hybrid, c.ownMeta.head.Hybrid)
	if c.ownData.store != db.opened.StoreID || c.ownMeta.store != db.opened.StoreID {
		return Own{Hybrid: hybrid}, false, nil
	}
	own, err := db.readOwnLocked(c)
	if err != nil { // verify names it as damage; writing goes on in new feeds
		db.log.Error("feeds cannot be read back and are begun anew", "collection", name, "err", err)
		return Own{Hybrid: hybrid}, false, nil
	}
	own.Hybrid = hybrid
	return own, true, nil
}

func (db *DB) readOwnLocked(c *collection) (own Own, err error) {
	txn := db.badger.NewTransaction(false)
	defer txn.Discard()
	if own.Data, err = db.ownFeedLocked(txn, c.ownData); err != nil {
		return Own{}, err
	}
	if own.Meta, err = db.ownFeedLocked(txn, c.ownMeta); err != nil {
		return Own{}, err
	}
	defs, err := db.readDefinitions(txn, metaOf(c.ownMeta))
	if err != nil {
		return Own{}, err
	}
	own.Series, own.SeriesSeqs = slices.Clone(defs.series), slices.Clone(defs.seqs)
	own.Readings, own.Counters = c.ownData.head.Readings, defs.counters
	return own, nil
}

func (db *DB) ownFeedLocked(txn *badger.Txn, f *feed) (OwnFeed, error) {
	b, err := db.openingOf(txn, f.number, f.id)
	if err != nil {
		return OwnFeed{}, err
	}
	o, err := b.Opening()
	if err != nil {
		return OwnFeed{}, fmt.Errorf("opening block of feed %s: %w", f.id, err)
	}
	return OwnFeed{ID: f.id, Opening: o, Seq: f.head.Seq, CID: f.headCID}, nil
}

// openingOf reads a feed's opening block, whose digest is the feed's id.
func (db *DB) openingOf(txn *badger.Txn, number uint32, id crdt.FeedID) (*crdt.Block, error) {
	raw, err := value(txn, numberKey(keyOpening, number), nil)
	if err != nil {
		return nil, fmt.Errorf("read opening block of feed %s: %w", id, err)
	}
	b, err := crdt.DecodeBlock(raw)
	if err != nil {
		return nil, fmt.Errorf("opening block of feed %s: %w", id, err)
	}
	if b.Feed != id {
		return nil, fmt.Errorf("opening block of feed %s: %w", id, crdt.ErrCIDMismatch)
	}
	return b, nil
}

// metaPlace is what reading a meta feed needs; a copy, so that it can be used without mu.
type metaPlace struct {
	collection, number uint32
	id                 crdt.FeedID
	author             crdt.Author
	head               uint64
	headCID            cid.Cid
}

func metaOf(f *feed) metaPlace {
	return metaPlace{f.collection.number, f.number, f.id, f.author, f.head.Seq, f.headCID}
}

// readMeta reads a meta feed from its opening to its head, checks its chain, and calls fn for each
// block after the opening.
func (db *DB) readMeta(txn *badger.Txn, m metaPlace, fn func(*crdt.Block) error) error {
	b, err := db.openingOf(txn, m.number, m.id)
	if err != nil {
		return err
	}
	prev := b.CID
	for seq := uint64(1); seq <= m.head; seq++ {
		raw, err := value(txn, metaKey(m.collection, m.number, seq), nil)
		if err != nil {
			return fmt.Errorf("read meta block %d of feed %s: %w", seq, m.id, err)
		}
		if b, err = crdt.DecodeBlock(raw); err != nil {
			return fmt.Errorf("meta block %d of feed %s: %w", seq, m.id, err)
		}
		if b.Seq != seq || b.Feed != m.id || b.Prev != prev {
			return fmt.Errorf("meta block %d of feed %s: %w", seq, m.id, crdt.ErrChain)
		}
		prev = b.CID
		if err := fn(b); err != nil {
			return fmt.Errorf("meta block %d of feed %s: %w", seq, m.id, err)
		}
	}
	if prev != m.headCID {
		return fmt.Errorf("head of meta feed %s: %w", m.id, crdt.ErrCIDMismatch)
	}
	return nil
}

// readDefinitions reads the series that a meta feed defines.
func (db *DB) readDefinitions(txn *badger.Txn, m metaPlace) (*definitions, error) {
	defs := &definitions{}
	err := db.readMeta(txn, m, func(b *crdt.Block) error { return defs.take(b, db.table) })
	return defs, err
}

// take adds the definitions of one meta block.
func (d *definitions) take(b *crdt.Block, table *sensors.Table) error {
	entries, err := crdt.DecodeMeta(b.Payload)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if c, is := e.(*crdt.Counters); is {
			d.counters = *c
		}
		def, is := e.(*crdt.SeriesDef)
		if !is {
			continue
		}
		if uint64(def.Number) != uint64(len(d.series))+1 {
			return fmt.Errorf("series number %d follows %d", def.Number, len(d.series))
		}
		s := sensors.Series{Name: def.Name, Unit: def.Unit, Type: sensors.Type(def.Type)}
		for _, t := range def.Tags {
			s.Tags = append(s.Tags, sensors.Tag{Key: t.Key, Value: t.Value})
		}
		made, err := table.Intern(s)
		if err != nil {
			return fmt.Errorf("series number %d: %w", def.Number, err)
		}
		d.series = append(d.series, made)
		d.seqs = append(d.seqs, b.Seq)
	}
	return nil
}

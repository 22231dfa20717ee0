package store

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/store/journal"
)

// MaxSealBlocks is how many blocks one Seal may have: Badger limits a transaction.
const MaxSealBlocks = 32

// Seal commits blocks of our own feeds in one synced transaction, and with them that the first
// readings and losses of the collection's tail are in blocks now. New feeds come with their opening
// blocks first, the meta feed before the data feed. After an error nothing counts as committed, and the same
// readings and losses may be sealed again.
func (db *DB) Seal(name string, blocks []*crdt.Block, readings, losses int) error {
	if err := checkRoom(db.free, db.dir, sealRoom); err != nil {
		return fmt.Errorf("seal %q: %w", name, err)
	}
	s, err := db.prepareSeal(name, blocks, readings, losses)
	if err != nil {
		return fmt.Errorf("seal %q: %w", name, err)
	}
	defer s.txn.Discard()
	before := db.badger.NewTransaction(false)
	defer before.Discard()

	db.commit.Lock()
	db.syncLog.syncFailed.Store(false)
	err = db.commitTxn(s.txn)
	if err == nil && db.syncLog.syncFailed.Load() {
		err = errors.New("the value log was not synced")
	}
	if err != nil {
		db.commit.Unlock()
		return fmt.Errorf("seal %q: commit: %w", name, errors.Join(err, db.doubt.note(before, s.keys)))
	}
	db.doubt.before = nil
	db.mu.Lock()
	s.applyLocked()
	if t := db.tails[name]; t != nil {
		t.drop(readings, losses)
	}
	head := db.collections[name].ownData.sealedHead()
	// A group that Append has just journalled is in no tail yet. It lies behind all that is sealed here.
	needed := min(db.oldestNeededLocked(), head.SealedTo.File)
	db.mu.Unlock()
	db.commit.Unlock()

	db.journalMu.Lock()
	defer db.journalMu.Unlock()
	if err := db.journal.Sealed([]journal.SealedHead{head}); err != nil {
		// The blocks are durable; the record only repeats it. The next group reports a journal in trouble.
		db.log.Warn("journal did not take a sealed record", "collection", name, "err", err)
	}
	if db.doubt.lasts {
		return nil
	}
	if err := db.journal.Release(needed); err != nil {
		db.log.Warn("journal did not release its old files", "err", err)
	}
	return nil
}

// prepareSeal builds the transaction.
func (db *DB) prepareSeal(name string, blocks []*crdt.Block, readings, losses int) (*sealing, error) {
	if len(blocks) > MaxSealBlocks {
		return nil, fmt.Errorf("%d blocks, want at most %d", len(blocks), MaxSealBlocks)
	}
	db.mu.RLock()
	t := db.tails[name]
	if t == nil {
		t = &tail{}
	}
	sealedTo, moved, err := t.after(readings, losses)
	db.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	s := &sealing{
		db: db, txn: db.badger.NewTransaction(true), commit: db.commits + 1, feeds: map[crdt.FeedID]*feed{}, blocks: blocks,
	}
	err = s.run(name, sealedTo, moved)
	if err == nil && s.readings != uint64(readings) { //nolint:gosec // not negative
		err = fmt.Errorf("%d readings in the blocks, want %d", s.readings, readings)
	}
	if err != nil {
		s.txn.Discard()
		return nil, err
	}
	return s, nil
}

// oldestNeededLocked returns the oldest journal file that a tail still needs.
func (db *DB) oldestNeededLocked() uint64 {
	oldest := ^uint64(0)
	for _, t := range db.tails {
		if len(t.chunks) > 0 {
			oldest = min(oldest, t.chunks[0].At.File)
		}
		if len(t.losses) > 0 {
			oldest = min(oldest, t.losses[0].at.File)
		}
	}
	return oldest
}

// sealing builds one transaction. It works on copies of what DB.mu guards until the commit succeeded.
type sealing struct {
	db         *DB
	txn        *badger.Txn
	commit     uint64
	collection *collection           // copy
	feeds      map[crdt.FeedID]*feed // copies
	order      []*feed
	blocks     []*crdt.Block
	readings   uint64   // in the data blocks
	keys       [][]byte // that the transaction writes
}

func (s *sealing) set(key, value []byte) error {
	s.keys = append(s.keys, key)
	return s.txn.Set(key, value)
}

func (s *sealing) put(key []byte, v any) error {
	s.keys = append(s.keys, key)
	return put(s.txn, key, v)
}

func (s *sealing) run(name string, sealedTo journal.Position, moved bool) error {
	if err := s.db.doubt.putBack(s.txn); err != nil {
		return err
	}
	if err := s.open(name, s.blocks); err != nil {
		return err
	}
	for _, b := range s.blocks {
		if err := s.add(b); err != nil {
			return err
		}
	}
	if s.collection.ownData == nil {
		return fmt.Errorf("collection has no data feed of ours")
	}
	own, err := s.feed(s.collection.ownData.id)
	if err != nil {
		return err
	}
	if moved {
		own.head.File, own.head.Offset, own.head.Index = sealedTo.File, sealedTo.Offset, sealedTo.Index
	}
	for _, f := range s.order {
		f.head.Commit = s.commit
		if err := s.put(numberKey(keyHead, f.number), &f.head); err != nil {
			return err
		}
	}
	return s.put(numberKey(keyCollection, s.collection.number), &s.collection.row)
}

// open copies the collection, or makes it from the first opening block.
func (s *sealing) open(name string, blocks []*crdt.Block) error {
	s.db.mu.RLock()
	defer s.db.mu.RUnlock()
	have := s.db.collections[name]
	next := uint32(len(s.db.byNumber)) + 1 //nolint:gosec // collections are few
	if have != nil {
		c := *have
		c.segments = slices.Clone(have.segments)
		s.collection = &c
		return nil
	}
	if len(blocks) == 0 {
		return fmt.Errorf("a new collection needs opening blocks")
	}
	o, err := blocks[0].Opening()
	if err != nil {
		return err
	}
	if o.Name != name {
		return fmt.Errorf("opening block is of collection %q", o.Name)
	}
	s.collection = &collection{number: next, row: collectionRow{
		Name: o.Name, Kind: uint8(o.Kind), Encrypted: o.Encrypted, Precision: o.Precision,
	}}
	return nil
}

// feed returns the working copy of a feed.
func (s *sealing) feed(id crdt.FeedID) (*feed, error) {
	if f := s.feeds[id]; f != nil {
		return f, nil
	}
	s.db.mu.RLock()
	defer s.db.mu.RUnlock()
	have := s.db.byID[id]
	if have == nil {
		return nil, fmt.Errorf("feed %s is not open", id)
	}
	if have.author != s.db.author || have.store != s.db.opened.StoreID {
		return nil, fmt.Errorf("feed %s is not to be extended: the store was copied or lost blocks since", id)
	}
	f := *have
	f.collection = s.collection
	s.feeds[id] = &f
	s.order = append(s.order, &f)
	return &f, nil
}

func (s *sealing) add(b *crdt.Block) error {
	if b.Seq == 0 {
		return s.addOpening(b)
	}
	f, err := s.feed(b.Feed)
	if err != nil {
		return err
	}
	if b.Seq != f.head.Seq+1 || b.Prev != f.headCID {
		return fmt.Errorf("block %d of feed %s: %w", b.Seq, b.Feed, crdt.ErrChain)
	}
	f.head.Seq, f.headCID, f.head.CID = b.Seq, b.CID, b.CID.Bytes()
	f.head.Blocks++
	f.head.Bytes += uint64(len(b.Raw))
	f.head.Hybrid = max(f.head.Hybrid, b.Clock.Hybrid)
	if f.role == crdt.Meta {
		return s.set(metaKey(s.collection.number, f.number, b.Seq), b.Raw)
	}
	f.head.Readings += uint64(b.Count)
	s.readings += uint64(b.Count)
	return s.addData(f, b)
}

// addData puts a data block into its segment and the indexes.
func (s *sealing) addData(f *feed, b *crdt.Block) error {
	seg := s.place(b)
	number := s.collection.number
	if err := s.set(blockKey(keyBlock, number, seg.segment, f.number, b.Seq), b.Raw); err != nil {
		return err
	}
	if err := s.put(segmentKey(keySegment, number, seg.segment), &seg.segmentRow); err != nil {
		return err
	}
	if r := &f.range_; r.first != 0 && r.segment == seg.segment {
		r.last = b.Seq
	} else {
		*r = openRange{first: b.Seq, last: b.Seq, segment: seg.segment}
	}
	d := directoryRow{Last: f.range_.last, Bucket: seg.bucket, Part: seg.part}
	if err := s.put(directoryKey(f.number, f.range_.first), &d); err != nil {
		return err
	}
	entry := times{seq: b.Seq, first: b.Clock.First, last: b.Clock.Last(), count: b.Count, check: checkOf(b)}
	if t := &f.row; len(t.entries) > 0 && len(t.entries) < maxTimes && t.segment == seg.segment {
		t.entries = append(slices.Clip(t.entries), entry)
	} else {
		*t = openTimes{segment: seg.segment, entries: []times{entry}}
	}
	return s.set(blockKey(keyTimes, number, seg.segment, f.number, f.row.entries[0].seq), appendTimes(nil, f.row.entries))
}

// place finds the block's segment and counts it there.
func (s *sealing) place(b *crdt.Block) *placedSegment {
	bucket := bucketOf(b.Clock)
	c := s.collection
	at, _ := slices.BinarySearchFunc(c.segments, bucket, func(p placedSegment, b uint32) int {
		if p.bucket <= b {
			return -1
		}
		return 1
	})
	if at == 0 || c.segments[at-1].bucket != bucket || c.segments[at-1].Bytes >= partBytes {
		p := placedSegment{segment: segment{bucket: bucket}}
		if at > 0 && c.segments[at-1].bucket == bucket {
			p.part = c.segments[at-1].part + 1
		}
		p.First, p.Last = b.Clock.First, b.Clock.Last()
		c.segments = slices.Insert(c.segments, at, p)
		at++
	}
	p := &c.segments[at-1]
	p.include(b)
	return p
}

// addOpening makes a feed. An opening block of ours makes it our current one.
func (s *sealing) addOpening(b *crdt.Block) error {
	o, err := b.Opening()
	if err != nil {
		return err
	}
	s.db.mu.RLock()
	known := s.db.byID[b.Feed] != nil
	number := uint32(len(s.db.feeds)+s.newFeeds()) + 1 //nolint:gosec // feeds are few
	s.db.mu.RUnlock()
	if known || s.feeds[b.Feed] != nil {
		return fmt.Errorf("feed %s is open already", b.Feed)
	}
	f := &feed{number: number, id: b.Feed, author: o.Author, role: o.Role, collection: s.collection, headCID: b.CID}
	f.head.CID = b.CID.Bytes()
	f.head.Hybrid = b.Clock.Hybrid
	if row := &s.collection.row; o.Name != row.Name || uint8(o.Kind) != row.Kind || o.Encrypted != row.Encrypted {
		return fmt.Errorf("opening block is of collection %q, %s", o.Name, o.Kind)
	}
	if o.Author != s.db.author {
		return fmt.Errorf("feed %s is of author %s, not ours", f.id, o.Author)
	}
	f.store = s.db.opened.StoreID
	row := feedRow{ID: f.id[:], Collection: s.collection.number, Role: uint8(f.role), Author: f.author[:], Store: f.store}
	if o.Role == crdt.Data {
		if f.meta, err = s.feed(o.Meta); err != nil {
			return err
		}
		row.Meta = f.meta.number
	}
	s.feeds[f.id] = f
	s.order = append(s.order, f)
	if o.Role == crdt.Data {
		if before := s.collection.ownData; before != nil { // what is sealed stays sealed
			f.head.File, f.head.Offset, f.head.Index = before.head.File, before.head.Offset, before.head.Index
		}
		s.collection.ownData, s.collection.row.OwnData = f, f.number
	} else {
		s.collection.ownMeta, s.collection.row.OwnMeta = f, f.number
	}
	s.collection.row.Precision = o.Precision
	if err := s.put(numberKey(keyFeed, number), &row); err != nil {
		return err
	}
	return s.set(numberKey(keyOpening, number), b.Raw)
}

// newFeeds returns how many of the working copies are of feeds that the store does not have. The
// caller holds mu.
func (s *sealing) newFeeds() int {
	n := 0
	for id := range s.feeds {
		if s.db.byID[id] == nil {
			n++
		}
	}
	return n
}

// applyLocked makes the working copies the truth. The caller holds mu and committed the transaction.
func (s *sealing) applyLocked() {
	db := s.db
	db.commits = s.commit
	c := db.collections[s.collection.row.Name]
	if c == nil {
		c = s.collection
		db.collections[c.row.Name], db.byNumber[c.number] = c, c
	}
	for _, f := range s.order {
		f.collection = c
		have := db.byID[f.id]
		if have == nil {
			db.feeds[f.number], db.byID[f.id] = f, f
			continue
		}
		*have = *f
	}
	// Pointers of the copies lead to the feeds that stay.
	c.row, c.segments = s.collection.row, s.collection.segments
	c.ownData, c.ownMeta = db.feeds[c.row.OwnData], db.feeds[c.row.OwnMeta]
	for _, f := range s.order {
		if f.meta != nil {
			db.byID[f.id].meta = db.byID[f.meta.id]
		}
	}
	for _, b := range s.blocks {
		if f := db.byID[b.Feed]; f.role == crdt.Meta && b.Seq > 0 && f.series != nil {
			next, err := f.series.with(b, db.table)
			if err != nil {
				next = nil // read again when needed: then the error is told
			}
			f.series = next
		}
	}
}

// checkOf returns the part of a block's digest that the time index keeps.
func checkOf(b *crdt.Block) [8]byte {
	raw := b.CID.Bytes()
	var c [8]byte
	copy(c[:], raw[len(raw)-32:])
	return c
}

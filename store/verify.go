package store

import (
	"context"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// Damage is one thing in the store that is not as it was written.
type Damage struct {
	File   string // in the store's folder; empty when it is a block
	Feed   string
	Seq    *uint64
	Reason string
}

// Verified is the part of one collection that was read and found right.
type Verified struct {
	Name     string
	Digest   string
	Blocks   uint64
	Readings uint64 // in blocks and journalled
}

// Verify reads every block of every feed and checks its hash, its place in the chain, the signatures,
// that its payload decodes, and that indexes and counters agree. Damage found at opening is reported
// too. It holds one block in memory. After each data block it calls progress with the number of blocks that were checked, and of
// those that there were when it began; nil: it does not.
func (db *DB) Verify(ctx context.Context, progress func(done, of uint64)) ([]Verified, []Damage, error) {
	damage := append([]Damage{}, db.opened.Damage...)
	var out []Verified
	var done, of uint64
	collections := db.Collections()
	for _, c := range collections {
		of += c.Blocks
	}
	count := func(blocks uint64) {
		if done += blocks; progress != nil {
			progress(done, max(of, done))
		}
	}
	for _, c := range collections {
		v := Verified{Name: c.Name, Digest: c.Digest}
		found, err := db.verifyCollection(ctx, &v, count)
		if err != nil {
			return nil, nil, err
		}
		damage = append(damage, found...)
		out = append(out, v)
	}
	return out, damage, nil
}

// verifier checks one collection in one snapshot.
type verifier struct {
	*snapshot
	out    *Verified
	held   map[segment]segmentRow // what the blocks amount to
	count  func(blocks uint64)    // called as they are checked
	damage []Damage
}

func (db *DB) verifyCollection(ctx context.Context, out *Verified, count func(blocks uint64)) ([]Damage, error) {
	db.mu.RLock()
	_, exists := db.collections[out.Name]
	db.mu.RUnlock()
	if !exists { // all of it is in the journal
		n, _, _ := db.Unsealed(out.Name)
		out.Readings = uint64(max(n, 0))
		return nil, nil
	}
	s, err := db.snapshot(Query{Collection: out.Name, From: minTime, To: maxTime}, true)
	if err != nil {
		return nil, err
	}
	defer s.close()
	v := &verifier{snapshot: s, out: out, held: map[segment]segmentRow{}, count: count}
	out.Readings += uint64(len(s.tail))
	metas := map[crdt.FeedID]bool{}
	for number, f := range s.feeds {
		if f.defs == nil {
			v.bad(f.place.id, nil, "the meta feed cannot be read: "+f.unreadable.Error())
			continue
		}
		if !metas[f.place.id] {
			metas[f.place.id] = true
			out.Blocks += f.place.head
			count(f.place.head)
			if err := v.metaSigned(f); err != nil {
				v.bad(f.place.id, &f.place.head, err.Error())
			}
		}
		if err := v.feed(ctx, number, f); err != nil {
			return nil, err
		}
	}
	if len(v.damage) == 0 {
		v.compareSegments()
	}
	return v.damage, nil
}

// compareSegments checks the segments' rows: queries skip a segment by the times that its row says.
func (v *verifier) compareSegments() {
	for _, p := range v.segments {
		if v.held[p.segment] != p.segmentRow {
			v.damage = append(v.damage, Damage{
				File:   "badger",
				Reason: fmt.Sprintf("segment %d.%d of %q: its row does not describe its blocks", p.bucket, p.part, v.out.Name),
			})
		}
		delete(v.held, p.segment)
	}
	for s := range v.held {
		v.damage = append(v.damage, Damage{File: "badger", Reason: fmt.Sprintf("segment %d.%d of %q has no row", s.bucket, s.part, v.out.Name)})
	}
}

// metaSigned checks the signature of a meta feed's newest block; its chain was checked when it was read.
func (v *verifier) metaSigned(f *feedView) error {
	if f.place.head == 0 {
		b, err := v.db.openingOf(v.txn, f.place.number, f.place.id)
		if err != nil {
			return err
		}
		return b.VerifySignature(f.place.author)
	}
	raw, err := value(v.txn, metaKey(f.place.collection, f.place.number, f.place.head), nil)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	b, err := crdt.DecodeBlock(raw)
	if err != nil {
		return err
	}
	return b.VerifySignature(f.place.author)
}

// feed checks one data feed from its opening block to its head.
func (v *verifier) feed(ctx context.Context, number uint32, f *feedView) error {
	opening, err := v.db.openingOf(v.txn, number, f.id)
	if err != nil {
		v.bad(f.id, new(uint64), err.Error())
		return nil
	}
	if err := opening.VerifySignature(f.key); err != nil {
		v.bad(f.id, new(uint64), err.Error())
	}
	check := feedCheck{verifier: v, number: number, feed: f, prev: opening, sound: true}
	return check.run(ctx)
}

// feedCheck walks a feed along its directory.
type feedCheck struct {
	*verifier
	number   uint32
	feed     *feedView
	prev     *crdt.Block
	readings uint64
	sound    bool // no block was bad
}

func (c *feedCheck) run(ctx context.Context) error {
	next := uint64(1)
	err := scan(c.txn, numberKey(keyDirectory, c.number), func(k, value []byte) error {
		first, ok := parseDirectoryKey(k)
		var d directoryRow
		if err := decodeRow(k, value, &d); err != nil || !ok {
			c.bad(c.feed.id, nil, fmt.Sprintf("directory row %q is malformed", k))
			return nil //nolint:nilerr // it is reported as damage
		}
		if first != next {
			c.bad(c.feed.id, &next, fmt.Sprintf("the directory goes on at %d", first))
		}
		for seq := first; seq <= d.Last; seq++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := c.block(segment{d.Bucket, d.Part}, seq); err != nil {
				c.bad(c.feed.id, &seq, err.Error())
				c.prev, c.sound = nil, false
			}
			c.count(1)
		}
		next = d.Last + 1
		return nil
	})
	if err != nil {
		return err
	}
	head := c.feed.head
	if next != head.Seq+1 {
		c.bad(c.feed.id, &next, fmt.Sprintf("the directory ends before the head %d", head.Seq))
	}
	if c.prev != nil && c.prev.CID != c.feed.headCID {
		c.bad(c.feed.id, &head.Seq, "the newest block is not the head")
	}
	if c.prev != nil && head.Seq > 0 { // prev covers signatures: the top vouches for the rest
		if err := c.prev.VerifySignature(c.feed.key); err != nil {
			c.bad(c.feed.id, &head.Seq, err.Error())
		}
	}
	if c.readings != head.Readings && c.sound {
		c.bad(c.feed.id, nil, fmt.Sprintf("%d readings in blocks, the head row counts %d", c.readings, head.Readings))
	}
	c.out.Blocks += head.Blocks
	c.out.Readings += c.readings
	return nil
}

// block reads and checks one block.
func (c *feedCheck) block(seg segment, seq uint64) error {
	raw, err := value(c.txn, blockKey(keyBlock, c.snapshot.number, seg, c.number, seq), nil)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	b, err := crdt.DecodeBlock(raw)
	if err != nil {
		return err
	}
	switch {
	case b.Feed != c.feed.id || b.Seq != seq:
		return fmt.Errorf("holds block %d of feed %s", b.Seq, b.Feed)
	case c.prev != nil && b.Prev != c.prev.CID:
		return crdt.ErrChain
	case c.prev == nil: // the chain broke before: this block has to speak for itself
		if err := b.VerifySignature(c.feed.key); err != nil {
			return err
		}
	}
	if err := indexed(c.txn, c.snapshot.number, c.number, seg, b); err != nil {
		return err
	}
	if b.Needs > c.feed.place.head {
		return fmt.Errorf("needs meta block %d, the meta feed ends at %d", b.Needs, c.feed.place.head)
	}
	if err := c.decode(b); err != nil {
		return err
	}
	c.prev = b
	c.readings += uint64(b.Count)
	c.hold(seg, b)
	return nil
}

// hold counts a block in its segment.
func (c *feedCheck) hold(seg segment, b *crdt.Block) {
	row, begun := c.held[seg]
	if !begun {
		row.First, row.Last = b.Clock.First, b.Clock.Last()
	}
	row.include(b)
	c.held[seg] = row
}

// indexed checks that the time index has the block.
func indexed(txn *badger.Txn, collection, feed uint32, seg segment, b *crdt.Block) error {
	it := txn.NewIterator(badger.IteratorOptions{Reverse: true, Prefix: segmentKey(keyTimes, collection, seg)})
	defer it.Close()
	it.Seek(blockKey(keyTimes, collection, seg, feed, b.Seq))
	if !it.Valid() {
		return fmt.Errorf("is not in the time index")
	}
	_, found, seq, ok := parseBlockKey(it.Item().Key())
	if !ok || found != feed {
		return fmt.Errorf("is not in the time index")
	}
	return it.Item().Value(func(v []byte) error {
		entries, err := parseTimes(v, seq)
		if err != nil {
			return err
		}
		at := b.Seq - seq
		if at >= uint64(len(entries)) {
			return fmt.Errorf("is not in the time index")
		}
		e := entries[at]
		if e.check != checkOf(b) || e.count != b.Count || e.first != b.Clock.First || e.last != b.Clock.Last() {
			return fmt.Errorf("is not what the time index describes")
		}
		return nil
	})
}

// decode checks that the payload decodes and that its readings lie in the times that the header says.
func (c *feedCheck) decode(b *crdt.Block) error {
	lookup := func(n uint32, t sensors.Type) (*sensors.Series, error) {
		if n == 0 || uint64(n) > uint64(len(c.feed.defs.series)) || c.feed.defs.series[n-1].Type != t {
			return nil, fmt.Errorf("series %d is not defined as %s", n, t)
		}
		return c.feed.defs.series[n-1], nil
	}
	var err error
	br := c.reader
	if br.readingBuf, err = br.columns.Decode(br.readingBuf[:0], b.Payload, b.Count, b.Clock.First, min(b.Clock.Last(), maxTime-1)+1, lookup); err != nil {
		return err
	}
	if uint64(len(br.readingBuf)) != uint64(b.Count) {
		return fmt.Errorf("has readings outside the times that it says")
	}
	return nil
}

func (v *verifier) bad(feed crdt.FeedID, seq *uint64, reason string) {
	d := Damage{Feed: feed.String(), Reason: reason}
	if seq != nil {
		n := *seq
		d.Seq = &n
	}
	v.damage = append(v.damage, d)
}

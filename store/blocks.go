package store

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"

	"github.com/skerry-edge/skerry/crdt"
)

// Blocks is a collection's blocks at one moment. Seq can be ranged over once; ranging over it, or the end
// of the context, releases what it holds.
type Blocks struct {
	Heads    []crdt.Head // of all feeds, data and meta, by CID
	Count    uint64      // of blocks in Seq
	Unsealed uint64      // readings that are journalled and in none of them
	Seq      iter.Seq2[*crdt.Block, error]
}

// Blocks streams every block of every feed of a collection, each after those that it links to: meta feeds
// before data feeds, and each feed from its opening block to its head. Every block is read from disk and checked:
// its hash against the time index, its place in the chain, the head against the catalog. One that is not as it was
// written ends the stream with an error that names feed and seq. It holds one block in memory.
func (db *DB) Blocks(ctx context.Context, name string) (Blocks, error) {
	w := &blockWalk{db: db}
	out, err := w.begin(name)
	if err != nil {
		return Blocks{}, err
	}
	var taken atomic.Bool // by the reader, or by the end of ctx
	stop := context.AfterFunc(ctx, func() {
		if taken.CompareAndSwap(false, true) {
			w.txn.Discard()
		}
	})
	out.Seq = func(yield func(*crdt.Block, error) bool) {
		if !taken.CompareAndSwap(false, true) {
			yield(nil, cmp.Or(ctx.Err(), errSpent))
			return
		}
		defer w.txn.Discard()
		defer stop()
		w.send(ctx, yield)
	}
	return out, nil
}

// blockWalk goes through a collection's feeds as they were at one moment.
type blockWalk struct {
	db    *DB
	txn   *badger.Txn
	metas []metaPlace // feeds, in the order of their numbers
	datas []metaPlace
}

// begin takes the state of Badger, catalog and tail together: no Seal comes between.
func (w *blockWalk) begin(name string) (Blocks, error) {
	db := w.db
	db.commit.RLock()
	defer db.commit.RUnlock()
	db.mu.RLock()
	defer db.mu.RUnlock()
	c, t := db.collections[name], db.tails[name]
	if c == nil && t == nil {
		return Blocks{}, fmt.Errorf("%w: %q", ErrNoCollection, name)
	}
	out := Blocks{Heads: db.headsLocked(name)}
	if t != nil {
		out.Unsealed = uint64(max(t.count, 0))
	}
	slices.SortFunc(out.Heads, func(a, b crdt.Head) int { return strings.Compare(a.CID.KeyString(), b.CID.KeyString()) })
	for _, f := range db.feeds {
		switch {
		case f.collection != c:
			continue
		case f.role == crdt.Meta:
			w.metas = append(w.metas, metaOf(f))
		default:
			w.datas = append(w.datas, metaOf(f))
		}
		out.Count += f.head.Seq + 1
	}
	byNumber := func(a, b metaPlace) int { return cmp.Compare(a.number, b.number) }
	slices.SortFunc(w.metas, byNumber)
	slices.SortFunc(w.datas, byNumber)
	w.txn = db.badger.NewTransaction(false)
	return out, nil
}

// send yields the blocks.
func (w *blockWalk) send(ctx context.Context, yield func(*crdt.Block, error) bool) {
	for i, feeds := range [][]metaPlace{w.metas, w.datas} {
		for _, place := range feeds {
			f := &feedWalk{blockWalk: w, metaPlace: place, yield: yield}
			walk := f.data
			if i == 0 {
				walk = f.meta
			}
			if err := walk(ctx); err != nil {
				yield(nil, err)
				return
			}
			if f.stopped {
				return
			}
		}
	}
}

// feedWalk yields the blocks of one feed.
type feedWalk struct {
	*blockWalk
	metaPlace
	yield   func(*crdt.Block, error) bool
	prev    *crdt.Block
	stopped bool // by the reader
}

func (f *feedWalk) meta(ctx context.Context) error {
	if err := f.opening(ctx); err != nil || f.stopped {
		return err
	}
	for seq := uint64(1); seq <= f.head && !f.stopped; seq++ {
		if err := f.block(ctx, seq, metaKey(f.collection, f.number, seq), nil); err != nil {
			return err
		}
	}
	return f.end()
}

func (f *feedWalk) data(ctx context.Context) error {
	if err := f.opening(ctx); err != nil || f.stopped {
		return err
	}
	err := scan(f.txn, numberKey(keyDirectory, f.number), func(k, value []byte) error {
		if f.stopped {
			return nil
		}
		first, ok := parseDirectoryKey(k)
		var d directoryRow
		if err := decodeRow(k, value, &d); err != nil || !ok {
			return fmt.Errorf("feed %s: directory row %q is malformed", f.id, k)
		}
		if next := f.prev.Seq + 1; first != next {
			return fmt.Errorf("block %d of feed %s: the directory goes on at %d", next, f.id, first)
		}
		seg := segment{d.Bucket, d.Part}
		for seq := first; seq <= min(d.Last, f.head) && !f.stopped; seq++ {
			key := blockKey(keyBlock, f.collection, seg, f.number, seq)
			check := func(b *crdt.Block) error { return indexed(f.txn, f.collection, f.number, seg, b) }
			if err := f.block(ctx, seq, key, check); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return f.end()
}

// opening yields the feed's opening block.
func (f *feedWalk) opening(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b, err := f.db.openingOf(f.txn, f.number, f.id)
	if err != nil {
		return err
	}
	f.prev, f.stopped = b, !f.yield(b, nil)
	return nil
}

// block reads one block, checks it and yields it.
func (f *feedWalk) block(ctx context.Context, seq uint64, key []byte, check func(*crdt.Block) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fail := func(err error) error { return fmt.Errorf("block %d of feed %s: %w", seq, f.id, err) }
	raw, err := value(f.txn, key, nil)
	if err != nil {
		return fail(fmt.Errorf("read: %w", err))
	}
	b, err := crdt.DecodeBlock(raw)
	if err != nil {
		return fail(err)
	}
	if b.Feed != f.id || b.Seq != seq {
		return fail(fmt.Errorf("it holds block %d of feed %s", b.Seq, b.Feed))
	}
	if check != nil { // by its hash: else only the block after it could tell
		if err := check(b); err != nil {
			return fail(err)
		}
	}
	if b.Prev != f.prev.CID {
		if err := f.prev.VerifySignature(f.author); err != nil { // the one before is to blame: no index has meta blocks
			return fmt.Errorf("block %d of feed %s: %w", f.prev.Seq, f.id, err)
		}
		return fail(crdt.ErrChain)
	}
	if seq == f.head && b.CID != f.headCID {
		return fail(crdt.ErrCIDMismatch)
	}
	f.prev, f.stopped = b, !f.yield(b, nil)
	return nil
}

// end checks that the feed was walked to its head.
func (f *feedWalk) end() error {
	if f.stopped || f.prev.Seq == f.head && f.prev.CID == f.headCID {
		return nil
	}
	return fmt.Errorf("block %d of feed %s: it is not there; the head is block %d", f.prev.Seq+1, f.id, f.head)
}

package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// tryBlocks reads all blocks of a collection.
func (r *rig) tryBlocks(collection string) (out []*crdt.Block, err error) {
	r.t.Helper()
	blocks, err := r.db.Blocks(r.t.Context(), collection)
	if err != nil {
		r.t.Fatal(err)
	}
	for b, err := range blocks.Seq {
		if err != nil {
			return out, err
		}
		out = append(out, b)
	}
	return out, nil
}

func TestBlocks_allInOrder(t *testing.T) {
	r := newRig(t)
	for range 3 { // several seals, several days: several ranges of the directory
		r.append("climate", r.noise(200)...)
		r.append("other", r.noise(50)...)
		r.seal("climate", 200, 20)
		r.seal("other", 50, 50)
	}
	far := r.noise(30)
	for i := range far {
		far[i].Time += 40 * bucketNanos
	}
	r.append("climate", far...)
	r.seal("climate", 30, 10)
	r.append("climate", r.noise(7)...)
	blocks, err := r.db.Blocks(t.Context(), "climate")
	if err != nil {
		t.Fatal(err)
	}
	if blocks.Unsealed != 7 {
		t.Errorf("%d readings unsealed, want 7", blocks.Unsealed)
	}
	digest := crdt.Digest(blocks.Heads)
	for _, c := range r.db.Collections() {
		if c.Name == "climate" && c.Digest != hex.EncodeToString(digest[:]) {
			t.Errorf("the heads are not those of the digest: %v", blocks.Heads)
		}
	}
	r.append("climate", r.noise(5)...) // what comes later is not in it
	r.seal("climate", 12, 3)
	held := map[string]bool{}
	last := map[crdt.FeedID]*crdt.Block{}
	readings, count := uint64(0), uint64(0)
	for b, err := range blocks.Seq {
		if err != nil {
			t.Fatal(err)
		}
		count++
		if err := crdt.CheckCID(b.Raw, b.CID); err != nil {
			t.Fatal(err)
		}
		if b.Seq > 0 && !held[b.Prev.KeyString()] {
			t.Fatalf("block %d of feed %s stands before the one that it links to", b.Seq, b.Feed)
		}
		held[b.CID.KeyString()], last[b.Feed] = true, b
		if b.Codec == crdt.CodecColumns {
			readings += uint64(b.Count)
		}
	}
	if count != blocks.Count || readings != 630 {
		t.Errorf("got %d blocks with %d readings, want %d with 630", count, readings, blocks.Count)
	}
	if len(last) != 2 || len(blocks.Heads) != 2 {
		t.Errorf("got %d feeds with %d heads, want 2", len(last), len(blocks.Heads))
	}
	for _, head := range blocks.Heads {
		if b := last[head.Feed]; b == nil || !b.CID.Equals(head.CID) || b.Seq != head.Seq {
			t.Errorf("feed %s ends with %v, want its head", head.Feed, b)
		}
	}
}

func TestBlocks_noneAndSome(t *testing.T) {
	r := newRig(t)
	if _, err := r.db.Blocks(t.Context(), "climate"); !errors.Is(err, ErrNoCollection) {
		t.Errorf("got %v, want ErrNoCollection", err)
	}
	r.append("climate", r.noise(40)...)
	blocks, err := r.db.Blocks(t.Context(), "climate")
	if err != nil || blocks.Unsealed != 40 || blocks.Count != 0 || len(blocks.Heads) != 0 {
		t.Errorf("in the journal only: got %+v, %v", blocks, err)
	}
	for b, err := range blocks.Seq {
		t.Errorf("in the journal only: got %v, %v", b, err)
	}
	r.seal("climate", 40, 4)
	for stop := range 14 { // a reader that has enough
		if blocks, err = r.db.Blocks(t.Context(), "climate"); err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, err := range blocks.Seq {
			if err != nil {
				t.Fatal(err)
			}
			if seen++; seen > stop {
				break
			}
		}
		for _, err := range blocks.Seq {
			if !errors.Is(err, errSpent) {
				t.Errorf("read again: got %v, want errSpent", err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	if blocks, err = r.db.Blocks(ctx, "climate"); err != nil {
		t.Fatal(err)
	}
	cancel()
	for b, err := range blocks.Seq {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after the end of the context: %v, %v", b, err)
		}
	}
}

// TestBlocks_missing: a block that is gone, or another one in its place, is named.
func TestBlocks_missing(t *testing.T) {
	for _, meta := range []bool{false, true} {
		r := newRig(t)
		for i := range 5 { // a series each: a meta block each
			r.append("climate", sensors.Reading{Series: r.series(string(rune('a'+i)), sensors.Float), Time: testStart + int64(i)})
			r.seal("climate", 1, 1)
		}
		all, err := r.tryBlocks("climate")
		if err != nil || len(all) != 12 {
			t.Fatalf("%d blocks, %v, want 12", len(all), err)
		}
		c := r.db.collections["climate"]
		f, key := c.ownData, blockKey(keyBlock, c.number, c.segments[0].segment, c.ownData.number, 3)
		if meta {
			f, key = c.ownMeta, metaKey(c.number, c.ownMeta.number, 3)
		}
		txn := r.db.badger.NewTransaction(true)
		if err := errors.Join(txn.Delete(key), txn.Commit()); err != nil {
			t.Fatal(err)
		}
		want := "block 3 of feed " + f.id.String()
		if _, err := r.tryBlocks("climate"); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("gone: got %v, want %q", err, want)
		}
		var changed []byte
		for _, b := range all {
			if b.Feed == f.id && b.Seq == 3 {
				changed = bytes.Clone(b.Raw)
				changed[len(changed)-1] ^= 1 // of the signature: it still decodes
			}
		}
		for name, raw := range map[string][]byte{"another": all[0].Raw, "changed": changed} {
			txn = r.db.badger.NewTransaction(true)
			if err := errors.Join(txn.Set(key, raw), txn.Commit()); err != nil {
				t.Fatal(err)
			}
			if _, err := r.tryBlocks("climate"); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", name, err, want)
			}
		}
	}
}

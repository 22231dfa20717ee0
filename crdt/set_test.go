package crdt_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ipfs/go-cid"

	"github.com/skerry-edge/skerry/crdt"
)

func TestDigest_golden(t *testing.T) {
	v := vectors(t)
	// The wanted values were computed by hand from the golden files with Python's hashlib.
	heads := []crdt.Head{v["meta"].Head(), v["unsynced"].Head()}
	const want = "f450e4ee333be3eb5439cbef136279dcb5ba11a08179e8dd941d51097156d7ca"
	for range 2 {
		heads[0], heads[1] = heads[1], heads[0]
		if got := fmt.Sprintf("%x", crdt.Digest(heads)); got != want {
			t.Errorf("digest %s, want %s", got, want)
		}
	}
	if got := fmt.Sprintf("%x", crdt.Digest(append(heads, heads...))); got != want {
		t.Errorf("digest of heads that repeat %s, want %s", got, want)
	}
	if got, want := fmt.Sprintf("%x", crdt.Digest(nil)), "8154e827e0d9a263459f028137ffd4039d3231247c3f4644ebfc93290a91e34d"; got != want {
		t.Errorf("empty digest %s, want %s", got, want)
	}
	if got, want := crdt.BranchID(v["opening-data"].Feed, v["events"].CID).String(), "66a65b01f189caf96ad6a3a45d52144d"; got != want {
		t.Errorf("branch %s, want %s", got, want)
	}
}

// grow returns the blocks of random feeds of several authors, with forks and forks of forks.
func grow(t *testing.T, r *rand.Rand) []*crdt.Block {
	t.Helper()
	var blocks []*crdt.Block
	for n := range byte(1 + r.IntN(3)) {
		meta, data, openings := feeds(t, key(10*n))
		blocks = append(blocks, openings...)
		for _, f := range []*crdt.Feed{meta, data} {
			var places []crdt.Head
			for i := range r.IntN(12) {
				seq, head := f.Head()
				places = append(places, crdt.Head{Seq: seq, CID: head})
				if r.IntN(4) == 0 {
					p := places[r.IntN(len(places))]
					f.Rewind(p.Seq, p.CID)
				}
				blocks = append(blocks, add(t, f, fmt.Sprint(i)))
			}
		}
	}
	return blocks
}

// TestSet_anyOrder: heads and digest depend on the blocks only, not on order, repeats or grouping.
func TestSet_anyOrder(t *testing.T) {
	r := random(t)
	for range 50 {
		blocks := grow(t, r)
		var first crdt.Set
		for _, b := range blocks {
			first.Add(b)
		}
		for range 5 {
			var parts [3]crdt.Set
			for _, i := range r.Perm(len(blocks)) {
				for range 1 + r.IntN(3) { // one block in several stores, and several times in one
					parts[r.IntN(len(parts))].Add(reread(t, blocks[i]))
				}
			}
			parts[1].Merge(&parts[2])
			parts[0].Merge(&parts[1])
			parts[0].Merge(&parts[2])
			if diff := cmp.Diff(first.Heads(), parts[0].Heads(), cmp.Comparer(cid.Cid.Equals)); diff != "" {
				t.Fatalf("heads (-first +other order):\n%s", diff)
			}
			if first.Digest() != parts[0].Digest() || first.Len() != parts[0].Len() {
				t.Fatal("another digest or number of blocks")
			}
		}
		if first.Digest() != crdt.Digest(first.Heads()) {
			t.Fatal("the digest is not that of the heads")
		}
	}
}

// TestSet_everyBlockCounts: no block can be left out without the digest noticing.
func TestSet_everyBlockCounts(t *testing.T) {
	blocks := grow(t, random(t))
	var whole crdt.Set
	for _, b := range blocks {
		whole.Add(b)
	}
	for i, left := range blocks {
		var s crdt.Set
		for _, b := range blocks {
			if !b.CID.Equals(left.CID) {
				s.Add(b)
			}
		}
		if s.Len() == whole.Len()-1 && s.Digest() == whole.Digest() {
			t.Errorf("the digest is the same without block %d of feed %s", blocks[i].Seq, blocks[i].Feed)
		}
	}
}

func TestSet_Add_repeatIsNoOp(t *testing.T) {
	_, blocks := history(t, key(1), 3)
	var s crdt.Set
	for _, b := range blocks {
		if !s.Add(b) {
			t.Error("a new block was there before")
		}
	}
	digest := s.Digest()
	if s.Add(reread(t, blocks[2])) || s.Digest() != digest || s.Len() != 4 {
		t.Error("a repeat changed the set")
	}
	if s.Block(blocks[2].CID) == nil || s.Block(cid.Undef) != nil {
		t.Error("Block does not find what is there, or finds what is not")
	}
	if got := s.Blocks(); len(got) != 4 || got[3] != blocks[3] {
		t.Errorf("blocks %v", got)
	}
}

// TestSet_fork: 0 - 1 - 2 - 3 and 2' - 3' after 1, then 4” and 4”' after 3'.
func TestSet_fork(t *testing.T) {
	_, data, openings := feeds(t, key(1))
	b := map[string]*crdt.Block{"0": openings[1]}
	after := func(prev, name string) {
		data.Rewind(b[prev].Seq, b[prev].CID)
		b[name] = add(t, data, name)
	}
	after("0", "1")
	after("1", "2")
	after("2", "3")
	after("1", "2'")
	after("2'", "3'")
	after("3'", "4''")
	after("3'", "4'''")
	var s crdt.Set
	for _, block := range b {
		s.Add(block)
	}
	feed := data.ID()
	left := crdt.BranchID(feed, b["2"].CID)
	right := crdt.BranchID(feed, b["2'"].CID)
	want := map[crdt.FeedID]*crdt.Block{
		feed:                                b["1"],
		left:                                b["3"],
		right:                               b["3'"],
		crdt.BranchID(right, b["4''"].CID):  b["4''"],
		crdt.BranchID(right, b["4'''"].CID): b["4'''"],
	}
	got := s.Heads()
	if len(got) != len(want) {
		t.Errorf("%d heads, want %d", len(got), len(want))
	}
	for _, h := range got {
		if w := want[h.Feed]; w == nil || !w.CID.Equals(h.CID) || w.Seq != h.Seq {
			t.Errorf("head %v is not expected", h)
		}
	}
}

// TestSet_waitsForBlocksBelow: what is not connected to its opening block does not count yet.
func TestSet_waitsForBlocksBelow(t *testing.T) {
	_, blocks := history(t, key(1), 3)
	var s crdt.Set
	s.Add(blocks[3])
	s.Add(blocks[2])
	if len(s.Heads()) != 0 {
		t.Errorf("heads without an opening block: %v", s.Heads())
	}
	s.Add(blocks[0])
	if h := s.Heads(); len(h) != 1 || h[0] != blocks[0].Head() {
		t.Errorf("heads over a hole: %v", h)
	}
	s.Add(blocks[1])
	if h := s.Heads(); len(h) != 1 || h[0] != blocks[3].Head() {
		t.Errorf("heads: %v", h)
	}
}

// TestSet_strangersDoNotContinue: a block that links to another feed's block, or leaves a seq out, continues
// nothing.
func TestSet_strangersDoNotContinue(t *testing.T) {
	_, blocks := history(t, key(1), 1)
	opening := crdt.Opening{MaxBlock: crdt.MaxBlockBytes}
	top := blocks[1]
	stranger := add(t, crdt.ResumeFeed(key(1), crdt.FeedID{1}, opening, top.Seq, top.CID), "stranger")
	skipped := add(t, crdt.ResumeFeed(key(1), top.Feed, opening, top.Seq+1, top.CID), "skipped")
	var s crdt.Set
	for _, b := range append(blocks, stranger, skipped) {
		s.Add(b)
	}
	if h := s.Heads(); len(h) != 1 || h[0] != top.Head() {
		t.Errorf("heads: %v", h)
	}
}

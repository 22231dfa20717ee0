package crdt

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ipfs/go-cid"
)

// Set is a collection's blocks in memory, with the merge rule that every store follows: what a Set says is a
// function of the blocks in it, never of the order in which they came or of how often. The zero value is
// empty. Not safe for concurrent use.
//
// A feed is the chain from its opening block on. Where two blocks follow one, it ends with that one, and
// each of the two starts a branch with an id and a head of its own. A block counts as soon as all blocks
// below it are there.
type Set struct {
	blocks   map[cid.Cid]*Block
	openings []*Block
	after    map[cid.Cid][]*Block // what follows a block
}

// Add puts a block in and reports whether it was not there before. The caller has verified it (Chain);
// the set keeps it.
func (s *Set) Add(b *Block) bool {
	if s.blocks == nil {
		s.blocks = make(map[cid.Cid]*Block)
		s.after = make(map[cid.Cid][]*Block)
	}
	if s.blocks[b.CID] != nil {
		return false
	}
	s.blocks[b.CID] = b
	if b.Seq == 0 {
		s.openings = append(s.openings, b)
	} else {
		s.after[b.Prev] = append(s.after[b.Prev], b)
	}
	return true
}

// Len returns the number of blocks.
func (s *Set) Len() int { return len(s.blocks) }

// Block returns the block with the name, or nil.
func (s *Set) Block(c cid.Cid) *Block { return s.blocks[c] }

// Heads returns the head of every feed and branch, ordered by feed id.
func (s *Set) Heads() []Head {
	heads := make([]Head, 0, len(s.openings))
	open := make([]Head, 0, len(s.openings)) // starts of feeds and branches, under their ids
	for _, b := range s.openings {
		open = append(open, b.Head())
	}
	for len(open) > 0 {
		at := open[len(open)-1]
		open = open[:len(open)-1]
		next := s.next(at.CID)
		for len(next) == 1 {
			at = Head{at.Feed, next[0].Seq, next[0].CID}
			next = s.next(at.CID)
		}
		heads = append(heads, at)
		for _, b := range next {
			open = append(open, Head{BranchID(at.Feed, b.CID), b.Seq, b.CID})
		}
	}
	slices.SortFunc(heads, compareHeads)
	return heads
}

// next returns the blocks that follow the one with the name: same feed, seq one more.
func (s *Set) next(c cid.Cid) []*Block {
	b := s.blocks[c]
	var next []*Block
	for _, n := range s.after[c] {
		if n.Feed == b.Feed && n.Seq-1 == b.Seq {
			next = append(next, n)
		}
	}
	return next
}

// Digest returns the heads digest.
func (s *Set) Digest() [32]byte { return Digest(s.Heads()) }

// Merge puts in all blocks of another set.
func (s *Set) Merge(other *Set) {
	for _, b := range other.blocks {
		s.Add(b)
	}
}

// Blocks returns all blocks, ordered by feed, seq and CID.
func (s *Set) Blocks() []*Block {
	blocks := make([]*Block, 0, len(s.blocks))
	for _, b := range s.blocks {
		blocks = append(blocks, b)
	}
	slices.SortFunc(blocks, func(a, b *Block) int {
		return cmp.Or(
			slices.Compare(a.Feed[:], b.Feed[:]), cmp.Compare(a.Seq, b.Seq),
			strings.Compare(a.CID.KeyString(), b.CID.KeyString()),
		)
	})
	return blocks
}

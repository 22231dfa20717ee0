package export

import (
	"fmt"
	"io"
	"iter"

	"github.com/ipfs/go-cid"

	"github.com/skerry-edge/skerry/crdt"
)

// CAR writes blocks, of which each comes after those that it links to, as a CAR with the roots, which ascend and are the
// last blocks of all their feeds; it returns how many. It checks that each block's CID names its bytes, that it continues its
// feed, and in the end that the feeds end with the roots. It holds one block in memory. It stops at the first error, of blocks, a
// check or w; then what was written is a CAR of some of them.
func CAR(w io.Writer, roots []cid.Cid, blocks iter.Seq2[*crdt.Block, error]) (int64, error) {
	buf, err := crdt.AppendCARHeader(make([]byte, 0, chunkBytes+crdt.MaxBlockBytes), roots)
	if err != nil {
		return 0, fmt.Errorf("write blocks: %w", err)
	}
	var count int64
	heads := map[crdt.FeedID]cid.Cid{}
	for b, err := range blocks {
		if err != nil {
			return count, err
		}
		if err := follows(heads, b); err != nil {
			return count, fmt.Errorf("write blocks: block %d of feed %s: %w", b.Seq, b.Feed, err)
		}
		buf = crdt.AppendCARBlock(buf, b)
		count++
		if len(buf) >= chunkBytes {
			if err := flush(w, buf); err != nil {
				return count, err
			}
			buf = buf[:0]
		}
	}
	left := map[string]bool{}
	for _, head := range heads {
		left[head.KeyString()] = true
	}
	for _, root := range roots {
		if !left[root.KeyString()] {
			return count, fmt.Errorf("write blocks: root %s is not the last block of a feed: %w", root, crdt.ErrChain)
		}
	}
	if len(left) != len(roots) {
		return count, fmt.Errorf("write blocks: %d feeds with %d roots: %w", len(left), len(roots), crdt.ErrChain)
	}
	return count, flush(w, buf)
}

// follows checks that b is what it says and comes after the block that is its feed's last so far, and makes it that.
func follows(heads map[crdt.FeedID]cid.Cid, b *crdt.Block) error {
	if err := crdt.CheckCID(b.Raw, b.CID); err != nil {
		return err
	}
	last, begun := heads[b.Feed]
	if begun == (b.Seq == 0) || begun && !b.Prev.Equals(last) {
		return crdt.ErrChain
	}
	heads[b.Feed] = b.CID
	return nil
}

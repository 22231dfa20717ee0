package crdt

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/ipfs/go-cid"
)

// Head is a block's place: in a frontier and a digest that of a feed's newest block.
type Head struct {
	Feed FeedID
	Seq  uint64
	CID  cid.Cid
}

// compareHeads orders by feed, then CID, then seq.
func compareHeads(a, b Head) int {
	return cmp.Or(
		bytes.Compare(a.Feed[:], b.Feed[:]),
		strings.Compare(a.CID.KeyString(), b.CID.KeyString()),
		cmp.Compare(a.Seq, b.Seq),
	)
}

// Digest returns the heads digest of a collection: equal digests mean that both sides know the same
// history. heads are those of all its feeds and branches, data and meta, in any order; one that is
// there twice counts once. It is
//
//	sha2-256("skerry/heads/1" ‖ for each, by feed and CID ascending: feed (16 bytes) ‖ CID (36 bytes))
func Digest(heads []Head) [sha256.Size]byte {
	sorted := slices.SortedFunc(slices.Values(heads), compareHeads)
	sorted = slices.CompactFunc(sorted, func(a, b Head) bool { return a.Feed == b.Feed && a.CID.Equals(b.CID) })
	const domain = "skerry/heads/1"
	in := make([]byte, 0, len(domain)+len(sorted)*(len(FeedID{})+cidBytes))
	in = append(in, domain...)
	for _, h := range sorted {
		in = append(in, h.Feed[:]...)
		in = append(in, h.CID.KeyString()...)
	}
	return sha256.Sum256(in)
}

// BranchID returns the id of the branch of the feed that starts with the block named at, where two
// valid blocks follow one: the first 16 bytes of sha2-256("skerry/branch/1" ‖ feed ‖ CID). The feed
// may be a branch itself.
func BranchID(feed FeedID, at cid.Cid) FeedID {
	const domain = "skerry/branch/1"
	in := make([]byte, 0, len(domain)+len(feed)+cidBytes)
	in = append(in, domain...)
	in = append(in, feed[:]...)
	in = append(in, at.KeyString()...)
	sum := sha256.Sum256(in)
	return FeedID(sum[:len(feed)])
}

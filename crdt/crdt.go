// Package crdt keeps collections that merge without conflict.
//
// A collection is the union of its blocks. Blocks are nodes of a Merkle-DAG, content addressed and
// signed, and each author appends its own to a chain, the feed:
//
//	opening (seq 0) <-- block 1 <-- block 2 <-- … <-- head      <-- is "prev", a link (CID)
//
//	Block     one node: bytes, their CID, and what they say        block.go
//	Opening   what a feed's first block says about all the others  opening.go
//	Feed      the writing end of one's own feed                    feed.go
//	Chain     checks a contiguous range of somebody's feed         chain.go
//	Frontier  which blocks of a feed a store holds                 frontier.go
//	Digest    whether two stores know the same history             digest.go
//	Set       the merge itself, in memory: the model for stores    set.go
//	Entry     what meta feeds carry: series, anchors, losses, sums meta.go
//	CARReader files of blocks                                     car.go
//
// The package is pure: its functions depend on their arguments only, read no clock and do no I/O.
// What it calls bytes is final: layouts are drawn beside the types, a change takes a new version or
// a new code, and codes are append-only.
package crdt

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Limits. Every one is checked before memory is taken for what it bounds.
const (
	MaxBlockBytes   = 256 << 10 // of a block, signature included
	MinBlockBytes   = 1 << 10   // the smallest limit that an opening may set for its feed's blocks
	MaxPayloadBytes = 4 << 20   // of a payload after inflation; of a meta payload
	MaxLinks        = 32        // of a block, beside prev
	MaxSeq          = 1<<63 - 1 // so that signed 64-bit integers hold every seq
	MaxNameBytes    = 256       // of a collection's name
	MaxStringBytes  = 1 << 10   // of any other string
	MaxTags         = 32        // of a series
	MaxMetaEntries  = 16384     // of a meta payload
	MaxHeldRanges   = 64        // of a frontier
)

// The errors that callers branch on. They are wrapped with what was wrong.
var (
	// ErrMalformed: the bytes are no block, opening or meta payload, or not the canonical ones.
	ErrMalformed = errors.New("malformed")
	// ErrVersion: the bytes are a block of a version that this program does not know.
	ErrVersion = errors.New("unknown version")
	// ErrLimit: one of the package's limits would be passed.
	ErrLimit = errors.New("over the limit")
	// ErrCIDMismatch: the bytes are not those that the CID names.
	ErrCIDMismatch = errors.New("cid mismatch")
	// ErrBadSignature: the author did not sign the block.
	ErrBadSignature = errors.New("bad signature")
	// ErrChain: a block does not continue the feed where it should.
	ErrChain = errors.New("broken chain")
	// ErrFork: two different blocks stand at one place of a feed.
	ErrFork = errors.New("fork")
)

// FeedID names a feed: the first 16 bytes of its opening block's sha2-256 digest. The zero value
// names no feed.
type FeedID [16]byte

// String returns the id in hex.
func (id FeedID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id names no feed.
func (id FeedID) IsZero() bool { return id == FeedID{} }

// ParseFeedID is the inverse of String.
func ParseFeedID(s string) (FeedID, error) {
	var id FeedID
	if len(s) != 2*len(id) {
		return FeedID{}, fmt.Errorf("parse feed id: want %d hex digits, got %d bytes", 2*len(id), len(s))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return FeedID{}, fmt.Errorf("parse feed id: %w", err)
	}
	return id, nil
}

// Incarnation is drawn at random when an author opens its feeds of a collection anew, so that they
// never get the ids of the old ones.
type Incarnation [16]byte

// String returns the incarnation in hex.
func (i Incarnation) String() string { return hex.EncodeToString(i[:]) }

// CollectionID names a collection by what makes two collections the same one.
type CollectionID [16]byte

// String returns the id in hex.
func (id CollectionID) String() string { return hex.EncodeToString(id[:]) }

// CollectionIDOf returns the first 16 bytes of
// sha2-256("skerry/collection/1" ‖ 00 ‖ kind ‖ 00 or 01 when encrypted ‖ name).
func CollectionIDOf(name string, kind Kind, encrypted bool) CollectionID {
	const domain = "skerry/collection/1\x00"
	in := make([]byte, 0, len(domain)+2+len(name))
	in = append(in, domain...)
	in = append(in, byte(kind), 0)
	if encrypted {
		in[len(in)-1] = 1
	}
	in = append(in, name...)
	sum := sha256.Sum256(in)
	return CollectionID(sum[:16])
}

// Kind is a collection's merge rule. Codes are bytes on disk: append-only.
type Kind uint8

// The kinds.
const (
	Events  Kind = 1 // union of blocks
	Records Kind = 2 // documents of registers, counters and sets
	KV      Kind = 3 // one register a key
)

// String returns the kind as configuration and JSON write it.
func (k Kind) String() string {
	switch k {
	case Events:
		return "events"
	case Records:
		return "records"
	case KV:
		return "kv"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// ParseKind is the inverse of String for the known kinds.
func ParseKind(s string) (Kind, error) {
	for _, k := range []Kind{Events, Records, KV} {
		if s == k.String() {
			return k, nil
		}
	}
	return 0, fmt.Errorf("parse kind %.32q: want events, records or kv", s)
}

// Role says which of an author's two feeds in a collection a feed is. Codes are bytes on disk:
// append-only.
type Role uint8

// The roles.
const (
	Data Role = 1 // readings or operations
	Meta Role = 2 // what the data feed relies on: see Entry
)

// String returns the role's name.
func (r Role) String() string {
	switch r {
	case Data:
		return "data"
	case Meta:
		return "meta"
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}

// Codec says how a block's payload is written. Codes are bytes on disk: append-only. A block with a
// codec that a program does not know is kept and forwarded like any other.
type Codec uint64

// The codecs.
const (
	CodecOpening Codec = 0 // an Opening; in a block with an epoch: the codec is inside the payload
	CodecColumns Codec = 1 // "columns/1": package columns
	CodecMeta    Codec = 2 // "meta/1": see Entry
)

// String returns the codec's name with its version.
func (c Codec) String() string {
	switch c {
	case CodecOpening:
		return "opening"
	case CodecColumns:
		return "columns/1"
	case CodecMeta:
		return "meta/1"
	}
	return fmt.Sprintf("codec(%d)", uint64(c))
}

// checkText reports why s is not min to max bytes of UTF-8.
func checkText(what, s string, minimum, maximum int) error {
	switch {
	case len(s) < minimum:
		return fmt.Errorf("%s is empty: %w", what, ErrMalformed)
	case len(s) > maximum:
		return fmt.Errorf("%s of %d bytes, want at most %d: %w", what, len(s), maximum, ErrLimit)
	case !utf8.ValidString(s):
		return fmt.Errorf("%s is not UTF-8: %w", what, ErrMalformed)
	}
	return nil
}

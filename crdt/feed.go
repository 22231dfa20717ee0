package crdt

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ipfs/go-cid"
)

// Feed is the writing end of one's own feed: it makes the next block. It holds nothing but the place
// of the head; keeping the blocks is the caller's. Not safe for concurrent use.
//
// There must be one Feed for a feed at a time, and a head must never be gone back from once its block
// left the machine: two blocks at one place are a fork, for ever.
type Feed struct {
	// Constant.
	key     ed25519.PrivateKey
	id      FeedID
	opening Opening

	seq  uint64
	head cid.Cid
}

// Draft is what the caller says of the next block. The block gets a copy of the payload and of the
// links, which may come in any order and repeat.
type Draft struct {
	Links   []cid.Cid
	Needs   uint64
	Clock   Clock
	Count   uint32
	Codec   Codec
	Epoch   uint64
	Payload []byte
}

// OpenFeed makes a feed and its opening block, from which the feed gets its id. The author is set from
// the key, and a limit of zero to the package's. Whatever else of o breaks a rule is an error that
// wraps ErrMalformed or ErrLimit.
func OpenFeed(key ed25519.PrivateKey, o Opening, c Clock) (*Feed, *Block, error) {
	author, err := authorOfPrivate(key)
	if err != nil {
		return nil, nil, fmt.Errorf("open feed: %w", err)
	}
	o.Author = author
	if o.MaxBlock == 0 {
		o.MaxBlock = MaxBlockBytes
	}
	if o.MaxPayload == 0 {
		o.MaxPayload = MaxPayloadBytes
	}
	payload, err := o.encode()
	if err != nil {
		return nil, nil, fmt.Errorf("open feed: %w", err)
	}
	b := &Block{Clock: c, Codec: CodecOpening, Payload: payload}
	if err := b.seal(key, o.MaxBlock); err != nil {
		return nil, nil, fmt.Errorf("open feed: %w", err)
	}
	return &Feed{key: key, id: b.Feed, opening: o, head: b.CID}, b, nil
}

// ResumeFeed returns the feed with the id and opening whose newest block is headSeq, named head. It
// believes the caller, who keeps all of these.
func ResumeFeed(key ed25519.PrivateKey, id FeedID, o Opening, headSeq uint64, head cid.Cid) *Feed {
	return &Feed{key: key, id: id, opening: o, seq: headSeq, head: head}
}

func authorOfPrivate(key ed25519.PrivateKey) (Author, error) {
	if len(key) != ed25519.PrivateKeySize {
		return Author{}, fmt.Errorf("key of %d bytes, want %d", len(key), ed25519.PrivateKeySize)
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return Author{}, errors.New("key is not Ed25519")
	}
	return AuthorOf(public), nil
}

// ID returns the feed's id.
func (f *Feed) ID() FeedID { return f.id }

// Opening returns what the opening block says.
func (f *Feed) Opening() Opening { return f.opening }

// Head returns the place of the newest block.
func (f *Feed) Head() (uint64, cid.Cid) { return f.seq, f.head }

// Append makes, signs and returns the block after the head, and moves the head to it. After an error,
// which wraps ErrMalformed or ErrLimit, the feed is as it was. A caller that fails to keep the block
// must Rewind before it appends again.
func (f *Feed) Append(d Draft) (*Block, error) {
	if _, err := authorOfPrivate(f.key); err != nil {
		return nil, fmt.Errorf("append to %s: %w", f.id, err)
	}
	if f.seq >= MaxSeq {
		return nil, fmt.Errorf("append to %s: feed is full: %w", f.id, ErrLimit)
	}
	links := slices.SortedFunc(slices.Values(d.Links), func(a, b cid.Cid) int {
		return strings.Compare(a.KeyString(), b.KeyString())
	})
	b := &Block{
		Feed: f.id, Seq: f.seq + 1, Prev: f.head, Links: slices.Compact(links), Needs: d.Needs, Clock: d.Clock,
		Count: d.Count, Codec: d.Codec, Epoch: d.Epoch, Payload: d.Payload,
	}
	if err := b.seal(f.key, f.opening.MaxBlock); err != nil {
		return nil, fmt.Errorf("append to %s: %w", f.id, err)
	}
	f.seq, f.head = b.Seq, b.CID
	return b, nil
}

// Rewind puts the head back to where it was before blocks that the caller could not keep and that
// nobody else has seen.
func (f *Feed) Rewind(seq uint64, head cid.Cid) { f.seq, f.head = seq, head }

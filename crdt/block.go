package crdt

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"
)

// Block is one node of the Merkle-DAG. It is immutable; a decoded one shares memory with the bytes
// it was decoded from.
//
// On the wire a block is one dag-cbor array:
//
//	8c                 array of 12
//	   01              version
//	   50 …            feed: 16 bytes; in an opening block 40, no bytes, as the id is the block's own
//	   seq             0 for the opening block, then one more each
//	   d8 2a 58 25 …   prev: link to seq-1; f6, null, in an opening block
//	   8n …            links: at most 32, by the bytes of their CIDs ascending, each once
//	   needs           the lowest seq of the meta feed that defines all of the payload's series
//	   84 … or 86 …    clock: see Clock
//	   count           readings, operations or meta entries in the payload
//	   codec           of the payload: see Codec
//	   epoch           0: the payload is clear; else the epoch of the key that it is encrypted with,
//	                   and codec and count are 0, as they are inside
//	   5n …            payload: bytes
//	   58 40 …         sig: 64 bytes, Ed25519 by the author over
//	                   "skerry/block/1" ‖ sha2-256(the same array without sig)
//
// The array without sig differs only in its first byte, 8b, and in ending before 58 40. A block's
// name is the CIDv1 (dag-cbor, sha2-256) of all its bytes: links cover signatures too.
type Block struct {
	Feed    FeedID
	Seq     uint64
	Prev    cid.Cid   // cid.Undef in an opening block
	Links   []cid.Cid // heads of other feeds that the author saw; ascending
	Needs   uint64
	Clock   Clock
	Count   uint32
	Codec   Codec
	Epoch   uint64
	Payload []byte
	Sig     [ed25519.SignatureSize]byte
	Raw     []byte  // the block's bytes
	CID     cid.Cid // of Raw
}

const (
	blockVersion = 1
	signDomain   = "skerry/block/1"
	arraySigned  = majorArray | 12
	arrayClear   = majorArray | 11 // without sig
	arrayHead    = majorArray | 10 // without payload and sig
	sigHead      = "\x58\x40"
	sigItem      = len(sigHead) + ed25519.SignatureSize
	// headRoom is what a payload's head and the signature take at most.
	headRoom = 5 + sigItem
)

// wireHead is a block's first ten elements.
type wireHead struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Feed    []byte
	Seq     uint64
	Prev    link
	Links   []link
	Needs   uint64
	Clock   any // clockSynced or clockUnsynced
	Count   uint32
	Codec   uint64
	Epoch   uint64
}

// wireBlock is a whole block; the parts that need care are left encoded.
type wireBlock struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Feed    []byte
	Seq     uint64
	Prev    link
	Links   []link
	Needs   uint64
	Clock   view
	Count   uint32
	Codec   uint64
	Epoch   uint64
	Payload view
	Sig     view
}

type clockSynced struct {
	_       struct{} `cbor:",toarray"`
	First   int64
	Span    uint64
	Hybrid  uint64
	Quality ClockQuality
}

type clockUnsynced struct {
	_       struct{} `cbor:",toarray"`
	First   int64
	Span    uint64
	Hybrid  uint64
	Quality ClockQuality
	Boot    []byte
	Mono    uint64
}

// CIDOf returns the name of a block with these bytes.
func CIDOf(raw []byte) cid.Cid {
	sum := sha256.Sum256(raw)
	return cidOfSum(sum)
}

func cidOfSum(sum [sha256.Size]byte) cid.Cid {
	return cid.NewCidV1(cid.DagCBOR, mh.Multihash(append([]byte(cidPrefix[2:]), sum[:]...)))
}

// CheckCID returns ErrCIDMismatch unless want names the bytes.
func CheckCID(raw []byte, want cid.Cid) error {
	if got := CIDOf(raw); !got.Equals(want) {
		return fmt.Errorf("check block: bytes are of %s, not %s: %w", got, want, ErrCIDMismatch)
	}
	return nil
}

// DecodeBlock reads a block. It takes exactly the bytes that encoding gives and refuses all others
// with ErrMalformed, ErrVersion or ErrLimit. It checks neither the signature nor, in an opening
// block, the payload: see VerifySignature and Opening. The block keeps raw, which must not change
// any more, and its payload points into it.
func DecodeBlock(raw []byte) (*Block, error) {
	if len(raw) > MaxBlockBytes {
		return nil, fmt.Errorf("decode block: %d bytes, want at most %d: %w", len(raw), MaxBlockBytes, ErrLimit)
	}
	b, err := decodeBlock(raw)
	if err != nil {
		return nil, fmt.Errorf("decode block: %w", err)
	}
	return b, nil
}

func decodeBlock(raw []byte) (*Block, error) {
	if len(raw) < 2 || raw[0] != arraySigned {
		return nil, fmt.Errorf("not an array of 12: %w", ErrMalformed)
	}
	if raw[1] != blockVersion {
		return nil, fmt.Errorf("version item %#x, want %d: %w", raw[1], blockVersion, ErrVersion)
	}
	c, err := codecs()
	if err != nil {
		return nil, err
	}
	var w wireBlock
	if err := c.block.Unmarshal(raw, &w); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	b := &Block{
		Seq: w.Seq, Prev: w.Prev.cid, Needs: w.Needs, Count: w.Count,
		Codec: Codec(w.Codec), Epoch: w.Epoch, Raw: raw,
	}
	if b.Clock, err = decodeClock(c, w.Clock); err != nil {
		return nil, err
	}
	for _, l := range w.Links {
		b.Links = append(b.Links, l.cid)
	}
	if len(w.Feed) != 0 {
		if len(w.Feed) != len(b.Feed) {
			return nil, fmt.Errorf("feed of %d bytes: %w", len(w.Feed), ErrMalformed)
		}
		b.Feed = FeedID(w.Feed)
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	if err := b.splitTail(c); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	b.CID = cidOfSum(sum)
	if b.Seq == 0 {
		b.Feed = FeedID(sum[:len(b.Feed)])
	}
	return b, nil
}

// splitTail checks that Raw starts with the canonical head and that nothing but a payload and a
// signature in canonical form follows it, and sets both.
func (b *Block) splitTail(c codec) error {
	head, err := b.encodeHead(c)
	if err != nil {
		return err
	}
	tail, ok := bytes.CutPrefix(b.Raw[1:], head[1:])
	if !ok || len(tail) < sigItem {
		return fmt.Errorf("not in canonical form: %w", ErrMalformed)
	}
	payload, sig := tail[:len(tail)-sigItem], tail[len(tail)-sigItem:]
	if string(sig[:len(sigHead)]) != sigHead {
		return fmt.Errorf("signature is not 64 bytes: %w", ErrMalformed)
	}
	if b.Payload, err = byteString(payload); err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	copy(b.Sig[:], sig[len(sigHead):])
	return nil
}

// byteString returns the content of an item that is a byte string in shortest form and nothing else.
func byteString(item []byte) ([]byte, error) {
	for _, size := range []int{1, 2, 3, 5} { // of a head
		if size > len(item) {
			break
		}
		var head [5]byte
		n := len(item) - size
		if bytes.Equal(appendHead(head[:0], majorBytes, uint32(n)), item[:size]) { //nolint:gosec // n < MaxBlockBytes
			return item[size:], nil
		}
	}
	return nil, fmt.Errorf("not a byte string in shortest form: %w", ErrMalformed)
}

func decodeClock(c codec, item view) (Clock, error) {
	if len(item) > 0 && item[0] == majorArray|6 {
		var w clockUnsynced
		if err := c.block.Unmarshal(item, &w); err != nil {
			return Clock{}, fmt.Errorf("clock: %w: %w", ErrMalformed, err)
		}
		if w.Quality != ClockUnsynced || len(w.Boot) != len(Clock{}.Boot) {
			return Clock{}, fmt.Errorf("clock: boot and mono do not fit its quality: %w", ErrMalformed)
		}
		return Clock{w.First, w.Span, w.Hybrid, w.Quality, [8]byte(w.Boot), w.Mono}, nil
	}
	var w clockSynced
	if err := c.block.Unmarshal(item, &w); err != nil {
		return Clock{}, fmt.Errorf("clock: %w: %w", ErrMalformed, err)
	}
	return Clock{First: w.First, Span: w.Span, Hybrid: w.Hybrid, Quality: w.Quality}, nil
}

// wire returns the clock as it is encoded.
func (c Clock) wire() any {
	if c.Quality == ClockUnsynced {
		return clockUnsynced{
			First: c.First, Span: c.Span, Hybrid: c.Hybrid, Quality: c.Quality, Boot: c.Boot[:], Mono: c.Mono,
		}
	}
	return clockSynced{First: c.First, Span: c.Span, Hybrid: c.Hybrid, Quality: c.Quality}
}

// check reports the first rule that the head breaks. In an opening block Feed must be zero.
func (b *Block) check() error {
	if b.Seq > MaxSeq || b.Needs > MaxSeq {
		return fmt.Errorf("seq %d, needs %d, want at most %d: %w", b.Seq, b.Needs, uint64(MaxSeq), ErrLimit)
	}
	if b.Seq == 0 {
		if !b.Feed.IsZero() || b.Prev.Defined() || b.Codec != CodecOpening || b.Epoch != 0 || b.Needs != 0 || b.Count != 0 {
			return fmt.Errorf("an opening block has no feed, prev, needs, count or epoch: %w", ErrMalformed)
		}
	} else {
		if b.Feed.IsZero() || !b.Prev.Defined() {
			return fmt.Errorf("block %d has no feed or prev: %w", b.Seq, ErrMalformed)
		}
		if (b.Codec == CodecOpening) != (b.Epoch != 0) || b.Epoch != 0 && b.Count != 0 {
			return fmt.Errorf("codec %d, count %d do not fit epoch %d: %w", b.Codec, b.Count, b.Epoch, ErrMalformed)
		}
	}
	if b.Clock.Quality != ClockUnsynced && (b.Clock.Boot != [8]byte{} || b.Clock.Mono != 0) {
		return fmt.Errorf("clock: boot and mono do not fit its quality: %w", ErrMalformed)
	}
	return b.checkLinks()
}

func (b *Block) checkLinks() error {
	if len(b.Links) > MaxLinks {
		return fmt.Errorf("%d links, want at most %d: %w", len(b.Links), MaxLinks, ErrLimit)
	}
	for i, l := range b.Links {
		if err := checkLink(l); err != nil {
			return err
		}
		if i > 0 && b.Links[i-1].KeyString() >= l.KeyString() {
			return fmt.Errorf("links do not ascend: %w", ErrMalformed)
		}
	}
	return nil
}

// encodeHead returns the array of the first ten elements.
func (b *Block) encodeHead(c codec) ([]byte, error) {
	w := wireHead{
		Version: blockVersion, Seq: b.Seq, Prev: link{b.Prev}, Needs: b.Needs, Clock: b.Clock.wire(),
		Count: b.Count, Codec: uint64(b.Codec), Epoch: b.Epoch,
	}
	if b.Seq != 0 {
		w.Feed = b.Feed[:]
	}
	for _, l := range b.Links {
		w.Links = append(w.Links, link{l})
	}
	head, err := c.enc.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("encode head: %w", err)
	}
	return head, nil
}

// seal encodes and signs the block and sets Sig, Raw, CID and, in an opening block, Feed.
func (b *Block) seal(key ed25519.PrivateKey, maxBytes uint32) error {
	if err := b.check(); err != nil {
		return err
	}
	c, err := codecs()
	if err != nil {
		return err
	}
	head, err := b.encodeHead(c)
	if err != nil {
		return err
	}
	if uint64(len(b.Payload)) > uint64(maxBytes) {
		return fmt.Errorf("payload of %d bytes in a block of at most %d: %w", len(b.Payload), maxBytes, ErrLimit)
	}
	raw := make([]byte, 0, len(head)+headRoom+len(b.Payload))
	raw = append(raw, head...)
	raw[0] = arraySigned
	raw = appendHead(raw, majorBytes, uint32(len(b.Payload))) //nolint:gosec // at most maxBytes
	start := len(raw)
	raw = append(raw, b.Payload...)
	if size := uint64(len(raw)) + uint64(sigItem); size > uint64(maxBytes) {
		return fmt.Errorf("block of %d bytes, want at most %d: %w", size, maxBytes, ErrLimit)
	}
	b.Payload = raw[start:len(raw):len(raw)]
	b.Sig = [ed25519.SignatureSize]byte(ed25519.Sign(key, signedMessage(raw)))
	raw = append(raw, sigHead...)
	b.Raw = append(raw, b.Sig[:]...)
	sum := sha256.Sum256(b.Raw)
	b.CID = cidOfSum(sum)
	if b.Seq == 0 {
		b.Feed = FeedID(sum[:len(b.Feed)])
	}
	return nil
}

// signedMessage returns what is signed of a block whose bytes up to the signature's head are given.
func signedMessage(unsigned []byte) []byte {
	h := sha256.New()
	h.Write([]byte{arrayClear})
	h.Write(unsigned[1:])
	return h.Sum(append(make([]byte, 0, len(signDomain)+sha256.Size), signDomain...))
}

// VerifySignature returns ErrBadSignature unless the author signed the block. For nobody, the zero Author, and for
// the few keys that anybody can sign for, it always does. The block must come from DecodeBlock or a Feed.
func (b *Block) VerifySignature(a Author) error {
	if a.weak() || len(b.Raw) < sigItem || !ed25519.Verify(a[:], signedMessage(b.Raw[:len(b.Raw)-sigItem]), b.Sig[:]) {
		return fmt.Errorf("verify block %s: %w", b.CID, ErrBadSignature)
	}
	return nil
}

// Head returns the block's place in the feed that it names (a branch's id is the caller's to put in).
func (b *Block) Head() Head { return Head{Feed: b.Feed, Seq: b.Seq, CID: b.CID} }

package crdt

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/fxamacker/cbor/v2"
	"github.com/ipfs/go-cid"
)

// Strictness. The library decodes more than it encodes (long integers, null for zero, foreign tags),
// so every decoder here encodes what it found once more and takes only the same bytes.

// codec is the CBOR library with our settings.
type codec struct {
	enc   cbor.EncMode // core deterministic: shortest forms, definite lengths
	block cbor.DecMode // for envelopes and openings
	meta  cbor.DecMode // for meta payloads
}

//nolint:gochecknoglobals // a constant: settings without state, built once on first use
var codecs = sync.OnceValues(newCodec)

func newCodec() (codec, error) {
	encode := cbor.CoreDetEncOptions()
	encode.NilContainers = cbor.NilContainerAsEmpty
	decode := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		UTF8:             cbor.UTF8RejectInvalid,
		MaxArrayElements: MaxLinks,
		MaxMapPairs:      16, // the least that the library takes; maps then fail on their Go type
		MaxNestedLevels:  4,  // block, links, tag 42
	}
	var c codec
	var err error
	if c.enc, err = encode.EncMode(); err != nil {
		return codec{}, fmt.Errorf("configure cbor: %w", err)
	}
	if c.block, err = decode.DecMode(); err != nil {
		return codec{}, fmt.Errorf("configure cbor: %w", err)
	}
	decode.MaxArrayElements = MaxMetaEntries
	decode.MaxNestedLevels = 8 // payload, entry, tags, and some for kinds yet to come
	if c.meta, err = decode.DecMode(); err != nil {
		return codec{}, fmt.Errorf("configure cbor: %w", err)
	}
	return c, nil
}

// view is a CBOR item left encoded, in the memory that it was decoded from.
type view []byte

// UnmarshalCBOR keeps the item's bytes without copying them.
func (v *view) UnmarshalCBOR(item []byte) error {
	*v = item
	return nil
}

// The CBOR major types that are read and written by hand, in their place in a head's first byte.
const (
	majorBytes = 2 << 5
	majorArray = 4 << 5
)

// appendHead appends the shortest head of an item of the major type with the argument n.
func appendHead(dst []byte, major byte, n uint32) []byte {
	switch {
	case n < 24:
		return append(dst, major|byte(n))
	case n <= 0xff:
		return append(dst, major|24, byte(n))
	case n <= 0xffff:
		return append(dst, major|25, byte(n>>8), byte(n)) //nolint:gosec // the low bytes are meant
	}
	return append(dst, major|26, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)) //nolint:gosec // the low bytes are meant
}

// A link is tag 42 around a byte string: 00, then the binary CID. Ours are all CIDv1, dag-cbor,
// sha2-256:
//
//	d8 2a   58 25           00   01     71        12        20        digest
//	tag 42  37 bytes follow      CIDv1  dag-cbor  sha2-256  32 bytes  32 bytes
const (
	linkHead  = "\xd8\x2a\x58\x25\x00"
	cidPrefix = "\x01\x71\x12\x20"
	cidBytes  = len(cidPrefix) + 32
	cborNull  = "\xf6"
)

// link is a CID on the wire, or null for the undefined one.
type link struct{ cid cid.Cid }

// MarshalCBOR writes the link.
func (l *link) MarshalCBOR() ([]byte, error) {
	if !l.cid.Defined() {
		return []byte(cborNull), nil
	}
	if err := checkLink(l.cid); err != nil {
		return nil, err
	}
	return append([]byte(linkHead), l.cid.KeyString()...), nil
}

// UnmarshalCBOR reads the link.
func (l *link) UnmarshalCBOR(item []byte) error {
	if string(item) == cborNull {
		l.cid = cid.Undef
		return nil
	}
	raw, ok := bytes.CutPrefix(item, []byte(linkHead))
	if !ok || len(raw) != cidBytes || string(raw[:len(cidPrefix)]) != cidPrefix {
		return errors.New("want a link: tag 42 with a dag-cbor sha2-256 CIDv1")
	}
	c, err := cid.Cast(raw)
	if err != nil {
		return fmt.Errorf("read link: %w", err)
	}
	l.cid = c
	return nil
}

// checkLink reports why c cannot be linked to.
func checkLink(c cid.Cid) error {
	if s := c.KeyString(); len(s) != cidBytes || s[:len(cidPrefix)] != cidPrefix {
		return fmt.Errorf("link %s is no dag-cbor sha2-256 CIDv1: %w", c, ErrMalformed)
	}
	return nil
}

package crdt

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"

	mh "github.com/multiformats/go-multihash"
)

// Author is the Ed25519 public key of a gateway. The zero value is nobody.
type Author [ed25519.PublicKeySize]byte

// An author in text is its libp2p peer ID, base58btc of the identity multihash of the protobuf
// message that libp2p wraps an Ed25519 key in:
//
//	00        24       08 01          12 20            key
//	identity  36 bytes type: Ed25519  data: 32 bytes   32 bytes
const peerIDPrefix = "\x00\x24\x08\x01\x12\x20"

// peerIDChars is more than the base58 of 38 bytes can take.
const peerIDChars = 64

// AuthorOf returns the author with the public key; a key of a wrong length gives the zero Author.
func AuthorOf(key ed25519.PublicKey) Author {
	if len(key) != ed25519.PublicKeySize {
		return Author{}
	}
	return Author(key)
}

// String returns the peer ID: "12D3KooW…".
func (a Author) String() string {
	return mh.Multihash(append([]byte(peerIDPrefix), a[:]...)).B58String()
}

// IsZero reports whether a is nobody.
func (a Author) IsZero() bool { return a == Author{} }

// weak reports whether the key is one of the eight points of small order, in any of their encodings: what they
// have signed anybody can sign, in eight tries. The zero Author is one of them. No private key has such a public key.
func (a Author) weak() bool {
	a[len(a)-1] &= 0x7f // the sign of x
	switch string(a[:]) {
	case "\x00" + smallZeros + "\x00", "\xed" + smallOnes + "\x7f", // y = 0, as 0 and as p
		"\x01" + smallZeros + "\x00", "\xee" + smallOnes + "\x7f", // 1, as 1 and as p+1
		"\xec" + smallOnes + "\x7f", // -1
		"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
		"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a":
		return true
	}
	return false
}

// Thirty bytes of each, between the first and the last.
const (
	smallZeros = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	smallOnes  = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
)

// Key returns the public key, a copy.
func (a Author) Key() ed25519.PublicKey { return bytes.Clone(a[:]) }

// ParseAuthor is the inverse of String. It takes nothing else: no peer ID of another key type and
// no other way to write one.
func ParseAuthor(s string) (Author, error) {
	if len(s) > peerIDChars {
		return Author{}, fmt.Errorf("parse author: %d characters, want at most %d", len(s), peerIDChars)
	}
	raw, err := mh.FromB58String(s)
	if err != nil {
		return Author{}, fmt.Errorf("parse author %q: %w", s, err)
	}
	key, ok := bytes.CutPrefix(raw, []byte(peerIDPrefix))
	if !ok || len(key) != ed25519.PublicKeySize {
		return Author{}, fmt.Errorf("parse author %q: %w", s, errors.New("not the peer ID of an Ed25519 key"))
	}
	return Author(key), nil
}

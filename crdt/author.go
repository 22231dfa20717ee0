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

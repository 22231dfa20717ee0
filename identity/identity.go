// Package identity says who this gateway is: its key on disk, its name.
package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"

	"github.com/mr-tron/base58"
)

// Identity is a gateway's key pair and the name that people gave it. The key identifies, the name may change. Safe for
// concurrent use as long as nobody sets Name.
type Identity struct {
	Name string // "" = unnamed
	key  ed25519.PrivateKey
}

// generate returns an identity with a new key and no name.
func generate() (*Identity, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return &Identity{key: key}, nil
}

// PublicKey returns a copy of the 32 bytes that others know this gateway by.
func (id *Identity) PublicKey() ed25519.PublicKey {
	return ed25519.PublicKey(slices.Clone(id.key[ed25519.PrivateKeySize-ed25519.PublicKeySize:]))
}

// PrivateKey returns the key that signs. The caller must not change it.
func (id *Identity) PrivateKey() ed25519.PrivateKey { return id.key }

// PeerID returns the public key as a libp2p peer ID: "12D3KooW…".
func (id *Identity) PeerID() string { return PeerID(id.PublicKey()) }

// Fingerprint returns 80 bits of the public key's hash, for people to compare: "QX3M-72AB-ZZ5K-P4TL".
func (id *Identity) Fingerprint() string { return Fingerprint(id.PublicKey()) }

// PeerID returns a public key as a libp2p peer ID. It is the base58 of an identity multihash of the key in libp2p's
// protobuf:
//
//	00 24          multihash: identity, 36 bytes
//	08 01          field 1, key type: 1 = Ed25519
//	12 20 …        field 2, key: 32 bytes
func PeerID(key ed25519.PublicKey) string {
	return base58.Encode(append([]byte{0x00, 0x24, 0x08, 0x01, 0x12, 0x20}, key...))
}

// ParsePeerID returns the public key of a libp2p peer ID with an Ed25519 key.
func ParsePeerID(text string) (ed25519.PublicKey, error) {
	const length = 6 + ed25519.PublicKeySize
	if len(text) > 2*length {
		return nil, fmt.Errorf("parse peer ID: %d characters are too many", len(text))
	}
	raw, err := base58.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("parse peer ID %q: %w", text, err)
	}
	if len(raw) != length || PeerID(raw[6:]) != text {
		return nil, fmt.Errorf("parse peer ID %q: not the ID of an Ed25519 key", text)
	}
	return raw[6:], nil
}

// Fingerprint returns the first 80 bits of the SHA-256 of a public key as four groups of base32.
func Fingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	text := base32.StdEncoding.EncodeToString(sum[:10])
	groups := make([]string, 0, 4)
	for group := range slices.Chunk([]byte(text), 4) {
		groups = append(groups, string(group))
	}
	return strings.Join(groups, "-")
}

// Package identity says who this gateway is: its key on disk.
package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mr-tron/base58"
)

// FileName is the key's name in a gateway's folder.
const FileName = "identity.key"

const (
	pemType = "PRIVATE KEY" // PKCS #8, RFC 5958; Ed25519 as in RFC 8410
	maxFile = 4 << 10
)

// Identity is a gateway's key. Immutable; safe for concurrent use.
type Identity struct{ key ed25519.PrivateKey }

// Error is a fault of the key's file, with what to do about it.
type Error struct {
	err  error
	hint string
}

// Error returns what is wrong.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// Hint says what to do.
func (e *Error) Hint() string { return e.hint }

// Create makes a key and writes it to path, durably and readable by its owner only. An existing file
// is never replaced: then the error is fs.ErrExist.
func Create(path string) (*Identity, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	if err := writeNew(path, pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})); err != nil {
		return nil, err
	}
	return &Identity{key}, nil
}

// writeNew writes b to a file beside path and links it there, so that path is whole or absent.
func writeNew(path string, b []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, FileName+".*.tmp") // mode 0600
	if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), path)
	}
	if err := errors.Join(err, os.Remove(f.Name())); err != nil {
		return fmt.Errorf("write key %s: %w", path, err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	return nil
}

// Load reads the key at path. A file that others may read is refused.
func Load(path string) (*Identity, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{fmt.Errorf("read key: %w", err), "make a gateway with: skerry init --dir DIR"}
	}
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	defer f.Close() //nolint:errcheck // opened for reading
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if mode := st.Mode().Perm(); mode&0o077 != 0 {
		return nil, &Error{fmt.Errorf("key %s can be read by others: its mode is %04o", path, mode), "chmod 600 " + path}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", path, err)
	}
	key, err := parse(b)
	if err != nil {
		return nil, &Error{fmt.Errorf("key %s: %w", path, err), "restore it from a copy; a new key makes a new gateway"}
	}
	return &Identity{key}, nil
}

func parse(b []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != pemType {
		return nil, fmt.Errorf("is no PEM block %q", pemType)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, is := parsed.(ed25519.PrivateKey)
	if !is {
		return nil, fmt.Errorf("is of type %T, want Ed25519", parsed)
	}
	return key, nil
}

// PrivateKey returns the key. The caller does not change it.
func (i *Identity) PrivateKey() ed25519.PrivateKey { return i.key }

// PublicKey returns the public half.
func (i *Identity) PublicKey() ed25519.PublicKey {
	return ed25519.PublicKey(i.key[ed25519.SeedSize:])
}

// PeerID returns the key as a libp2p peer ID, "12D3KooW…": the identity multihash of the key's protobuf, in base58.
func (i *Identity) PeerID() string {
	b := append([]byte{0x00, 0x24, 0x08, 0x01, 0x12, 0x20}, i.PublicKey()...)
	return base58.Encode(b)
}

// Fingerprint returns 80 bits of the public key's SHA-256 for people to compare: "abcd-efgh-ijkl-mnop".
func (i *Identity) Fingerprint() string {
	sum := sha256.Sum256(i.PublicKey())
	text := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:10]))
	return text[0:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:16]
}

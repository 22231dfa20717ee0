package identity

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// FileName is the key's name in a gateway's folder.
const FileName = "identity.key"

// pemType is what a PKCS #8 key file says it holds; openssl reads it.
const pemType = "PRIVATE KEY"

// maxFileBytes bounds what is read of a key file; ours have 119 bytes.
const maxFileBytes = 16 << 10

// FileError is the error of a key file that is there and is refused.
type FileError struct {
	Path string
	What string
	hint string
}

// Error says what is wrong with which file.
func (e *FileError) Error() string { return fmt.Sprintf("key file %s %s", e.Path, e.What) }

// Hint says what to do about it.
func (e *FileError) Hint() string { return e.hint }

// Load reads the key file at path. A file that others may read or write is refused with a *FileError, and so is one that
// is no Ed25519 key; a missing one is fs.ErrNotExist. The name is the caller's to set.
func Load(path string) (*Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open key file: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("inspect key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, &FileError{Path: path, What: "is no file"}
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, &FileError{
			Path: path, What: fmt.Sprintf("is open to others (mode %04o)", info.Mode().Perm()), hint: "chmod 600 " + path,
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, &FileError{
			Path: path, What: "is damaged: " + err.Error(),
			hint: "put the key back from a backup; without it the gateway has to become a new one (skerry init in a new folder)",
		}
	}
	return &Identity{key: key}, nil
}

// Create makes a new key and keeps it at path, readable by its user only. It is on disk when Create returns. A file that
// is there already is never replaced: the error is fs.ErrExist.
func Create(path string) (*Identity, error) {
	id, err := generate()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(id.key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	if err := writeNew(path, pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})); err != nil {
		return nil, fmt.Errorf("write key file: %w", err)
	}
	return id, nil
}

func parseKey(text []byte) (ed25519.PrivateKey, error) {
	if len(text) > maxFileBytes {
		return nil, errors.New("it is too long")
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, errors.New("it has no PEM block " + pemType)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("it has no PKCS #8 key: %w", err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("its key is %T and not Ed25519", parsed)
	}
	return key, nil
}

// writeNew makes a file with text, whole or not at all, durably, and never in place of another. Until the link it has a
// name of its own, so that a power cut leaves no half key under the real one.
func writeNew(path string, text []byte) (err error) {
	folder := filepath.Dir(path)
	f, err := os.CreateTemp(folder, "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("fill file: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil {
		return linkError(path, err)
	}
	return syncFolder(folder)
}

// linkError keeps of a link's error what a reader needs.
func linkError(path string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return &fs.PathError{Op: "make", Path: path, Err: fs.ErrExist}
	}
	return fmt.Errorf("name file: %w", err)
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

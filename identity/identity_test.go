package identity

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testPublic is the public key of RFC 8032, section 7.1, test 1.
const testPublic = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

func TestPeerID_isLibp2p(t *testing.T) {
	pub, err := hex.DecodeString(testPublic)
	if err != nil {
		t.Fatal(err)
	}
	got := PeerID(pub)
	if want := "12D3KooWQK1wnefoLrcVHbbnf5tLzbopUd3K3bFAoJpA7YJgL5pV"; got != want {
		t.Errorf("PeerID = %q, want %q", got, want)
	}
	back, err := ParsePeerID(got)
	if err != nil || !back.Equal(ed25519.PublicKey(pub)) {
		t.Errorf("ParsePeerID = %x, %v", back, err)
	}
}

func TestParsePeerID_refuses(t *testing.T) {
	pub, _ := hex.DecodeString(testPublic)
	good := PeerID(pub)
	for _, text := range []string{"", "12D3", good + "1", good[:51], "1" + good, "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", good[:20] + "0" + good[21:], strings.Repeat("z", 10_000)} {
		if key, err := ParsePeerID(text); err == nil {
			t.Errorf("ParsePeerID(%.60q) = %x, want an error", text, key)
		}
	}
}

func TestFingerprint_golden(t *testing.T) {
	pub, _ := hex.DecodeString(testPublic)
	if got, want := Fingerprint(pub), "EH7D-DX5B-KSRG-CYTL"; got != want {
		t.Errorf("Fingerprint = %q, want %q", got, want)
	}
}

func TestCreate_thenLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	made, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode = %v, %v, want 0600", info.Mode(), err)
	}
	read, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !read.PrivateKey().Equal(made.PrivateKey()) || read.PeerID() != made.PeerID() {
		t.Error("the key that was read is not the one that was made")
	}
	sig := ed25519.Sign(read.PrivateKey(), []byte("x"))
	if !ed25519.Verify(made.PublicKey(), []byte("x"), sig) {
		t.Error("the signature does not verify")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCreate_neverOverwrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("err = %v, want fs.ErrExist", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "mine" {
		t.Errorf("the file is now %q", text)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestLoad_refusesOpenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	if _, err := Create(path); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		var refused *FileError
		if !errors.As(err, &refused) || refused.Hint() != "chmod 600 "+path {
			t.Errorf("mode %04o: err = %v, want a FileError with the hint chmod 600", mode, err)
		}
	}
}

func TestLoad_refusesDamage(t *testing.T) {
	x25519 := "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n-----END PRIVATE KEY-----\n"
	for name, text := range map[string]string{
		"empty": "", "text": "hello", "other type": strings.ReplaceAll(x25519, "PRIVATE", "PUBLIC"), "other key": x25519,
		"long": strings.Repeat("x", maxFileBytes+1), "no DER": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
	} {
		path := filepath.Join(t.TempDir(), FileName)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var refused *FileError
		if _, err := Load(path); !errors.As(err, &refused) {
			t.Errorf("%s: err = %v, want a FileError", name, err)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: err = %v, want fs.ErrNotExist", err)
	}
	var refused *FileError
	if _, err := Load(t.TempDir()); !errors.As(err, &refused) {
		t.Errorf("folder: err = %v, want a FileError", err)
	}
}

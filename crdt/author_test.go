package crdt_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"

	"github.com/skerry-edge/skerry/crdt"
)

// weakKeys are the encodings of the eight points of small order, the canonical ones first.
func weakKeys(tb testing.TB) []crdt.Author {
	tb.Helper()
	var keys []crdt.Author
	for _, text := range []string{
		"0100000000000000000000000000000000000000000000000000000000000000", // 1
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // -1
		"0000000000000000000000000000000000000000000000000000000000000000", // 0, of both signs
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 0 again, with p added
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 1 again
	} {
		a := crdt.Author(unhex(tb, text))
		b := a
		b[31] |= 0x80
		keys = append(keys, a, b)
	}
	return keys
}

// TestBlock_VerifySignature_weakKeys: for a key of small order anybody can sign, in eight tries or so; what is
// signed like that is signed by nobody. Nor is there a feed of such an author.
func TestBlock_VerifySignature_weakKeys(t *testing.T) {
	keys := weakKeys(t)
	by := author(key(1))
	for _, weak := range keys {
		_, data, openings := feeds(t, key(1))
		opening := reread(t, openings[1])
		if _, err := opening.Opening(); err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(opening.Payload, by[:])
		copy(opening.Payload[at:], weak[:])
		if _, err := opening.Opening(); !errors.Is(err, crdt.ErrMalformed) {
			t.Errorf("%x: an opening by it: %v", weak[:], err)
		}
		forged := 0
		for i := range 8 {
			b := add(t, data, fmt.Sprint("never signed by the author ", i))
			raw := bytes.Clone(b.Raw)
			sig := raw[len(raw)-ed25519.SignatureSize:]
			for _, r := range keys[:10] {
				copy(sig, r[:])
				clear(sig[32:])
				got, err := crdt.DecodeBlock(raw)
				if err != nil {
					t.Fatal(err)
				}
				if err := got.VerifySignature(weak); err == nil {
					forged++
				} else if !errors.Is(err, crdt.ErrBadSignature) {
					t.Fatal(err)
				}
			}
		}
		if forged > 0 {
			t.Errorf("%x: %d forged signatures were taken", weak[:], forged)
		}
	}
}

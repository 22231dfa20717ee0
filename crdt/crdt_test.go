package crdt_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerry-edge/skerry/crdt"
)

// seed replays a random test: go test ./crdt -seed N.
var seed = flag.Uint64("seed", 0, "seed of the random tests; 0 draws one")

func random(t *testing.T) *rand.Rand {
	t.Helper()
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("replay with -seed %d", s)
	return rand.New(rand.NewPCG(s, 1))
}

// key returns the nth of the tests' fixed keys.
func key(n byte) ed25519.PrivateKey {
	s := make([]byte, ed25519.SeedSize)
	for i := range s {
		s[i] = n + byte(i)
	}
	return ed25519.NewKeyFromSeed(s)
}

// author returns the author with the key.
func author(k ed25519.PrivateKey) crdt.Author {
	public, ok := k.Public().(ed25519.PublicKey)
	if !ok {
		return crdt.Author{}
	}
	return crdt.AuthorOf(public)
}

func metaOpening() crdt.Opening {
	return crdt.Opening{
		Role: crdt.Meta, Name: "climate", Kind: crdt.Events, Precision: 3,
		Incarnation: crdt.Incarnation{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
	}
}

func dataOpening(meta crdt.FeedID) crdt.Opening {
	o := metaOpening()
	o.Role, o.Meta = crdt.Data, meta
	return o
}

// at is 2026-03-01 12:00 UTC plus some seconds, from a synced clock.
func at(seconds int64) crdt.Clock {
	ms := 1772366400000 + 1000*seconds
	return crdt.Clock{First: ms * 1_000_000, Span: 9_750_000_000, Hybrid: uint64(ms)<<16 | 3}
}

// feeds opens a meta feed and the data feed that relies on it.
func feeds(tb testing.TB, k ed25519.PrivateKey) (meta, data *crdt.Feed, openings []*crdt.Block) {
	tb.Helper()
	meta, first, err := crdt.OpenFeed(k, metaOpening(), at(0))
	if err != nil {
		tb.Fatal(err)
	}
	data, second, err := crdt.OpenFeed(k, dataOpening(meta.ID()), at(0))
	if err != nil {
		tb.Fatal(err)
	}
	return meta, data, []*crdt.Block{first, second}
}

// add appends a block with the payload.
func add(tb testing.TB, f *crdt.Feed, payload string) *crdt.Block {
	tb.Helper()
	seq, _ := f.Head()
	b, err := f.Append(crdt.Draft{
		Needs: 1, Clock: at(int64(seq)), Count: 7, Codec: crdt.CodecColumns, Payload: []byte(payload),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// reread decodes a copy of the block's bytes.
func reread(tb testing.TB, b *crdt.Block) *crdt.Block {
	tb.Helper()
	got, err := crdt.DecodeBlock(append([]byte(nil), b.Raw...))
	if err != nil {
		tb.Fatal(err)
	}
	return got
}

// golden returns the bytes of testdata/NAME.hex: hex digits, blanks and lines; # starts a comment.
func golden(tb testing.TB, name string) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".hex"))
	if err != nil {
		tb.Fatal(err)
	}
	return unhex(tb, string(text))
}

func unhex(tb testing.TB, text string) []byte {
	tb.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		for f := range strings.FieldsSeq(line) {
			digits.WriteString(f)
		}
	}
	raw, err := hex.DecodeString(digits.String())
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

func TestCollectionIDOf_tellsApart(t *testing.T) {
	ids := make(map[crdt.CollectionID]string)
	for _, name := range []string{"", "climate", "climate.1m", "_mesh"} {
		for _, k := range []crdt.Kind{crdt.Events, crdt.Records, crdt.KV} {
			for _, encrypted := range []bool{false, true} {
				id := crdt.CollectionIDOf(name, k, encrypted)
				if other, twice := ids[id]; twice {
					t.Errorf("%q has the id of %q", name, other)
				}
				ids[id] = name
			}
		}
	}
	// printf 'skerry/collection/1\0\1\0climate' | sha256sum
	if got, want := crdt.CollectionIDOf("climate", crdt.Events, false).String(), "f577e9cd85a3853cf15553d4af4cec37"; got != want {
		t.Errorf("id %s, want %s", got, want)
	}
}

func TestParseKind_inverse(t *testing.T) {
	for _, k := range []crdt.Kind{crdt.Events, crdt.Records, crdt.KV} {
		if got, err := crdt.ParseKind(k.String()); err != nil || got != k {
			t.Errorf("%v: got %v, %v", k, got, err)
		}
	}
	if _, err := crdt.ParseKind("kind(4)"); err == nil {
		t.Error("an unknown kind was parsed")
	}
}

func TestParseFeedID_inverse(t *testing.T) {
	id := crdt.FeedID{0xab, 15: 1}
	if got, err := crdt.ParseFeedID(id.String()); err != nil || got != id {
		t.Errorf("got %v, %v", got, err)
	}
	for _, s := range []string{"", "ab", strings.Repeat("g", 32), id.String() + "00"} {
		if _, err := crdt.ParseFeedID(s); err == nil {
			t.Errorf("%q was parsed", s)
		}
	}
}

func TestAuthor_isPeerID(t *testing.T) {
	// The public key of RFC 8032's first test, and the peer ID that go-libp2p gives it.
	a := crdt.Author(unhex(t, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))
	const want = "12D3KooWQK1wnefoLrcVHbbnf5tLzbopUd3K3bFAoJpA7YJgL5pV"
	if got := a.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got, err := crdt.ParseAuthor(want)
	if err != nil || got != a {
		t.Errorf("parsed %v, %v", got, err)
	}
}

func TestParseAuthor_refuses(t *testing.T) {
	good := author(key(1)).String()
	for _, s := range []string{
		"", "1", "0OIl", good[1:], good + "1", "1" + good, good[:len(good)-1],
		"QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", // RSA: a hash of the key
		strings.Repeat("z", 100_000),
	} {
		if a, err := crdt.ParseAuthor(s); err == nil {
			t.Errorf("%.40q was parsed as %s", s, a)
		}
	}
}

package export

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"

	"github.com/skerry-edge/skerry/crdt"
)

// feed makes a feed of n blocks after its opening block.
func feed(tb testing.TB, seed byte, n int) []*crdt.Block {
	tb.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	f, opening, err := crdt.OpenFeed(key, crdt.Opening{Role: crdt.Meta, Name: "climate", Kind: crdt.Events, Precision: 3}, crdt.Clock{})
	if err != nil {
		tb.Fatal(err)
	}
	blocks := []*crdt.Block{opening}
	for range n {
		b, err := f.Append(crdt.Draft{Count: 1, Codec: crdt.CodecMeta, Payload: bytes.Repeat([]byte{seed}, 1000)})
		if err != nil {
			tb.Fatal(err)
		}
		blocks = append(blocks, b)
	}
	return blocks
}

func rootsOf(blocks ...*crdt.Block) []cid.Cid {
	var roots []cid.Cid
	for _, b := range blocks {
		roots = append(roots, b.CID)
	}
	slices.SortFunc(roots, func(a, b cid.Cid) int { return strings.Compare(a.KeyString(), b.KeyString()) })
	return roots
}

func stream(blocks []*crdt.Block, last error) iter.Seq2[*crdt.Block, error] {
	return func(yield func(*crdt.Block, error) bool) {
		for _, b := range blocks {
			if !yield(b, nil) {
				return
			}
		}
		if last != nil {
			yield(nil, last)
		}
	}
}

func TestCAR_readsBack(t *testing.T) {
	a, b := feed(t, 1, 300), feed(t, 2, 0)
	all := append(slices.Clone(a), b...)
	var out bytes.Buffer
	count, err := CAR(&out, rootsOf(a[300], b[0]), stream(all, nil))
	if err != nil || count != 302 {
		t.Fatalf("wrote %d, %v", count, err)
	}
	car, err := crdt.NewCARReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range all {
		got, err := car.Next()
		if err != nil || !got.CID.Equals(want.CID) {
			t.Fatalf("got %v, %v, want %s", got, err, want.CID)
		}
	}
	if _, err := car.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last: %v", err)
	}
	if count, err := CAR(io.Discard, nil, stream(nil, nil)); count != 0 || err != nil {
		t.Errorf("of nothing: %d, %v", count, err)
	}
}

func TestCAR_refuses(t *testing.T) {
	a, b := feed(t, 1, 5), feed(t, 2, 1)
	spoilt := *a[3]
	spoilt.Raw = bytes.Clone(a[3].Raw)
	spoilt.Raw[200] ^= 1
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		roots  []cid.Cid
		blocks []*crdt.Block
		last   error
		want   error
	}{
		"rows that break":        {rootsOf(a[5]), a, broken, broken},
		"a changed block":        {rootsOf(a[5]), []*crdt.Block{a[0], a[1], a[2], &spoilt, a[4], a[5]}, nil, crdt.ErrCIDMismatch},
		"a block left out":       {rootsOf(a[5]), []*crdt.Block{a[0], a[1], a[3]}, nil, crdt.ErrChain},
		"no opening block":       {rootsOf(a[5]), a[1:], nil, crdt.ErrChain},
		"opened twice":           {rootsOf(a[5]), []*crdt.Block{a[0], a[0]}, nil, crdt.ErrChain},
		"the last block missing": {rootsOf(a[5]), a[:5], nil, crdt.ErrChain},
		"a feed missing":         {rootsOf(a[5], b[1]), a, nil, crdt.ErrChain},
		"a root missing":         {rootsOf(a[5]), append(slices.Clone(a), b...), nil, crdt.ErrChain},
		"roots that descend":     {[]cid.Cid{a[5].CID, a[5].CID}, a, nil, crdt.ErrMalformed},
	} {
		if _, err := CAR(io.Discard, test.roots, stream(test.blocks, test.last)); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
	_, err := CAR(io.Discard, rootsOf(a[5]), stream([]*crdt.Block{a[0], a[1], a[2], &spoilt}, nil))
	if want := "block 3 of feed " + a[0].Feed.String(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
	if _, err := CAR(failing{}, rootsOf(a[5]), stream(a, nil)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("into a closed file: %v", err)
	}
}

func BenchmarkCAR(b *testing.B) {
	blocks := feed(b, 1, 1000)
	roots := rootsOf(blocks[1000])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := CAR(io.Discard, roots, stream(blocks, nil)); err != nil {
			b.Fatal(err)
		}
	}
}

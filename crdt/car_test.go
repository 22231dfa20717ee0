package crdt_test

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/ipfs/go-cid"
	"github.com/ipld/go-ipld-prime/codec/dagcbor"
	"github.com/ipld/go-ipld-prime/node/basicnode"

	"github.com/skerry-edge/skerry/crdt"
)

// archive writes blocks as a CAR whose roots are the last of each feed.
func archive(tb testing.TB, blocks []*crdt.Block) []byte {
	tb.Helper()
	last := map[crdt.FeedID]cid.Cid{}
	for _, b := range blocks {
		last[b.Feed] = b.CID
	}
	var roots []cid.Cid
	for _, c := range last {
		roots = append(roots, c)
	}
	slices.SortFunc(roots, func(a, b cid.Cid) int { return strings.Compare(a.KeyString(), b.KeyString()) })
	car, err := crdt.AppendCARHeader(nil, roots)
	if err != nil {
		tb.Fatal(err)
	}
	for _, b := range blocks {
		car = crdt.AppendCARBlock(car, b)
	}
	return car
}

// line returns the vectors in the order of a CAR.
func line(tb testing.TB) []*crdt.Block {
	tb.Helper()
	return slices.SortedFunc(maps.Values(vectors(tb)), func(a, b *crdt.Block) int {
		return cmp.Or(strings.Compare(a.Feed.String(), b.Feed.String()), cmp.Compare(a.Seq, b.Seq))
	})
}

// unpack reads a CAR to its end.
func unpack(r io.Reader) (roots []cid.Cid, blocks []*crdt.Block, err error) {
	c, err := crdt.NewCARReader(r)
	if err != nil {
		return nil, nil, err
	}
	for {
		b, err := c.Next()
		if err != nil {
			return c.Roots(), blocks, err
		}
		blocks = append(blocks, b)
	}
}

func TestCAR_roundTrip(t *testing.T) {
	all := line(t)
	car := archive(t, all)
	for name, r := range map[string]io.Reader{"at once": bytes.NewReader(car), "byte by byte": iotest.OneByteReader(bytes.NewReader(car))} {
		roots, blocks, err := unpack(r)
		if !errors.Is(err, io.EOF) || len(blocks) != len(all) || len(roots) == 0 {
			t.Fatalf("%s: %d roots, %d blocks, %v, want %d blocks", name, len(roots), len(blocks), err, len(all))
		}
		for i, b := range blocks {
			if !b.CID.Equals(all[i].CID) || !bytes.Equal(b.Raw, all[i].Raw) {
				t.Errorf("%s: block %d is another", name, i)
			}
		}
		if again := archive(t, blocks); !bytes.Equal(again, car) {
			t.Errorf("%s: written again it is another file", name)
		}
	}
}

// TestCAR_headerGolden: the bytes are final, and dag-cbor for another library.
func TestCAR_headerGolden(t *testing.T) {
	root := crdt.CIDOf([]byte("x"))
	for _, test := range []struct {
		roots []cid.Cid
		want  string
	}{
		{nil, "11a265726f6f7473806776657273696f6e01"},
		{[]cid.Cid{root}, "3aa265726f6f747381d82a58250001711220" + hex.EncodeToString(root.Hash()[2:]) + "6776657273696f6e01"},
	} {
		got, err := crdt.AppendCARHeader(nil, test.roots)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(test.want, hex.EncodeToString(got)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		builder := basicnode.Prototype.Any.NewBuilder()
		if err := dagcbor.Decode(builder, bytes.NewReader(got[1:])); err != nil {
			t.Errorf("another library: %v", err)
		}
		roots, _, err := unpack(bytes.NewReader(got))
		if !errors.Is(err, io.EOF) || len(roots) != len(test.roots) {
			t.Errorf("read back: %v, %v", roots, err)
		}
	}
}

func TestCAR_manyRoots(t *testing.T) {
	for _, n := range []int{23, 24, 255, 256, crdt.MaxCARRoots, crdt.MaxCARRoots + 1} {
		roots := make([]cid.Cid, n)
		for i := range roots {
			roots[i] = crdt.CIDOf([]byte{byte(i), byte(i >> 8), byte(i >> 16)})
		}
		slices.SortFunc(roots, func(a, b cid.Cid) int { return strings.Compare(a.KeyString(), b.KeyString()) })
		car, err := crdt.AppendCARHeader(nil, roots)
		if n > crdt.MaxCARRoots {
			if !errors.Is(err, crdt.ErrLimit) {
				t.Errorf("%d roots: got %v, want ErrLimit", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := unpack(bytes.NewReader(car))
		if !errors.Is(err, io.EOF) || !slices.EqualFunc(got, roots, cid.Cid.Equals) {
			t.Errorf("%d roots: got %d, %v", n, len(got), err)
		}
	}
}

func TestCAR_refuses(t *testing.T) {
	b := line(t)[0]
	car := archive(t, []*crdt.Block{b})
	header := int(car[0]) + 1
	changed := func(at int, to byte) []byte {
		c := bytes.Clone(car)
		c[at] = to
		return c
	}
	for name, test := range map[string]struct {
		car  []byte
		want error
	}{
		"nothing":              {nil, io.ErrUnexpectedEOF},
		"half a header":        {car[:9], io.ErrUnexpectedEOF},
		"huge header":          {[]byte{0xff, 0xff, 0xff, 0x7f}, crdt.ErrLimit},
		"version 2":            {changed(header-1, 2), crdt.ErrMalformed},
		"another key":          {changed(3, 'R'), crdt.ErrMalformed},
		"two roots said":       {changed(8, 0x82), crdt.ErrMalformed},
		"root of another kind": {changed(15, 0x70), crdt.ErrMalformed},
		"half a block":         {car[:len(car)-1], io.ErrUnexpectedEOF},
		"half a length":        {append(bytes.Clone(car), 0x80), io.ErrUnexpectedEOF},
		"cut":                  {crdt.AppendCARCut(bytes.Clone(car)), crdt.ErrCut},
		"a CID alone":          {append(append(bytes.Clone(car), 36), b.CID.Bytes()...), crdt.ErrMalformed}, "a long length": {append(bytes.Clone(car), 0x80, 0), crdt.ErrMalformed},
		"huge block":    {append(bytes.Clone(car), 0xff, 0xff, 0xff, 0x7f), crdt.ErrLimit},
		"changed block": {changed(len(car)-1, car[len(car)-1]^1), crdt.ErrCIDMismatch},
		"changed CID":   {changed(header+2+10, car[header+2+10]^1), crdt.ErrCIDMismatch},
		"no block":      {changed(header+2+36, 0), crdt.ErrMalformed},
	} {
		if _, _, err := unpack(bytes.NewReader(test.car)); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
	two := []cid.Cid{crdt.CIDOf([]byte("a")), crdt.CIDOf([]byte("a"))}
	if _, err := crdt.AppendCARHeader(nil, two); !errors.Is(err, crdt.ErrMalformed) {
		t.Errorf("a root twice: got %v", err)
	}
	if _, err := crdt.AppendCARHeader(nil, []cid.Cid{cid.Undef}); !errors.Is(err, crdt.ErrMalformed) {
		t.Errorf("a root that is none: got %v", err)
	}
}

// FuzzCARReader: what reads whole writes the same bytes again, and every block has the name that it goes by.
func FuzzCARReader(f *testing.F) {
	all := line(f)
	f.Add(archive(f, all))
	f.Add(archive(f, all[:1]))
	f.Add(crdt.AppendCARCut(archive(f, all[:2])))
	f.Add(archive(f, nil))
	f.Fuzz(func(t *testing.T, car []byte) {
		roots, blocks, err := unpack(bytes.NewReader(car))
		for _, b := range blocks {
			if err := crdt.CheckCID(b.Raw, b.CID); err != nil {
				t.Fatal(err)
			}
		}
		if !errors.Is(err, io.EOF) {
			if !isOurs(err) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, crdt.ErrCut) && !errors.Is(err, crdt.ErrCIDMismatch) {
				t.Fatalf("no sentinel in %v", err)
			}
			return
		}
		again, err := crdt.AppendCARHeader(nil, roots)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			again = crdt.AppendCARBlock(again, b)
		}
		if !bytes.Equal(again, car) {
			t.Fatalf("written again: %x", again)
		}
	})
}

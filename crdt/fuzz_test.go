package crdt_test

import (
	"bytes"
	"testing"

	"github.com/ipld/go-ipld-prime/codec/dagcbor"
	"github.com/ipld/go-ipld-prime/node/basicnode"

	"github.com/skerry-edge/skerry/crdt"
)

// FuzzDecodeBlock: whatever decodes is canonical dag-cbor for another library too, and says what it says.
func FuzzDecodeBlock(f *testing.F) {
	for _, b := range vectors(f) {
		f.Add(b.Raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := crdt.DecodeBlock(raw)
		if err != nil {
			if b != nil || !isOurs(err) {
				t.Fatalf("block %v, no sentinel in %v", b, err)
			}
			return
		}
		builder := basicnode.Prototype.Any.NewBuilder()
		if err := dagcbor.Decode(builder, bytes.NewReader(raw)); err != nil {
			t.Fatalf("another library cannot read it: %v", err)
		}
		var again bytes.Buffer
		if err := dagcbor.Encode(builder.Build(), &again); err != nil || !bytes.Equal(again.Bytes(), raw) {
			t.Fatalf("another library writes %x, %v", again.Bytes(), err)
		}
		if err := crdt.CheckCID(raw, b.CID); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Opening(); err != nil && !isOurs(err) {
			t.Fatalf("no sentinel in %v", err)
		}
		if err := b.VerifySignature(crdt.Author{}); err == nil {
			t.Fatal("signed by nobody")
		}
	})
}

// FuzzDecodeMeta: whatever decodes without unknown kinds encodes to the same bytes.
func FuzzDecodeMeta(f *testing.F) {
	for _, n := range []int{0, 1, 2, 3, 6} {
		payload, err := crdt.EncodeMeta(entries(crdt.FeedID{1})[:n])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Add([]byte{0x81, 0x82, 0x18, 0x63, 0x80})
	f.Fuzz(func(t *testing.T, payload []byte) {
		entries, err := crdt.DecodeMeta(payload)
		if err != nil {
			if entries != nil || !isOurs(err) {
				t.Fatalf("entries %v, no sentinel in %v", entries, err)
			}
			return
		}
		for _, e := range entries {
			if u, ok := e.(*crdt.UnknownEntry); ok {
				if !bytes.Contains(payload, u.Raw) || u.Code >= 1 && u.Code <= 4 {
					t.Fatalf("unknown entry %d: %x", u.Code, u.Raw)
				}
				return
			}
		}
		again, err := crdt.EncodeMeta(entries)
		if err != nil || !bytes.Equal(again, payload) {
			t.Fatalf("encoded again: %x, %v", again, err)
		}
	})
}

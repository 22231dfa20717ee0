package crdt_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"

	"github.com/skerry-edge/skerry/crdt"
)

func TestOpenFeed_opening(t *testing.T) {
	k := key(1)
	meta, data, openings := feeds(t, k)
	want := dataOpening(meta.ID())
	want.Author = author(k)
	want.MaxBlock, want.MaxPayload = crdt.MaxBlockBytes, crdt.MaxPayloadBytes
	got, err := reread(t, openings[1]).Opening()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("opening (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(got, data.Opening()); diff != "" {
		t.Errorf("the feed has another opening:\n%s", diff)
	}
	if got.Collection() != crdt.CollectionIDOf("climate", crdt.Events, false) {
		t.Error("another collection")
	}
	digest, err := mh.Decode(openings[1].CID.Hash())
	if err != nil || !bytes.Equal(digest.Digest[:16], openings[1].Feed[:]) || data.ID() != openings[1].Feed {
		t.Errorf("feed id %s is not the start of digest %x", data.ID(), digest.Digest)
	}
}

func TestOpenFeed_refuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*crdt.Opening)
		err    error
	}{
		{"no name", func(o *crdt.Opening) { o.Name = "" }, crdt.ErrMalformed},
		{"long name", func(o *crdt.Opening) { o.Name = strings.Repeat("n", 257) }, crdt.ErrLimit},
		{"name no UTF-8", func(o *crdt.Opening) { o.Name = "a\xff" }, crdt.ErrMalformed},
		{"name with control", func(o *crdt.Opening) { o.Name = "a\nb" }, crdt.ErrMalformed},
		{"name with C1 control", func(o *crdt.Opening) { o.Name = "a\u0085b" }, crdt.ErrMalformed},
		{"no kind", func(o *crdt.Opening) { o.Kind = 0 }, crdt.ErrMalformed},
		{"kind 4", func(o *crdt.Opening) { o.Kind = 4 }, crdt.ErrMalformed},
		{"no role", func(o *crdt.Opening) { o.Role = 0 }, crdt.ErrMalformed},
		{"role 3", func(o *crdt.Opening) { o.Role = 3 }, crdt.ErrMalformed},
		{"data without meta", func(o *crdt.Opening) { o.Meta = crdt.FeedID{} }, crdt.ErrMalformed},
		{"meta with meta", func(o *crdt.Opening) { o.Role = crdt.Meta }, crdt.ErrMalformed},
		{"precision 4", func(o *crdt.Opening) { o.Precision = 4 }, crdt.ErrMalformed},
		{"small blocks", func(o *crdt.Opening) { o.MaxBlock = 1023 }, crdt.ErrLimit},
		{"large blocks", func(o *crdt.Opening) { o.MaxBlock = crdt.MaxBlockBytes + 1 }, crdt.ErrLimit},
		{"large payloads", func(o *crdt.Opening) { o.MaxPayload = crdt.MaxPayloadBytes + 1 }, crdt.ErrLimit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := dataOpening(crdt.FeedID{1})
			tt.change(&o)
			if _, _, err := crdt.OpenFeed(key(1), o, at(0)); !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
		})
	}
	if _, _, err := crdt.OpenFeed(nil, metaOpening(), at(0)); err == nil {
		t.Error("a feed without key was opened")
	}
}

// TestBlock_Opening_refuses changes each byte of an opening's payload: what still reads is another opening
// in canonical form.
func TestBlock_Opening_refuses(t *testing.T) {
	_, _, openings := feeds(t, key(1))
	for i := range openings[1].Payload {
		for v := range 256 {
			b := *openings[1]
			b.Payload = bytes.Clone(b.Payload)
			if b.Payload[i] == byte(v) {
				continue
			}
			b.Payload[i] = byte(v)
			o, err := b.Opening()
			if err != nil {
				if !isOurs(err) {
					t.Fatalf("byte %d = %#x: no sentinel in %v", i, v, err)
				}
				continue
			}
			if o == (crdt.Opening{}) {
				t.Fatalf("byte %d = %#x: an empty opening", i, v)
			}
		}
	}
	b := *openings[1]
	by := author(key(1))
	nobody := bytes.Replace(b.Payload, by[:], make([]byte, len(by)), 1)
	longRole := append([]byte{0x8a, 0x18}, b.Payload[1:]...)
	taggedRole := append([]byte{0x8a, 0xd9, 0xd9, 0xf7}, b.Payload[1:]...)
	for _, payload := range [][]byte{nobody, longRole, taggedRole, nil, b.Payload[:len(b.Payload)-1], append(bytes.Clone(b.Payload), 0)} {
		b.Payload = payload
		if _, err := b.Opening(); !errors.Is(err, crdt.ErrMalformed) {
			t.Errorf("%x: %v", payload, err)
		}
	}
	_, data, _ := feeds(t, key(1))
	if _, err := add(t, data, "x").Opening(); !errors.Is(err, crdt.ErrMalformed) {
		t.Errorf("opening of block 1: %v", err)
	}
}

func TestFeed_Append_links(t *testing.T) {
	_, data, openings := feeds(t, key(1))
	prev := openings[1]
	for i := range 5 {
		b := reread(t, add(t, data, strings.Repeat("p", i)))
		if b.Feed != data.ID() || b.Seq != prev.Seq+1 || !b.Prev.Equals(prev.CID) {
			t.Fatalf("block %d of %s after %s follows %s", b.Seq, b.Feed, prev.CID, b.Prev)
		}
		seq, head := data.Head()
		if seq != b.Seq || !head.Equals(b.CID) {
			t.Fatalf("head %d %s", seq, head)
		}
		prev = b
	}
}

func TestFeed_Append_leavesDraftAlone(t *testing.T) {
	_, data, openings := feeds(t, key(1))
	payload := []byte("payload")
	b, err := data.Append(crdt.Draft{Codec: crdt.CodecColumns, Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	payload[0] = 'x'
	if string(b.Payload) != "payload" {
		t.Error("the block shares the draft's payload")
	}
	links := []cid.Cid{openings[0].CID, openings[1].CID, b.CID}
	for range 2 { // one of the orders is not sorted
		links[0], links[1] = links[1], links[0]
		before := append([]cid.Cid(nil), links...)
		if _, err := data.Append(crdt.Draft{Links: links, Codec: crdt.CodecColumns}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, links, cmp.Comparer(cid.Cid.Equals)); diff != "" {
			t.Errorf("the draft's links changed:\n%s", diff)
		}
	}
}

func TestFeed_Append_errorsChangeNothing(t *testing.T) {
	_, data, openings := feeds(t, key(1))
	add(t, data, "one")
	many := make([]cid.Cid, 33)
	for i := range many {
		many[i] = crdt.CIDOf([]byte{byte(i)})
	}
	rawLink := cid.NewCidV1(cid.Raw, openings[0].CID.Hash())
	tests := []struct {
		name string
		d    crdt.Draft
		err  error
	}{
		{"too large", crdt.Draft{Codec: 1, Payload: make([]byte, crdt.MaxBlockBytes)}, crdt.ErrLimit},
		{"a little too large", crdt.Draft{Codec: 1, Payload: make([]byte, crdt.MaxBlockBytes-100)}, crdt.ErrLimit},
		{"33 links", crdt.Draft{Codec: 1, Links: many}, crdt.ErrLimit},
		{"link to raw bytes", crdt.Draft{Codec: 1, Links: []cid.Cid{rawLink}}, crdt.ErrMalformed},
		{"link to nothing", crdt.Draft{Codec: 1, Links: []cid.Cid{cid.Undef}}, crdt.ErrMalformed},
		{"huge needs", crdt.Draft{Codec: 1, Needs: math.MaxUint64}, crdt.ErrLimit},
		{"no codec", crdt.Draft{}, crdt.ErrMalformed},
		{"codec and epoch", crdt.Draft{Codec: 1, Epoch: 1}, crdt.ErrMalformed},
		{"count and epoch", crdt.Draft{Count: 1, Epoch: 1}, crdt.ErrMalformed},
		{"boot of a synced clock", crdt.Draft{Codec: 1, Clock: crdt.Clock{Mono: 1}}, crdt.ErrMalformed},
	}
	seq, head := data.Head()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := data.Append(tt.d); !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
			if s, h := data.Head(); s != seq || !h.Equals(head) {
				t.Errorf("head moved to %d", s)
			}
		})
	}
	for _, seq := range []uint64{crdt.MaxSeq, math.MaxUint64} {
		data.Rewind(seq, head)
		if _, err := data.Append(crdt.Draft{Codec: 1}); !errors.Is(err, crdt.ErrLimit) {
			t.Errorf("a block after %d: %v", seq, err)
		}
	}
}

func TestFeed_Append_fillsBlock(t *testing.T) {
	_, data, _ := feeds(t, key(1))
	small, err := data.Append(crdt.Draft{Codec: 1, Payload: make([]byte, 1<<16)})
	if err != nil {
		t.Fatal(err)
	}
	room := crdt.MaxBlockBytes - (len(small.Raw) - len(small.Payload))
	if _, err := data.Append(crdt.Draft{Codec: 1, Payload: make([]byte, room+1)}); !errors.Is(err, crdt.ErrLimit) {
		t.Errorf("one byte too many: %v", err)
	}
	full, err := data.Append(crdt.Draft{Codec: 1, Payload: make([]byte, room)})
	if err != nil || len(full.Raw) != crdt.MaxBlockBytes {
		t.Fatalf("the largest block: %v", err)
	}
	reread(t, full)
}

func TestFeed_Append_obeysOpening(t *testing.T) {
	o := metaOpening()
	o.MaxBlock = 2048
	f, _, err := crdt.OpenFeed(key(1), o, at(0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Append(crdt.Draft{Codec: crdt.CodecMeta, Payload: make([]byte, 2048)}); !errors.Is(err, crdt.ErrLimit) {
		t.Errorf("got %v", err)
	}
}

func TestFeed_Rewind_makesTheSameBlockAgain(t *testing.T) {
	_, data, _ := feeds(t, key(1))
	seq, head := data.Head()
	first := add(t, data, "one")
	data.Rewind(seq, head)
	if again := add(t, data, "one"); !again.CID.Equals(first.CID) {
		t.Errorf("got %s, want %s", again.CID, first.CID)
	}
	resumed := crdt.ResumeFeed(key(1), data.ID(), data.Opening(), seq, head)
	if again := add(t, resumed, "one"); !again.CID.Equals(first.CID) {
		t.Errorf("resumed: got %s, want %s", again.CID, first.CID)
	}
}

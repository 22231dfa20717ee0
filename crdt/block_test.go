package crdt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/ipfs/go-cid"
	"github.com/ipld/go-ipld-prime/codec/dagcbor"
	"github.com/ipld/go-ipld-prime/datamodel"
	"github.com/ipld/go-ipld-prime/node/basicnode"

	"github.com/skerry-edge/skerry/crdt"
)

// vectors makes the blocks of testdata through the API, by the names of their files.
func vectors(tb testing.TB) map[string]*crdt.Block {
	tb.Helper()
	meta, data, openings := feeds(tb, key(1))
	out := map[string]*crdt.Block{"opening-meta": openings[0], "opening-data": openings[1]}
	must := func(name string, f *crdt.Feed, d crdt.Draft) {
		tb.Helper()
		b, err := f.Append(d)
		if err != nil {
			tb.Fatal(name, err)
		}
		out[name] = b
	}
	payload, err := crdt.EncodeMeta(entries(data.ID()))
	if err != nil {
		tb.Fatal(err)
	}
	must("meta", meta, crdt.Draft{Clock: at(1), Count: 6, Codec: crdt.CodecMeta, Payload: payload})
	must("events", data, crdt.Draft{
		Needs: 1, Clock: at(0), Count: 7, Codec: crdt.CodecColumns, Payload: []byte("the payload of block one"),
	})
	unsynced := crdt.Clock{
		First: -1, Span: math.MaxUint64, Hybrid: math.MaxUint64, Quality: crdt.ClockUnsynced,
		Boot: [8]byte{0xb0, 7, 0xb0, 7, 0xb0, 7, 0xb0, 7}, Mono: 1 << 63,
	}
	must("unsynced", data, crdt.Draft{
		Needs: 1, Clock: unsynced, Count: 4096, Codec: crdt.CodecColumns, Payload: make([]byte, 300),
	})
	seq, head := data.Head()
	must("links", data, crdt.Draft{
		Links: []cid.Cid{out["meta"].CID, openings[0].CID, out["meta"].CID}, Needs: crdt.MaxSeq, Clock: at(2),
		Count: math.MaxUint32, Codec: math.MaxUint64,
	})
	data.Rewind(seq, head)
	var sealed []byte // a nonce, and what stands for the ciphertext
	for i := range byte(24) {
		sealed = append(sealed, i)
	}
	must("encrypted", data, crdt.Draft{
		Needs: 1, Clock: crdt.Clock{First: 1772366400000000000}, Epoch: math.MaxUint64,
		Payload: append(sealed, "ciphertext"...),
	})
	return out
}

// entries is the meta payload of testdata/meta.hex.
func entries(feed crdt.FeedID) []crdt.Entry {
	return []crdt.Entry{
		&crdt.SeriesDef{
			Number: 1, Name: "temp", Unit: "°C", Type: 1,
			Tags: []crdt.SeriesTag{{Key: "sensor", Value: "roof"}, {Key: "site", Value: "a"}},
		},
		&crdt.SeriesDef{Number: 2, Name: "door", Type: 3},
		&crdt.Anchor{
			Boot: [8]byte{0, 1, 2, 3, 4, 5, 6, 7}, Mono: 12345678901, UTC: 1772366400000000000, Error: 5000000,
		},
		&crdt.Loss{
			Feed: feed, FromSeq: 3, ToSeq: 9, First: -5, Last: 1772366400000000000,
			Unknown: true, Bound: 28672, Reason: crdt.LossDiskBudget,
		},
		&crdt.Loss{First: 1, Last: 2, Count: 17, Reason: crdt.LossQueueFull, Source: "meters"},
		&crdt.Counters{Decoded: math.MaxUint64, Stored: 1000, Filtered: 23, Lost: 17, Rejected: 2},
	}
}

// TestBlock_golden holds both directions against blocks that another implementation wrote and signed.
func TestBlock_golden(t *testing.T) {
	for name, made := range vectors(t) {
		t.Run(name, func(t *testing.T) {
			want := golden(t, name)
			if diff := cmp.Diff(want, made.Raw); diff != "" {
				t.Fatalf("made other bytes (-golden +made):\n%s", diff)
			}
			got, err := crdt.DecodeBlock(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(made, got, cmp.Comparer(cid.Cid.Equals)); diff != "" {
				t.Errorf("read another block (-made +read):\n%s", diff)
			}
			if err := got.VerifySignature(author(key(1))); err != nil {
				t.Error(err)
			}
			if err := crdt.CheckCID(want, got.CID); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestBlock_readByIPLD reads every golden block with an IPLD library: the envelope and its links.
func TestBlock_readByIPLD(t *testing.T) {
	for name, b := range vectors(t) {
		t.Run(name, func(t *testing.T) {
			builder := basicnode.Prototype.Any.NewBuilder()
			if err := dagcbor.Decode(builder, bytes.NewReader(golden(t, name))); err != nil {
				t.Fatal(err)
			}
			n := builder.Build()
			if n.Kind() != datamodel.Kind_List || n.Length() != 12 {
				t.Fatalf("%v of %d", n.Kind(), n.Length())
			}
			if got := elementLinks(t, element(t, n, 3)); b.Prev.Defined() && !slices.Equal(got, []cid.Cid{b.Prev}) {
				t.Errorf("prev %v, want %v", got, b.Prev)
			}
			if got := elementLinks(t, element(t, n, 4)); !slices.Equal(got, b.Links) {
				t.Errorf("links %v, want %v", got, b.Links)
			}
			payload, err := element(t, n, 10).AsBytes()
			if err != nil || !bytes.Equal(payload, b.Payload) {
				t.Errorf("payload %x, %v", payload, err)
			}
			var again bytes.Buffer
			if err := dagcbor.Encode(n, &again); err != nil || !bytes.Equal(again.Bytes(), b.Raw) {
				t.Errorf("written again: %x, %v", again.Bytes(), err)
			}
			if got, err := (cid.Prefix{Version: 1, Codec: cid.DagCBOR, MhType: 0x12, MhLength: 32}).Sum(b.Raw); err != nil || !got.Equals(b.CID) {
				t.Errorf("cid %v, %v, want %v", got, err, b.CID)
			}
		})
	}
}

func element(t *testing.T, n datamodel.Node, i int64) datamodel.Node {
	t.Helper()
	e, err := n.LookupByIndex(i)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// elementLinks returns the links that n is or has.
func elementLinks(t *testing.T, n datamodel.Node) []cid.Cid {
	t.Helper()
	var links []cid.Cid
	if l, err := n.AsLink(); err == nil {
		c, err := cid.Parse(l.String())
		if err != nil {
			t.Fatal(err)
		}
		links = append(links, c)
	}
	if n.Kind() == datamodel.Kind_List {
		for i := range n.Length() {
			links = append(links, elementLinks(t, element(t, n, i))...)
		}
	}
	return links
}

// TestBlock_flips: no bit of a block can change without decoding or the signature noticing, even for who
// does not know the CID; and the CID notices all of them.
func TestBlock_flips(t *testing.T) {
	for name, b := range vectors(t) {
		for i := range b.Raw {
			for bit := range 8 {
				raw := bytes.Clone(b.Raw)
				raw[i] ^= 1 << bit
				if err := crdt.CheckCID(raw, b.CID); !errors.Is(err, crdt.ErrCIDMismatch) {
					t.Fatalf("%s byte %d bit %d: cid check: %v", name, i, bit, err)
				}
				got, err := crdt.DecodeBlock(raw)
				if err == nil {
					err = got.VerifySignature(author(key(1)))
				}
				if err == nil {
					t.Fatalf("%s byte %d bit %d: not noticed", name, i, bit)
				}
				if !isOurs(err) {
					t.Fatalf("%s byte %d bit %d: no sentinel in %v", name, i, bit, err)
				}
			}
		}
	}
}

// isOurs reports whether the error is one of those that decoding and verifying promise.
func isOurs(err error) bool {
	return errors.Is(err, crdt.ErrMalformed) || errors.Is(err, crdt.ErrVersion) || errors.Is(err, crdt.ErrLimit) ||
		errors.Is(err, crdt.ErrBadSignature)
}

func TestBlock_cutAnywhere(t *testing.T) {
	for name, b := range vectors(t) {
		for n := range b.Raw {
			if _, err := crdt.DecodeBlock(b.Raw[:n]); err == nil {
				t.Fatalf("%s: the first %d bytes are a block", name, n)
			}
		}
		if _, err := crdt.DecodeBlock(append(bytes.Clone(b.Raw), 0)); !errors.Is(err, crdt.ErrMalformed) {
			t.Errorf("%s with a byte more: %v", name, err)
		}
	}
}

// TestDecodeBlock_refuses takes one block apart and puts it together wrongly, element by element.
func TestDecodeBlock_refuses(t *testing.T) {
	b := vectors(t)["events"]
	var parts []cbor.RawMessage
	if err := cbor.Unmarshal(b.Raw, &parts); err != nil {
		t.Fatal(err)
	}
	link := "d82a5825000171122000000000000000000000000000000000000000000000000000000000000000"
	link2 := link + "02"
	link += "01"
	if _, err := crdt.DecodeBlock(append([]byte{0x8c}, slices.Concat(parts...)...)); err != nil {
		t.Fatalf("the parts put together rightly: %v", err)
	}
	tests := []struct {
		name  string
		at    int
		bytes string
		err   error
	}{
		{"version 2", 0, "02", crdt.ErrVersion},
		{"long version", 0, "1801", crdt.ErrVersion},
		{"no feed", 1, "40", crdt.ErrMalformed},
		{"zero feed", 1, "5000000000000000000000000000000000", crdt.ErrMalformed},
		{"short feed", 1, "420102", crdt.ErrMalformed},
		{"feed as text", 1, "7041414141414141414141414141414141", crdt.ErrMalformed},
		{"feed null", 1, "f6", crdt.ErrMalformed},
		{"long seq", 2, "1801", crdt.ErrMalformed},
		{"negative seq", 2, "20", crdt.ErrMalformed},
		{"float seq", 2, "f93c00", crdt.ErrMalformed},
		{"null seq", 2, "f6", crdt.ErrMalformed},
		{"tagged seq", 2, "d9d9f701", crdt.ErrMalformed},
		{"bignum seq", 2, "c24101", crdt.ErrMalformed},
		{"huge seq", 2, "1b8000000000000000", crdt.ErrLimit},
		{"opening with prev", 2, "00", crdt.ErrMalformed},
		{"no prev", 3, "f6", crdt.ErrMalformed},
		{"undefined prev", 3, "f7", crdt.ErrMalformed},
		{"prev without tag", 3, link[4:], crdt.ErrMalformed},
		{"prev with tag 43", 3, "d82b" + link[4:], crdt.ErrMalformed},
		{"prev of raw bytes", 3, "d82a58250001551220" + link[18:], crdt.ErrMalformed},
		{"prev without zero", 3, "d82a58250101711220" + link[18:], crdt.ErrMalformed},
		{"links null", 4, "f6", crdt.ErrMalformed},
		{"link null", 4, "81f6", crdt.ErrMalformed},
		{"link twice", 4, "82" + link + link, crdt.ErrMalformed},
		{"links descend", 4, "82" + link2 + link, crdt.ErrMalformed},
		{"33 links", 4, "9821" + fmt.Sprintf("%033d", 0), crdt.ErrMalformed},
		{"endless links", 4, "9fff", crdt.ErrMalformed},
		{"billions of links", 4, "9affffffff", crdt.ErrMalformed},
		{"huge needs", 5, "1b8000000000000000", crdt.ErrLimit},
		{"clock of 3", 6, "83000000", crdt.ErrMalformed},
		{"clock of 5", 6, "850000000040", crdt.ErrMalformed},
		{"clock with float", 6, "84f93c00000000", crdt.ErrMalformed},
		{"clock with map", 6, "84a0000000", crdt.ErrMalformed},
		{"clock before all time", 6, "843b8000000000000000000000", crdt.ErrMalformed},
		{"unsynced without boot", 6, "8400000001", crdt.ErrMalformed},
		{"synced with boot", 6, "8600000000480000000000000000" + "00", crdt.ErrMalformed},
		{"short boot", 6, "86000000014100" + "00", crdt.ErrMalformed},
		{"quality 256", 6, "84000000190100", crdt.ErrMalformed},
		{"count beyond 32 bits", 7, "1b0000000100000000", crdt.ErrMalformed},
		{"opening codec", 8, "00", crdt.ErrMalformed},
		{"epoch and codec", 9, "01", crdt.ErrMalformed},
		{"payload as text", 10, "6141", crdt.ErrMalformed},
		{"payload long form", 10, "580141", crdt.ErrMalformed},
		{"payload in chunks", 10, "5f4141ff", crdt.ErrMalformed},
		{"payload as array", 10, "8141", crdt.ErrMalformed},
		{"tagged payload", 10, "d9d9f74141", crdt.ErrMalformed},
		{"payload far too long", 10, "5bffffffffffffffff", crdt.ErrMalformed},
		{"short signature", 11, "4100", crdt.ErrMalformed},
		{"no signature", 11, "f6", crdt.ErrMalformed},
		{"deep", 10, "818181818181818181818141" + "00", crdt.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw := []byte{0x8c}
			for i, p := range parts {
				if i == tt.at {
					p = unhexLoose(t, tt.bytes)
				}
				raw = append(raw, p...)
			}
			if _, err := crdt.DecodeBlock(raw); !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
		})
	}
}

// unhexLoose is unhex for text that may have an odd number of digits.
func unhexLoose(t *testing.T, text string) []byte {
	t.Helper()
	if len(text)%2 != 0 {
		text += "0"
	}
	return unhex(t, text)
}

func TestDecodeBlock_sharesMemory(t *testing.T) {
	raw := golden(t, "events")
	b, err := crdt.DecodeBlock(raw)
	if err != nil {
		t.Fatal(err)
	}
	if at := bytes.Index(raw, b.Payload); at < 0 || &raw[at] != &b.Payload[0] || &b.Raw[0] != &raw[0] {
		t.Error("the payload or Raw was copied")
	}
}

func TestDecodeBlock_tooLong(t *testing.T) {
	if _, err := crdt.DecodeBlock(make([]byte, crdt.MaxBlockBytes+1)); !errors.Is(err, crdt.ErrLimit) {
		t.Errorf("got %v", err)
	}
}

// TestBlock_envelope: what is around a payload takes at most 200 bytes in a feed of 2^32 blocks with a
// clock that was not synced, and links add 41 each.
func TestBlock_envelope(t *testing.T) {
	_, data, openings := feeds(t, key(1))
	_, head := data.Head()
	data.Rewind(math.MaxUint32-1, head)
	clock := crdt.Clock{
		First: math.MaxInt64 - 1, Span: math.MaxUint64, Hybrid: math.MaxUint64, Quality: crdt.ClockUnsynced,
		Mono: math.MaxUint64,
	}
	draft := crdt.Draft{
		Needs: math.MaxUint16, Clock: clock, Count: 4096, Codec: crdt.CodecColumns, Payload: make([]byte, 100<<10),
	}
	b, err := data.Append(draft)
	if err != nil {
		t.Fatal(err)
	}
	size := len(b.Raw) - len(b.Payload)
	t.Logf("%d bytes", size)
	if size > 200 {
		t.Errorf("%d bytes around the payload, want at most 200", size)
	}
	draft.Links = []cid.Cid{openings[0].CID}
	if b, err = data.Append(draft); err != nil || len(b.Raw)-len(b.Payload) > size+41+4 {
		t.Errorf("%d bytes with a link, %v", len(b.Raw)-len(b.Payload), err)
	}
}

func TestBlock_VerifySignature_otherAuthor(t *testing.T) {
	b := vectors(t)["events"]
	for _, a := range []crdt.Author{{}, author(key(2))} {
		if err := b.VerifySignature(a); !errors.Is(err, crdt.ErrBadSignature) {
			t.Errorf("%s: %v", a, err)
		}
	}
	if err := (&crdt.Block{}).VerifySignature(crdt.Author{}); !errors.Is(err, crdt.ErrBadSignature) {
		t.Errorf("empty block: %v", err)
	}
}

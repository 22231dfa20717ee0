package crdt_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ipld/go-ipld-prime/codec/dagcbor"
	"github.com/ipld/go-ipld-prime/node/basicnode"

	"github.com/skerry-edge/skerry/crdt"
)

func TestDecodeMeta_golden(t *testing.T) {
	b, err := crdt.DecodeBlock(golden(t, "meta"))
	if err != nil {
		t.Fatal(err)
	}
	opening, err := crdt.DecodeBlock(golden(t, "opening-data"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := crdt.DecodeMeta(b.Payload)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(entries(opening.Feed), got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	builder := basicnode.Prototype.Any.NewBuilder()
	if err := dagcbor.Decode(builder, bytes.NewReader(b.Payload)); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := dagcbor.Encode(builder.Build(), &again); err != nil || !bytes.Equal(again.Bytes(), b.Payload) {
		t.Errorf("an IPLD library writes %x, %v", again.Bytes(), err)
	}
}

func TestEncodeMeta_extremes(t *testing.T) {
	tags := make([]crdt.SeriesTag, crdt.MaxTags)
	for i := range tags {
		tags[i] = crdt.SeriesTag{Key: strings.Repeat("k", i+1), Value: strings.Repeat("v", crdt.MaxStringBytes)}
	}
	want := []crdt.Entry{
		&crdt.SeriesDef{Number: math.MaxUint32, Name: strings.Repeat("n", crdt.MaxStringBytes), Tags: tags, Type: 255},
		&crdt.Anchor{Mono: math.MaxUint64, UTC: math.MinInt64, Error: math.MaxUint64},
		&crdt.Anchor{UTC: math.MaxInt64},
		&crdt.Loss{
			Feed: crdt.FeedID{15: 1}, ToSeq: crdt.MaxSeq, First: math.MinInt64, Last: math.MaxInt64,
			Unknown: true, Bound: math.MaxUint64, Reason: 255, Source: "ü",
		},
		&crdt.Loss{Count: math.MaxUint64, Reason: crdt.LossTorn},
		&crdt.Counters{},
	}
	payload, err := crdt.EncodeMeta(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := crdt.DecodeMeta(payload)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if empty, err := crdt.EncodeMeta(nil); err != nil || !bytes.Equal(empty, []byte{0x80}) {
		t.Errorf("no entries: %x, %v", empty, err)
	}
}

func TestEncodeMeta_refuses(t *testing.T) {
	long := strings.Repeat("s", crdt.MaxStringBytes+1)
	series := func(change func(*crdt.SeriesDef)) []crdt.Entry {
		s := &crdt.SeriesDef{Number: 1, Name: "n", Type: 1, Tags: []crdt.SeriesTag{{Key: "a"}, {Key: "b"}}}
		change(s)
		return []crdt.Entry{s}
	}
	loss := func(change func(*crdt.Loss)) []crdt.Entry {
		l := &crdt.Loss{Feed: crdt.FeedID{1}, FromSeq: 1, ToSeq: 2, Reason: 1}
		change(l)
		return []crdt.Entry{l}
	}
	tests := []struct {
		name    string
		entries []crdt.Entry
		err     error
	}{
		{"number 0", series(func(s *crdt.SeriesDef) { s.Number = 0 }), crdt.ErrMalformed},
		{"type 0", series(func(s *crdt.SeriesDef) { s.Type = 0 }), crdt.ErrMalformed},
		{"no name", series(func(s *crdt.SeriesDef) { s.Name = "" }), crdt.ErrMalformed},
		{"long name", series(func(s *crdt.SeriesDef) { s.Name = long }), crdt.ErrLimit},
		{"name no UTF-8", series(func(s *crdt.SeriesDef) { s.Name = "\xff" }), crdt.ErrMalformed},
		{"long unit", series(func(s *crdt.SeriesDef) { s.Unit = long }), crdt.ErrLimit},
		{"no key", series(func(s *crdt.SeriesDef) { s.Tags[0].Key = "" }), crdt.ErrMalformed},
		{"long value", series(func(s *crdt.SeriesDef) { s.Tags[0].Value = long }), crdt.ErrLimit},
		{"key twice", series(func(s *crdt.SeriesDef) { s.Tags[0].Key = "b" }), crdt.ErrMalformed},
		{"keys descend", series(func(s *crdt.SeriesDef) { s.Tags[0].Key = "c" }), crdt.ErrMalformed},
		{"33 tags", series(func(s *crdt.SeriesDef) { s.Tags = make([]crdt.SeriesTag, 33) }), crdt.ErrLimit},
		{"backwards", loss(func(l *crdt.Loss) { l.FromSeq = 3 }), crdt.ErrMalformed},
		{"no feed", loss(func(l *crdt.Loss) { l.Feed = crdt.FeedID{} }), crdt.ErrMalformed},
		{"huge seq", loss(func(l *crdt.Loss) { l.ToSeq = math.MaxUint64 }), crdt.ErrMalformed},
		{"time backwards", loss(func(l *crdt.Loss) { l.First = 1 }), crdt.ErrMalformed},
		{"count unknown and known", loss(func(l *crdt.Loss) { l.Count, l.Unknown = 1, true }), crdt.ErrMalformed},
		{"bound and count", loss(func(l *crdt.Loss) { l.Bound = 1 }), crdt.ErrMalformed},
		{"no reason", loss(func(l *crdt.Loss) { l.Reason = 0 }), crdt.ErrMalformed},
		{"long source", loss(func(l *crdt.Loss) { l.Source = long }), crdt.ErrLimit},
		{"number left out", []crdt.Entry{
			&crdt.SeriesDef{Number: 4, Name: "a", Type: 1}, &crdt.Anchor{}, &crdt.SeriesDef{Number: 6, Name: "b", Type: 1},
		}, crdt.ErrMalformed},
		{"number twice", []crdt.Entry{
			&crdt.SeriesDef{Number: 4, Name: "a", Type: 1}, &crdt.SeriesDef{Number: 4, Name: "b", Type: 1},
		}, crdt.ErrMalformed},
		{"unknown kind", []crdt.Entry{&crdt.UnknownEntry{Code: 9, Raw: []byte{0x81, 9}}}, crdt.ErrMalformed},
		{"nil", []crdt.Entry{nil}, crdt.ErrMalformed},
		{"too many", make([]crdt.Entry, crdt.MaxMetaEntries+1), crdt.ErrLimit},
		{"too large", manySeries(5000), crdt.ErrLimit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := crdt.EncodeMeta(tt.entries); !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
		})
	}
}

// manySeries returns n series definitions of 1 KB each with consecutive numbers.
func manySeries(n uint32) []crdt.Entry {
	out := make([]crdt.Entry, 0, n)
	for i := range n {
		out = append(out, &crdt.SeriesDef{Number: i + 1, Name: strings.Repeat("n", 1000), Type: 1})
	}
	return out
}

func TestDecodeMeta_keepsUnknownKinds(t *testing.T) {
	payload := unhex(t, "83"+"870402030405060"+"7"+"8207a16161f90000"+"981a"+"1863"+strings.Repeat("80", 25))
	got, err := crdt.DecodeMeta(payload)
	if err != nil {
		t.Fatal(err)
	}
	want := []crdt.Entry{
		&crdt.Counters{Decoded: 2, Stored: 3, Filtered: 4, Lost: 5, Rejected: 6, Repeats: 7},
		&crdt.UnknownEntry{Code: 7, Raw: payload[9:17]},
		&crdt.UnknownEntry{Code: 99, Raw: payload[17:]},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestDecodeMeta_refuses(t *testing.T) {
	tests := []struct{ name, payload string }{
		{"nothing", ""},
		{"a map", "a0"},
		{"long form", "9800"},
		{"endless", "9fff"},
		{"a byte more", "8000"},
		{"billions", "9affffffff"},
		{"entry a number", "8101"},
		{"entry without code", "8180"},
		{"entry with a long head and no code", "819800"},
		{"code a text", "81816141"},
		{"code negative", "818120"},
		{"code long", "8187180402030405060" + "7"},
		{"code float", "8181f94400"},
		{"code tagged", "8181d9d9f704"},
		{"entry tagged", "81d9d9f7870402030405060" + "7"},
		{"payload tagged", "d9d9f780"},
		{"counters of 5", "8186040203040506"},
		{"counters of 7", "818804020304050607" + "08"},
		{"counter null", "818704f6030405060" + "7"},
		{"anchor with short boot", "8185024101020304"},
		{"series without type", "8185010161618060"},
		{"series with one key", "8186010161618161616001"},
		{"series with tags null", "818601016161f66001"},
		{"series with text in chunks", "818601017f6161ff806001"},
		{"series no UTF-8", "8186010161ff806001"},
		{"number twice", "82" + "860101" + "6161806001" + "860101" + "6162806001"},
		{"tags that descend", "81860101616184" + "616260" + "616160" + "6001"},
		{"deep", "8182" + "07" + strings.Repeat("81", 20) + "00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := crdt.DecodeMeta(unhex(t, tt.payload)); !errors.Is(err, crdt.ErrMalformed) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	if _, err := crdt.DecodeMeta(make([]byte, crdt.MaxPayloadBytes+1)); !errors.Is(err, crdt.ErrLimit) {
		t.Errorf("too long: %v", err)
	}
}

func TestLossReason_names(t *testing.T) {
	want := []string{"reason(0)", "queue_full", "disk_budget", "quarantined", "torn", "store_tail_lost", "reason(6)"}
	for i, name := range want {
		if got := crdt.LossReason(i).String(); got != name {
			t.Errorf("reason %d is %q, want %q", i, got, name)
		}
	}
}

package apitest

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// blocks opens the stream of a collection's blocks.
func (s Subject) blocks(t *testing.T, collection string) api.Blocks {
	t.Helper()
	blocks, err := s.Backend.Blocks(t.Context(), collection)
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// checkBlocks adds readings until some are in blocks, and reads those.
func checkBlocks(t *testing.T, s Subject) {
	t.Helper()
	base := time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	added := uint64(0)
	deadline := time.Now().Add(tailPatience)
	for s.blocks(t, s.Collection).Count < 3 { // more than opening blocks
		if time.Now().After(deadline) {
			t.Fatalf("%d readings are in no block after %v", added, tailPatience)
		}
		s.add(t, s.reading(t, sensors.Series{Name: "a"}, base+int64(added), 0.5), s.reading(t, sensors.Series{Name: "b"}, base+int64(added), "x"))
		added += 2
	}
	blocks := s.blocks(t, s.Collection)
	names := map[string]bool{}
	heads := map[crdt.FeedID]*crdt.Block{}
	count, readings := uint64(0), uint64(0)
	for b, err := range blocks.Seq {
		if err != nil {
			t.Fatal(err)
		}
		if err := crdt.CheckCID(b.Raw, b.CID); err != nil {
			t.Fatal(err)
		}
		if b.Seq > 0 && !names[b.Prev.KeyString()] {
			t.Fatalf("block %d of feed %s stands before the one that it links to", b.Seq, b.Feed)
		}
		names[b.CID.KeyString()], heads[b.Feed] = true, b
		if count++; b.Codec == crdt.CodecColumns {
			readings += uint64(b.Count)
		}
	}
	if count != blocks.Count {
		t.Errorf("got %d blocks, want %d", count, blocks.Count)
	}
	if readings+blocks.Unsealed != added {
		t.Errorf("%d readings in blocks and %d unsealed, want %d together", readings, blocks.Unsealed, added)
	}
	if len(blocks.Roots) != len(heads) {
		t.Errorf("%d roots of %d feeds", len(blocks.Roots), len(heads))
	}
	for _, head := range heads {
		found := false
		for _, root := range blocks.Roots {
			found = found || root.Equals(head.CID)
		}
		if !found {
			t.Errorf("the last block of feed %s is no root", head.Feed)
		}
	}
}

func checkBlocksOfNone(t *testing.T, s Subject) {
	t.Helper()
	blocks := s.blocks(t, s.Empty)
	if blocks.Count != 0 || blocks.Unsealed != 0 || len(blocks.Roots) != 0 {
		t.Errorf("got %+v of a collection without rows", blocks)
	}
	for b, err := range blocks.Seq {
		t.Errorf("got %v, %v of a collection without rows", b, err)
	}
	if _, err := s.Backend.Blocks(t.Context(), "no such thing"); !errors.Is(err, api.ErrNoCollection) {
		t.Errorf("got %v, want ErrNoCollection", err)
	}
}

// checkProgress: the last progress is not beyond what there is, and none goes back.
func checkProgress(t *testing.T, s Subject) {
	t.Helper()
	s.add(t, s.reading(t, sensors.Series{Name: "a"}, time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano(), 0.5))
	var last api.Progress
	v, err := s.Backend.Verify(t.Context(), func(p api.Progress) {
		if p.Blocks < last.Blocks || p.Blocks > p.Of {
			t.Errorf("progress %+v after %+v", p, last)
		}
		last = p
	})
	if err != nil || !v.OK || len(v.Collections) == 0 {
		t.Errorf("got %+v, %v, want no damage", v, err)
	}
}

// checkQueryTypes: a row's value has the type and the bits that it was added with.
func checkQueryTypes(t *testing.T, s Subject) {
	t.Helper()
	base := time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	var readings []sensors.Reading
	for i, value := range typedValues() {
		readings = append(readings, s.reading(t, sensors.Series{Name: "v"}, base+int64(i)*1e6, value))
	}
	s.add(t, readings...)
	rows, err := s.Backend.Query(t.Context(), api.Query{Collection: s.Collection})
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for row, err := range rows.Seq {
		if err != nil {
			t.Fatal(err)
		}
		want := readings[i]
		if row.Series.Type != want.Series.Type || row.Num != want.Num || row.Str != want.Str {
			t.Errorf("got %s %v, want %s %v", row.Series.Type, row.Value(), want.Series.Type, want.Value())
		}
		i++
	}
	if i != len(readings) {
		t.Errorf("got %d rows, want %d", i, len(readings))
	}
}

// typedValues are values whose text alone does not say what they are.
func typedValues() []any {
	return []any{21.0, int64(21), "21", math.NaN(), "NaN", math.Inf(1), math.Inf(-1), "-Inf", math.Copysign(0, -1), int64(0), true, "true", int64(1<<53 + 1), int64(math.MinInt64), 1e18}
}

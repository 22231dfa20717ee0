package store

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

func (r *rig) lose(collection string, n uint64) {
	r.t.Helper()
	l := sensors.Loss{Collection: collection, Source: "line", First: testStart, Last: testStart, Count: n, Reason: sensors.LostQueueFull}
	if err := r.db.Append(nil, []sensors.Loss{l}); err != nil {
		r.t.Fatal(err)
	}
}

func counts(losses []sensors.Loss) (n []uint64) {
	for _, l := range losses {
		n = append(n, l.Count)
	}
	return n
}

// One position says what is sealed, so losses and readings are sealed in the order of the journal.
func TestSeal_lossesInOrder(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 10)
	r.lose("climate", 1)
	r.fill("climate", 10)
	r.lose("climate", 2)
	for _, c := range []struct{ readings, want int }{{0, 0}, {9, 0}, {10, 1}, {19, 1}, {20, 2}} {
		if got := len(r.db.Losses("climate", c.readings)); got != c.want {
			t.Errorf("%d losses with %d readings, want %d", got, c.readings, c.want)
		}
	}
	for _, c := range []struct {
		readings, losses int
		ok               bool
	}{
		{0, 0, true},
		{9, 0, true},
		{10, 0, true},
		{10, 1, true},
		{11, 0, false},
		{20, 0, false},
		{0, 1, false},
		{9, 1, false},
		{20, 1, true},
		{19, 2, false},
		{20, 2, true},
		{21, 2, false},
		{20, 3, false},
		{-1, 0, false},
		{0, -1, false},
	} {
		if _, _, err := r.db.tails["climate"].after(c.readings, c.losses); (err == nil) != c.ok {
			t.Errorf("%d readings and %d losses can be sealed: %v, want %v", c.readings, c.losses, err, c.ok)
		}
	}
	r.seal("climate", 15, 5)
	if got := counts(r.db.Losses("climate", 5)); len(got) != 1 || got[0] != 2 {
		t.Errorf("losses left: %v, want [2]", got)
	}
	r.crash()
	r.open()
	if readings, losses, _ := r.db.Unsealed("climate"); readings != 5 || losses != 1 {
		t.Errorf("after a restart %d readings and %d losses are unsealed, want 5 and 1", readings, losses)
	}
	r.seal("climate", 5, 5)
	r.crash()
	r.open()
	if readings, losses, _ := r.db.Unsealed("climate"); readings != 0 || losses != 0 {
		t.Errorf("after a restart %d readings and %d losses are unsealed, want none", readings, losses)
	}
	r.check(Query{Collection: "climate"})
	r.verify()
}

// A seal in the middle of a record, with a restart after each.
func TestSeal_partOfARecord(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 100)
	r.fill("power", 30)
	for _, n := range []int{1, 30, 7, 62} {
		r.seal("climate", n, 10)
		r.crash()
		r.open()
		r.check(Query{Collection: "climate"})
		r.check(Query{Collection: "power"})
	}
	if readings, _, _ := r.db.Unsealed("climate"); readings != 0 {
		t.Errorf("%d readings are unsealed, want none", readings)
	}
	r.verify()
}

func TestSeal_refuses(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 100)
	r.seal("climate", 50, 10)
	r.fill("power", 100)
	was := r.db.Collections()
	f, _ := r.feedsOf("climate")
	seq, head := f.data.Head()
	block := func(n uint32) *crdt.Block {
		b, err := f.data.Append(crdt.Draft{Count: n, Codec: crdt.CodecColumns, Payload: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	first, second := block(10), block(10)
	f.data.Rewind(seq, head)
	many := make([]*crdt.Block, MaxSealBlocks+1)
	_, foreign, err := crdt.OpenFeed(r.key, crdt.Opening{Role: crdt.Meta, Name: "else", Kind: crdt.Events, Precision: 3}, crdt.Clock{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		collection string
		blocks     []*crdt.Block
		readings   int
	}{
		"a gap":                      {"climate", []*crdt.Block{second}, 10},
		"the same block twice":       {"climate", []*crdt.Block{first, first}, 20},
		"fewer readings than blocks": {"climate", []*crdt.Block{first, second}, 10},
		"too many blocks":            {"climate", many, 0},
		"another collection's feed":  {"climate", []*crdt.Block{foreign}, 0},
		"a feed of nobody":           {"power", []*crdt.Block{first}, 10},
		"no feed":                    {"power", nil, 0},
	} {
		if err := r.db.Seal(c.collection, c.blocks, c.readings, 0); err == nil {
			t.Errorf("%s: sealed", name)
		}
	}
	if now := r.db.Collections(); now[0] != was[0] || now[1] != was[1] {
		t.Errorf("collections %+v after refused seals, want %+v", now, was)
	}
	if err := r.db.Seal("climate", []*crdt.Block{first, second}, 20, 0); err != nil {
		t.Errorf("the right blocks: %v", err)
	}
}

// A seal whose commit failed, or was not synced (which Badger only logs), changed nothing that anyone
// sees, and the same readings can be sealed again.
func TestSeal_commitFails(t *testing.T) {
	disk := errors.New("input/output error")
	for name, fail := range map[string]func(*rig, *badger.Txn) error{
		"not committed": func(*rig, *badger.Txn) error { return disk },
		"committed, not synced": func(r *rig, txn *badger.Txn) error {
			r.db.syncLog.Errorf("Error while curlf sync: %v\n", disk)
			return commit(txn)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.fill("climate", 100)
			r.seal("climate", 50, 10)
			r.lose("climate", 3)
			for range 3 {
				r.db.commitTxn = func(txn *badger.Txn) error { return fail(r, txn) }
				f, _ := r.feedsOf("climate")
				seq, head := f.data.Head()
				metaSeq, metaHead := f.meta.Head()
				was := r.db.Collections()
				if _, err := r.sealOnce("climate", 50, 10); err == nil {
					t.Error("sealed")
				}
				if now := r.db.Collections(); now[0] != was[0] {
					t.Errorf("collection %+v, want %+v", now[0], was[0])
				}
				r.check(Query{Collection: "climate"})
				f.data.Rewind(seq, head)
				f.meta.Rewind(metaSeq, metaHead)
			}
			r.db.commitTxn = commit
			r.seal("climate", 50, 10)
			r.check(Query{Collection: "climate"})
			r.verify()
			r.crash()
			r.open()
			r.check(Query{Collection: "climate"})
			r.verify()
		})
	}
}

func TestBadgerLog_noticesFailedSyncs(t *testing.T) {
	r := newRig(t)
	r.db.syncLog.Errorf("while deleting file: %s", "/srv/sync/data/badger/00012.mem")
	if r.db.syncLog.syncFailed.Load() {
		t.Error("another error counts as a failed sync")
	}
	r.db.syncLog.Errorf("Error while curlf sync: %v\n", errors.New("input/output error"))
	if !r.db.syncLog.syncFailed.Load() {
		t.Error("a failed sync was not noticed")
	}
}

// Segments: a block goes to the day of its last time, to a new part when the last one is full, and
// where its clock was unsynced to days of their own.
func TestSeal_segments(t *testing.T) {
	r := newRig(t)
	s := r.series("temp", sensors.Float)
	unsynced := r.float(s, testStart, 5)
	unsynced.Quality = sensors.QualityUnsynced | sensors.QualityArrival
	r.append("climate", r.float(s, testStart, 1))
	r.append("climate", r.float(s, testStart+2*bucketNanos, 2))
	r.append("climate", r.float(s, testStart-bucketNanos, 3))
	r.append("climate", r.float(s, testStart, 4))
	r.append("climate", unsynced)
	r.seal("climate", 5, 1)
	day := uint32(testStart / bucketNanos)
	want := []segment{{day - 1, 0}, {day, 0}, {day + 2, 0}, {day | unsyncedBucket, 0}}
	got := r.db.collections["climate"].segments
	if len(got) != len(want) {
		t.Fatalf("segments %v, want %v", got, want)
	}
	for i := range got {
		if got[i].segment != want[i] {
			t.Errorf("segment %d is %v, want %v", i, got[i].segment, want[i])
		}
	}
	r.db.collections["climate"].segments[1].Bytes = partBytes // full
	r.append("climate", r.float(s, testStart, 6))
	r.seal("climate", 1, 1)
	if p := r.db.collections["climate"].segments[2]; p.segment != (segment{day, 1}) || p.Blocks != 1 {
		t.Errorf("after a full part comes %+v, want part 1 with one block", p)
	}
	r.check(Query{Collection: "climate"})
	r.check(Query{Collection: "climate", Newest: true})
}

func TestCollections(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 100)
	r.seal("climate", 60, 20)
	r.fill("power", 5)
	c := r.db.Collections()
	if len(c) != 2 || c[0].Name != "climate" || c[0].Blocks != 4 || c[0].Readings != 100 || c[0].Precision != sensors.Nanoseconds ||
		c[0].First != testStart || c[0].Last != testStart+99e9 || len(c[0].Digest) != 64 || c[0].Bytes == 0 {
		t.Errorf("climate: %+v", c)
	}
	if c[1].Name != "power" || c[1].Blocks != 0 || c[1].Readings != 5 || c[1].Digest == c[0].Digest {
		t.Errorf("power: %+v", c[1])
	}
	blocks, readings, journal := r.db.Totals()
	if blocks != 4 || readings != 60 || journal == 0 || r.db.UnsealedReadings() != 45 {
		t.Errorf("totals %d, %d, %d, unsealed %d", blocks, readings, journal, r.db.UnsealedReadings())
	}
	if names := r.db.UnsealedCollections(); strings.Join(names, " ") != "climate power" {
		t.Errorf("unsealed collections %v", names)
	}
}

func TestParseTimes(t *testing.T) {
	rng := seeded(t)
	var ts []times
	for i := range maxTimes {
		a, b := rng.Int64()-rng.Int64(), rng.Int64()-rng.Int64()
		ts = append(ts, times{seq: uint64(i) + 5, first: min(a, b), last: max(a, b), count: rng.Uint32(), check: [8]byte{byte(i)}})
	}
	ts[0].first, ts[0].last = math.MinInt64, math.MaxInt64
	b := appendTimes(nil, ts)
	got, err := parseTimes(b, 5)
	if err != nil || len(got) != len(ts) {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	for i := range got {
		if got[i] != ts[i] {
			t.Errorf("entry %d is %+v, want %+v", i, got[i], ts[i])
		}
	}
	for cut := range b {
		if got, err := parseTimes(b[:cut], 5); err == nil && len(got) >= len(ts) {
			t.Errorf("%d entries in %d of %d bytes", len(got), cut, len(b))
		}
	}
	if _, err := parseTimes(append(b, b[:40]...), 5); err == nil {
		t.Error("a row with too many entries was taken")
	}
}

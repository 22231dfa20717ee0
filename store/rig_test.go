package store

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/crdt/columns"
	"github.com/skerry-edge/skerry/sensors"
)

// rig is a store under test and a plain model of what it holds.
type rig struct {
	t       *testing.T
	dir     string
	key     ed25519.PrivateKey
	table   *sensors.Table
	db      *DB
	feeds   map[string]*feeds
	model   map[string][]modelRow
	clock   sensors.ClockBase
	enc     *columns.Encoder
	perSeal int // blocks
}

// modelRow is a reading that does not depend on pointers.
type modelRow struct {
	Time   int64
	Series string
	Value  string
}

// feeds is the writing end of one collection.
type feeds struct {
	data, meta *crdt.Feed
	numbers    map[*sensors.Series]uint32
	definedBy  []uint64
}

func newRig(t *testing.T) *rig {
	t.Helper()
	enc, err := columns.NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: t.TempDir(), key: ed25519.NewKeyFromSeed(make([]byte, 32)), model: map[string][]modelRow{}, enc: enc, perSeal: 8}
	r.open()
	return r
}

func (r *rig) author() crdt.Author {
	r.t.Helper()
	public, is := r.key.Public().(ed25519.PublicKey)
	if !is {
		r.t.Fatal("not an Ed25519 key")
	}
	return crdt.AuthorOf(public)
}

func (r *rig) options() Options {
	r.table = sensors.NewTable()
	return Options{Dir: r.dir, Table: r.table, Author: r.author(), Who: "test", Clock: r.clock, Log: slog.New(slog.DiscardHandler)}
}

func (r *rig) open() {
	r.t.Helper()
	db, err := Open(r.options())
	if err != nil {
		r.t.Fatal(err)
	}
	r.db, r.feeds = db, map[string]*feeds{}
	r.t.Cleanup(func() {
		if r.db == db {
			_ = db.Close()
		}
	})
}

func (r *rig) close() {
	r.t.Helper()
	if err := r.db.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.db = nil
}

// crash leaves the store as a killed process does, but for Badger, which is closed.
func (r *rig) crash() {
	r.t.Helper()
	r.db.watchers.close()
	if err := closeBadger(r.db.badger); err != nil {
		r.t.Fatal(err)
	}
	if err := r.db.lock.release(); err != nil {
		r.t.Fatal(err)
	}
	r.db = nil
}

func (r *rig) series(name string, typ sensors.Type, tags ...sensors.Tag) *sensors.Series {
	r.t.Helper()
	s, err := r.table.Intern(sensors.Series{Name: name, Type: typ, Tags: tags})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *rig) append(collection string, rs ...sensors.Reading) {
	r.t.Helper()
	rows := make([]modelRow, 0, len(rs))
	for i := range rs {
		rows = append(rows, rowOf(&rs[i]))
	}
	if err := r.db.Append([]sensors.Batch{{Source: "line", Collection: collection, Readings: rs}}, nil); err != nil {
		r.t.Fatal(err)
	}
	r.model[collection] = append(r.model[collection], rows...)
}

func (r *rig) float(series *sensors.Series, at int64, v float64) sensors.Reading {
	return sensors.Reading{Series: series, Time: at, Num: math.Float64bits(v)}
}

func rowOf(r *sensors.Reading) modelRow {
	return modelRow{r.Time, seriesText(r.Series), fmt.Sprintf("%x %q %d", r.Num, r.Str, r.Quality)}
}

func seriesText(s *sensors.Series) string {
	text := s.Name
	for _, t := range s.Tags {
		text += "\x00" + t.Key + "\x01" + t.Value
	}
	return fmt.Sprintf("%s\x00%d\x00%s", text, s.Type, s.Unit)
}

// feedsOf resumes or opens our feeds.
func (r *rig) feedsOf(collection string) (*feeds, []*crdt.Block) {
	r.t.Helper()
	if f := r.feeds[collection]; f != nil {
		return f, nil
	}
	f := &feeds{numbers: map[*sensors.Series]uint32{}}
	r.feeds[collection] = f
	own, has, err := r.db.Own(collection)
	if err != nil {
		r.t.Fatal(err)
	}
	if has {
		f.data = crdt.ResumeFeed(r.key, own.Data.ID, own.Data.Opening, own.Data.Seq, own.Data.CID)
		f.meta = crdt.ResumeFeed(r.key, own.Meta.ID, own.Meta.Opening, own.Meta.Seq, own.Meta.CID)
		f.definedBy = own.SeriesSeqs
		for i, s := range own.Series {
			f.numbers[s] = uint32(i) + 1
		}
		return f, nil
	}
	o := crdt.Opening{Role: crdt.Meta, Name: collection, Kind: crdt.Events, Precision: 9}
	o.Incarnation[0], o.Incarnation[1] = byte(rand.Uint32()), byte(rand.Uint32())
	var metaBlock, dataBlock *crdt.Block
	if f.meta, metaBlock, err = crdt.OpenFeed(r.key, o, crdt.Clock{}); err != nil {
		r.t.Fatal(err)
	}
	o.Role, o.Meta = crdt.Data, f.meta.ID()
	if f.data, dataBlock, err = crdt.OpenFeed(r.key, o, crdt.Clock{}); err != nil {
		r.t.Fatal(err)
	}
	return f, []*crdt.Block{metaBlock, dataBlock}
}

// seal puts the oldest n readings into blocks of size readings, and the losses among them.
func (r *rig) seal(collection string, n, size int) {
	r.t.Helper()
	for n > 0 {
		sealed, err := r.sealOnce(collection, n, size)
		if err != nil {
			r.t.Fatal(err)
		}
		if sealed == 0 {
			break
		}
		n -= sealed
	}
}

func (r *rig) sealOnce(collection string, n, size int) (int, error) {
	r.t.Helper()
	rs, base := r.db.Peek(collection, nil, min(n, r.perSeal*size))
	f, blocks := r.feedsOf(collection)
	if entries := f.define(rs); len(entries) > 0 {
		blocks = append(blocks, r.meta(f, entries))
	}
	for part := range slices.Chunk(rs, size) {
		part = slices.Clone(part)
		payload, err := r.enc.Encode(nil, part, func(s *sensors.Series) uint32 { return f.numbers[s] })
		if err != nil {
			r.t.Fatal(err)
		}
		d := crdt.Draft{Count: uint32(len(part)), Codec: crdt.CodecColumns, Payload: payload, Clock: span(part, base)}
		for i := range part {
			d.Needs = max(d.Needs, f.definedBy[f.numbers[part[i].Series]-1])
		}
		b, err := f.data.Append(d)
		if err != nil {
			r.t.Fatal(err)
		}
		blocks = append(blocks, b)
	}
	losses := r.db.Losses(collection, len(rs))
	if len(losses) > 0 {
		var entries []crdt.Entry
		for _, l := range losses {
			entries = append(entries, &crdt.Loss{First: l.First, Last: l.Last, Count: l.Count, Reason: crdt.LossReason(l.Reason), Source: l.Source})
		}
		blocks = append(blocks, r.meta(f, entries))
	}
	return len(rs), r.db.Seal(collection, blocks, len(rs), len(losses))
}

func (f *feeds) define(rs []sensors.Reading) []crdt.Entry {
	var entries []crdt.Entry
	seq, _ := f.meta.Head()
	for i := range rs {
		s := rs[i].Series
		if f.numbers[s] != 0 {
			continue
		}
		d := &crdt.SeriesDef{Number: uint32(len(f.definedBy)) + 1, Name: s.Name, Unit: s.Unit, Type: uint8(s.Type)}
		for _, t := range s.Tags {
			d.Tags = append(d.Tags, crdt.SeriesTag{Key: t.Key, Value: t.Value})
		}
		f.numbers[s] = d.Number
		f.definedBy = append(f.definedBy, seq+1)
		entries = append(entries, d)
	}
	return entries
}

func (r *rig) meta(f *feeds, entries []crdt.Entry) *crdt.Block {
	r.t.Helper()
	payload, err := crdt.EncodeMeta(entries)
	if err != nil {
		r.t.Fatal(err)
	}
	b, err := f.meta.Append(crdt.Draft{Count: uint32(len(entries)), Codec: crdt.CodecMeta, Payload: payload})
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

func span(rs []sensors.Reading, base sensors.ClockBase) crdt.Clock {
	first, last, quality := rs[0].Time, rs[0].Time, sensors.Quality(0)
	for i := range rs {
		first, last = min(first, rs[i].Time), max(last, rs[i].Time)
		quality |= rs[i].Quality
	}
	c := crdt.Clock{First: first, Span: uint64(last) - uint64(first), Hybrid: uint64(last)}
	if quality&sensors.QualityUnsynced != 0 {
		c.Quality, c.Boot = crdt.ClockUnsynced, base.Boot
	}
	return c
}

// rows runs a query.
func (r *rig) rows(q Query) []modelRow {
	r.t.Helper()
	rows, err := r.tryRows(q)
	if err != nil {
		r.t.Fatalf("query %+v: %v", q, err)
	}
	return rows
}

func (r *rig) tryRows(q Query) ([]modelRow, error) {
	_, seq, err := r.db.Query(context.Background(), q)
	if err != nil {
		return nil, err
	}
	var rows []modelRow
	for row, err := range seq {
		if err != nil {
			return rows, err
		}
		rows = append(rows, rowOf(&row.Reading))
	}
	return rows, nil
}

// check compares a query with the model.
func (r *rig) check(q Query) {
	r.t.Helper()
	want := wanted(r.model[q.Collection], q)
	got := r.rows(q)
	if q.Limit == 0 || int64(len(want)) <= q.Limit {
		settle(got, q.Newest)
		if diff := gocmp.Diff(want, got); diff != "" {
			r.t.Fatalf("query %+v: %d rows, want %d: -want +got\n%.3000s", q, len(got), len(want), diff)
		}
		return
	}
	// Which of several readings of one series and time come first is not promised, so with a limit the
	// values of the last ones are not compared.
	if int64(len(got)) != q.Limit {
		r.t.Fatalf("query %+v: %d rows, want %d", q, len(got), q.Limit)
	}
	for i := range got {
		if got[i].Time != want[i].Time || got[i].Series != want[i].Series {
			r.t.Fatalf("query %+v: row %d is %v, want %v", q, i, got[i], want[i])
		}
	}
}

// wanted runs the query on the model.
func wanted(rows []modelRow, q Query) []modelRow {
	var out []modelRow
	for _, row := range rows {
		name, tags, _ := strings.Cut(row.Series, "\x00")
		ok := row.Time >= q.From && (q.To == 0 || row.Time < q.To) && (q.Series == "" || matchModel(q.Series, name))
		for _, t := range q.Tags {
			ok = ok && strings.Contains("\x00"+tags, "\x00"+t.Key+"\x01"+t.Value+"\x00")
		}
		if ok {
			out = append(out, row)
		}
	}
	settle(out, q.Newest)
	return out
}

// matchModel matches letter by letter.
func matchModel(glob, name string) bool {
	if glob == "" {
		return name == ""
	}
	if glob[0] == '*' {
		return matchModel(glob[1:], name) || name != "" && matchModel(glob, name[1:])
	}
	return name != "" && glob[0] == name[0] && matchModel(glob[1:], name[1:])
}

// settle orders rows as queries do, and those that are equal but for their value by that.
func settle(rows []modelRow, newest bool) {
	slices.SortStableFunc(rows, func(a, b modelRow) int {
		byTime := cmp.Compare(a.Time, b.Time)
		if newest {
			byTime = -byTime
		}
		return cmp.Or(byTime, cmp.Compare(a.Series, b.Series), cmp.Compare(a.Value, b.Value))
	})
}

// verify expects no damage and the model's number of readings.
func (r *rig) verify() {
	r.t.Helper()
	good, damage, err := r.db.Verify(context.Background(), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, d := range damage {
		r.t.Errorf("damage %+v", d)
	}
	for _, v := range good {
		if v.Readings != uint64(len(r.model[v.Name])) {
			r.t.Errorf("verify counts %d readings in %q, want %d", v.Readings, v.Name, len(r.model[v.Name]))
		}
	}
	for _, c := range r.db.Collections() {
		if c.Readings != uint64(len(r.model[c.Name])) {
			r.t.Errorf("%q is said to have %d readings, want %d", c.Name, c.Readings, len(r.model[c.Name]))
		}
	}
}

func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("SKERRY_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SKERRY_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

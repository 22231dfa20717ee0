package store

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// blocksOf returns the bytes of a collection's data blocks, by seq, and the feed.
func (r *rig) blocksOf(collection string) (raws map[uint64][]byte, keys map[uint64][]byte, feed string) {
	r.t.Helper()
	raws, keys = map[uint64][]byte{}, map[uint64][]byte{}
	c := r.db.collections[collection]
	err := r.db.badger.View(func(txn *badger.Txn) error {
		return scan(txn, numberKey(keyBlock, c.number), func(k, v []byte) error {
			_, _, seq, _ := parseBlockKey(k)
			raws[seq], keys[seq] = bytes.Clone(v), bytes.Clone(k)
			return nil
		})
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return raws, keys, c.ownData.id.String()
}

// spoil changes bytes in the database's files where they are.
func (r *rig) spoil(old []byte, at int) (found bool) {
	r.t.Helper()
	files, err := filepath.Glob(filepath.Join(r.dir, "badger", "*"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			r.t.Fatal(err)
		}
		if i := bytes.Index(b, old); i >= 0 {
			b[i+at] ^= 0x20
			if err := os.WriteFile(path, b, 0o600); err != nil {
				r.t.Fatal(err)
			}
			found = true
		}
	}
	return found
}

// noise returns readings that do not compress: their blocks go into the value log.
func (r *rig) noise(n int) []sensors.Reading {
	rng := seeded(r.t)
	s := r.series("noise", sensors.Float)
	rs := make([]sensors.Reading, n)
	for i := range rs {
		rs[i] = sensors.Reading{Series: s, Time: testStart + int64(i)*1e9, Num: rng.Uint64()}
	}
	return rs
}

// expectDamage expects that a query and verify name the block, and that what is right is still read.
func (r *rig) expectDamage(what, feed string, seq uint64) {
	r.t.Helper()
	good := map[modelRow]bool{}
	for _, row := range r.model["climate"] {
		good[row] = true
	}
	rows, err := r.tryRows(Query{Collection: "climate"})
	if err == nil {
		r.t.Fatalf("%s: the query answers %d rows of %d, want an error", what, len(rows), len(good))
	}
	for _, row := range rows {
		if !good[row] {
			r.t.Fatalf("%s: the query invents %v", what, row)
		}
	}
	if text := err.Error(); !strings.Contains(text, feed) || !strings.Contains(text, fmt.Sprint("block ", seq)) {
		r.t.Errorf("%s: got %q, want an error that names block %d of feed %s", what, text, seq, feed)
	}
	_, damage, err := r.db.Verify(context.Background(), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(damage) == 0 || damage[0].Feed != feed || damage[0].Seq == nil || *damage[0].Seq != seq {
		r.t.Errorf("%s: verify reports %+v, want block %d of feed %s", what, damage, seq, feed)
	}
	if _, err := r.tryBlocks("climate"); err == nil || !strings.Contains(err.Error(), feed) || !strings.Contains(err.Error(), fmt.Sprint("block ", seq)) {
		r.t.Errorf("%s: the blocks end with %v, want an error that names block %d of feed %s", what, err, seq, feed)
	}
	// Other blocks are still read.
	s := r.rows(Query{Collection: "climate", From: testStart + 600e9})
	if len(s) != 400 {
		r.t.Errorf("%s: %d rows of the sound part, want 400", what, len(s))
	}
}

func TestDamage_flippedBytes(t *testing.T) {
	for name, size := range map[string]int{"value log": 200, "tables": 20} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.append("climate", r.noise(1000)...)
			r.seal("climate", 1000, size)
			raws, _, feed := r.blocksOf("climate")
			r.close()
			whole := filepath.Join(t.TempDir(), "badger")
			if err := os.CopyFS(whole, os.DirFS(filepath.Join(r.dir, "badger"))); err != nil {
				t.Fatal(err)
			}
			raw := raws[2]
			for _, at := range []int{0, 1, 30, len(raw) / 2, len(raw) - 1} {
				r.rollBack(whole)
				if !r.spoil(raw, at) {
					t.Fatal("the block's bytes are in no file")
				}
				what := fmt.Sprintf("byte %d of %d flipped", at, len(raw))
				db, err := Open(r.options())
				if err != nil {
					if name == "value log" {
						t.Errorf("%s: open: %v", what, err)
					}
					continue // refused: not silent
				}
				r.db = db
				if name == "value log" {
					r.expectDamage(what, feed, 2)
				} else if _, err := r.tryRows(Query{Collection: "climate"}); err == nil {
					t.Errorf("%s: the query answers, want an error", what)
				}
				r.close()
			}
		})
	}
}

// Another block under a block's key, valid by itself: an older version of a file, or a mix-up.
func TestDamage_replacedBlocks(t *testing.T) {
	r := newRig(t)
	r.append("climate", r.noise(1000)...)
	r.seal("climate", 1000, 200)
	raws, keys, feed := r.blocksOf("climate")
	f, _ := r.feedsOf("climate")
	first, err := crdt.DecodeBlock(raws[1])
	if err != nil {
		t.Fatal(err)
	}
	f.data.Rewind(1, first.CID)
	second, err := crdt.DecodeBlock(raws[2])
	if err != nil {
		t.Fatal(err)
	}
	fork, err := f.data.Append(crdt.Draft{Needs: second.Needs, Clock: second.Clock, Count: first.Count, Codec: second.Codec, Payload: first.Payload})
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{
		"the block before": raws[1], "another one of the same place": fork.Raw, "cut off": raws[2][:100], "nothing": {},
	} {
		set := func(b []byte) {
			if err := r.db.badger.Update(func(txn *badger.Txn) error { return txn.Set(keys[2], b) }); err != nil {
				t.Fatal(err)
			}
		}
		set(raw)
		r.expectDamage(name, feed, 2)
		set(raws[2])
		r.check(Query{Collection: "climate"})
		r.verify()
	}
	if err := r.db.badger.Update(func(txn *badger.Txn) error { return txn.Delete(keys[2]) }); err != nil {
		t.Fatal(err)
	}
	r.expectDamage("missing", feed, 2)
}

// Rows that say something else than the blocks are damage, too: queries rely on them.
func TestDamage_rows(t *testing.T) {
	r := newRig(t)
	r.append("climate", r.noise(1000)...)
	r.seal("climate", 1000, 200)
	c := r.db.collections["climate"]
	seg := c.segments[0]
	row := seg.segmentRow
	row.Last -= 100e9
	for name, change := range map[string]struct {
		key   []byte
		value any
	}{
		"segment":   {segmentKey(keySegment, c.number, seg.segment), &row},
		"directory": {directoryKey(c.ownData.number, 1), &directoryRow{Last: 3, Bucket: seg.bucket, Part: seg.part}},
	} {
		var was []byte
		err := r.db.badger.Update(func(txn *badger.Txn) (err error) {
			if was, err = value(txn, change.key, nil); err != nil {
				return err
			}
			return put(txn, change.key, change.value)
		})
		if err != nil {
			t.Fatal(name, err)
		}
		r.close()
		r.open()
		_, damage, err := r.db.Verify(context.Background(), nil)
		if err != nil || len(damage) == 0 {
			t.Errorf("%s: verify reports %v, %v, want damage", name, damage, err)
		}
		if err := r.db.badger.Update(func(txn *badger.Txn) error { return txn.Set(change.key, was) }); err != nil {
			t.Fatal(err)
		}
		r.close()
		r.open()
		r.verify()
	}
}

// A meta feed that cannot be read costs its collection's queries, not the start, and writing goes on in
// new feeds.
func TestDamage_metaFeed(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 100)
	r.seal("climate", 50, 50)
	r.fill("power", 10)
	r.seal("power", 10, 50)
	c := r.db.collections["climate"]
	err := r.db.badger.Update(func(txn *badger.Txn) error { return txn.Set(metaKey(c.number, c.ownMeta.number, 1), []byte("x")) })
	if err != nil {
		t.Fatal(err)
	}
	r.close()
	r.open()
	if _, has, err := r.db.Own("climate"); has || err != nil {
		t.Errorf("Own returned %v, %v, want no feeds to resume", has, err)
	}
	r.seal("climate", 50, 50)
	r.check(Query{Collection: "power"})
	if rows, err := r.tryRows(Query{Collection: "climate"}); err == nil {
		t.Errorf("%d rows, want an error", len(rows))
	}
	_, damage, err := r.db.Verify(context.Background(), nil)
	if err != nil || len(damage) == 0 {
		t.Errorf("verify reports %v, %v, want damage", damage, err)
	}
}

// Journal damage found at opening is part of what verify reports.
func TestDamage_journal(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 100)
	r.fill("climate", 100)
	at := r.db.tails["climate"].chunks[0].At.Offset // of the first group's readings
	r.crash()
	files, err := filepath.Glob(filepath.Join(r.dir, "journal", "*"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[at+12] ^= 1
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	r.open()
	_, damage, err := r.db.Verify(context.Background(), nil)
	if err != nil || len(damage) != 1 || !strings.HasPrefix(damage[0].File, "journal/") {
		t.Errorf("verify reports %+v, %v, want the journal's damage", damage, err)
	}
	if n := len(r.rows(Query{Collection: "climate"})); n != 100 {
		t.Errorf("%d rows, want the other group's 100", n)
	}
}

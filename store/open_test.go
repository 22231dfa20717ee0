package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

func (r *rig) fill(collection string, n int) {
	r.t.Helper()
	s := r.series("temp", sensors.Float)
	var rs []sensors.Reading
	for i := range n {
		rs = append(rs, r.float(s, testStart+int64(len(r.model[collection])+i)*1e9, float64(i)/4))
	}
	r.append(collection, rs...)
}

func TestOpen_lockNamesTheHolder(t *testing.T) {
	r := newRig(t)
	o := r.options()
	o.Who = "the second"
	_, err := Open(o)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "test") {
		t.Errorf("got %v, want ErrLocked with the holder's name", err)
	}
	r.close()
	r.open()
}

func TestOpen_newerFormatIsRefused(t *testing.T) {
	r := newRig(t)
	r.close()
	for text, want := range map[string]error{
		formatPrefix + "2\n": ErrNewerFormat, formatPrefix + "0\n": nil, "something else": nil, "": nil, formatPrefix + "1.5": nil,
	} {
		if err := os.WriteFile(filepath.Join(r.dir, "FORMAT"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(r.options()); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("FORMAT %q: got %v, want %v", text, err, want)
		}
	}
	if err := os.Remove(filepath.Join(r.dir, "FORMAT")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(r.options()); err == nil {
		t.Error("a database without FORMAT was opened")
	}
}

func TestOpen_removesEmptyDatabaseFiles(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 100)
	r.seal("climate", 100, 50)
	r.crash()
	for _, name := range []string{"00099.mem", "000099.vlog"} {
		if err := os.WriteFile(filepath.Join(r.dir, "badger", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.open()
	r.check(Query{Collection: "climate"})
	r.verify()
}

func TestOpen_missingManifestIsRefused(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 100)
	r.seal("climate", 100, 50)
	r.close()
	manifest := filepath.Join(r.dir, "badger", "MANIFEST")
	b, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func() error{
		"missing": func() error { return os.Remove(manifest) },
		"empty":   func() error { return os.WriteFile(manifest, nil, 0o600) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(r.options()); err == nil || !strings.Contains(err.Error(), "MANIFEST") {
			t.Errorf("%s: got %v, want an error that names MANIFEST", name, err)
		}
	}
	if err := os.WriteFile(manifest, b, 0o600); err != nil {
		t.Fatal(err)
	}
	r.open()
	r.check(Query{Collection: "climate"})
}

// A copied folder has all readings, but never extends the feeds of the original: also when the copy is
// stopped and started again before it sealed anything.
func TestOpen_copiedFolderBeginsNewFeeds(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 100)
	r.seal("climate", 60, 50)
	own, _, err := r.db.Own("climate")
	if err != nil {
		t.Fatal(err)
	}
	original := r.db.Opened().StoreID
	r.close()
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(r.dir)); err != nil {
		t.Fatal(err)
	}
	r.dir = copied
	for round := range 3 {
		r.open()
		if o := r.db.Opened(); o.Copied != (round == 0) || o.StoreID == original {
			t.Errorf("round %d: %+v, want it taken for a copy at first, and another id than %s", round, o, original)
		}
		if _, has, err := r.db.Own("climate"); err != nil || has {
			t.Errorf("round %d: Own returned %v, %v, want no feeds to resume", round, has, err)
		}
		r.check(Query{Collection: "climate"})
		if round < 2 {
			r.close()
		}
	}
	// Feeds of the original are refused, new ones taken.
	f := &feeds{
		data:    crdt.ResumeFeed(r.key, own.Data.ID, own.Data.Opening, own.Data.Seq, own.Data.CID),
		meta:    crdt.ResumeFeed(r.key, own.Meta.ID, own.Meta.Opening, own.Meta.Seq, own.Meta.CID),
		numbers: map[*sensors.Series]uint32{r.series("temp", sensors.Float): 1}, definedBy: []uint64{1},
	}
	r.feeds["climate"] = f
	if _, err := r.sealOnce("climate", 40, 50); err == nil {
		t.Error("a feed of the original was extended")
	}
	delete(r.feeds, "climate")
	r.seal("climate", 40, 50)
	r.check(Query{Collection: "climate"})
	r.verify()
	again, has, err := r.db.Own("climate")
	if err != nil || !has || again.Data.ID == own.Data.ID || again.Meta.ID == own.Meta.ID {
		t.Errorf("Own returned %+v, %v, %v, want new feeds", again, has, err)
	}
	r.close()
	r.open()
	if _, has, _ := r.db.Own("climate"); !has || r.db.Opened().Copied {
		t.Errorf("after another start: %+v, has %v, want the new feeds resumed", r.db.Opened(), has)
	}
}

// A deleted journal costs what was in it, and must not make later readings look sealed.
func TestOpen_journalGone(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 500)
	r.seal("climate", 500, 50)
	for range 3 {
		r.crash()
		r.open()
		r.fill("climate", 10)
		r.seal("climate", 10, 50)
	}
	r.close()
	if err := os.RemoveAll(filepath.Join(r.dir, "journal")); err != nil {
		t.Fatal(err)
	}
	r.open()
	r.fill("climate", 20)
	r.crash()
	r.open()
	r.check(Query{Collection: "climate"})
	r.verify()
}

// A clean close with everything sealed leaves one small journal file, and the messages that a client
// may send again.
func TestClose_trimsTheJournal(t *testing.T) {
	r := newRig(t)
	s := r.series("temp", sensors.Float)
	for i := range 20 {
		origin := &sensors.Origin{Client: "c", PacketID: uint16(i % 8), Hash: uint64(i)}
		rs := []sensors.Reading{r.float(s, testStart+int64(i)*1e9, 1)}
		r.model["climate"] = append(r.model["climate"], rowOf(&rs[0]))
		if err := r.db.Append([]sensors.Batch{{Source: "line", Collection: "climate", Readings: rs, Origin: origin}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	r.seal("climate", 20, 50)
	r.close()
	files, err := filepath.Glob(filepath.Join(r.dir, "journal", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("journal files %v, %v, want one", files, err)
	}
	if st, err := os.Stat(files[0]); err != nil || st.Size() > 600 {
		t.Errorf("%v, %v, want at most 600 bytes", st, err)
	}
	for range 2 {
		r.open()
		var hashes []string
		for _, o := range r.db.Opened().Origins {
			hashes = append(hashes, fmt.Sprintf("%s %s %d %d", o.Source, o.Client, o.PacketID, o.Hash))
		}
		slices.Sort(hashes)
		want := []string{"line c 0 16", "line c 1 17", "line c 2 18", "line c 3 19", "line c 4 12", "line c 5 13", "line c 6 14", "line c 7 15"}
		if diff := cmp.Diff(want, hashes); diff != "" {
			t.Errorf("origins: -want +got\n%s", diff)
		}
		r.check(Query{Collection: "climate"})
		r.verify()
		r.close()
	}
}

func TestOpen_readOnly(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 100)
	r.seal("climate", 40, 50)
	r.crash()
	digest := func() string { return r.db.Collections()[0].Digest }
	o := r.options()
	o.ReadOnly = true
	var err error
	if r.db, err = Open(o); err != nil {
		t.Fatal(err)
	}
	r.check(Query{Collection: "climate"})
	r.verify()
	was := digest()
	r.close()
	r.open()
	if got := digest(); got != was {
		t.Errorf("digest %s after looking, want %s", got, was)
	}
	r.check(Query{Collection: "climate"})
}

// Looking at a folder that has no store yet must not make one that cannot be opened.
func TestOpen_readOnlyBeforeTheFirstStart(t *testing.T) {
	r := newRig(t)
	r.close()
	r.dir = filepath.Join(t.TempDir(), "data")
	o := r.options()
	o.ReadOnly = true
	db, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	r.open()
	r.fill("climate", 10)
	r.check(Query{Collection: "climate"})
}

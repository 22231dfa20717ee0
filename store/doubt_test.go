package store

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/store/journal"
)

// unsynced commits, but the value log's sync fails.
func (r *rig) unsynced(txn *badger.Txn) error {
	r.db.syncLog.Errorf("Error while curlf sync: %v\n", errors.New("input/output error"))
	return commit(txn)
}

// What a seal of unknown outcome left in the database goes with the next seal, which may have other blocks, in
// other segments.
func TestSeal_afterOneOfUnknownOutcome(t *testing.T) {
	r := newRig(t)
	s := r.series("temp", sensors.Float)
	for day := range int64(4) {
		var rs []sensors.Reading
		for i := range int64(20) {
			rs = append(rs, r.float(s, testStart+day*bucketNanos+i, float64(i)))
		}
		r.append("climate", rs...)
	}
	r.seal("climate", 10, 10)
	f, _ := r.feedsOf("climate")
	for _, failing := range []struct{ readings, size int }{{70, 10}, {50, 3}, {30, 30}} {
		seq, head := f.data.Head()
		r.db.commitTxn = r.unsynced
		r.perSeal = 24
		if _, err := r.sealOnce("climate", failing.readings, failing.size); err == nil {
			t.Error("sealed")
		}
		f.data.Rewind(seq, head)
		r.check(Query{Collection: "climate"})
	}
	r.db.commitTxn = commit
	for range 3 {
		r.seal("climate", 15, 15)
		r.verify()
		r.crash()
		r.open()
		r.check(Query{Collection: "climate"})
		r.check(Query{Collection: "climate", Newest: true})
		r.verify()
	}
	r.seal("climate", 25, 7)
	r.check(Query{Collection: "climate"})
	r.verify()
}

// After a commit of unknown outcome the journal is kept until the store was opened anew: what Badger turns out not to
// have is sealed again.
func TestSeal_ofUnknownOutcomeKeepsTheJournal(t *testing.T) {
	r := newRig(t)
	older := r.keepBadger()
	var err error
	if r.db.journal, err = journal.Open(r.db.journalDir(), journal.Options{FileBytes: 1}); err != nil { // a file for each group
		t.Fatal(err)
	}
	files := func() int {
		names, err := filepath.Glob(filepath.Join(r.dir, "journal", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	for i := range 10 {
		r.fill("climate", 20)
		if i == 0 {
			r.db.commitTxn = r.unsynced
			if _, err := r.sealOnce("climate", 20, 10); err == nil {
				t.Error("sealed")
			}
			delete(r.feeds, "climate") // they were not opened
			r.db.commitTxn = commit
		}
		r.seal("climate", 20, 10)
	}
	kept := files()
	if kept < 10 {
		t.Errorf("%d journal files, want all kept", kept)
	}
	r.close()
	if n := files(); n != kept {
		t.Errorf("%d journal files after the close, want %d", n, kept)
	}
	r.rollBack(older)
	r.open()
	r.check(Query{Collection: "climate"})
	r.seal("climate", 200, 50)
	if diff := cmp.Diff([]sensors.Loss(nil), r.db.Losses("climate", 0)); diff != "" {
		t.Errorf("losses: -want +got\n%s", diff)
	}
	r.check(Query{Collection: "climate"})
	r.verify()
	r.close()
	if n := files(); n != 1 {
		t.Errorf("%d journal files after a sound run, want 1", n)
	}
}

// The journal's last files are the second copy of the newest blocks until Badger was closed.
func TestClose_keepsTheJournalUntilBadgerIsClosed(t *testing.T) {
	r := newRig(t)
	older := r.keepBadger()
	r.fill("climate", 100)
	r.seal("climate", 100, 50)
	disk := errors.New("input/output error")
	r.db.closeDatabase = func(db *badger.DB) error { return errors.Join(closeBadger(db), disk) }
	if err := r.db.Close(); !errors.Is(err, disk) {
		t.Errorf("got %v, want the disk's error", err)
	}
	r.db = nil
	r.rollBack(older)
	r.open()
	r.check(Query{Collection: "climate"})
}

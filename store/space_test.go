package store

import (
	"errors"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"
)

// On a full disk the database is not written to, as that would end the program: what is journalled waits, is seen, and
// is sealed when there is room.
func TestSeal_fullDisk(t *testing.T) {
	r := newRig(t)
	free := uint64(sealRoom)
	r.db.free = func(string) (uint64, error) { return free, nil }
	r.fill("climate", 50)
	r.seal("climate", 50, 10)
	free--
	r.fill("climate", 50)
	f, _ := r.feedsOf("climate")
	seq, head := f.data.Head()
	if _, err := r.sealOnce("climate", 50, 10); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
	f.data.Rewind(seq, head)
	r.check(Query{Collection: "climate"})
	if r.db.doubt.lasts {
		t.Error("the outcome of a seal that was not tried is in doubt")
	}
	free++
	r.seal("climate", 50, 10)
	r.check(Query{Collection: "climate"})
	r.verify()
	r.db.free = func(string) (uint64, error) { return 0, unix.ENOSYS }
	r.fill("climate", 10)
	r.seal("climate", 10, 10)
}

func TestOpen_fullDisk(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 50)
	r.crash()
	o := r.options()
	o.free = func(string) (uint64, error) { return openRoom - 1, nil }
	if _, err := Open(o); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
	r.open()
	r.check(Query{Collection: "climate"})
}

func TestClose_fullDisk(t *testing.T) {
	r := newRig(t)
	r.fill("climate", 50)
	r.seal("climate", 50, 10)
	closed := false
	database := r.db.badger
	r.db.closeDatabase = func(db *badger.DB) error {
		closed = true
		return closeBadger(db)
	}
	r.db.free = func(string) (uint64, error) { return closeRoom - 1, nil }
	if err := r.db.Close(); !errors.Is(err, unix.ENOSPC) || closed {
		t.Errorf("got %v, closed %v, want ENOSPC and Badger left", err, closed)
	}
	r.db = nil
	if err := closeBadger(database); err != nil { // in place of the program's end
		t.Fatal(err)
	}
	r.open()
	r.check(Query{Collection: "climate"})
}

func TestFreeBytes(t *testing.T) {
	if n, err := freeBytes(t.TempDir()); err != nil || n == 0 {
		t.Errorf("%d bytes are free, %v", n, err)
	}
	if _, err := freeBytes("/none"); err == nil {
		t.Error("a folder that is not there has room")
	}
}

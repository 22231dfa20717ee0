package store

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// testValue returns the value of key i: 0.1 to 30 KB, most of them small, and a third so small that they are in the tables.
func testValue(buf []byte, i int) []byte {
	rng := rand.New(rand.NewPCG(uint64(i), 7))
	u := rng.Float64()
	size := int(100 * math.Pow(300, u*u*u*u))
	b := buf[:size]
	for at := 0; at < size; at += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], rng.Uint64())
		copy(b[at:], word[:])
	}
	return b
}

func testKey(i int) []byte {
	return blockKey(keyBlock, 1, segment{bucket: uint32(i % 5)}, 1, uint64(i))
}

// The profile keeps every value on 32-bit machines, too, where Badger's allocator corrupts tables when
// it grows: this test is run with GOARCH=386 as well. Written, flattened, opened again, compared.
func TestProfile_keepsEveryValue(t *testing.T) {
	n := 200_000
	if testing.Short() {
		n = 20_000
	}
	dir := filepath.Join(t.TempDir(), "badger")
	log := &badgerLog{log: slog.New(slog.DiscardHandler)}
	db, err := openBadger(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	txn := db.NewTransaction(true)
	for i := range n {
		err := txn.Set(testKey(i), testValue(make([]byte, 32<<10), i))
		if err == nil && i%150 == 149 {
			err = txn.Commit()
			txn = db.NewTransaction(true)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := txn.Commit(); err != nil {
		t.Fatal(err)
	}
	compareAll(t, db, n)
	if err := db.Flatten(2); err != nil {
		t.Fatal(err)
	}
	compareAll(t, db, n)
	if err := closeBadger(db); err != nil {
		t.Fatal(err)
	}
	if db, err = openBadger(dir, log); err != nil {
		t.Fatal(err)
	}
	compareAll(t, db, n)
	if err := closeBadger(db); err != nil {
		t.Fatal(err)
	}
}

func compareAll(t *testing.T, db *badger.DB, n int) {
	t.Helper()
	txn := db.NewTransaction(false)
	defer txn.Discard()
	buf, got := make([]byte, 32<<10), make([]byte, 32<<10)
	seen := 0
	err := scan(txn, []byte{keyBlock}, func(k, v []byte) error {
		_, _, seq, ok := parseBlockKey(k)
		if want := testValue(buf, int(seq)); !ok || string(v) != string(want) {
			return fmt.Errorf("value %d has %d bytes and is not the %d that were written", seq, len(v), len(want))
		}
		seen++
		return nil
	})
	if err != nil || seen != n {
		t.Fatalf("%d of %d values, %v", seen, n, err)
	}
	for i := 0; i < n; i += 37 {
		if got, err = value(txn, testKey(i), got); err != nil || string(got) != string(testValue(buf, i)) {
			t.Fatalf("value %d: %v", i, err)
		}
	}
}

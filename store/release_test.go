package store

import (
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/store/journal"
)

// A Seal may end between a group's sync and its place in the tail: the group's file is kept, however many follow it.
func TestSeal_keepsGroupsThatAreInNoTailYet(t *testing.T) {
	r := newRig(t)
	var err error
	if r.db.journal, err = journal.Open(r.db.journalDir(), journal.Options{FileBytes: 1}); err != nil { // a file for each group
		t.Fatal(err)
	}
	r.fill("climate", 50)
	s := r.series("temp", sensors.Float)
	r.db.commitTxn = func(txn *badger.Txn) error {
		for i := range 4 { // the first half of Append
			rs := []sensors.Reading{r.float(s, testStart+int64(i), 1)}
			r.model["power"] = append(r.model["power"], rowOf(&rs[0]))
			if _, err := r.db.journal.Append([]sensors.Batch{{Source: "line", Collection: "power", Readings: rs}}, nil, r.clock); err != nil {
				t.Error(err)
			}
		}
		return commit(txn)
	}
	r.seal("climate", 50, 50)
	r.crash()
	r.open()
	r.check(Query{Collection: "power"})
	r.check(Query{Collection: "climate"})
}

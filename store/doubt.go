package store

import (
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// doubt is what must be known after a commit whose outcome nobody knows: Badger may have all of it, a part or
// nothing, on disk or only in memory. The sealer owns it.
//
// The same readings are sealed again, perhaps into other blocks. So the next transaction first puts back what the
// one before may have changed. And it may not be trusted to be on disk even when its own sync succeeds: the
// bytes before it in Badger's logs are those whose sync failed, and after a power cut Badger reads up to them only. So
// no journal file is deleted until the store was opened anew: then Badger shows what it has, and the journal has the rest.
type doubt struct {
	lasts  bool              // since the store was opened
	before map[string][]byte // values to put back, by key; nil: there was none
}

// note takes the values that keys had in old, a snapshot of before the commit.
func (d *doubt) note(old *badger.Txn, keys [][]byte) error {
	d.lasts = true
	if d.before == nil {
		d.before = map[string][]byte{}
	}
	for _, k := range keys {
		if _, have := d.before[string(k)]; have {
			continue // changed by an earlier one already
		}
		v, err := value(old, k, nil)
		if err != nil && !errors.Is(err, badger.ErrKeyNotFound) {
			return fmt.Errorf("read what a failed commit may have changed: %w", err)
		}
		d.before[string(k)] = v
	}
	return nil
}

// putBack begins a transaction with what was there before.
func (d *doubt) putBack(txn *badger.Txn) error {
	for k, v := range d.before {
		var err error
		if v == nil {
			err = txn.Delete([]byte(k))
		} else {
			err = txn.Set([]byte(k), v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

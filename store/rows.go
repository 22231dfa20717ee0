package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/dgraph-io/badger/v4"
	"github.com/fxamacker/cbor/v2"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/store/journal"
)

// The values of catalog, head and segment keys are CBOR arrays of these structs' fields, in order.
// Fields are only ever appended.

// collectionRow is the value of a c key.
type collectionRow struct {
	_         struct{} `cbor:",toarray"`
	Name      string
	Kind      uint8
	Encrypted bool
	Precision uint8
	OwnData   uint32 // number of our own current data feed; 0: none
	OwnMeta   uint32
}

// feedRow is the value of an f key.
type feedRow struct {
	_          struct{} `cbor:",toarray"`
	ID         []byte
	Collection uint32
	Role       uint8
	Author     []byte
	Meta       uint32 // number of the meta feed that a data feed relies on
	Store      string // of our own: the store's id when it was opened; see marker
}

// headRow is the value of an h key: it changes with every commit to the feed.
type headRow struct {
	_        struct{} `cbor:",toarray"`
	Seq      uint64
	CID      []byte
	Commit   uint64 // of this store, ascending: the last one that touched the feed
	Blocks   uint64 // of this feed, without the opening block
	Readings uint64
	Bytes    uint64
	Hybrid   uint64 // the latest hybrid clock
	File     uint64 // sealed_to: what of the journal is in this feed's blocks
	Offset   uint64
	Index    uint32
}

func (h *headRow) sealedTo() journal.Position {
	return journal.Position{File: h.File, Offset: h.Offset, Index: h.Index}
}

// segmentRow is the value of an s key.
type segmentRow struct {
	_        struct{} `cbor:",toarray"`
	First    int64    // earliest time in it, nanoseconds
	Last     int64
	Blocks   uint64
	Readings uint64
	Bytes    uint64
}

// include counts a block in.
func (r *segmentRow) include(b *crdt.Block) {
	r.First, r.Last = min(r.First, b.Clock.First), max(r.Last, b.Clock.Last())
	r.Blocks++
	r.Readings += uint64(b.Count)
	r.Bytes += uint64(len(b.Raw))
}

// directoryRow is the value of a d key.
type directoryRow struct {
	_      struct{} `cbor:",toarray"`
	Last   uint64   // seq of the last block of the range
	Bucket uint32
	Part   uint16
}

// rowMode bounds what a damaged row can make the decoder do.
func rowMode() (cbor.DecMode, error) {
	return cbor.DecOptions{MaxNestedLevels: 4, MaxArrayElements: 64, MaxMapPairs: 16}.DecMode()
}

// times is one entry of a time index row: a block's place in time.
type times struct {
	seq   uint64
	first int64
	last  int64
	count uint32
	check [8]byte // of the block's digest: checked on every read
}

// maxTimes is the number of blocks that one time index row holds: few enough that rows stay below the size
// from which Badger puts values into its value log, where each replaced row would stay.
const maxTimes = 32

// appendTimes appends a time index row: for each block zigzag varint first − last of the block
// before (wrapping), varint span, varint count, 8 bytes of digest. Sequence numbers are consecutive from the key's.
func appendTimes(dst []byte, ts []times) []byte {
	var before int64
	for _, t := range ts {
		dst = binary.AppendVarint(dst, t.first-before)
		dst = binary.AppendUvarint(dst, uint64(t.last-t.first)) //nolint:gosec // last is not before first; the span wraps into the full range
		dst = binary.AppendUvarint(dst, uint64(t.count))
		dst = append(dst, t.check[:]...)
		before = t.last
	}
	return dst
}

func parseTimes(b []byte, seq uint64) ([]times, error) {
	var out []times
	var before int64
	for len(b) > 0 {
		first, n := binary.Varint(b)
		if n <= 0 {
			return nil, errors.New("time index row is malformed")
		}
		b = b[n:]
		span, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errors.New("time index row is malformed")
		}
		b = b[n:]
		count, n := binary.Uvarint(b)
		if n <= 0 || count > math.MaxUint32 || len(b)-n < 8 || len(out) == maxTimes {
			return nil, errors.New("time index row is malformed")
		}
		t := times{seq: seq + uint64(len(out)), first: before + first, count: uint32(count)}
		t.last = t.first + int64(span) //nolint:gosec // wraps back
		copy(t.check[:], b[n:])
		b = b[n+8:]
		before = t.last
		out = append(out, t)
	}
	return out, nil
}

// put writes v as a CBOR row.
func put(txn *badger.Txn, key []byte, v any) error {
	b, err := cbor.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode row: %w", err)
	}
	return txn.Set(key, b)
}

// fetch reads a CBOR row into v and reports whether there is one.
func fetch(txn *badger.Txn, key []byte, v any) (bool, error) {
	b, err := value(txn, key, nil)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read row %q: %w", key, err)
	}
	return true, decodeRow(key, b, v)
}

// value returns a copy of the value of key, in the memory of dst where it fits. Badger panics over some kinds of
// damage: that becomes an error.
func value(txn *badger.Txn, key, dst []byte) (b []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			b, err = nil, fmt.Errorf("the database panics: %v", r)
		}
	}()
	item, err := txn.Get(key)
	if err != nil {
		return nil, err
	}
	return item.ValueCopy(dst)
}

func decodeRow(key, b []byte, v any) error {
	mode, err := rowMode()
	if err != nil {
		return fmt.Errorf("row decoder: %w", err)
	}
	if err := mode.Unmarshal(b, v); err != nil {
		return fmt.Errorf("decode row %q: %w", key, err)
	}
	return nil
}

// scan calls fn for each key with the prefix, in key order. The key and value are valid during the call only.
func scan(txn *badger.Txn, prefix []byte, fn func(key, value []byte) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the database panics: %v", r)
		}
	}()
	it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		item := it.Item()
		if err := item.Value(func(v []byte) error { return fn(item.Key(), v) }); err != nil {
			return err
		}
	}
	return nil
}

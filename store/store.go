// Package store keeps feeds on disk: a journal of what is not in a block yet, blocks in Badger, and
// the indexes that queries need. Only this package knows Badger.
//
// # Durability order
//
// A reading goes: journal record, fsync, acknowledgement (Append); block, heads, index and sealed_to
// in one Badger transaction with its own sync (Seal); a sealed record in the journal. What the journal holds
// and no block yet is the tail: it is kept in memory too, so queries see every reading from its
// acknowledgement on, and each exactly once.
//
// # Locks
//
// commit is held for reading while a query takes its snapshot (Badger transaction and tail), and for writing while a
// Seal commits and shortens the tail, so no snapshot has a reading twice or misses it. mu guards the
// catalog, heads and tails. Order: commit, then mu. journalMu orders writers of the journal; it is
// taken last and nothing else is taken under it.
package store

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/store/journal"
)

// ErrLocked says that another process has the store open.
var ErrLocked = errors.New("the store is in use")

// ErrNoCollection says that the store has nothing of a collection.
var ErrNoCollection = errors.New("no such collection")

// Options say how to open a store.
type Options struct {
	Dir    string         // the store's folder, created when missing
	Table  *sensors.Table // where series become canonical; shared with the decoders
	Author crdt.Author    // whose feeds are ours
	Who    string         // written into the lock for people: "skerry run (pid 12)"
	// ReadOnly opens for looking: no journal is written, nothing is sealed. Badger may tidy its own files.
	ReadOnly bool
	Clock    sensors.ClockBase // of arrival times that are marked unsynced
	Log      *slog.Logger

	free func(dir string) (uint64, error) // default: freeBytes
}

// DB is an open store. Safe for concurrent use, except that Append is for one committer and Seal for
// one sealer.
type DB struct {
	// Constant after Open.
	dir     string
	table   *sensors.Table
	author  crdt.Author
	clock   sensors.ClockBase
	log     *slog.Logger
	lock    *lockFile
	badger  *badger.DB
	syncLog *badgerLog
	opened  Opened
	// commitTxn is commit and closeDatabase closeBadger; tests let them fail.
	commitTxn     func(*badger.Txn) error
	closeDatabase func(*badger.DB) error
	free          func(dir string) (uint64, error)

	doubt doubt // owned by the sealer

	commit sync.RWMutex // see the package comment

	mu          sync.RWMutex
	collections map[string]*collection
	byNumber    map[uint32]*collection
	feeds       map[uint32]*feed
	byID        map[crdt.FeedID]*feed
	commits     uint64 // number of the last commit
	tails       map[string]*tail

	journalMu sync.Mutex
	journal   *journal.Journal // nil: read only

	watchers watchers
}

// Opened says what opening found. After Copied and TailLost our feeds of before are not resumed: Own
// does not return them, and Seal refuses to extend them.
type Opened struct {
	Created  bool
	Copied   bool // the folder is a copy of another store
	TailLost bool // Badger is behind what the journal says was sealed
	Torn     bool // the journal ended in a write that was cut short
	Damage   []Damage
	Replayed int // readings that were journalled and in no block
	Took     time.Duration
	StoreID  string // of the marker: another one after Copied and TailLost
	// Origins are the messages in the kept journal, oldest first, for recognising repeats.
	Origins []Origin
}

// Origin is a journalled message's origin and its source.
type Origin struct {
	Source string
	sensors.Origin
}

// Open opens the store in o.Dir and replays its journal. ErrLocked: another process has it.
func Open(o Options) (*DB, error) {
	began := time.Now()
	if err := makeDir(o.Dir, syncDir); err != nil {
		return nil, fmt.Errorf("create store: %w", err)
	}
	lock, err := takeLock(filepath.Join(o.Dir, "LOCK"), o.Who)
	if err != nil {
		return nil, err
	}
	if o.free == nil {
		o.free = freeBytes
	}
	db := &DB{
		dir: o.Dir, free: o.free, table: o.Table, author: o.Author, clock: o.Clock, log: o.Log, lock: lock, syncLog: &badgerLog{log: o.Log}, commitTxn: commit, closeDatabase: closeBadger,
		collections: map[string]*collection{}, byNumber: map[uint32]*collection{},
		feeds: map[uint32]*feed{}, byID: map[crdt.FeedID]*feed{}, tails: map[string]*tail{},
	}
	if err := db.open(o); err != nil {
		if db.journal != nil {
			err = errors.Join(err, db.journal.Close(nil, nil))
		}
		if db.badger != nil {
			err = errors.Join(err, closeBadger(db.badger))
		}
		return nil, errors.Join(err, lock.release())
	}
	db.opened.Took = time.Since(began)
	return db, nil
}

func (db *DB) open(o Options) error {
	created, err := checkFormat(o.Dir)
	if err != nil {
		return err
	}
	db.opened.Created = created
	if db.opened.StoreID, db.opened.Copied, err = checkMarker(o.Dir, created); err != nil {
		return err
	}
	if db.opened.Copied && !o.ReadOnly {
		if err := db.renew(); err != nil {
			return err
		}
	}
	if err := checkRoom(o.free, o.Dir, openRoom); err != nil {
		return err
	}
	if db.badger, err = openBadger(filepath.Join(o.Dir, "badger"), db.syncLog); err != nil {
		return err
	}
	if err := db.loadCatalog(); err != nil {
		return err
	}
	r, err := db.replay()
	if err != nil {
		return err
	}
	if o.ReadOnly {
		return nil
	}
	if db.journal, err = journal.Open(db.journalDir(), journal.Options{LastEnd: r.lastEnd, After: db.lastSealedFile()}); err != nil {
		return err
	}
	if len(r.losses) > 0 {
		if err := db.Append(nil, r.losses); err != nil {
			return err
		}
	}
	if db.opened.TailLost && db.resumes() {
		return db.renew()
	}
	return nil
}

// resumes reports whether any of our feeds may be appended to.
func (db *DB) resumes() bool {
	for _, f := range db.feeds {
		if f.author == db.author && f.store == db.opened.StoreID {
			return true
		}
	}
	return false
}

// renew gives the store another id: from then on our feeds that were opened under the old one are left.
func (db *DB) renew() (err error) {
	db.opened.StoreID, err = writeMarker(markerPath(db.dir))
	return err
}

// lastSealedFile returns the newest journal file that any head names: new files get higher numbers,
// or their readings would be taken for sealed.
func (db *DB) lastSealedFile() uint64 {
	last := uint64(0)
	for _, f := range db.feeds {
		last = max(last, f.head.File)
	}
	return last
}

// Opened returns what opening found.
func (db *DB) Opened() Opened { return db.opened }

// Append makes a group durable: when it returns nil its batches are journalled, and from then on
// seen by queries. After an error nothing of the group counts as written.
func (db *DB) Append(batches []sensors.Batch, losses []sensors.Loss) error {
	db.journalMu.Lock()
	group, err := db.journal.Append(batches, losses, db.clock)
	db.journalMu.Unlock()
	if err != nil {
		return err
	}
	db.mu.Lock()
	for _, c := range group.Chunks {
		db.tailLocked(c.Collection).add(c)
	}
	for i, l := range losses {
		db.tailLocked(l.Collection).addLoss(group.Losses[i], l)
	}
	db.mu.Unlock()
	db.watchers.tell(group.Chunks)
	return nil
}

// Close seals nothing: the caller did. It closes Badger, then trims the journal, and releases the lock. No
// other call may be under way or follow, but a Query's rows that are still read end with an error or early. On a full disk
// Badger is left to the end of the program, as a crash would leave it, and the error wraps ENOSPC.
func (db *DB) Close() error {
	db.watchers.close()
	err := checkRoom(db.free, db.dir, closeRoom)
	if err == nil {
		err = db.closeDatabase(db.badger)
	}
	if db.journal != nil {
		err = errors.Join(err, db.closeJournal(err == nil))
	}
	return errors.Join(err, db.lock.release())
}

// closeJournal trims the journal only when Badger is known to be whole: until then the last files are the
// second copy of its newest blocks.
func (db *DB) closeJournal(trim bool) error {
	var heads []journal.SealedHead
	if trim {
		heads = db.sealedHeads()
	}
	var origins []sensors.Batch
	var err error
	if len(heads) > 0 {
		if origins, err = db.lastOrigins(); err != nil {
			heads = nil // keep the files
		}
	}
	db.journalMu.Lock()
	defer db.journalMu.Unlock()
	return errors.Join(err, db.journal.Close(heads, origins))
}

// sealedHeads returns what a sealed record says of all our feeds; nil when something is unsealed, or perhaps not on
// disk.
func (db *DB) sealedHeads() []journal.SealedHead {
	if db.doubt.lasts {
		return nil
	}
	db.mu.RLock()
	defer db.mu.RUnlock()
	for _, t := range db.tails {
		if t.count > 0 || len(t.losses) > 0 {
			return nil
		}
	}
	var heads []journal.SealedHead
	for _, c := range db.collections {
		if f := c.ownData; f != nil {
			heads = append(heads, f.sealedHead())
		}
	}
	return heads
}

func (db *DB) journalDir() string { return filepath.Join(db.dir, "journal") }

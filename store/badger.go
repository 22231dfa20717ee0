package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// openLimit is how long Badger may take to open before the store gives up on it.
const openLimit = 60 * time.Second

// profile returns the options that are safe on 32-bit machines and small everywhere. There every table
// must be built inside its allocator's first buffer, because ristretto's allocator corrupts tables on 32 bits when it
// grows. Builders share allocators, so all of them must ask for the same size: MemTableSize ≤
// BaseTableSize, no compression, no larger tables at deeper levels, and never a compaction of level 0 into
// itself, which asks for 4 GiB: it takes four tables, so there are three at most. Small files, because
// large mapped ones dirty whole folios on recent kernels and map more memory than a small machine has.
// See docs/decisions/0006-one-table-size-on-32-bits.md.
func profile(dir string, log badger.Logger) badger.Options {
	o := badger.DefaultOptions(dir).
		WithSyncWrites(true).
		WithMemTableSize(1 << 20).
		WithNumMemtables(1).
		WithBaseTableSize(2 << 20).
		WithBaseLevelSize(4 << 20).
		WithValueLogFileSize(2 << 20).
		WithValueThreshold(1 << 10).
		WithBlockCacheSize(0).
		WithIndexCacheSize(0).
		WithNumCompactors(2).
		WithCompression(options.None).
		WithDetectConflicts(false).
		WithMetricsEnabled(false).
		WithNumVersionsToKeep(1).
		WithChecksumVerificationMode(options.OnBlockRead). // checkTables does the tables
		WithVerifyValueChecksum(true).
		WithLogger(log)
	o.TableSizeMultiplier = 1
	if strconv.IntSize == 32 {
		o.NumLevelZeroTables, o.NumLevelZeroTablesStall = 2, 3
	}
	return o
}

// openBadger opens the database in dir after removing what a crash may have left that it cannot open.
func openBadger(dir string, log *badgerLog) (*badger.DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create database: %w", err)
	}
	if err := checkManifest(dir); err != nil {
		return nil, fmt.Errorf("open database %s: %w", dir, err)
	}
	var db *badger.DB
	for try := 0; ; try++ {
		removed, err := removeEmpty(dir)
		if err != nil {
			return nil, err
		}
		if removed > 0 {
			log.log.Warn("removed empty database files left by a crash", "count", removed)
		}
		if err := checkTables(dir, profile(dir, log)); err != nil {
			return nil, fmt.Errorf("open database %s: %w", dir, err)
		}
		damaged, err := guardValueLog(dir)
		if err != nil {
			return nil, err
		}
		if damaged {
			log.log.Error("the newest value log file is damaged; it is kept")
		}
		warmValueLogs(dir)
		if db, err = openGuarded(profile(dir, log)); err == nil {
			return db, nil
		}
		if try > 0 {
			return nil, fmt.Errorf("open database %s: %w", dir, err)
		}
	}
}

// openGuarded opens Badger; a panic or a hang inside becomes an error.
func openGuarded(o badger.Options) (*badger.DB, error) {
	type result struct {
		db  *badger.DB
		err error
	}
	done := make(chan result, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- result{err: fmt.Errorf("panic: %v", r)}
			}
		}()
		db, err := badger.Open(o)
		done <- result{db, err}
	}()
	timer := time.NewTimer(openLimit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.db, r.err
	case <-timer.C:
		return nil, fmt.Errorf("no answer in %s", openLimit)
	}
}

// checkManifest refuses with a *DamagedError a database whose MANIFEST is gone while tables exist: Badger would
// open it as an empty one and delete the tables.
func checkManifest(dir string) error {
	st, err := os.Stat(filepath.Join(dir, "MANIFEST"))
	if err == nil && st.Size() > 0 {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open database: %w", err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	if len(tables) > 0 {
		return &DamagedError{[]Damage{{
			File:   "badger/MANIFEST",
			Reason: fmt.Sprintf("it is gone, and tables are there (%d): opening the database would lose them; restore it from a copy", len(tables)),
		}}}
	}
	return nil
}

// removeEmpty removes .mem, .vlog and .sst files of no bytes: a crash between creating and writing
// one makes Badger's next Open fail (badger issue 2207). They hold nothing.
func removeEmpty(dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("list database: %w", err)
	}
	removed := 0
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case ".mem", ".vlog", ".sst":
		default:
			continue
		}
		st, err := e.Info()
		if err != nil || st.Size() != 0 {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return removed, fmt.Errorf("remove empty database file: %w", err)
		}
		removed++
	}
	return removed, nil
}

// commit commits; a panic inside becomes an error.
func commit(txn *badger.Txn) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return txn.Commit()
}

// closeBadger closes db; a panic inside becomes an error.
func closeBadger(db *badger.DB) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("close database: panic: %v", r)
		}
	}()
	if err := db.Close(); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}

// badgerLog passes Badger's warnings on. Its chatter about opening and closing is of no use here.
type badgerLog struct {
	log *slog.Logger
	// syncFailed is set when Badger says that syncing its value log failed: it only logs that, and the
	// commit succeeds.
	syncFailed atomic.Bool
}

// Errorf implements badger.Logger.
func (l *badgerLog) Errorf(format string, args ...any) {
	if strings.Contains(format, "sync") { // not in args: a folder may be named so
		l.syncFailed.Store(true)
	}
	l.log.Error("database error", "text", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// Warningf implements badger.Logger.
func (l *badgerLog) Warningf(format string, args ...any) {
	l.log.Warn("database warning", "text", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// Infof implements badger.Logger.
func (l *badgerLog) Infof(format string, args ...any) {
	l.log.Debug("database message", "text", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// Debugf implements badger.Logger.
func (*badgerLog) Debugf(string, ...any) {}

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"golang.org/x/sync/errgroup"
)

// checkedTables is how many tables are read and checked at a time, each up to 2 MiB.
const checkedTables = 4

// checkTables checks every block of every table that the MANIFEST lists, before Badger opens them:
// over a damaged one Badger panics on a goroutine of its own, where nobody can recover, or leaves the whole
// table out and goes on without its keys. A *DamagedError names those that are not whole or not there. See
// docs/decisions/0005-tables-are-checked-before-badger.md.
func checkTables(dir string, o badger.Options) error {
	f, err := os.Open(filepath.Join(dir, badger.ManifestFilename))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read database manifest: %w", err)
	}
	manifest, _, err := badger.ReplayManifestFile(f, o.ExternalMagicVersion, o)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("read database manifest: %w", err)
	}
	var mu sync.Mutex
	var damage []Damage
	var g errgroup.Group
	g.SetLimit(checkedTables)
	for id := range manifest.Tables {
		g.Go(func() error {
			path := table.NewFilename(id, dir)
			b, err := os.ReadFile(path)
			if err == nil {
				err = checkTable(b, id)
			} else if errors.Is(err, fs.ErrPermission) {
				return fmt.Errorf("read database table: %w", err)
			}
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				damage = append(damage, Damage{File: "badger/" + filepath.Base(path), Reason: err.Error()})
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if len(damage) > 0 {
		slices.SortFunc(damage, func(a, b Damage) int { return strings.Compare(a.File, b.File) })
		return &DamagedError{damage}
	}
	return nil
}

// checkTable checks the bytes of one table.
func checkTable(b []byte, id uint64) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("it is not a table any more")
		}
	}()
	t, err := table.OpenInMemoryTable(b, id, &table.Options{ChkMode: options.NoVerification})
	if err == nil {
		err = t.VerifyChecksum()
	}
	return err
}

// DamagedError says what keeps a store from being opened.
type DamagedError struct {
	Damage []Damage // at least one; each a file
}

// Error names every file.
func (e *DamagedError) Error() string {
	texts := make([]string, 0, len(e.Damage))
	for _, d := range e.Damage {
		texts = append(texts, d.File+": "+d.Reason)
	}
	return "it is damaged: " + strings.Join(texts, "; ")
}

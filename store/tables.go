package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
)

// checkTables checks every block of every table that the MANIFEST lists, before Badger opens them:
// over a damaged one Badger panics on a goroutine of its own, where nobody can recover, or leaves the whole
// table out and goes on without its keys. See docs/decisions/0005-tables-are-checked-before-badger.md.
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
	var bad []error
	for id := range manifest.Tables {
		if err := checkTable(table.NewFilename(id, dir), id); err != nil {
			bad = append(bad, err)
		}
	}
	return errors.Join(bad...)
}

func checkTable(path string, id uint64) (err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read database table: %w", err)
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("database table %s is damaged", path)
		}
	}()
	t, err := table.OpenInMemoryTable(b, id, &table.Options{ChkMode: options.NoVerification})
	if err == nil {
		err = t.VerifyChecksum()
	}
	if err != nil {
		return fmt.Errorf("database table %s is damaged: %w", path, err)
	}
	return nil
}

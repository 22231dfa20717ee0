package store

import (
	"errors"
	"os"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const (
	warmFiles = 16   // read at a time
	warmBytes = 4096 // of each file: its header's page
)

// warmValueLogs reads the first page of every value log file, many at a time. Badger maps the files and
// touches that page of one after the other when it opens: with 1 GB and a cold cache that took a second.
// Failing is no fault: Badger finds out by itself.
func warmValueLogs(dir string) {
	ids, err := valueLogs(dir)
	if err != nil {
		return
	}
	var g errgroup.Group
	g.SetLimit(warmFiles)
	for _, id := range ids {
		g.Go(func() error {
			f, err := os.Open(valueLogPath(dir, id))
			if err != nil {
				return err
			}
			// Without read-ahead: only that page is needed.
			err = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM)
			_, readErr := f.ReadAt(make([]byte, warmBytes), 0)
			return errors.Join(err, readErr, f.Close())
		})
	}
	_ = g.Wait() // see above
}

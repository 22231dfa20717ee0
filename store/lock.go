package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// lockFile is a held lock. The kernel drops it with the process, so a crash leaves none behind.
type lockFile struct{ f *os.File }

// takeLock takes the lock at path and writes who into it. ErrLocked names the holder.
func takeLock(path, who string) (*lockFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		b, _ := io.ReadAll(io.LimitReader(f, 256)) // for people only: the lock itself is what counts
		holder := strings.TrimSpace(string(b))
		if holder == "" {
			holder = "another process"
		}
		return nil, errors.Join(fmt.Errorf("%w by %s (%s)", ErrLocked, holder, path), f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(fmt.Errorf("write lock: %w", err), f.Close())
	}
	if _, err := f.WriteAt([]byte(who+"\n"), 0); err != nil {
		return nil, errors.Join(fmt.Errorf("write lock: %w", err), f.Close())
	}
	return &lockFile{f}, nil
}

// release empties the file and lets go. The file stays: deleting it would race with the next holder.
func (l *lockFile) release() error {
	return errors.Join(l.f.Truncate(0), l.f.Close())
}

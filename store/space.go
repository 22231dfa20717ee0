package store

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Badger writes into files that it maps and that have holes where nothing was written yet. Where the disk has no
// room for such a page the kernel sends SIGBUS, on a goroutine of Badger's, and the whole program ends: at every start
// again. So it is only let write while there is room for all that it may write before it is asked again: a
// transaction, a memtable, and the tables of a compaction. The journal needs no such care: its files are preallocated.
const (
	sealRoom  = 16 << 20 // bytes that must be free for a seal
	openRoom  = 8 << 20  // for opening
	closeRoom = 4 << 20  // for closing, which writes the memtable
)

// checkRoom returns an error that wraps ENOSPC where less is free than want. A file system that does not say how much
// is free is trusted.
func checkRoom(free func(dir string) (uint64, error), dir string, want uint64) error {
	if n, err := free(dir); err == nil && n < want {
		return fmt.Errorf("%d KiB are free on the disk, the database needs %d: %w", n>>10, want>>10, unix.ENOSPC)
	}
	return nil
}

// freeBytes returns how much this program may still write to the file system of dir.
func freeBytes(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(max(st.Bsize, 0)), nil
}

package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Badger cuts its newest value log file at the first entry that is not whole, when it opens. After a
// power cut that is right; but where one bit flipped, everything behind it would be gone too. So where whole
// entries follow, a newer file is made before Badger opens: then the damaged one is left as it is, and only
// the damaged value cannot be read.
//
// The layout is Badger's (v4): a file begins with 8 bytes of key id (0: clear) and 12 random bytes; an
// entry is meta (1), user meta (1), uvarint key length, uvarint value length, uvarint expiry, key, value,
// CRC-32C of all that (4, big endian).
const (
	vlogHeaderBytes = 20
	vlogMaxKey      = 1 << 10
	vlogMaxValue    = 1 << 20
	vlogMaxFile     = 64 << 20
	// vlogSearch bounds the bytes whose checksum is tried when looking for entries behind damage.
	vlogSearch = 256 << 20
)

// guardValueLog makes a newer value log file where the newest is damaged, and reports whether it did.
func guardValueLog(dir string) (bool, error) {
	ids, err := valueLogs(dir)
	if err != nil || len(ids) == 0 {
		return false, err
	}
	last := ids[len(ids)-1]
	b, err := readHead(valueLogPath(dir, last), vlogMaxFile)
	if err != nil {
		return false, fmt.Errorf("check value log: %w", err)
	}
	end := wholeEntries(b)
	if !entryBehind(b, end) {
		return false, nil
	}
	head := make([]byte, vlogHeaderBytes) // the random part only matters with encryption
	if err := writeFile(valueLogPath(dir, last+1), head); err != nil {
		return false, fmt.Errorf("keep damaged value log: %w", err)
	}
	return true, nil
}

func valueLogs(dir string) ([]uint64, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.vlog"))
	if err != nil {
		return nil, fmt.Errorf("list value logs: %w", err)
	}
	var ids []uint64
	for _, p := range paths {
		id, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(p), ".vlog"), 10, 32)
		if err == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

func valueLogPath(dir string, id uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%06d.vlog", id))
}

func readHead(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, limit))
	return b, errors.Join(err, f.Close())
}

// wholeEntries returns where the whole entries from the file's beginning on end.
func wholeEntries(b []byte) int {
	at := min(vlogHeaderBytes, len(b))
	for {
		n := entryBytes(b[at:])
		if n == 0 {
			return at
		}
		at += n
	}
}

// entryBehind reports whether a whole entry begins behind at.
func entryBehind(b []byte, at int) bool {
	budget := vlogSearch
	for at++; at < len(b); at++ {
		size := entrySize(b[at:])
		if size == 0 {
			continue
		}
		if budget -= size; budget < 0 {
			return true // so much that looks like entries is not a torn write
		}
		if entryBytes(b[at:]) > 0 {
			return true
		}
	}
	return false
}

// entrySize returns the size of the entry that b seems to begin with; 0: it does not.
func entrySize(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	at := 2
	var lengths [3]uint64
	for i := range lengths {
		v, n := binary.Uvarint(b[at:])
		if n <= 0 {
			return 0
		}
		lengths[i] = v
		at += n
	}
	if lengths[0] == 0 || lengths[0] > vlogMaxKey || lengths[1] > vlogMaxValue {
		return 0
	}
	size := at + int(lengths[0]+lengths[1]) + crc32.Size //nolint:gosec // bounded above
	if size > len(b) {
		return 0
	}
	return size
}

// entryBytes returns the size of the whole entry that b begins with; 0: it does not.
func entryBytes(b []byte) int {
	size := entrySize(b)
	if size == 0 {
		return 0
	}
	body := b[:size-crc32.Size]
	if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(b[len(body):]) {
		return 0
	}
	return size
}

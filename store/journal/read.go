package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/skerry-edge/skerry/crdt/columns"
	"github.com/skerry-edge/skerry/sensors"
)

// Visitor takes what a journal holds, in the order in which it was written. A nil function skips its
// kind. An error ends the reading.
type Visitor struct {
	Chunk  func(Chunk) error
	Origin func(source string, o sensors.Origin) error
	Loss   func(at Position, l sensors.Loss) error
	Sealed func([]SealedHead) error
	// Want says whether readings of a collection at and after p are wanted; nil: all. Records that are
	// not wanted are not decoded.
	Want func(collection string, p Position) bool
}

// Damage is a place in a journal where what was written cannot be read.
type Damage struct {
	File   string // name in the journal's folder
	Offset uint64
	Reason string
}

// Contents is what Read says of the whole journal.
type Contents struct {
	LastEnd uint64 // where the records of the newest file end; for Options.LastEnd
	Torn    bool   // the newest file ends in a group that is not whole: a write cut short, never acknowledged
	Files   int
	Damage  []Damage
}

// Read reads the journal in dir and interns its series in table. A folder that does not exist is an
// empty journal. Damage does not stop it: reading goes on behind it. It holds one file in memory.
func Read(dir string, table *sensors.Table, v Visitor) (Contents, error) {
	var c Contents
	numbers, err := list(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	dec, err := columns.NewDecoder()
	if err != nil {
		return c, fmt.Errorf("create journal decoder: %w", err)
	}
	c.Files = len(numbers)
	heads := make([]*fileHeader, len(numbers)) // nil: none that can be read
	for i, n := range numbers {
		if heads[i], err = readHead(filepath.Join(dir, fileName(n)), n); err != nil {
			return c, err
		}
	}
	for i, n := range numbers {
		r := reader{number: n, table: table, visit: v, columns: dec, end: math.MaxUint64}
		if i+1 < len(numbers) {
			if h := heads[i+1]; h != nil && h.back != 0 && n == numbers[i+1]-uint64(h.back) {
				r.end, r.closed = h.previousEnd, true
			} else if h != nil && h.back != 0 {
				missing := numbers[i+1] - uint64(h.back)
				r.damage = append(r.damage, Damage{fileName(missing), 0, "the file is missing"})
			}
		}
		b, err := readFile(filepath.Join(dir, fileName(n)))
		if err != nil {
			return c, err
		}
		if c.LastEnd, err = r.file(b, heads[i] != nil); err != nil {
			return c, fmt.Errorf("read journal file %s: %w", fileName(n), err)
		}
		c.Damage = append(c.Damage, r.damage...)
		c.Torn = r.torn && i+1 == len(numbers)
	}
	return c, nil
}

// readHead returns the header of file number, nil when it has none that can be read.
func readHead(path string, number uint64) (*fileHeader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	b := make([]byte, fileHeaderBytes)
	_, err = io.ReadFull(f, b)
	if err := errors.Join(skipEOF(err), f.Close()); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	h, err := parseFileHeader(b)
	if err != nil || h.number != number {
		return nil, nil //nolint:nilerr,nilnil // the file's reader says what is wrong
	}
	return &h, nil
}

func skipEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// readFile reads a file up to MaxFileBytes.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	b, err := readAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	return b, nil
}

func readAll(f *os.File) ([]byte, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, min(max(st.Size(), 0), MaxFileBytes))
	n, err := io.ReadFull(f, b)
	return b[:n], skipEOF(err)
}

func allZero(b []byte) bool {
	for len(b) >= len(zeros) {
		if string(b[:len(zeros)]) != zeros {
			return false
		}
		b = b[len(zeros):]
	}
	return string(b) == zeros[:len(b)]
}

const zeros = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

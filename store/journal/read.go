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
// empty journal. Damage does not stop it, nor do bytes that the disk does not give back: reading goes on behind them.
// It holds one file in memory.
func Read(dir string, table *sensors.Table, v Visitor) (Contents, error) {
	return read(dir, table, v, openSource)
}

func read(dir string, table *sensors.Table, v Visitor, open func(path string) (source, error)) (Contents, error) {
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
		if heads[i], err = readHead(open, filepath.Join(dir, fileName(n)), n); err != nil {
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
		b, bad, err := readFile(open, filepath.Join(dir, fileName(n)))
		if err != nil {
			return c, err
		}
		for _, p := range bad {
			r.note(p.offset, fmt.Sprintf("%d bytes: %v", p.size, p.err))
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
func readHead(open func(string) (source, error), path string, number uint64) (*fileHeader, error) {
	f, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	b := make([]byte, fileHeaderBytes)
	_, readErr := f.ReadAt(b, 0)
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	h, err := parseFileHeader(b)
	if readErr != nil || err != nil || h.number != number {
		return nil, nil //nolint:nilerr,nilnil // the file's reader says what is wrong
	}
	return &h, nil
}

// source is what reading a journal file needs of the system.
type source interface {
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

func openSource(path string) (source, error) { return os.Open(path) }

// unreadable is a part of a file that the disk does not give back: a bad sector.
type unreadable struct {
	offset uint64
	size   int
	err    error
}

const (
	// readPiece is how much is given up for one bad sector.
	readPiece = 4096
	// maxUnreadable bounds the pieces of a file that are tried in vain: a disk may take seconds for each.
	maxUnreadable = 100
)

// readFile reads a file up to MaxFileBytes. What cannot be read is zero.
func readFile(open func(string) (source, error), path string) ([]byte, []unreadable, error) {
	f, err := open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read journal: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read journal: %w", err), f.Close())
	}
	b := make([]byte, min(max(st.Size(), 0), MaxFileBytes))
	var bad []unreadable
	if n, err := f.ReadAt(b, 0); err == nil || errors.Is(err, io.EOF) {
		b = b[:n]
	} else {
		bad = readPieces(f, b)
	}
	if err := f.Close(); err != nil {
		return nil, nil, fmt.Errorf("read journal: %w", err)
	}
	return b, bad, nil
}

// readPieces fills b piece by piece.
func readPieces(f io.ReaderAt, b []byte) (bad []unreadable) {
	tries := 0
	for at := 0; at < len(b); at += readPiece {
		piece := b[at:min(at+readPiece, len(b))]
		if tries == maxUnreadable {
			piece = b[at:]
		}
		_, err := f.ReadAt(piece, int64(at))
		if err == nil || errors.Is(err, io.EOF) {
			continue
		}
		clear(piece)
		if n := len(bad); n > 0 && bad[n-1].offset+uint64(bad[n-1].size) == uint64(at) { //nolint:gosec // positive
			bad[n-1].size += len(piece)
		} else {
			bad = append(bad, unreadable{uint64(at), len(piece), err})
		}
		if tries++; len(piece) > readPiece {
			return bad
		}
	}
	return bad
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

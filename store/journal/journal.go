// Package journal keeps readings durable, in append-only files, until they are in blocks.
//
// # Aim
//
// An acknowledged reading survives kill -9 and a power cut, at the price of one write and one
// fdatasync for a whole group of batches, whatever their number.
//
// # Files
//
// A journal is a folder of files NNNNNNNNNN.journal, numbered from 1, each about 8 MiB and
// preallocated. Every file can be read alone: series and texts are defined in the file that uses
// them. See record.go for the bytes.
//
// # Invariants
//
//   - Records are appended only; one group is one write, then one fdatasync, then the callers know.
//   - Only the newest file is written. A file is deleted when the caller says that nothing before it
//     is needed, and never while it is one of the last two.
//   - Reading stops at the first record that is not whole. In the newest file that is a torn write:
//     its group was never acknowledged. Every file says where the records of the file before it end, so
//     in an older file a record that is not whole before that end is damage, and reported.
//   - After a failed write or sync the file is given up: what the kernel did with the dirty pages is unknown
//     (fsync's error is reported once). The next group starts a new file.
//
// # The road not taken
//
// A journal in the database was measured: docs/decisions/0001-journal-outside-badger.md.
package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/skerry-edge/skerry/sensors"
)

// Position is a place between two readings: Index readings of the record at Offset in File lie
// before it. Positions order by File, Offset, Index.
type Position struct {
	File   uint64
	Offset uint64
	Index  uint32
}

// Compare returns -1, 0 or 1 as p lies before, at or after q.
func (p Position) Compare(q Position) int {
	switch {
	case p.File != q.File:
		return compare(p.File, q.File)
	case p.Offset != q.Offset:
		return compare(p.Offset, q.Offset)
	}
	return compare(uint64(p.Index), uint64(q.Index))
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Chunk is the readings of one record: of one collection, in the record's order. At is the position
// before the first. Readings are never changed after they were returned.
type Chunk struct {
	Collection string
	At         Position
	Clock      sensors.ClockBase
	Readings   []sensors.Reading
}

// Group is what one Append made durable.
type Group struct {
	Chunks []Chunk
	Losses []Position // where each loss lies
}

// Options tune a journal; the zero value of a field means its default.
type Options struct {
	FileBytes  int64  // size at which a file is followed by the next; default 8 MiB
	NoPrealloc bool   // do not preallocate: for tests on file systems that cannot
	LastEnd    uint64 // where the records of the newest existing file end, as Read said
}

const (
	defaultFileBytes = 8 << 20
	keepFiles        = 2
)

// Journal is the writing end. Not safe for concurrent use: the committer owns it.
type Journal struct {
	dir  string
	opts Options
	enc  *encoder

	file   *os.File // nil: the next Append starts a file
	number uint64   // of file, or of the last one
	offset int64    // where the next record goes
	files  []uint64 // existing, ascending, including number
	failed bool     // the last write or sync failed
	end    uint64   // where the records of the file before the next one end
}

// Open takes the folder dir for writing, creating it. What it holds is to be read with Read first;
// writing goes on in a new file after the last one.
func Open(dir string, opts Options) (*Journal, error) {
	if opts.FileBytes == 0 {
		opts.FileBytes = defaultFileBytes
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	files, err := list(dir)
	if err != nil {
		return nil, err
	}
	enc, err := newEncoder()
	if err != nil {
		return nil, err
	}
	j := &Journal{dir: dir, opts: opts, enc: enc, files: files, end: opts.LastEnd}
	if len(files) > 0 {
		j.number = files[len(files)-1]
	}
	return j, nil
}

// Append makes a group durable: when it returns nil, its batches and losses are on disk, and the
// returned group says where. The readings are copied. clock is that of unsynced arrival times among them. After an error nothing of the group counts as
// written; a later Append may succeed.
func (j *Journal) Append(batches []sensors.Batch, losses []sensors.Loss, clock sensors.ClockBase) (Group, error) {
	if err := j.ready(); err != nil {
		return Group{}, err
	}
	group, err := j.enc.group(j.position(), batches, losses, clock)
	if err != nil {
		j.giveUp()
		return Group{}, err
	}
	if err := j.write(true); err != nil {
		return Group{}, err
	}
	return group, nil
}

// Sealed appends the record that heads reached the database. It is not synced by itself: it only says
// twice what the database has already made durable, and the next group's sync carries it.
func (j *Journal) Sealed(heads []SealedHead) error {
	if err := j.ready(); err != nil {
		return err
	}
	if err := j.enc.sealed(j.position(), heads); err != nil {
		j.giveUp()
		return err
	}
	return j.write(false)
}

// Sync makes everything appended durable.
func (j *Journal) Sync() error {
	if j.file == nil {
		return nil
	}
	if err := unix.Fdatasync(int(j.file.Fd())); err != nil { //nolint:gosec // a descriptor fits an int
		j.giveUp()
		return fmt.Errorf("sync journal %s: %w", j.file.Name(), err)
	}
	return nil
}

// Release deletes the files that lie wholly before file and are not among the last two.
func (j *Journal) Release(file uint64) error {
	var errs []error
	removed := 0
	for len(j.files) > keepFiles && j.files[0] < file {
		if err := os.Remove(j.path(j.files[0])); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("delete journal file: %w", err))
			break
		}
		j.files = j.files[1:]
		removed++
	}
	if removed > 0 {
		errs = append(errs, syncDir(j.dir))
	}
	return errors.Join(errs...)
}

// Bytes returns the size of the journal's files, up to the last record.
func (j *Journal) Bytes() uint64 {
	n := uint64(max(j.offset, 0))
	for _, f := range j.files {
		if f == j.number && j.file != nil {
			continue
		}
		if st, err := os.Stat(j.path(f)); err == nil {
			n += uint64(max(st.Size(), 0))
		}
	}
	return n
}

// Close trims the newest file to its records, syncs and closes it. When nothing is unsealed, sealed
// heads are written into a last file and every other file is deleted: see
// docs/decisions/0002-clean-close-trims-the-journal.md.
func (j *Journal) Close(empty bool, heads []SealedHead) error {
	if empty && len(heads) > 0 {
		if err := j.closeEmpty(heads); err != nil {
			return err
		}
	}
	if j.file == nil {
		return nil
	}
	errs := []error{
		wrap("trim journal", j.file.Truncate(j.offset)),
		wrap("sync journal", j.file.Sync()),
		wrap("close journal", j.file.Close()),
	}
	j.file = nil
	return errors.Join(errs...)
}

func (j *Journal) closeEmpty(heads []SealedHead) error {
	if err := j.finish(); err != nil {
		return err
	}
	if err := j.Sealed(heads); err != nil {
		return err
	}
	if err := j.Sync(); err != nil {
		return err
	}
	for _, f := range j.files[:len(j.files)-1] {
		if err := os.Remove(j.path(f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete journal file: %w", err)
		}
	}
	j.files = j.files[len(j.files)-1:]
	return syncDir(j.dir)
}

// ready makes sure that there is a file to append to.
func (j *Journal) ready() error {
	if j.file != nil && !j.failed && j.offset < j.opts.FileBytes {
		return nil
	}
	if err := j.finish(); err != nil {
		return err
	}
	return j.start()
}

// finish closes the current file, if any. A failed file is left as it is: reading stops at its last
// whole record.
func (j *Journal) finish() error {
	if j.file == nil {
		return nil
	}
	f := j.file
	j.file = nil
	j.end = uint64(max(j.offset, 0))
	if j.failed {
		j.failed = false
		_ = f.Close() // its error was reported by the write or sync that failed
		return nil
	}
	if err := errors.Join(f.Truncate(j.offset), unix.Fdatasync(int(f.Fd())), f.Close()); err != nil { //nolint:gosec // a descriptor fits an int
		return fmt.Errorf("finish journal file %s: %w", f.Name(), err)
	}
	return nil
}

func (j *Journal) start() error {
	number := j.number + 1
	path := j.path(number)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("create journal file: %w", err)
	}
	if !j.opts.NoPrealloc {
		err = unix.Fallocate(int(f.Fd()), 0, 0, j.opts.FileBytes) //nolint:gosec // a descriptor fits an int
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
			err = nil // the file grows as it is written
		}
	}
	if err == nil {
		_, err = f.WriteAt(appendFileHeader(nil, number, j.end), 0)
	}
	if err == nil {
		err = errors.Join(f.Sync(), syncDir(j.dir))
	}
	if err != nil {
		_ = f.Close()
		return errors.Join(fmt.Errorf("start journal file %s: %w", path, err), os.Remove(path))
	}
	j.file, j.number, j.offset = f, number, fileHeaderBytes
	j.files = append(j.files, number)
	j.enc.reset(number)
	return nil
}

// write appends what the encoder holds.
func (j *Journal) write(sync bool) error {
	buf := j.enc.take()
	if _, err := j.file.WriteAt(buf, j.offset); err != nil {
		j.giveUp()
		return fmt.Errorf("write journal: %w", err)
	}
	if sync {
		if err := j.Sync(); err != nil {
			return err
		}
	}
	j.offset += int64(len(buf))
	return nil
}

// giveUp marks the current file as not to be written again.
func (j *Journal) giveUp() {
	j.enc.take()
	j.failed = true
}

func (j *Journal) position() Position {
	return Position{File: j.number, Offset: uint64(max(j.offset, 0))}
}

func (j *Journal) path(number uint64) string { return filepath.Join(j.dir, fileName(number)) }

func fileName(number uint64) string { return fmt.Sprintf("%010d.journal", number) }

// list returns the numbers of the journal files in dir, ascending.
func list(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list journal: %w", err)
	}
	var numbers []uint64
	for _, e := range entries {
		text, isJournal := strings.CutSuffix(e.Name(), ".journal")
		if !isJournal {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || n == 0 || fileName(n) != e.Name() {
			continue // not ours
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return errors.Join(wrap("sync folder "+dir, d.Sync()), d.Close())
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

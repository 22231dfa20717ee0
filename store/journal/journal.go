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
//   - A group counts whole or not at all. What is not whole in the newest file is a write that a crash cut
//     short, whose callers were never told, unless a later group says that it had been synced before: then it is
//     damage. Every file says where the records of the file before it end: there, what is not whole is
//     damage, and what lies behind the end was refused.
//   - Damage is reported and reading goes on behind it: records are small, and each has its own checksum.
//   - After a failed write or sync the file is given up: what the kernel did with the dirty pages is unknown
//     (fsync's error is reported once). The next group starts a new file.
//   - Opening syncs the newest file before anything is written: what Read found there may never have
//     been synced, and must not be taken for durable.
//
// # The road not taken
//
// A journal in the database was measured: docs/decisions/0001-journal-outside-badger.md.
package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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
	return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Offset, q.Offset), cmp.Compare(p.Index, q.Index))
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
	FileBytes int64  // size at which a file is followed by the next; default 8 MiB
	LastEnd   uint64 // where the records of the newest existing file end, as Read said
	// After is a number that files were given before: new ones get higher ones, even in an empty folder.
	After uint64

	create  func(path string) (file, error) // default: createFile
	syncDir func(dir string) error          // default: syncDir
}

const (
	defaultFileBytes = 8 << 20
	keepFiles        = 2

	// MaxFileBytes is the largest file that is read, and that is written: what lies behind is damage.
	MaxFileBytes = 128 << 20
)

// ErrTooLarge says that a group can never be written, however often it is tried.
var ErrTooLarge = errors.New("too large for the journal")

// Journal is the writing end. Not safe for concurrent use: the committer owns it.
type Journal struct {
	dir  string
	opts Options
	enc  *encoder

	file   file     // nil: the next Append starts a file
	number uint64   // of file, or of the last one
	offset int64    // where the next record goes
	synced int64    // what lies before is durable
	files  []uint64 // existing, ascending, including number
	failed bool     // the last write or sync failed
	end    uint64   // where the records of the file before the next one end
}

// Open takes the folder dir for writing, creating it, durably, in a folder that exists. What it holds is to be read with Read first;
// writing goes on in a new file after the last one, which is cut where its records end, and synced.
func Open(dir string, opts Options) (*Journal, error) {
	if opts.FileBytes == 0 {
		opts.FileBytes = defaultFileBytes
	}
	if opts.create == nil {
		opts.create = createFile
	}
	if opts.syncDir == nil {
		opts.syncDir = syncDir
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	if err := opts.syncDir(filepath.Dir(dir)); err != nil { // also where a start before made it
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
	j := &Journal{dir: dir, opts: opts, enc: enc, files: files, end: opts.LastEnd, number: opts.After}
	if n := len(files); n > 0 {
		j.number = max(j.number, files[n-1])
		if err := settle(j.path(files[n-1]), opts.LastEnd); err != nil {
			return nil, err
		}
	}
	return j, nil
}

// Append makes a group durable: when it returns nil, its batches and losses are on disk, and the
// returned group says where. The readings belong to the journal from the call on; it may sort them. clock is that of
// unsynced arrival times among them. After an error nothing of the group counts as written; unless the
// error is ErrTooLarge a later Append may succeed. A group of nothing is not written.
func (j *Journal) Append(batches []sensors.Batch, losses []sensors.Loss, clock sensors.ClockBase) (Group, error) {
	if err := j.ready(); err != nil {
		return Group{}, err
	}
	if j.offset-j.synced > maxUnsynced { // the group's record could not say how much it is
		if err := j.Sync(); err != nil {
			return Group{}, err
		}
	}
	group, err := j.enc.group(j.position(), j.unsynced(), batches, losses, clock)
	if err != nil {
		j.giveUp()
		return Group{}, err
	}
	if err := j.write(); err != nil {
		return Group{}, err
	}
	if err := j.Sync(); err != nil {
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
	return j.write()
}

// Sync makes everything appended durable.
func (j *Journal) Sync() error {
	if j.file == nil || j.synced == j.offset {
		return nil
	}
	if err := j.file.Datasync(); err != nil {
		j.giveUp()
		return fmt.Errorf("sync journal file %d: %w", j.number, err)
	}
	j.synced = j.offset
	return nil
}

// Release deletes the files that lie wholly before file and are not among the last two.
func (j *Journal) Release(file uint64) error {
	keep := 0
	for len(j.files)-keep > keepFiles && j.files[keep] < file {
		keep++
	}
	return j.drop(keep)
}

// drop deletes the n oldest files.
func (j *Journal) drop(n int) error {
	if n == 0 {
		return nil
	}
	for range n {
		if err := os.Remove(j.path(j.files[0])); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete journal file: %w", err)
		}
		j.files = j.files[1:]
	}
	return j.opts.syncDir(j.dir)
}

// Bytes returns the size of the journal's files, up to the last record.
func (j *Journal) Bytes() uint64 {
	n := uint64(0)
	for _, f := range j.files {
		if f == j.number && j.file != nil {
			n += uint64(max(j.offset, 0))
		} else if st, err := os.Stat(j.path(f)); err == nil {
			n += uint64(max(st.Size(), 0))
		}
	}
	return n
}

// Close trims the newest file to its records, syncs and closes it. With sealed heads, which say that
// nothing is unsealed, they are written into a last file and every other file is deleted; origins, oldest
// first, are kept in it: see docs/decisions/0002-clean-close-trims-the-journal.md. The journal is closed also when an
// error is returned.
func (j *Journal) Close(heads []SealedHead, origins []sensors.Batch) error {
	var errs []error
	if len(heads) > 0 {
		errs = append(errs, j.closeEmpty(heads, origins))
	}
	return errors.Join(append(errs, j.finish())...)
}

func (j *Journal) closeEmpty(heads []SealedHead, origins []sensors.Batch) error {
	if err := j.finish(); err != nil {
		return err
	}
	if _, err := j.Append(origins, nil, sensors.ClockBase{}); err != nil {
		return err
	}
	if err := j.Sealed(heads); err != nil {
		return err
	}
	if err := j.Sync(); err != nil {
		return err
	}
	return j.drop(len(j.files) - 1)
}

// write appends what the encoder holds.
func (j *Journal) write() error {
	buf := j.enc.take()
	if len(buf) > MaxFileBytes/2 {
		j.giveUp()
		return fmt.Errorf("write journal: a group of %d bytes: %w", len(buf), ErrTooLarge)
	}
	if _, err := j.file.WriteAt(buf, j.offset); err != nil {
		j.giveUp()
		return fmt.Errorf("write journal: %w", err)
	}
	j.offset += int64(len(buf))
	return nil
}

// giveUp marks the current file as not to be written again. What is not known to be durable is cut
// off as well as that goes; the next file says that it does not count.
func (j *Journal) giveUp() {
	j.enc.take()
	j.failed = true
	_ = j.file.Truncate(j.synced) // the failure that led here is what is reported
}

func (j *Journal) position() Position {
	return Position{File: j.number, Offset: uint64(max(j.offset, 0))}
}

func (j *Journal) unsynced() uint64 { return uint64(max(j.offset-j.synced, 0)) }

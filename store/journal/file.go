package journal

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// file is what writing a journal file needs of the system.
type file interface {
	WriteAt(b []byte, offset int64) (int, error)
	Truncate(size int64) error
	Preallocate(size int64) error
	Sync() error     // with size and all else that Stat says
	Datasync() error // what reading back needs
	Close() error
}

type osFile struct{ *os.File }

// createFile makes an empty file. One that is there already is the rest of a start that failed.
func createFile(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Datasync makes the file's bytes durable.
func (f osFile) Datasync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Preallocate reserves disk for the file's first bytes, where the file system can.
func (f osFile) Preallocate(size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
			return nil // the file grows as it is written
		}
		return err
	}
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

// start makes the next file and writes its header, durably: only then do records follow.
func (j *Journal) start() error {
	number := j.number + 1
	path := j.path(number)
	f, err := j.opts.create(path)
	if err != nil {
		return fmt.Errorf("create journal file: %w", err)
	}
	h := fileHeader{number: number, previousEnd: j.end}
	if n := len(j.files); n > 0 && number-j.files[n-1] <= math.MaxUint32 {
		h.back = uint32(number - j.files[n-1]) //nolint:gosec // checked
	}
	err = f.Preallocate(j.opts.FileBytes)
	if err == nil {
		_, err = f.WriteAt(appendFileHeader(nil, h), 0)
	}
	if err == nil {
		err = errors.Join(f.Sync(), j.opts.syncDir(j.dir))
	}
	if err != nil {
		_ = f.Close() // the error before it is the one to report
		return errors.Join(fmt.Errorf("start journal file %d: %w", number, err), os.Remove(path))
	}
	j.file, j.number, j.offset, j.synced = f, number, fileHeaderBytes, fileHeaderBytes
	j.files = append(j.files, number)
	j.enc.reset(number)
	return nil
}

// finish cuts the current file, if any, where its records end, and closes it.
func (j *Journal) finish() error {
	if j.file == nil {
		return nil
	}
	f := j.file
	j.file = nil
	if j.failed { // it was cut as well as that went
		j.failed = false
		j.end = uint64(max(j.synced, 0))
		_ = f.Close() // its error was reported by the write or sync that failed
		return nil
	}
	err := errors.Join(f.Truncate(j.offset), f.Sync())
	if err == nil {
		j.synced = j.offset
	}
	j.end = uint64(max(j.synced, 0))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("finish journal file %d: %w", j.number, err)
	}
	return nil
}

// settle cuts a file that an earlier process wrote at end and makes what is before it durable.
func settle(path string, end uint64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("settle journal: %w", err)
	}
	st, err := f.Stat()
	if err == nil && st.Size() > 0 && end < uint64(st.Size()) { //nolint:gosec // checked
		err = f.Truncate(int64(end)) //nolint:gosec // smaller than the file
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("settle journal: %w", err)
	}
	return nil
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
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

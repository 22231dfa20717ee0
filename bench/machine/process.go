package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Process is what the kernel counts of one process.
type Process struct {
	Anonymous uint64 // RssAnon, bytes
	Resident  uint64 // VmRSS, bytes
	Peak      uint64 // VmHWM, bytes
	Written   uint64 // bytes that it made the kernel write to the device
	Processor float64
}

// ProcessOf reads /proc/PID.
func ProcessOf(pid int) (Process, error) {
	var p Process
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return p, fmt.Errorf("look at process: %w", err)
	}
	p.Anonymous, p.Resident, p.Peak = field(status, "RssAnon")<<10, field(status, "VmRSS")<<10, field(status, "VmHWM")<<10
	io, err := os.ReadFile(filepath.Join(dir, "io"))
	if err != nil {
		return p, fmt.Errorf("look at process: %w", err)
	}
	p.Written = field(io, "write_bytes")
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return p, fmt.Errorf("look at process: %w", err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	if f := strings.Fields(rest); len(f) > 12 {
		user, _ := strconv.ParseFloat(f[11], 64)   // the kernel writes numbers
		system, _ := strconv.ParseFloat(f[12], 64) // likewise
		p.Processor = (user + system) / 100
	}
	return p, nil
}

func field(text []byte, name string) uint64 {
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		if f := strings.Fields(value); key == name && len(f) > 0 {
			n, _ := strconv.ParseUint(f[0], 10, 64) // the kernel writes numbers
			return n
		}
	}
	return 0
}

// Allocated returns the bytes that dir takes on the disk, and those of each of its folders; dir's own files count under ".".
func Allocated(dir string) (sum uint64, folders map[string]uint64, err error) {
	folders = map[string]uint64{}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		sys, is := info.Sys().(*syscall.Stat_t)
		if !is {
			return fmt.Errorf("%s has no blocks", path)
		}
		inner, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name, _, deeper := strings.Cut(inner, string(filepath.Separator))
		if !deeper && !e.IsDir() {
			name = "."
		}
		bytes := uint64(max(sys.Blocks, 0)) * 512
		sum += bytes
		folders[name] += bytes
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("measure folder: %w", err)
	}
	return sum, folders, nil
}

// Forget drops the files below dir from the page cache, as far as they are on the disk.
func Forget(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("drop page cache of folder: %w", err)
	}
	err = fs.WalkDir(root.FS(), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		return forget(root, path)
	})
	if err := errors.Join(err, root.Close()); err != nil {
		return fmt.Errorf("drop page cache of folder: %w", err)
	}
	return nil
}

func forget(root *os.Root, path string) error {
	f, err := root.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close())
}

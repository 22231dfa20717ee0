// Package machine tells what the benchmark runs on, and reads what the kernel counts.
package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Describe names processor, cores, kernel, file system and Go, in one line.
func Describe(dir string) string {
	var names unix.Utsname
	kernel := "unknown"
	if unix.Uname(&names) == nil {
		kernel = unix.ByteSliceToString(names.Release[:])
	}
	return fmt.Sprintf("%s, %d cores, Linux %s %s, %s on %s", processor(), runtime.NumCPU(), kernel, runtime.GOARCH, runtime.Version(), FileSystem(dir))
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		if key = strings.TrimSpace(key); key == "model name" || key == "Model" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// The magic numbers of file systems, from statfs(2).
const (
	magicExt4  = 0xef53
	magicTmpfs = 0x01021994
	magicBtrfs = 0x9123683e
	magicXFS   = 0x58465342
)

// FileSystem names the file system that dir is on.
func FileSystem(dir string) string {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return "an unknown file system"
	}
	switch uint32(fs.Type) { //nolint:gosec // 32 bits by its man page
	case magicExt4:
		return "ext4"
	case magicTmpfs:
		return "tmpfs"
	case magicBtrfs:
		return "btrfs"
	case magicXFS:
		return "xfs"
	}
	return fmt.Sprintf("file system %#x", fs.Type)
}

// Syncs is what a disk does bare: appends of 4 KiB, each with its fdatasync, in one file.
type Syncs struct {
	Rate    float64       // a second
	Mean    time.Duration // of one append and sync
	P99     time.Duration
	Written float64 // bytes to the device for one, as the kernel counts for the process
}

// MeasureSyncs appends and syncs in dir for so long.
func MeasureSyncs(dir string, d time.Duration) (s Syncs, err error) {
	f, err := os.Create(filepath.Join(dir, "syncs"))
	if err != nil {
		return s, fmt.Errorf("measure syncs: %w", err)
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	page := make([]byte, 4096)
	for i := range page {
		page[i] = byte(i * 7)
	}
	before, err := ProcessOf(os.Getpid())
	if err != nil {
		return s, err
	}
	var took []time.Duration
	for began := time.Now(); time.Since(began) < d; {
		at := time.Now()
		if _, err := f.Write(page); err != nil {
			return s, fmt.Errorf("measure syncs: %w", err)
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return s, fmt.Errorf("measure syncs: %w", err)
		}
		took = append(took, time.Since(at))
	}
	after, err := ProcessOf(os.Getpid())
	if err != nil {
		return s, err
	}
	var sum time.Duration
	for _, t := range took {
		sum += t
	}
	slices.Sort(took)
	n := len(took)
	s.Mean, s.P99 = sum/time.Duration(n), took[n*99/100]
	s.Rate = float64(n) / sum.Seconds()
	s.Written = float64(after.Written-before.Written) / float64(n)
	return s, nil
}

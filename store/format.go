package store

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Format is the version of the store's layout that this program writes. It only goes up.
const Format = 1

// ErrNewerFormat says that a newer skerry wrote the store.
var ErrNewerFormat = errors.New("the store was written by a newer version of skerry")

const formatPrefix = "skerry store "

// checkFormat reads DIR/FORMAT, writing it in a new store, and reports whether the store is new.
func checkFormat(dir string) (created bool, err error) {
	path := filepath.Join(dir, "FORMAT")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, "badger", "MANIFEST")); err == nil {
			return false, fmt.Errorf("%s is missing beside a database: the folder is not whole; restore it from a copy", path)
		}
		return true, writeFile(path, []byte(formatPrefix+strconv.Itoa(Format)+"\n"))
	}
	if err != nil {
		return false, fmt.Errorf("read format: %w", err)
	}
	text, found := strings.CutPrefix(strings.TrimSpace(string(b)), formatPrefix)
	n, err := strconv.ParseUint(text, 10, 32)
	if !found || err != nil || n == 0 {
		return false, fmt.Errorf("%s: want %q and a version, found %.40q", path, formatPrefix, b)
	}
	if n > Format {
		return false, fmt.Errorf("%w: format %d, this one reads up to %d", ErrNewerFormat, n, Format)
	}
	return false, nil
}

// marker tells a store from a copy of it: a copied file has another inode and birth time. Each of our
// feeds is marked with the Store under which it was opened.
type marker struct {
	Store  string `json:"store"` // random, another one in a copy
	Inode  uint64 `json:"inode"`
	Birth  string `json:"birth"`  // of the file, seconds.nanoseconds; empty where the file system has none
	Serial string `json:"serial"` // of the machine
}

func markerPath(dir string) string { return filepath.Join(dir, "STORE") }

// checkMarker compares DIR/STORE with itself, writing it where it is missing. A marker that cannot be understood tells
// nothing, so the store is taken for a copy, which costs new feeds: refusing to start would cost what is measured.
func checkMarker(dir string, created bool) (store string, copied bool, err error) {
	path := markerPath(dir)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		store, err = writeMarker(path)
		return store, !created, err
	}
	if err != nil {
		return "", false, fmt.Errorf("read store marker: %w", err)
	}
	var was marker
	if json.Unmarshal(b, &was) != nil || was.Store == "" {
		return "", true, nil //nolint:nilerr // see above
	}
	is, err := markerOf(path)
	if err != nil {
		return "", false, err
	}
	same := was.Inode == is.Inode && was.Birth == is.Birth && was.Serial == is.Serial
	return was.Store, !same, nil
}

// writeMarker writes a new marker. The inode is known only once the file is there, so the file is made
// first, then written in place, then synced.
func writeMarker(path string) (string, error) {
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", fmt.Errorf("make store id: %w", err)
	}
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("write store marker: %w", err)
	}
	m, err := markerOf(tmp)
	if err != nil {
		return "", errors.Join(err, f.Close())
	}
	m.Store = hex.EncodeToString(id[:])
	b, err := json.Marshal(m)
	if err != nil {
		return "", errors.Join(fmt.Errorf("encode store marker: %w", err), f.Close())
	}
	_, err = f.Write(append(b, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("write store marker: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return "", fmt.Errorf("write store marker: %w", err)
	}
	return m.Store, syncDir(filepath.Dir(path))
}

func markerOf(path string) (marker, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return marker{}, fmt.Errorf("stat %s: %w", path, err)
	}
	m := marker{Inode: st.Ino, Serial: machineSerial()}
	if st.Mask&unix.STATX_BTIME != 0 {
		m.Birth = fmt.Sprintf("%d.%09d", st.Btime.Sec, st.Btime.Nsec)
	}
	return m, nil
}

// machineSerial returns what tells this machine from others: the board's serial number where the
// device tree has one, else the machine id; empty where neither is.
func machineSerial() string {
	for _, path := range []string{"/sys/firmware/devicetree/base/serial-number", "/etc/machine-id"} {
		if b, err := os.ReadFile(path); err == nil {
			if s := strings.Trim(string(b), "\x00 \n"); s != "" {
				return s
			}
		}
	}
	return ""
}

// writeFile replaces path atomically and durably.
func writeFile(path string, b []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncDir(filepath.Dir(path))
}

// makeDir makes a folder and those above it, durably. sync syncs a folder.
func makeDir(dir string, sync func(string) error) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDir(filepath.Dir(dir), sync); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o700)
	}
	if err == nil {
		return sync(filepath.Dir(dir))
	}
	if errors.Is(err, fs.ErrExist) {
		var st fs.FileInfo
		if st, err = os.Stat(dir); err == nil && !st.IsDir() {
			err = fmt.Errorf("%s is not a folder", dir)
		}
	}
	return err
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

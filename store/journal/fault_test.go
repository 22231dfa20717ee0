package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
)

// faults are files that fail when they are told to.
type faults struct {
	write, sync, datasync, truncate, prealloc, create error
	short                                             int // bytes that a failing write still writes
	datasyncs                                         int
}

type faultyFile struct {
	file
	*faults
}

func (f *faults) make(path string) (file, error) {
	if f.create != nil {
		return nil, f.create
	}
	made, err := createFile(path)
	return faultyFile{made, f}, err
}

func (f faultyFile) WriteAt(b []byte, at int64) (int, error) {
	if f.write == nil {
		return f.file.WriteAt(b, at)
	}
	n, err := f.file.WriteAt(b[:min(f.short, len(b))], at)
	return n, errors.Join(f.write, err)
}

func (f faultyFile) Datasync() error {
	f.datasyncs++
	if f.datasync != nil {
		return f.datasync
	}
	return f.file.Datasync()
}

func (f faultyFile) Sync() error {
	if f.sync != nil {
		return f.sync
	}
	return f.file.Sync()
}

func (f faultyFile) Truncate(n int64) error {
	if f.truncate != nil {
		return f.truncate
	}
	return f.file.Truncate(n)
}

func (f faultyFile) Preallocate(n int64) error {
	if f.prealloc != nil {
		return f.prealloc
	}
	return f.file.Preallocate(n)
}

var errDisk = errors.New("disk trouble")

// After a failed write or sync the caller is told, the next group goes into a new file, and what was
// refused does not come back: not even when its bytes reached the disk.
func TestJournal_failuresStartANewFile(t *testing.T) {
	for name, fail := range map[string]func(*faults){
		"write":                        func(f *faults) { f.write, f.short = errDisk, 77 },
		"write, and truncate":          func(f *faults) { f.write, f.short, f.truncate = errDisk, 1<<20, errDisk },
		"sync":                         func(f *faults) { f.datasync = errDisk },
		"sync, and truncate":           func(f *faults) { f.datasync, f.truncate = errDisk, errDisk },
		"sync, with a sealed record":   func(f *faults) { f.datasync = errDisk },
		"sync, and the next start too": func(f *faults) { f.datasync, f.sync = errDisk, errDisk },
		"no room for the next file":    func(f *faults) { f.write, f.prealloc = errDisk, errDisk },
		"no descriptor for the next":   func(f *faults) { f.write, f.create = errDisk, errDisk },
	} {
		t.Run(name, func(t *testing.T) {
			var f faults
			r := newRig(t, Options{create: f.make})
			rng := seeded(t)
			r.append([]sensors.Batch{r.batch(rng, "climate", 20)})
			if name == "sync, with a sealed record" {
				if err := r.j.Sealed([]SealedHead{testHead("climate", 1)}); err != nil {
					t.Fatal(err)
				}
			}
			fail(&f)
			for range 3 {
				if _, err := r.j.Append([]sensors.Batch{r.batch(rng, "climate", 20)}, nil, testClock); !errors.Is(err, errDisk) {
					t.Fatalf("got %v, want the disk's error", err)
				}
			}
			f = faults{}
			r.append([]sensors.Batch{r.batch(rng, "climate", 20)})
			files := len(r.files())
			if r.groups[1].Chunks[0].At.File == r.groups[0].Chunks[0].At.File || files < 2 {
				t.Errorf("the next group is in file %d of %d, want a new one", r.groups[1].Chunks[0].At.File, files)
			}
			r.append([]sensors.Batch{r.batch(rng, "climate", 20)})
			if n := len(r.files()); n != files {
				t.Errorf("%d files after another group, want %d", n, files)
			}
			got, c := r.read()
			r.check(got)
			if len(c.Damage) != 0 || c.Torn {
				t.Errorf("contents %+v, want no damage", c)
			}
			if err := r.j.Close(nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// One group is one sync, however many batches it has; a sealed record is none.
func TestJournal_oneSyncAGroup(t *testing.T) {
	var f faults
	r := newRig(t, Options{create: f.make})
	rng := seeded(t)
	for i := range 10 {
		var batches []sensors.Batch
		for range i + 1 {
			batches = append(batches, r.batch(rng, "climate", 3))
		}
		r.append(batches)
		r.sealed(testHead("climate", uint64(i)))
	}
	if f.datasyncs != 10 {
		t.Errorf("%d syncs for 10 groups", f.datasyncs)
	}
}

// What a killed process wrote and did not sync is replayed, so it must be synced before anything else
// relies on it.
func TestOpen_syncsWhatItFound(t *testing.T) {
	r := newRig(t, Options{})
	r.append([]sensors.Batch{r.batch(seeded(t), "climate", 5)})
	_, c := r.read()
	path := r.lastFile()
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 { // root may open it all the same
		if _, err := Open(r.dir, Options{LastEnd: c.LastEnd}); err == nil {
			t.Error("opened without syncing the newest file")
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil { // cannot be opened for writing
		t.Fatal(err)
	}
	if _, err := Open(r.dir, Options{LastEnd: c.LastEnd}); err == nil {
		t.Error("opened without settling the newest file")
	}
}

func TestJournal_Close_reportsFailures(t *testing.T) {
	var f faults
	r := newRig(t, Options{create: f.make})
	r.append([]sensors.Batch{r.batch(seeded(t), "climate", 5)})
	f.sync = errDisk
	if err := r.j.Close([]SealedHead{testHead("climate", 1)}, nil); !errors.Is(err, errDisk) {
		t.Errorf("got %v, want the disk's error", err)
	}
	if _, err := os.Stat(filepath.Join(r.dir, fileName(1))); err != nil {
		t.Errorf("the file with the readings: %v, want it kept", err)
	}
	got, _ := r.read()
	r.check(got)
}

func TestJournal_refusesTooLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 100 MB")
	}
	r := newRig(t, Options{})
	s := r.series("text", sensors.String)
	text := string(make([]byte, 1<<20))
	var batches []sensors.Batch
	for i := range 66 {
		batches = append(batches, sensors.Batch{Source: "line", Collection: fmt.Sprint("c", i), Readings: []sensors.Reading{{Series: s, Str: text}}})
	}
	if _, err := r.j.Append(batches, nil, testClock); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	r.append([]sensors.Batch{r.batch(seeded(t), "climate", 5)})
	got, c := r.read()
	if diff := cmp.Diff(r.want, got, compareCID); diff != "" || len(c.Damage) != 0 {
		t.Errorf("damage %v, -want +got\n%s", c.Damage, diff)
	}
}

// Nobody is told that a group is on disk before its file's entry in the folder is, and the folder's own.
func TestJournal_foldersAreSynced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	var fails string
	var synced []string
	o := Options{FileBytes: 1, syncDir: func(dir string) error {
		if dir == fails {
			return errDisk
		}
		synced = append(synced, filepath.Base(dir))
		return syncDir(dir)
	}}
	fails = filepath.Dir(dir)
	if _, err := Open(dir, o); !errors.Is(err, errDisk) {
		t.Errorf("got %v, want the disk's error", err)
	}
	fails = ""
	r := &rig{t: t, dir: dir, table: sensors.NewTable()}
	r.open(o)
	group := func() []sensors.Batch { return []sensors.Batch{r.batch(seeded(t), "climate", 5)} }
	r.append(group())
	if diff := cmp.Diff([]string{filepath.Base(filepath.Dir(dir)), "journal"}, synced); diff != "" {
		t.Errorf("synced folders: -want +got\n%s", diff)
	}
	fails = dir
	if _, err := r.j.Append(group(), nil, testClock); !errors.Is(err, errDisk) {
		t.Errorf("got %v, want the disk's error", err)
	}
	fails = ""
	r.append(group())
	got, _ := r.read()
	r.check(got)
}

package machine

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestMeasureSyncs(t *testing.T) {
	dir := t.TempDir()
	s, err := MeasureSyncs(dir, 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if s.Rate <= 0 || s.Mean <= 0 || s.P99 < s.Mean/10 {
		t.Errorf("got %+v", s)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}

func TestAllocated_countsBlocksByFolder(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int64{"top": 5000, "a/one": 5000, "a/b/two": 5000} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sparse, err := os.Create(filepath.Join(dir, "a", "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	if err := sparse.Truncate(1 << 30); err != nil {
		t.Fatal(err)
	}
	if err := sparse.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Forget(dir); err != nil { // delayed allocation ends
		t.Fatal(err)
	}
	sum, folders, err := Allocated(dir)
	if err != nil {
		t.Fatal(err)
	}
	if sum < 15_000 || sum > 1<<20 || folders["a"] < 10_000 || folders["."] < 5000 || folders["a"]+folders["."] != sum {
		t.Errorf("got %d, %v", sum, folders)
	}
}

func TestProcessOf_self(t *testing.T) {
	p, err := ProcessOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if p.Anonymous < 100<<10 || p.Resident < p.Anonymous || p.Peak < p.Resident/2 {
		t.Errorf("got %+v", p)
	}
}

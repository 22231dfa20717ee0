package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A new folder's own entry is synced in the folder above: else a power cut takes it with all that is in it.
func TestMakeDir(t *testing.T) {
	top := t.TempDir()
	var synced []string
	sync := func(dir string) error {
		synced = append(synced, dir)
		return syncDir(dir)
	}
	dir := filepath.Join(top, "a", "b", "c")
	for range 2 {
		if err := makeDir(dir, sync); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{top, filepath.Join(top, "a"), filepath.Join(top, "a", "b")}
	if diff := cmp.Diff(want, synced); diff != "" {
		t.Errorf("synced folders: -want +got\n%s", diff)
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v, want a folder of mode 0700", st, err)
	}
	disk := errors.New("input/output error")
	if err := makeDir(filepath.Join(top, "d"), func(string) error { return disk }); !errors.Is(err, disk) {
		t.Errorf("got %v, want the disk's error", err)
	}
	file := filepath.Join(top, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		if err := makeDir(path, syncDir); err == nil {
			t.Errorf("%s: a file was taken for a folder", path)
		}
	}
}

// A damaged marker does not keep the store from starting: it is taken for a copy.
func TestOpen_damagedMarker(t *testing.T) {
	for _, text := range []string{"", "{", "{}\n", "\x00\x00\x00\x00", `{"store":"","inode":1}`, `{"store":7}`} {
		r := newRig(t)
		r.fill("climate", 10)
		r.seal("climate", 10, 10)
		r.close()
		if err := os.WriteFile(markerPath(r.dir), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for round := range 2 {
			r.open()
			if o := r.db.Opened(); o.Copied != (round == 0) || o.StoreID == "" {
				t.Errorf("%q: round %d: opened %+v, want it taken for a copy once", text, round, o)
			}
			if _, has, err := r.db.Own("climate"); err != nil || has {
				t.Errorf("%q: Own returned %v, %v, want no feed to resume", text, has, err)
			}
			r.check(Query{Collection: "climate"})
			r.close()
		}
	}
}

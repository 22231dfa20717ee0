package agent

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOffline_rootLeavesNothingOfItsOwn: root may look into a folder whose agent runs as another user, and that one still starts.
func TestOffline_rootLeavesNothingOfItsOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can read another user's folder")
	}
	const stranger = 12345
	g := newGateway(t, "[[collection]]\nname = \"climate\"\n")
	_, stop := g.start(t)
	stop()
	walk := func(visit func(path string, uid uint32)) {
		t.Helper()
		err := filepath.WalkDir(g.dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			sys, is := info.Sys().(*syscall.Stat_t)
			if !is {
				t.Fatalf("%s has no owner", path)
			}
			visit(path, sys.Uid)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	walk(func(path string, _ uint32) {
		if err := os.Lchown(path, stranger, stranger); err != nil {
			t.Fatal(err)
		}
	})
	offline, err := OpenOffline(t.Context(), g.dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := offline.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := offline.Close(); err != nil {
		t.Fatal(err)
	}
	walk(func(path string, uid uint32) {
		if uid != stranger {
			t.Errorf("%s belongs to user %d", path, uid)
		}
	})
}

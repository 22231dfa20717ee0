package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// An owner is whose files a folder holds, when root reads it for them.
type owner struct {
	dir      string
	uid, gid int
}

// ownerOf returns the owner of dir where this process is root and dir is another user's, else nil.
func ownerOf(dir string) *owner {
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return nil
	}
	if sys, is := info.Sys().(*syscall.Stat_t); is && sys.Uid != 0 {
		return &owner{dir, int(sys.Uid), int(sys.Gid)}
	}
	return nil
}

// giveBack makes the files that root made the owner's: an agent of theirs could not start with them. It stays inside the folder,
// and leaves alone what has a name elsewhere, too: the folder is another user's, who must not be given anything of root's.
func (o *owner) giveBack() error {
	if o == nil {
		return nil
	}
	root, err := os.OpenRoot(o.dir)
	if err != nil {
		return fmt.Errorf("give files back to their owner: %w", err)
	}
	err = fs.WalkDir(root.FS(), ".", func(path string, e fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil {
			info, err = e.Info()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		sys, is := info.Sys().(*syscall.Stat_t)
		if !is || sys.Uid != 0 || !info.Mode().IsRegular() || sys.Nlink != 1 {
			return nil
		}
		return root.Lchown(path, o.uid, o.gid)
	})
	if err = errors.Join(err, root.Close()); err != nil {
		return fmt.Errorf("give files back to their owner: %w", err)
	}
	return nil
}

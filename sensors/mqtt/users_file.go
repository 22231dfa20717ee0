package mqtt

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// PutUser puts a line of HashUser into a users' file, in place of the user's line if there is one, and reports whether there
// was. Other lines stay as they are. The file is replaced at once or not at all; a new one is readable by its owner only, and
// one that is there keeps its owner and group and loses what others may do with it.
func PutUser(path, line string) (replaced bool, err error) {
	name, _, err := parseUser(line)
	if err != nil {
		return false, err
	}
	text, err := os.ReadFile(path)
	info, statErr := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		text, info = nil, nil
	case err != nil:
		return false, fmt.Errorf("read users: %w", err)
	case statErr != nil:
		return false, fmt.Errorf("read users: %w", statErr)
	}
	if _, err := parseUsers(text); err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	var out bytes.Buffer
	for old := range bytes.Lines(text) {
		old = bytes.TrimRight(old, "\r\n")
		if bytes.HasPrefix(old, []byte(name+":")) {
			old, replaced = []byte(line), true
		}
		out.Write(old)
		out.WriteByte('\n')
	}
	if !replaced {
		out.WriteString(line + "\n")
	}
	if _, err := parseUsers(out.Bytes()); err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	return replaced, replaceFile(path, out.Bytes(), info)
}

// replaceFile writes a file beside path and moves it there. info is of the file that is there; nil: there is none.
func replaceFile(path string, text []byte, info fs.FileInfo) (err error) {
	if to, linkErr := filepath.EvalSymlinks(path); linkErr == nil {
		path = to
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+strings.TrimPrefix(filepath.Base(path), ".")+"-*") // 0600
	if err != nil {
		return fmt.Errorf("write users: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the error is told
			err = fmt.Errorf("write users: %w", err)
		}
	}()
	if info != nil {
		if sys, ok := info.Sys().(*syscall.Stat_t); ok && (int(sys.Uid) != os.Geteuid() || int(sys.Gid) != os.Getegid()) {
			if err := f.Chown(int(sys.Uid), int(sys.Gid)); err != nil {
				return errors.Join(err, f.Close())
			}
		}
		if err := f.Chmod(info.Mode().Perm() &^ 0o007); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if _, err := f.Write(text); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

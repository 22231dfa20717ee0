package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	minToken      = 16      // characters
	maxTokenFile  = 4 << 10 // bytes
	tokenBytes    = 32      // random ones of a token that we make
	lookAtSecrets = time.Second
	maxCertFile   = 1 << 20 // bytes
)

// watched is a set of files that are read again when they change. What cannot be used then leaves what was before. Owned by whoever
// holds the lock beside it.
type watched struct {
	paths  []string
	looked time.Time
	stamps []fileStamp
	err    error // why the files as they are now are not used
}

// fileStamp tells whether a file has changed.
type fileStamp struct {
	modified time.Time
	size     int64
	inode    uint64
	mode     fs.FileMode
}

func stampOf(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{}
	}
	stamp := fileStamp{modified: info.ModTime(), size: info.Size(), mode: info.Mode()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		stamp.inode = sys.Ino
	}
	return stamp
}

// look reads the files where they have changed since, once in a while at most.
func (w *watched) look(now time.Time, read func() error) {
	if !w.looked.IsZero() && now.Sub(w.looked) < lookAtSecrets {
		return
	}
	w.looked = now
	changed := w.err != nil || w.stamps == nil
	for i, path := range w.paths {
		changed = changed || w.stamps[i] != stampOf(path)
	}
	if !changed {
		return
	}
	w.stamps = make([]fileStamp, len(w.paths))
	for i, path := range w.paths { // before reading: a change during it is seen
		w.stamps[i] = stampOf(path)
	}
	w.err = read()
}

// token is what whoever comes by TCP must know. Safe for concurrent use.
type token struct {
	path string

	mu   sync.Mutex // guards what follows
	file watched
	hash [sha256.Size]byte // of the token: equal lengths compare in equal time
}

// openToken reads the token, and makes one where there is no file.
func openToken(path string) (*token, error) {
	if err := ensureToken(path); err != nil {
		return nil, err
	}
	t := &token{path: path, file: watched{paths: []string{path}}}
	if err := t.failing(); err != nil {
		return nil, err
	}
	return t, nil
}

// ensureToken makes a token where there is no file.
func ensureToken(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := makeToken(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make a token: %w", withoutPath(err))
		}
	}
	return nil
}

// lookLocked reads the file again where it has changed.
func (t *token) lookLocked() {
	t.file.look(time.Now(), func() error {
		text, err := readToken(t.path)
		if err == nil {
			t.hash = sha256.Sum256([]byte(text))
		}
		return err
	})
}

// is reports whether given is the token.
func (t *token) is(given string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lookLocked()
	hash := sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(hash[:], t.hash[:]) == 1
}

// failing returns why the file as it is now is not used.
func (t *token) failing() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lookLocked()
	if t.file.err != nil {
		return fmt.Errorf("token_file %s: %w", t.path, t.file.err)
	}
	return nil
}

// readable returns the file's path where every user of this machine may read it.
func (t *token) readable() string {
	if info, err := os.Stat(t.path); err == nil && info.Mode().Perm()&0o004 != 0 {
		return t.path
	}
	return ""
}

// readToken returns a file's first line.
func readToken(path string) (string, error) {
	text, err := readSome(path, maxTokenFile)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	line = strings.TrimSpace(line)
	if len(line) < minToken {
		return "", fmt.Errorf("its first line has %d characters, and a token has at least %d", len(line), minToken)
	}
	return line, nil
}

// readSome reads a file that has at most so many bytes.
func readSome(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the configuration names it
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("has more than %d bytes", limit)
	}
	return text, nil
}

// withoutPath returns an error of a file without its path, for callers that tell it.
func withoutPath(err error) error {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		return inner.Err
	}
	return err
}

// makeToken makes a file with a new token, whole or not at all, and never in place of another. Only its user may read it.
func makeToken(path string) (err error) {
	secret := make([]byte, tokenBytes)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(base64.RawURLEncoding.EncodeToString(secret) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

// tokenHint says what to do about a token that cannot be read or made.
func tokenHint(path string, err error) string {
	switch {
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return "let token_file in [api] name a file that the agent's user may make and read, or make it yourself: (umask 077; head -c 32 /dev/urandom | base64 > " + path + "), and give it to that user"
	case errors.Is(err, fs.ErrNotExist):
		return "make its folder, or let token_file in [api] name another file"
	}
	return "remove the file: the agent makes a new one"
}

package api

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "skerry") //nolint:usetesting // t.TempDir's paths are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func mustClose(t *testing.T, listener net.Listener) {
	t.Helper()
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
}

func TestListenUnix_staleAndLive(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	unixListener, ok := stale.(*net.UnixListener)
	if !ok {
		t.Fatal("no unix listener")
	}
	unixListener.SetUnlinkOnClose(false)
	mustClose(t, stale)
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("the stale socket: %v", err)
	}
	live, err := ListenUnix(t.Context(), path)
	if err != nil {
		t.Fatalf("over a stale socket: %v", err)
	}
	_, err = ListenUnix(t.Context(), path)
	if used, ok := errors.AsType[*LiveSocketError](err); !ok || used.Path != path || !strings.Contains(err.Error(), path) {
		t.Errorf("over a live socket: got %v, want a LiveSocketError", err)
	}
	mustClose(t, live)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v, want the socket gone", err)
	}
}

func TestListenUnix_refuses(t *testing.T) {
	dir := shortDir(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link, dir, filepath.Join(dir, "none", "s"), filepath.Join(dir, strings.Repeat("x", 107))} {
		if listener, err := ListenUnix(t.Context(), path); err == nil {
			t.Errorf("%s: no error", path)
			mustClose(t, listener)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "precious" {
		t.Errorf("the file: %q, %v", got, err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	live, err := ListenUnix(t.Context(), filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, live)
	if listener, err := ListenUnix(canceled, filepath.Join(dir, "s")); err == nil {
		t.Error("after the context's end: no error")
		mustClose(t, listener)
	}
}

func TestListenUnix_mode(t *testing.T) {
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	own := ""
	for _, gid := range append(groups, os.Getgid()) {
		if group, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
			own = group.Name
		}
	}
	if own == "" {
		t.Skip("this user has no group with a name")
	}
	for group, want := range map[string]fs.FileMode{"no-such-group-here": 0o600, own: 0o660} {
		path := filepath.Join(shortDir(t), "s")
		listener, err := listenUnix(t.Context(), path, group)
		if err != nil {
			t.Fatal(err)
		}
		stat, err := os.Lstat(path)
		if err != nil || stat.Mode().Perm() != want {
			t.Errorf("group %s: mode %v, %v, want %v", group, stat.Mode().Perm(), err, want)
		}
		mustClose(t, listener)
	}
}

func TestMayEnter(t *testing.T) {
	root, err := user.LookupGroupId("0")
	if err != nil {
		t.Skip("no group with the number 0")
	}
	members := func(uid uint32) []string {
		if uid == 7 {
			return []string{"100", "0"}
		}
		return []string{"100"}
	}
	for _, test := range []struct {
		uid, gid uint32
		group    string
		want     bool
	}{
		{0, 50, "no-such-group-here", true},
		{1000, 50, "no-such-group-here", true}, // the agent's own
		{1001, 50, "no-such-group-here", false},
		{1001, 0, "no-such-group-here", false},
		{1001, 50, root.Name, false},
		{1001, 0, root.Name, true},
		{7, 50, root.Name, true},
	} {
		if got := mayEnter(&unix.Ucred{Uid: test.uid, Gid: test.gid}, 1000, test.group, members); got != test.want {
			t.Errorf("user %d, group %d, door of %s: got %v, want %v", test.uid, test.gid, test.group, got, test.want)
		}
	}
	if who, err := user.Current(); err == nil {
		uid, err := strconv.ParseUint(who.Uid, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		if groups := groupsOf(uint32(uid)); !slices.Contains(groups, who.Gid) {
			t.Errorf("groups of %s: got %v, want %s among them", who.Username, groups, who.Gid)
		}
	}
}

func TestAdmit_onlyUnixSockets(t *testing.T) {
	here, there := net.Pipe()
	defer func() {
		if err := errors.Join(here.Close(), there.Close()); err != nil {
			t.Error(err)
		}
	}()
	if err := admit(here); !errors.Is(err, ErrForbidden) {
		t.Errorf("a pipe: got %v, want ErrForbidden", err)
	}
}

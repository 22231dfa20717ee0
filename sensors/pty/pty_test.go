package pty

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func open(t *testing.T) *Pair {
	t.Helper()
	pair, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pair.Close() })
	return pair
}

func TestOpen_passesBytesUnchanged(t *testing.T) {
	pair := open(t)
	sent := make([]byte, 256) // every byte, those that mean something to a terminal included
	for i := range sent {
		sent[i] = byte(i)
	}
	if _, err := pair.Far.Write(sent); err != nil { // before anyone opened the port
		t.Fatal(err)
	}
	port, err := os.OpenFile(pair.Path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = port.Close() }()
	if err := port.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for buf := make([]byte, 512); len(got) < len(sent); {
		n, err := port.Read(buf)
		if err != nil {
			t.Fatalf("after %d bytes: %v", len(got), err)
		}
		got = append(got, buf[:n]...)
	}
	if string(got) != string(sent) {
		t.Errorf("got %q", got)
	}
}

func TestPair_linkIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "port")
	for range 2 {
		pair := open(t)
		if err := pair.Link(path); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(path); err != nil || got != pair.Path {
			t.Errorf("the link leads to %q, want %q: %v", got, pair.Path, err)
		}
	}
	if err := open(t).Link(filepath.Join(path, "no", "folder")); err == nil {
		t.Error("a link was made in a folder that is not there")
	}
}

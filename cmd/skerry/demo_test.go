package main

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/agent"
)

// TestDemo_twiceInOneFolder: the second demo goes on with the first one's collection.
func TestDemo_twiceInOneFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	for round := range 2 {
		var out strings.Builder
		if err := runDemo(t.Context(), dir, 1500*time.Millisecond, &out); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"stored: ", "readings in collection demo", "skerry query demo --dir " + dir, "skerry plot demo power --dir " + dir} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("round %d: the output lacks %q:\n%s", round, want, &out)
			}
		}
	}
}

// TestDemo_leavesAnothersLineAlone: the folder's serial line belongs to the demo that holds its store.
func TestDemo_leavesAnothersLineAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	cfg, err := prepareDemo(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.Open(t.Context(), agent.Options{Config: cfg, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close() //nolint:errcheck // not what this is about
	if err := runDemo(t.Context(), dir, time.Second, io.Discard); !errors.Is(err, agent.ErrLocked) {
		t.Errorf("second demo: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, demoSerial)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the second demo opened a serial line: %v", err)
	}
}

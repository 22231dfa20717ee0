package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Cgroup limits the memory of processes.
type Cgroup struct {
	dir       string
	Mechanism string // "cgroup v1", "cgroup v2"
}

// NewCgroup makes a memory cgroup of so many bytes. It fails where this user or kernel cannot.
func NewCgroup(name string, limit int64) (*Cgroup, error) {
	tries := []struct{ root, file, mechanism string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "cgroup v1"},
		{"/sys/fs/cgroup", "memory.max", "cgroup v2"},
	}
	var errs []error
	for _, t := range tries {
		c := &Cgroup{dir: filepath.Join(t.root, name), Mechanism: t.mechanism}
		if err := os.Mkdir(c.dir, 0o755); err != nil { //nolint:gosec // what cgroups have
			errs = append(errs, err)
			continue
		}
		if err := os.WriteFile(filepath.Join(c.dir, t.file), []byte(strconv.FormatInt(limit, 10)), 0o600); err != nil {
			errs = append(errs, err, c.Close())
			continue
		}
		return c, nil
	}
	return nil, fmt.Errorf("create memory cgroup: %w", errors.Join(errs...))
}

// Wrap returns a command line that enters the group and becomes the given one.
func (c *Cgroup) Wrap(command ...string) []string {
	script := fmt.Sprintf(`echo $$ > %s && exec "$@"`, filepath.Join(c.dir, "cgroup.procs"))
	return append([]string{"/bin/sh", "-c", script, "sh"}, command...)
}

// Peak returns the most bytes that the group held at a time; zero where the kernel does not say.
func (c *Cgroup) Peak() uint64 {
	for _, name := range []string{"memory.max_usage_in_bytes", "memory.peak"} {
		if text, err := os.ReadFile(filepath.Join(c.dir, name)); err == nil {
			n, _ := strconv.ParseUint(string(text[:max(0, len(text)-1)]), 10, 64) // the kernel writes numbers
			return n
		}
	}
	return 0
}

// Close removes the group, which must be empty.
func (c *Cgroup) Close() error {
	if err := os.Remove(c.dir); err != nil {
		return fmt.Errorf("remove memory cgroup: %w", err)
	}
	return nil
}

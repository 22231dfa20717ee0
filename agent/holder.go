package agent

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// holder is the process that listens on a port. The zero value: not known.
type holder struct {
	name string
	pid  int
}

// String names it.
func (h holder) String() string { return fmt.Sprintf("%s, process %d", h.name, h.pid) }

// portHolder looks in /proc for who listens on the port of host:port. Files of other users' processes are closed to us, if we are not
// root.
func portHolder(address string) holder {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return holder{}
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return holder{}
	}
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		lines, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for inode := range listening(lines, port) {
			sockets["socket:["+inode+"]"] = true
		}
	}
	if len(sockets) == 0 {
		return holder{}
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/[0-9]*") // fails only for a pattern that is none
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || !sockets[target] {
			continue
		}
		parts := strings.Split(link, "/") // "", proc, PID, fd, N
		pid, err := strconv.Atoi(parts[2])
		if err != nil {
			continue
		}
		name, err := os.ReadFile("/proc/" + parts[2] + "/comm")
		if err != nil {
			continue // it ended
		}
		return holder{strings.TrimSpace(string(name)), pid}
	}
	return holder{}
}

// listening returns the inodes of the sockets that listen on a port, by the kernel's table.
func listening(table []byte, port uint64) map[string]bool {
	const listens = "0A"
	inodes := map[string]bool{}
	for line := range bytes.Lines(table) {
		fields := strings.Fields(string(line))
		if len(fields) < 10 || fields[3] != listens {
			continue
		}
		_, hex, found := strings.Cut(fields[1], ":")
		if have, err := strconv.ParseUint(hex, 16, 16); found && err == nil && have == port {
			inodes[fields[9]] = true
		}
	}
	return inodes
}

package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"
)

// Group is the group of users who may talk to the agent, where the machine has it.
const Group = "skerry"

// maxSocketPath is what a Linux socket address holds, without its ending zero.
const maxSocketPath = 107

// LiveSocketError says that an agent answers at the socket already.
type LiveSocketError struct {
	Path string
}

// Error names the socket.
func (e *LiveSocketError) Error() string {
	return fmt.Sprintf("listen on %s: another agent answers there", e.Path)
}

// Hint says what to do.
func (e *LiveSocketError) Hint() string {
	return "stop the other agent, or give this one another socket"
}

// socketError says why there can be no socket, and what to do.
type socketError struct{ text, hint string }

func (e *socketError) Error() string { return e.text }

// Hint says what to do.
func (e *socketError) Hint() string { return e.hint }

// ListenUnix listens on the unix socket path. A socket that nobody listens on is replaced; one that answers is a
// *LiveSocketError. The socket gets mode 0660 and the group skerry where that group exists and this process may give
// it, else 0600. Closing the listener removes it.
func ListenUnix(ctx context.Context, path string) (net.Listener, error) {
	return listenUnix(ctx, path, Group)
}

func listenUnix(ctx context.Context, path, group string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, &socketError{
			fmt.Sprintf("listen on %s: the path has %d bytes, a socket's may have %d", path, len(path), maxSocketPath),
			`name a shorter one, such as socket = "/run/skerry/skerry.sock", or move the folder`,
		}
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on socket: %w", err)
	}
	// Until here the socket has the umask's mode. Whoever slips in meets the check of credentials.
	mode := fs.FileMode(0o600)
	if gid, ok := groupID(group); ok && os.Chown(path, -1, gid) == nil {
		mode = 0o660
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on socket: %w", err), listener.Close())
	}
	return listener, nil
}

// removeStale removes a socket on which nobody listens.
func removeStale(ctx context.Context, path string) error {
	stat, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at socket: %w", err)
	}
	if stat.Mode().Type() != fs.ModeSocket {
		return &socketError{
			fmt.Sprintf("listen on %s: something that is no socket is there", path), "move it away, or name another socket",
		}
	}
	dialer := net.Dialer{Timeout: 2 * time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(&LiveSocketError{Path: path}, conn.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("look at socket: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove stale socket: %w", err)
	}
	return nil
}

func groupID(name string) (int, bool) {
	group, err := user.LookupGroup(name)
	if err != nil {
		return 0, false
	}
	gid, err := strconv.Atoi(group.Gid)
	return gid, err == nil
}

package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// maxConnections is how many connections are open at once. One more is closed at once, and counted.
const maxConnections = 64

// door accepts connections, as many as maxConnections at once, and looks who is there.
type door struct {
	net.Listener
	slots   chan struct{}
	refused func() // counts
}

func newDoor(listener net.Listener, refused func()) *door {
	return &door{Listener: listener, slots: make(chan struct{}, maxConnections), refused: refused}
}

// Accept waits for a guest for whom there is room. A guest who may not come in is let in all the same, and told so by
// the handler.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err //nolint:wrapcheck // net/http looks at it
		}
		select {
		case d.slots <- struct{}{}:
			return &guest{Conn: conn, denied: admit(conn), leave: sync.OnceFunc(func() { <-d.slots })}, nil
		default:
			d.refused()
			_ = conn.Close() // nothing was said
		}
	}
}

// guest is a connection that holds a slot.
type guest struct {
	net.Conn
	denied error // not nil: may not come in
	leave  func()
}

// Close closes the connection and frees its slot.
func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close() //nolint:wrapcheck // net/http looks at it
}

type deniedKey struct{}

// welcome notes on the connection's context whether the guest may come in.
func welcome(ctx context.Context, conn net.Conn) context.Context {
	denied := errors.New("unknown connection")
	if g, ok := conn.(*guest); ok {
		denied = g.denied
	}
	return context.WithValue(ctx, deniedKey{}, denied)
}

// denied returns why the guest may not come in, nil when it may.
func denied(ctx context.Context) error {
	err, ok := ctx.Value(deniedKey{}).(error)
	if !ok {
		return nil
	}
	return err
}

// admit returns nil for root, for the agent's own user and for members of the group skerry, as the kernel names the
// process at the other end. Connections that are no unix sockets have no name and are not admitted.
func admit(conn net.Conn) error {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("%w: no unix socket", ErrForbidden)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	var peer *unix.Ucred
	var peerErr error
	err = raw.Control(func(fd uintptr) {
		peer, peerErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, peerErr); err != nil {
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	if mayEnter(peer, os.Geteuid(), Group, groupsOf) {
		return nil
	}
	return fmt.Errorf("%w: user %d is neither root, nor the agent's user, nor in the group %s", ErrForbidden, peer.Uid, Group)
}

// mayEnter is the rule. groups returns the numbers of a user's groups, besides the process's own.
func mayEnter(peer *unix.Ucred, self int, group string, groups func(uid uint32) []string) bool {
	if peer.Uid == 0 || int64(peer.Uid) == int64(self) {
		return true
	}
	gid, ok := groupID(group)
	if !ok {
		return false
	}
	return int64(peer.Gid) == int64(gid) || slices.Contains(groups(peer.Uid), strconv.Itoa(gid))
}

func groupsOf(uid uint32) []string {
	who, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return nil
	}
	groups, err := who.GroupIds()
	if err != nil {
		return nil
	}
	return groups
}

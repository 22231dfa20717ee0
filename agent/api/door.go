package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Connections of each door.
const (
	maxConnections = 64 // open at once; one more is closed at once, and counted
	maxOfAddress   = 32 // of these, from one address by TCP
)

// door accepts connections, as many as maxConnections at once, and looks who is there.
type door struct {
	net.Listener
	tcp     *TCPDoor // nil: a unix socket
	slots   chan struct{}
	refused func(reason string) // counts

	mu sync.Mutex // guards what follows
	of map[netip.Addr]int
}

func newDoor(listener net.Listener, tcp *TCPDoor, refused func(reason string)) *door {
	return &door{Listener: listener, tcp: tcp, slots: make(chan struct{}, maxConnections), refused: refused, of: map[netip.Addr]int{}}
}

// Accept waits for a guest for whom there is room. A guest who may not come in is let in all the same, and told so by
// the handler.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err //nolint:wrapcheck // net/http looks at it
		}
		g := &guest{Conn: conn, tcp: d.tcp}
		if d.tcp != nil {
			g.address, g.local = addressesOf(conn)
		} else {
			g.denied = admit(conn)
		}
		select {
		case d.slots <- struct{}{}:
			if d.enter(g.address) {
				g.leave = sync.OnceFunc(func() { d.exit(g.address) })
				return g, nil
			}
			<-d.slots
			d.refused(refusedAddress)
		default:
			d.refused(refusedConnections)
		}
		_ = conn.Close() // nothing was said
	}
}

// enter notes a connection, and reports false where its address has too many.
func (d *door) enter(addr netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tcp != nil && d.of[addr] >= maxOfAddress {
		return false
	}
	d.of[addr]++
	return true
}

func (d *door) exit(addr netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of[addr]--; d.of[addr] == 0 {
		delete(d.of, addr)
	}
	<-d.slots
}

// guest is a connection that holds a slot.
type guest struct {
	net.Conn
	tcp            *TCPDoor   // nil: it came over a unix socket
	address, local netip.Addr // by TCP: whose it is, and which of ours it came to
	denied         error      // not nil: may not come in
	leave          func()
}

// Close closes the connection and frees its slot.
func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close() //nolint:wrapcheck // net/http looks at it
}

type guestKey struct{}

// welcome notes on the connection's context whose it is.
func welcome(ctx context.Context, conn net.Conn) context.Context {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	g, ok := conn.(*guest)
	if !ok {
		g = &guest{denied: errors.New("unknown connection")}
	}
	return context.WithValue(ctx, guestKey{}, g)
}

// admit returns nil for a request whose sender may ask, else which kind of refusal it is, and why.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) error {
	g, ok := r.Context().Value(guestKey{}).(*guest)
	if !ok {
		return nil // it did not come through Serve
	}
	reason, err := refusedForbidden, g.denied
	if g.tcp != nil {
		reason, err = g.tcp.admit(w, r, g)
	}
	if err != nil {
		s.options.Metrics.refused.WithLabelValues(reason).Inc()
		w.Header().Set("Connection", "close")
	}
	return err
}

// trusted reports whether the sender may know what troubles the gateway.
func trusted(r *http.Request) bool {
	g, ok := r.Context().Value(guestKey{}).(*guest)
	return !ok || g.tcp == nil || g.tcp.trusts(r)
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

package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	acceptWait    = 50 * time.Millisecond // after a failure to accept, such as no free descriptors
	willsEvery    = time.Second
	listenerInner = "tcp"
)

// Run serves clients until ctx ends. Then it reads no more, acknowledges what is committed within 3 s, closes all
// clients, and returns nil. Callbacks of the sink may come later still: they do nothing.
func (b *Broker) Run(ctx context.Context) error {
	b.mu.Lock()
	plain, secured := b.listener, b.secured
	b.mu.Unlock()
	if plain == nil && secured == nil {
		return errors.New("run broker: it does not listen")
	}
	if err := b.server.Serve(); err != nil {
		return fmt.Errorf("run broker: %w", err)
	}
	b.tell("connected")
	var passing, accepting, clients sync.WaitGroup
	passing.Go(func() { b.fanout.run(b) })
	for _, listener := range []net.Listener{plain, secured} {
		if listener == nil {
			continue
		}
		b.log.InfoContext(ctx, "broker listens", "address", listener.Addr().String(), "tls", listener == secured)
		accepting.Go(func() { b.accept(ctx, listener, listener == secured, &clients) })
	}
	b.tick(ctx)
	b.stopping.Store(true)
	err := b.Close()
	accepting.Wait()
	b.closeClients(&clients)
	b.fanout.end()
	passing.Wait()
	b.tell("waiting")
	if err := b.server.Close(); err != nil {
		return fmt.Errorf("stop broker: %w", err)
	}
	return err
}

func (b *Broker) tell(state string) {
	now, _ := b.clock()
	for _, r := range b.table.Load().routes {
		r.Tally.State(now, state, "", "")
	}
}

// tick does what is due each second, until ctx ends.
func (b *Broker) tick(ctx context.Context) {
	ticker := time.NewTicker(willsEvery)
	defer ticker.Stop()
	looked := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			b.publishDueWills(now)
			if now.Sub(looked) >= lookAtFiles {
				looked = now
				b.readFilesAgain()
			}
		}
	}
}

// accept starts a goroutine for each connection, until the listener is closed.
func (b *Broker) accept(ctx context.Context, listener net.Listener, secured bool, clients *sync.WaitGroup) {
	for {
		network, err := listener.Accept()
		switch {
		case err == nil:
			place, reason, what := b.admit(addressKey(network.RemoteAddr()))
			if place == nil {
				if reason != "" {
					b.refusals.refuseConnection(b.log, reason, addressOf(network), what, "")
				}
				_ = network.Close()
				continue
			}
			clients.Go(func() {
				defer place.leave()
				if secured {
					b.serveTLS(ctx, network, place)
				} else {
					b.serve(network, place, "")
				}
			})
		case errors.Is(err, net.ErrClosed):
			return
		default:
			b.complain(fmt.Errorf("accept connection: %w", err))
			if !pause(ctx, acceptWait) {
				return
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// serveTLS is serve for a connection that begins with a handshake of TLS.
func (b *Broker) serveTLS(ctx context.Context, network net.Conn, place *admission) {
	conn, cert, err := b.secure(ctx, network)
	if err != nil {
		_ = network.Close()
		if ctx.Err() == nil {
			what, hint := handshakeFault(err, time.Now())
			b.refusals.refuseConnection(b.log, refusedTLS, addressOf(network), what, hint)
		}
		return
	}
	user := ""
	if cert != nil && b.config.CertUser != "" {
		if user, err = certUser(b.config.CertUser, cert); err != nil {
			_ = conn.Close()
			b.refusals.refuseConnection(b.log, refusedTLS, addressOf(network), err.Error(), "cert_user says which name of the certificate counts")
			return
		}
	}
	b.serve(conn, place, user)
}

// serve serves one connection until it ends. user is who the client is by its certificate, if so.
func (b *Broker) serve(network net.Conn, place *admission, user string) {
	c := newBrokerConn(b, network)
	c.place, c.certUser = place, user
	if !b.enter(c) {
		_ = network.Close()
		return
	}
	defer b.exit(c)
	defer func() {
		if c.claimed != "" {
			b.unclaim(c.claimed)
		}
	}()
	_ = network.SetReadDeadline(time.Now().Add(connectTimeout)) // a failure shows at the read
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.writeAll()
	}()
	err := b.attach(c)
	c.connected()
	_ = c.Close()
	<-written
	c.forget()
	b.log.Debug("client disconnected", "remote", network.RemoteAddr().String(), "err", err)
}

// attach hands the connection to the server until it ends.
func (b *Broker) attach(c *brokerConn) (err error) {
	defer func() {
		// The server's parser has met with few attackers. One connection is what a packet may cost.
		if v := recover(); v != nil {
			err = fmt.Errorf("serve client: %v", v)
			b.complain(err)
		}
	}()
	if err := b.server.EstablishConnection(listenerInner, c); err != nil {
		return fmt.Errorf("serve client: %w", err)
	}
	return nil
}

// enter notes a connection, and reports false when the broker stops.
func (b *Broker) enter(c *brokerConn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopping.Load() {
		return false
	}
	b.conns[c] = struct{}{}
	return true
}

func (b *Broker) exit(c *brokerConn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
}

func (b *Broker) eachConn(do func(*brokerConn)) {
	b.mu.Lock()
	conns := make([]*brokerConn, 0, len(b.conns))
	for c := range b.conns {
		conns = append(conns, c)
	}
	b.mu.Unlock()
	for _, c := range conns {
		do(c)
	}
}

// closeClients lets the clients' readers stop by themselves for drainTimeout, and then stops them.
func (b *Broker) closeClients(clients *sync.WaitGroup) {
	b.eachConn((*brokerConn).drain)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		clients.Wait()
	}()
	timer := time.NewTimer(drainTimeout)
	defer timer.Stop()
	select {
	case <-gone:
		return
	case <-timer.C:
	}
	b.eachConn(func(c *brokerConn) { _ = c.Close() })
	<-gone
}

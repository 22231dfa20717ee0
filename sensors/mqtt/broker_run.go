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
	listener := b.listener
	b.mu.Unlock()
	if listener == nil {
		return errors.New("run broker: it does not listen")
	}
	if err := b.server.Serve(); err != nil {
		return fmt.Errorf("run broker: %w", err)
	}
	b.log.InfoContext(ctx, "broker listens", "address", listener.Addr().String())
	b.tell("connected")
	var passing, accepting, clients sync.WaitGroup
	passing.Go(func() { b.fanout.run(b) })
	accepting.Go(func() { b.accept(ctx, listener, &clients) })
	b.tick(ctx)
	b.stopping.Store(true)
	_ = listener.Close()
	accepting.Wait()
	b.closeClients(&clients)
	b.fanout.end()
	passing.Wait()
	b.tell("waiting")
	if err := b.server.Close(); err != nil {
		return fmt.Errorf("stop broker: %w", err)
	}
	return nil
}

func (b *Broker) tell(state string) {
	now, _ := b.clock()
	for i := range b.routes {
		b.routes[i].Tally.State(now, state, "", "")
	}
}

// tick does what is due each second, until ctx ends.
func (b *Broker) tick(ctx context.Context) {
	ticker := time.NewTicker(willsEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			b.publishDueWills(now)
		}
	}
}

// accept starts a goroutine for each connection, until the listener is closed.
func (b *Broker) accept(ctx context.Context, listener net.Listener, clients *sync.WaitGroup) {
	for {
		network, err := listener.Accept()
		switch {
		case err == nil:
			clients.Go(func() { b.serve(network) })
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

// serve serves one connection until it ends.
func (b *Broker) serve(network net.Conn) {
	c := newBrokerConn(b, network)
	if !b.enter(c) {
		_ = network.Close()
		return
	}
	defer b.exit(c)
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

// enter notes a connection, and reports false when there are too many.
func (b *Broker) enter(c *brokerConn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopping.Load() || int64(len(b.conns)) >= b.config.MaxClients+strangers {
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

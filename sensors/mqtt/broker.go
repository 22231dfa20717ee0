package mqtt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"

	"github.com/skerry-edge/skerry/sensors"
)

const (
	drainTimeout  = 3 * time.Second // for commits of what was taken, when Run ends
	sysTopics     = 60              // seconds between updates of $SYS
	writesPending = 2 * maxQueued   // messages on their way to one client, those of QoS 0 too; more are dropped
	strangers     = 32              // connections that may be without CONNECT when all clients are connected
	complainEvery = 30 * time.Second
)

// Route is one source that takes topics of the broker inside. Constant once it is given to NewBroker.
type Route struct {
	Source     string
	Collection string
	Patterns   []sensors.TopicPattern
	NewDecoder func() sensors.Decoder // called for each client; safe for concurrent use
	Tally      *sensors.Tally
	Sink       sensors.Sink // nil: the broker's
}

// BrokerOptions are what the rest of the agent says about a broker's work.
type BrokerOptions struct {
	// PassQoS0AtOnce passes QoS 0 messages on to subscribers on arrival, not after their commit, which may be
	// seconds away when durability is "interval".
	PassQoS0AtOnce bool
	ACL            []ACLRule // valid
	Log            *slog.Logger
}

// ListenError says that the broker's address cannot be taken.
type ListenError struct {
	Addr string
	Err  error
}

// Error names the address and the reason.
func (e *ListenError) Error() string { return fmt.Sprintf("listen on %s: %v", e.Addr, e.Err) }

// Unwrap returns the reason.
func (e *ListenError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *ListenError) Hint() string {
	switch {
	case errors.Is(e.Err, syscall.EADDRINUSE):
		return "another broker may run there: stop it, choose another port, or make it the source's broker"
	case errors.Is(e.Err, syscall.EACCES):
		return "ports below 1024 need a privilege: choose another"
	case errors.Is(e.Err, syscall.EADDRNOTAVAIL):
		return "this machine does not have that address"
	default:
		return ""
	}
}

// Broker is an MQTT broker whose messages are acknowledged after the fsync that made their readings durable. All methods
// are safe for concurrent use. NewBroker, Listen, Run: in this order, each once.
type Broker struct {
	config  BrokerConfig
	sink    sensors.Sink
	clock   func() (time.Time, sensors.Quality)
	options BrokerOptions
	log     *slog.Logger
	server  *mochi.Server
	fanout  *fanout

	table      atomic.Pointer[routeTable]
	passAtOnce atomic.Bool
	stopping   atomic.Bool
	epoch      atomic.Uint64 // grows when a subscription comes or goes
	delivered  atomic.Int64
	messages   atomic.Uint64
	acked      atomic.Uint64
	passed     atomic.Uint64
	refused    atomic.Uint64
	unpassed   atomic.Uint64
	unretained atomic.Uint64
	forgotten  atomic.Uint64
	complained atomic.Int64 // nanoseconds since 1970
	held       atomic.Int64 // bytes: see hold
	retained   retained
	pace       pace
	ahead      ahead

	rateWaits   atomic.Uint64
	rateDropped atomic.Uint64
	secrets     *secrets
	acl         *acl     // nil: everything is allowed
	connects    *budgets // nil: without limit
	handshakes  chan struct{}
	refusals    *refusals

	switching sync.RWMutex // held while a client's connection is replaced; taken before all others
	willing   sync.Mutex   // guards estate, as a reader would
	estate    *brokerConn  // publishes wills; is connected to nothing

	mu       sync.Mutex           // guards what follows
	listener net.Listener         // nil: it has none
	secured  net.Listener         // likewise; for TLS
	open     int64                // connections, those in a handshake too
	waiting  map[netip.Addr]int64 // of them, by address: without CONNECT
	conns    map[*brokerConn]struct{}
	claims   map[string]claim          // by client id
	sessions map[string]*brokerSession // by client id
	wills    map[string]delayedWill    // by client id
}

// NewBroker returns a broker that routes messages to their route's sink, else to sink, which may be nil if all have one. clock says what time it is, and how sure that is.
func NewBroker(
	c BrokerConfig, routes []Route, sink sensors.Sink, clock func() (time.Time, sensors.Quality), opts BrokerOptions,
) *Broker {
	b := &Broker{
		config: c, sink: sink, clock: clock, options: opts, log: opts.Log,
		fanout:   newFanout(),
		refusals: newRefusals(), handshakes: make(chan struct{}, maxHandshakes),
		waiting: make(map[netip.Addr]int64), claims: make(map[string]claim),
		conns:    make(map[*brokerConn]struct{}),
		sessions: make(map[string]*brokerSession),
		wills:    make(map[string]delayedWill),
		pace:     pace{once: paceOnce, most: paceCredit},
	}
	capabilities := mochi.NewDefaultServerCapabilities()
	capabilities.MaximumClients = c.MaxClients
	capabilities.MaximumClientWritesPending = writesPending
	capabilities.MaximumMessageExpiryInterval = 0 // none but the message's own
	capabilities.MaximumSessionExpiryInterval = keepSessions
	capabilities.MaximumPacketSize = uint32(min(c.MaxPacket, math.MaxInt32)) //nolint:gosec // positive: validated
	capabilities.ReceiveMaximum = uint16(min(c.MaxInflight, math.MaxUint16)) //nolint:gosec // positive: validated
	capabilities.MaximumInflight = maxQueued
	capabilities.TopicAliasMaximum = maxTopicAlias
	b.server = mochi.New(&mochi.Options{
		Capabilities:             capabilities,
		ClientNetReadBufferSize:  512, // brokerConn has a larger one
		ClientNetWriteBufferSize: 1,   // likewise: each write is one packet
		Logger:                   slog.New(slog.DiscardHandler),
		SysTopicResendInterval:   sysTopics,
	})
	b.SetRoutes(routes)
	b.PassQoS0AtOnce(opts.PassQoS0AtOnce)
	b.epoch.Store(1)
	b.secrets = newSecrets(&b.config)
	if c.ConnectRate > 0 {
		b.connects = newBudgets(float64(c.ConnectRate), float64(c.ConnectRate+c.MaxClients))
	}
	b.estate = newBrokerConn(b, nil)
	b.estate.closed = true
	b.estate.account.Store(&account{free: true}) // wills were checked at CONNECT
	return b
}

// Listen reads the files and takes the addresses. If that fails the error is a *FileError or a *ListenError.
func (b *Broker) Listen(ctx context.Context) error {
	if err := b.server.AddHook(&brokerHook{broker: b}, nil); err != nil {
		return fmt.Errorf("prepare broker: %w", err)
	}
	rules, err := newACL(b.options.ACL)
	if err != nil {
		return fmt.Errorf("prepare broker: %w", err)
	}
	b.acl = rules
	if _, err := b.secrets.load(); err != nil {
		return err
	}
	b.warnOfFiles(ctx)
	for _, l := range b.config.listeners() {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.address)
		if inner, ok := errors.AsType[*net.OpError](err); ok {
			err = inner.Err // the address is told once
		}
		if err != nil {
			return errors.Join(&ListenError{Addr: l.address, Err: err}, b.Close())
		}
		b.mu.Lock()
		if l.tls {
			b.secured = listener
		} else {
			b.listener = listener
		}
		b.mu.Unlock()
	}
	return nil
}

// Close gives the addresses back, which Run does itself. It is for a broker that listens and will not run.
func (b *Broker) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for _, l := range []net.Listener{b.listener, b.secured} {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, fmt.Errorf("close broker: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Addr returns the address with the real port, or nil when there is none and before Listen.
func (b *Broker) Addr() net.Addr {
	b.mu.Lock()
	defer b.mu.Unlock()
	return addrOf(b.listener)
}

// TLSAddr is Addr of the listener for TLS.
func (b *Broker) TLSAddr() net.Addr {
	b.mu.Lock()
	defer b.mu.Unlock()
	return addrOf(b.secured)
}

func addrOf(l net.Listener) net.Addr {
	if l == nil {
		return nil
	}
	return l.Addr()
}

// complain logs trouble that comes with every message, but not for every message.
func (b *Broker) complain(err error) {
	now := time.Now().UnixNano()
	last := b.complained.Load()
	if now-last < int64(complainEvery) || !b.complained.CompareAndSwap(last, now) {
		return
	}
	b.log.Error("broker trouble", "err", err)
}

package mqtt

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/skerry-edge/skerry/sensors"
)

// Waits of a client.
const (
	clientRetryFirst = 500 * time.Millisecond // before the first attempt to reconnect; doubled each time
	clientRetryMost  = 30 * time.Second       // before any other
	clientProven     = 10 * time.Second       // a connection that held so long starts the waits anew
	clientDrain      = 5 * time.Second        // for outstanding commits when Run ends
	clientLogEvery   = 30 * time.Second       // for one fault that stays
)

// Seen knows what was journalled before this process began, from the origins in the journal. Safe for
// concurrent use.
type Seen interface {
	// Journalled reports whether a message of the source, from the broker, with this packet id and hash
	// of topic and payload was journalled. It does not block.
	Journalled(source, client string, packetID uint16, hash uint64) bool
}

// Client takes messages from an MQTT 3.1.1 broker elsewhere: a sensors.Source.
//
// A message of QoS 1 or 2 is acknowledged after the sink said that it is durable, so the broker keeps it
// until then: the session at the broker is persistent, and whatever goes wrong (the connection, the
// broker, this process, the store) an unacknowledged message comes again. One that comes again although it
// was journalled is recognised by clientSession. What can not be decoded is acknowledged and counted.
//
// Each attempt to connect has a paho client of its own, which only speaks the protocol; waiting,
// reconnecting, acknowledging and remembering are here. The goroutines of a connection are: paho's
// reader, which runs receive; paho's few others; and clientConn.write. Commits call clientMessage.done.
// Run has waited for all of them when it returns; a commit that is still outstanding may call done later,
// which then does nothing but remember.
type Client struct {
	config     SourceConfig
	clientID   string
	collection string
	patterns   []sensors.TopicPattern
	newDecoder func() sensors.Decoder
	sink       sensors.Sink
	clock      func() (time.Time, sensors.Quality)
	seen       Seen // nil: no journal to ask
	tally      *sensors.Tally
	log        *slog.Logger
	retry      clientRetry
	drain      time.Duration
	clean      bool // the session ends with the connection

	window  *clientWindow
	session *clientSession

	// Owned by Run.
	address    string
	secured    bool
	subscribed bool            // the broker's session has all our topics
	refused    []string        // but these
	warned     map[string]bool // paths of files that everyone can read

	receiver clientReceiver // owned by the callback of the one connection that there is
}

// clientRetry grows from first to most, each wait jittered downwards by up to half.
type clientRetry struct{ first, most time.Duration }

// NewClient returns a client that has done nothing yet. c is valid and its broker is outside; patterns are
// its topics; seen may be nil; the tally is the client's own.
//
//nolint:revive // argument-limit: the parts that one line of the agent's wiring joins
func NewClient(
	c SourceConfig, clientID, collection string, patterns []sensors.TopicPattern, newDecoder func() sensors.Decoder,
	sink sensors.Sink, clock func() (time.Time, sensors.Quality), seen Seen, tally *sensors.Tally, log *slog.Logger,
) *Client {
	return &Client{
		config: c, clientID: clientID, collection: collection, patterns: patterns, newDecoder: newDecoder,
		sink: sink, clock: clock, seen: seen, tally: tally, log: log,
		retry: clientRetry{first: clientRetryFirst, most: clientRetryMost}, drain: clientDrain,
		window: newClientWindow(c.MaxInflight), session: newClientSession(c.MaxInflight),
	}
}

// NewObserver returns a client that only looks: its session is its own and ends with it, it subscribes at QoS 0, so that nothing
// is acknowledged and no other session misses anything, and what it decodes goes nowhere but to those who tap it.
//
//nolint:revive // argument-limit: as NewClient
func NewObserver(
	c SourceConfig, clientID string, patterns []sensors.TopicPattern, newDecoder func() sensors.Decoder,
	clock func() (time.Time, sensors.Quality), tally *sensors.Tally, log *slog.Logger,
) *Client {
	c.QoS = 0
	o := NewClient(c, clientID, "", patterns, newDecoder, sensors.Nowhere{}, clock, nil, tally, log)
	o.clean = true
	return o
}

// Status returns what the source says of itself.
func (c *Client) Status() sensors.SourceStatus { return c.tally.Status() }

// Run takes messages until ctx ends, then waits a few seconds for outstanding commits, acknowledges
// them and disconnects. It returns nil then, and an error only when the broker's address is none.
func (c *Client) Run(ctx context.Context) error {
	address, secured, err := brokerAddress(c.config.Broker)
	if err != nil {
		return errors.New("broker " + err.Error())
	}
	c.address, c.secured = address, secured
	c.receiver.decoder = c.newDecoder()
	c.log.InfoContext(ctx, "mqtt source starts", "source", c.config.Name, "broker", c.config.Broker, "client_id", c.clientID)
	c.keepVisiting(ctx)
	c.state("waiting", "stopped", "")
	c.log.InfoContext(ctx, "mqtt source stopped", "source", c.config.Name)
	return nil
}

// keepVisiting connects again and again until ctx ends.
func (c *Client) keepVisiting(ctx context.Context) {
	var quiet clientQuiet
	failures, short := 0, 0
	for ctx.Err() == nil {
		began := time.Now()
		connected, fault := c.visit(ctx, short)
		if ctx.Err() != nil {
			return
		}
		held := time.Since(began) >= clientProven
		switch {
		case held && !fault.storage:
			failures, short = 0, 0
		case connected:
			short++
		}
		failures++
		c.state("retrying", fault.Error(), fault.hint)
		if quiet.speak(fault.Error(), time.Now()) {
			c.log.WarnContext(ctx, "mqtt source has no connection", "source", c.config.Name, "err", fault, "hint", fault.hint)
		}
		c.retry.wait(ctx, failures)
	}
}

// visit connects and serves one connection to its end. The fault says why it ended.
func (c *Client) visit(ctx context.Context, short int) (connected bool, fault *clientError) {
	taking, stop := context.WithCancel(ctx)
	defer stop()
	link, err := c.connect(ctx, func(conn *clientConn, m paho.Message) { c.receive(taking, conn, m) })
	if err != nil {
		return false, c.lostFault(err, 0)
	}
	conn := link.conn
	c.session.begin(link.present)
	if !link.present {
		c.subscribed = false
	}
	if attentive, ok := c.receiver.decoder.(sensors.Attentive); ok && (!link.present || c.config.QoS == 0) {
		attentive.Missed() // else the broker has kept at least what is published at QoS 1, such as deaths of edge nodes
	}
	close(conn.ready)
	c.log.InfoContext(ctx, "mqtt source connected", "source", c.config.Name, "broker", c.config.Broker, "session_present", link.present)

	var writer sync.WaitGroup
	writer.Go(func() { conn.write(taking) })
	c.serve(ctx, link)
	c.finish(ctx, conn, func() {
		stop() // receive takes nothing more
		writer.Wait()
	})
	return true, c.lostFault(conn.cause(), short)
}

// finish ends a connection and waits for all that it started. When ctx has ended and the connection
// still stands, outstanding commits get some time to be acknowledged.
func (c *Client) finish(ctx context.Context, conn *clientConn, stop func()) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.drain)
	defer cancel()
	unblock := context.AfterFunc(last, func() { conn.fail(errClientEnded) })
	defer unblock()
	stop()
	if ctx.Err() != nil {
		conn.leave(last)
	}
	conn.fail(errClientEnded)
	<-conn.gone
}

// serve subscribes where needed and waits for the end of the connection or of ctx.
func (c *Client) serve(ctx context.Context, link clientLink) {
	if !c.subscribed {
		c.state("connected", "waiting for the broker to confirm the topics", "")
		refused, err := c.subscribe(ctx, link)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			link.conn.fail(err)
			return
		}
		c.subscribed, c.refused = true, refused
	}
	if len(c.refused) > 0 {
		fault := refusedFault(c.refused)
		c.state("connected", fault.Error(), fault.hint)
		c.log.WarnContext(ctx, "mqtt topics refused", "source", c.config.Name, "topics", strings.Join(c.refused, ", "))
	} else {
		c.state("connected", "", "")
	}
	select {
	case <-link.conn.closed:
	case <-ctx.Done():
	}
}

func (c *Client) state(state, text, hint string) {
	now, _ := c.clock()
	c.tally.State(now, state, text, hint)
}

// next returns the wait before the attempt that follows the given number of failures in a row.
func (r clientRetry) next(failures int) time.Duration {
	d := r.first
	for i := 1; i < failures && d < r.most; i++ {
		d *= 2
	}
	d = min(d, r.most)
	return d - rand.N(d/2+1) //nolint:gosec // spreads load; needs no secrecy
}

// wait waits before the next attempt, or until ctx ends.
func (r clientRetry) wait(ctx context.Context, failures int) {
	timer := time.NewTimer(r.next(failures))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// clientQuiet keeps a repeating fault out of the log for a while.
type clientQuiet struct {
	text string
	at   time.Time
}

func (q *clientQuiet) speak(text string, now time.Time) bool {
	if text == q.text && now.Sub(q.at) < clientLogEvery {
		return false
	}
	q.text, q.at = text, now
	return true
}

package mqtt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Time-outs around paho.
const (
	clientConnectTimeout   = 10 * time.Second // dial, and then the handshake
	clientSubscribeTimeout = 5 * time.Second  // to hand paho a SUBSCRIBE; not for the answer
	clientSubackRefused    = 0x80
)

// clientLink is one connection to the broker: ours below, paho above it.
type clientLink struct {
	conn    *clientConn
	paho    paho.Client
	present bool // the broker still had the session
}

// connect makes one attempt. Messages that come before the link's conn.ready is closed wait.
func (c *Client) connect(ctx context.Context, receive func(*clientConn, paho.Message)) (clientLink, error) {
	password, err := c.password(ctx)
	if err != nil {
		return clientLink{}, err
	}
	network, err := c.dial(ctx)
	if err != nil {
		return clientLink{}, err
	}
	conn := newClientConn(network, c.config.KeepAlive, len(c.patterns))
	client := paho.NewClient(c.options(conn, password, receive))
	stop := context.AfterFunc(ctx, func() { conn.fail(ctx.Err()) })
	defer stop()
	token := client.Connect()
	<-token.Done() // bounded by the handshake's deadline and by ctx
	if err := token.Error(); err != nil {
		if cause := conn.cause(); errors.Is(err, packets.ErrorNetworkError) && cause != nil {
			err = cause
		}
		conn.fail(err)
		return clientLink{}, c.connectFault(err)
	}
	connect, ok := token.(*paho.ConnectToken)
	return clientLink{conn: conn, paho: client, present: ok && connect.SessionPresent()}, nil
}

// options configures paho to do the protocol and nothing else: no reconnecting, no acknowledging, no store.
func (c *Client) options(conn *clientConn, password string, receive func(*clientConn, paho.Message)) *paho.ClientOptions {
	var gone sync.Once
	o := paho.NewClientOptions()
	o.AddBroker("tcp://" + c.address)
	o.SetClientID(c.clientID)
	o.SetUsername(c.config.Username)
	o.SetPassword(password)
	o.SetCleanSession(c.clean)
	o.SetProtocolVersion(4) // no second attempt with 3.1, which would hide the first one's answer
	o.SetAutoReconnect(false)
	o.SetConnectRetry(false)
	o.SetOrderMatters(true)
	o.SetAutoAckDisabled(true)
	o.SetStore(clientStore{})
	o.SetKeepAlive(c.config.KeepAlive)
	o.SetPingTimeout(365 * 24 * time.Hour) // see clientConn
	o.SetConnectTimeout(clientConnectTimeout)
	o.SetWriteTimeout(clientSubscribeTimeout)
	o.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) { return conn, nil })
	o.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { receive(conn, m) })
	o.SetConnectionLostHandler(func(paho.Client, error) { gone.Do(func() { close(conn.gone) }) })
	return o
}

// subscribe asks for all topics and returns what the broker refused; nil and an error when it
// could not answer or refused all.
func (c *Client) subscribe(ctx context.Context, link clientLink) (refused []string, err error) {
	filters := make(map[string]byte, len(c.patterns))
	for _, p := range c.patterns {
		filters[p.Filter()] = byte(c.config.QoS) //nolint:gosec // 0, 1 or 2
	}
	token := link.paho.SubscribeMultiple(filters, nil)
	select {
	case <-token.Done():
	case <-link.conn.closed:
		return nil, link.conn.cause()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := token.Error(); err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	granted, ok := token.(*paho.SubscribeToken)
	if !ok {
		return nil, fmt.Errorf("subscribe: paho gave a %T", token)
	}
	result := granted.Result()
	for _, p := range c.patterns {
		if code, answered := result[p.Filter()]; !answered || code == clientSubackRefused {
			refused = append(refused, p.String())
		}
	}
	if len(refused) == len(c.patterns) {
		return nil, refusedFault(refused)
	}
	return refused, nil
}

func refusedFault(topics []string) *clientError {
	return &clientError{
		doing: "subscribe " + strings.Join(topics, ", "), what: "refused by the broker",
		hint: "let this user read these topics in the broker's access rules", err: errClientEnded,
	}
}

// password reads the password file, if one is configured.
func (c *Client) password(ctx context.Context) (string, error) {
	path := c.config.PasswordFile
	if path == "" {
		return "", nil
	}
	fault := func(what, hint string, err error) error {
		return &clientError{doing: "read password_file " + path, what: what, hint: hint, err: err}
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", fault("no such file", "write the password into it", err)
	case err != nil:
		return "", fault(err.Error(), "", err)
	case !info.Mode().IsRegular():
		return "", fault("is not a file", "", nil)
	}
	f, err := os.Open(path)
	switch {
	case errors.Is(err, os.ErrPermission):
		return "", fault("permission denied", "let the user that runs skerry read it", err)
	case err != nil:
		return "", fault(err.Error(), "", err)
	}
	defer f.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(f, MaxPassword+3))
	if err != nil {
		return "", fault(err.Error(), "", err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if len(password) > MaxPassword {
		return "", fault(fmt.Sprintf("has more than %d bytes", MaxPassword), "is it the right file?", nil)
	}
	c.warnOfMode(ctx, path, info)
	return password, nil
}

// warnOfMode logs once that everyone can read a file with a secret.
func (c *Client) warnOfMode(ctx context.Context, path string, info os.FileInfo) {
	if info.Mode().Perm()&0o004 == 0 || c.warned[path] {
		return
	}
	if c.warned == nil {
		c.warned = map[string]bool{}
	}
	c.warned[path] = true
	c.log.WarnContext(ctx, "file with a secret can be read by everyone", "source", c.config.Name, "file", path, "hint", "chmod 600")
}

// clientStore keeps nothing: a subscriber's session is at the broker and in clientSession.
type clientStore struct{}

// Open does nothing.
func (clientStore) Open() {}

// Put does nothing.
func (clientStore) Put(string, packets.ControlPacket) {}

// Get returns nil.
func (clientStore) Get(string) packets.ControlPacket { return nil }

// All returns nil.
func (clientStore) All() []string { return nil }

// Del does nothing.
func (clientStore) Del(string) {}

// Close does nothing.
func (clientStore) Close() {}

// Reset does nothing.
func (clientStore) Reset() {}

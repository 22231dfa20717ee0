package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// TCPConfig says how the TCP door listens and whom it lets in.
type TCPConfig struct {
	Address    string   // host:port
	TokenFile  string   // made with a new token when it is not there
	AllowHosts []string // names by which it may be asked for, besides localhost, loopback addresses and the one that was connected to
	CertFile   string   // PEM; "" = no TLS
	KeyFile    string   // PEM
}

// DoorError says why the TCP door cannot open.
type DoorError struct {
	Key   string // of [api]
	Value string
	Err   error // names no secret
	hint  string
}

// Error names the value and the reason.
func (e *DoorError) Error() string {
	if e.Key == "listen" {
		return fmt.Sprintf("listen on %s: %v", e.Value, e.Err)
	}
	return fmt.Sprintf("%s %s: %v", e.Key, e.Value, e.Err)
}

// Unwrap returns the reason.
func (e *DoorError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *DoorError) Hint() string { return e.hint }

// A TCPDoor is the API's way in over TCP. Whoever comes must know the token, ask for one of its own names, and not be sent by a
// foreign web page: see admit. Safe for concurrent use.
type TCPDoor struct {
	config  TCPConfig
	hosts   map[string]bool // that may be asked for, besides the address that was connected to
	token   *token
	cert    *certificate // nil: no TLS
	guesses *guesses

	listener net.Listener
}

// ListenTCP takes the address and reads the files; it makes a token where there is none. The error is a *DoorError. Serve or
// Close gives the address back.
func ListenTCP(ctx context.Context, c TCPConfig) (*TCPDoor, error) {
	d := &TCPDoor{config: c, hosts: map[string]bool{"localhost": true}, guesses: newGuesses()}
	for _, host := range c.AllowHosts {
		d.hosts[plainHost(host)] = true
	}
	if host, _, err := net.SplitHostPort(c.Address); err == nil && host != "" {
		d.hosts[plainHost(host)] = true
	}
	var err error
	if d.token, err = openToken(c.TokenFile); err != nil {
		return nil, &DoorError{Key: "token_file", Value: c.TokenFile, Err: err, hint: tokenHint(c.TokenFile, err)}
	}
	if c.CertFile != "" {
		if d.cert, err = openCertificate(c.CertFile, c.KeyFile); err != nil {
			return nil, err
		}
	}
	if d.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", c.Address); err != nil {
		if inner, ok := errors.AsType[*net.OpError](err); ok {
			err = inner.Err // the address is told once
		}
		return nil, &DoorError{Key: "listen", Value: c.Address, Err: err}
	}
	return d, nil
}

// EnsureToken makes a token where its file is gone: whoever removed it wants another. The error is a *DoorError; the one before holds
// until the new one is read, a second later at most.
func (d *TCPDoor) EnsureToken() error {
	if err := ensureToken(d.config.TokenFile); err != nil {
		return &DoorError{Key: "token_file", Value: d.config.TokenFile, Err: err, hint: tokenHint(d.config.TokenFile, err)}
	}
	return nil
}

// Addr returns the address with the real port.
func (d *TCPDoor) Addr() net.Addr { return d.listener.Addr() }

// TLS reports whether the door speaks TLS.
func (d *TCPDoor) TLS() bool { return d.cert != nil }

// URL returns what a client asks for.
func (d *TCPDoor) URL() string {
	if d.TLS() {
		return "https://" + d.Addr().String()
	}
	return "http://" + d.Addr().String()
}

// Close gives the address back. It is for a door that is not served; Serve does it itself.
func (d *TCPDoor) Close() error {
	if err := d.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close api: %w", err)
	}
	return nil
}

// DoorTroubles are what people should know of a TCP door.
type DoorTroubles struct {
	TokenReadable string // the token's file, which every user of this machine may read; "" = it is not so
	Files         error  // why the files as they are now are not used; nil: they are
	Guessing      string // from where, of late, wrong tokens came; "" = from nowhere
	GuessingSince time.Time
}

// Troubles returns what people should know of the door.
func (d *TCPDoor) Troubles() DoorTroubles {
	t := DoorTroubles{TokenReadable: d.token.readable(), Files: d.token.failing()}
	if d.cert != nil && t.Files == nil {
		t.Files = d.cert.failing()
	}
	t.Guessing, t.GuessingSince = d.guesses.recent(time.Now())
	return t
}

// admit returns nil for a request that may be answered: it asks for a name of ours (else a page whose name was made to mean our
// address could read us), comes from no foreign page (else every page that its user visits could ask), and knows the token. What
// is refused ends its connection, so that strangers do not hold places.
func (d *TCPDoor) admit(w http.ResponseWriter, r *http.Request, g *guest) (reason string, err error) {
	defer func() {
		if err != nil {
			w.Header().Set("Connection", "close")
		}
	}()
	if !d.knowsHost(r.Host, g) {
		return refusedHost, &agentError{
			text: fmt.Sprintf("host %.80q is not a name of this gateway; if it is, add it to allow_hosts in [api]", r.Host), kind: ErrForbidden,
		}
	}
	if from := foreignPage(r); from != "" {
		return refusedOrigin, &agentError{text: fmt.Sprintf("a web page of another site, %.80q, may not ask", from), kind: ErrForbidden}
	}
	if open(r.URL.Path) {
		if !d.trusts(r) {
			w.Header().Set("Connection", "close")
		}
		return "", nil
	}
	given, has := bearer(r)
	if !has {
		w.Header().Set("WWW-Authenticate", "Bearer")
		return refusedToken, ErrUnauthorized
	}
	now := time.Now()
	if wait := d.guesses.wait(g.address, now); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		return refusedGuesses, ErrTooManyGuesses
	}
	if !d.token.is(given) {
		d.guesses.wrong(g.address, now)
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		return refusedToken, &agentError{text: ErrUnauthorized.Error() + ": the token is wrong", kind: ErrUnauthorized}
	}
	return "", nil
}

// trusts reports whether the request has the token, in a time that does not depend on how much of it is right.
func (d *TCPDoor) trusts(r *http.Request) bool {
	given, has := bearer(r)
	return has && d.token.is(given)
}

// open reports whether a route says nothing that strangers may not know: whether the gateway is up is for whoever watches it.
func open(path string) bool { return path == "/healthz" || path == "/readyz" }

// tlsConfig returns what the door's handshakes need; nil: it speaks no TLS.
func (d *TCPDoor) tlsConfig() *tls.Config {
	if d.cert == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: d.cert.current}
}

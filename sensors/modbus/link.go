package modbus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// Link is an open way to the slaves. Deadlines are as of a net.Conn, which is one: os.ErrDeadlineExceeded says that one
// passed, any other error that the link is lost. Close ends reads and writes under way.
type Link interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// Line opens the link of a bus, again and again.
type Line struct {
	Open func(ctx context.Context) (Link, error)
	// Explain returns the state that an error of Open or the link means, and what people should know of it.
	Explain func(err error) (state, text, hint string)
	// Pause waits until d has passed, there is reason to try again sooner, or ctx ends.
	Pause func(ctx context.Context, d time.Duration)
	// Character is how long one character takes on the line; 0: unknown.
	Character time.Duration
}

// States of a source.
const (
	stateConnected = "connected"
	stateWaiting   = "waiting"
	stateRetrying  = "retrying"
)

// TCP returns the line of an address, "tcp://…" or "rtuovertcp://…".
func TCP(address string) Line {
	host := strings.TrimPrefix(strings.TrimPrefix(address, schemeTCP), schemeRTU)
	return Line{
		Open: func(ctx context.Context) (Link, error) {
			dialer := net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
			return dialer.DialContext(ctx, "tcp", host)
		},
		Explain: func(err error) (state, text, hint string) { return explainTCP(err, host) },
		Pause:   pause,
	}
}

const (
	dialTimeout = 10 * time.Second
	keepAlive   = 30 * time.Second
)

// explainTCP says what an error of a connection means. The text does not change while the trouble lasts.
func explainTCP(err error, host string) (state, text, hint string) {
	var named *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return stateRetrying, host + ": connection refused", "is Modbus TCP switched on in the device, and is the port right? It is mostly 502"
	case errors.As(err, &named):
		return stateRetrying, host + ": no such host", "write the device's IP address"
	case errors.Is(err, errSilent):
		return stateRetrying, host + ": takes connections and answers nothing", "check the unit ids; some devices take one connection at a time"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return stateRetrying, host + ": the device closed the connection", "some devices take one connection at a time: does another program poll it?"
	case errors.Is(err, errOutOfStep):
		return stateRetrying, host + ": what arrives is not Modbus TCP", `a converter that passes RTU frames on has address = "rtuovertcp://…"`
	case isTimeout(err):
		return stateRetrying, host + ": no connection in time", "is the device on, and on this network?"
	}
	return stateRetrying, fmt.Sprintf("%s: %v", host, err), ""
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// pause waits for d less up to a quarter, so that sources do not retry in step, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d - time.Duration(rand.Int64N(int64(d/4)+1))) //nolint:gosec // spreads retries, guards nothing
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Why a link is left that is not lost.
var (
	errSilent    = errors.New("nothing is answered")
	errOutOfStep = errors.New("out of step")
	errBabble    = errors.New("the line is never silent")
)

// linkError says that the link is of no more use.
type linkError struct{ err error }

// Error returns the cause.
func (e *linkError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *linkError) Unwrap() error { return e.err }

// answerError says why a request has no answer that could be used.
type answerError struct {
	reason sensors.Reason
	what   string
	hint   string
	bytes  []byte // what arrived instead; valid until the next request
}

// Error returns the reason and what was wrong.
func (e *answerError) Error() string { return string(e.reason) + ": " + e.what }

// stray is told what arrived and answers no request: noise, and answers that came too late.
type stray func(reason sensors.Reason, what string, bytes []byte)

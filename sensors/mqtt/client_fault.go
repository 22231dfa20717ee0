package mqtt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// clientError is trouble with the outside broker or the storage, in words for a status: Error says what is
// wrong, hint what to do. It holds no secret.
type clientError struct {
	doing   string // "connect tcp://10.0.0.5:1883"
	what    string
	hint    string
	storage bool
	err     error
}

// Error returns what was being done and what was wrong.
func (f *clientError) Error() string { return f.doing + ": " + f.what }

// Unwrap returns the cause.
func (f *clientError) Unwrap() error { return f.err }

// connectFault puts a failed dial or handshake into words.
func (c *Client) connectFault(err error) *clientError {
	f := &clientError{doing: "connect " + c.config.Broker, what: err.Error(), err: err}
	var dns *net.DNSError
	switch {
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		f.what = "not authorized"
		if errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword) {
			f.what = "bad user name or password"
		}
		f.hint = fmt.Sprintf("check username (%q) and password_file, and the broker's access rules", c.config.Username)
		if c.config.Username == "" {
			f.hint = "the broker wants a user: set username and password_file"
		}
	case errors.Is(err, packets.ErrorRefusedIDRejected):
		f.what = "client id rejected"
		f.hint = fmt.Sprintf("the broker does not take the client id %q: set client_id", c.clientID)
	case errors.Is(err, packets.ErrorRefusedServerUnavailable):
		f.what = "the broker says that it is unavailable"
	case errors.Is(err, packets.ErrorRefusedBadProtocolVersion):
		f.what = "the broker does not speak MQTT 3.1.1"
	case errors.As(err, &dns) && dns.IsNotFound:
		f.what = fmt.Sprintf("host %q not found", dns.Name)
		f.hint = "check the host's name in broker, and this machine's name server"
	case errors.Is(err, syscall.ECONNREFUSED):
		f.what = "connection refused"
		f.hint = "is the broker running there, and does it listen on that address and port?"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		f.what = "no route to the host"
		f.hint = "check this machine's network"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		f.what = fmt.Sprintf("no answer within %s", clientConnectTimeout)
		f.hint = "is it an MQTT broker, " + c.tlsWord() + " on that port, and does a firewall let this machine through?"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		f.what = "the other side closed the connection during the handshake"
		f.hint = "is it an MQTT broker, " + c.tlsWord() + " on that port?"
		if c.secured {
			f.hint = "does the broker speak TLS on that port (usually 8883)? without TLS write tcp://; or does it want " + c.certHint()
		}
	default:
		c.otherFault(f)
	}
	return f
}

// otherFault puts into words what the network or TLS says. With TLS 1.3 a broker refuses the certificate after the handshake.
func (c *Client) otherFault(f *clientError) {
	if alert, ok := remoteAlert(f.err); ok {
		c.alertFault(f, alert)
		return
	}
	if op, ok := errors.AsType[*net.OpError](f.err); ok {
		f.what = op.Err.Error()
	}
}

func (c *Client) tlsWord() string {
	if c.secured {
		return "with TLS"
	}
	return "without TLS"
}

// lostFault puts the end of a connection that had been made into words. short counts the connections
// in a row that ended soon after they began.
func (c *Client) lostFault(err error, short int) *clientError {
	if fault, ok := errors.AsType[*clientError](err); ok {
		return fault
	}
	f := &clientError{doing: "connection to " + c.config.Broker + " lost", what: err.Error(), err: err}
	switch {
	case errors.Is(err, io.EOF):
		f.what = "the broker closed it"
	case errors.Is(err, syscall.ECONNRESET):
		f.what = "reset by the broker"
	}
	if short >= 2 && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
		f.hint = fmt.Sprintf("does another client use the client id %q? a broker keeps only the latest", c.clientID)
	}
	return f
}

// storageFault puts a failed commit into words.
func storageFault(err error) *clientError {
	return &clientError{
		doing: "store messages", what: err.Error(), storage: true, err: err,
		hint: "nothing is acknowledged until the store works; the broker keeps the messages",
	}
}

// certHint ends a hint about a broker that closes the connection, which one that wants another certificate may do without a word.
func (c *Client) certHint() string {
	if c.config.CertFile == "" {
		return "a certificate (cert_file, key_file)?"
	}
	return "another certificate than that in cert_file?"
}

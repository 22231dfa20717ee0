package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

const (
	maxHandshakes    = 8                // TLS handshakes at a time; others wait, without any memory for TLS
	handshakeTimeout = 10 * time.Second // for waiting and the handshake
)

// secure makes a connection one of TLS. The certificate is the client's, nil when it has none. ctx ends with the broker.
func (b *Broker) secure(ctx context.Context, network net.Conn) (*tls.Conn, *x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	select {
	case b.handshakes <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, errors.New("too many handshakes at a time")
	}
	defer func() { <-b.handshakes }()
	conn := tls.Server(network, b.secrets.server())
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, nil, err
	}
	if certs := conn.ConnectionState().PeerCertificates; len(certs) > 0 {
		return conn, certs[0], nil
	}
	return conn, nil, nil
}

// handshakeFault says in words why a client's handshake failed, and what to do about it.
func handshakeFault(err error, now time.Time) (what, hint string) {
	if alert, ok := remoteAlert(err); ok {
		if strings.Contains(alert, "certificate") {
			return "it does not take the broker's certificate: " + alert, "give it the authority's certificate, and look whether cert_file is for the name that it connects to"
		}
		return "it gave up: " + alert, ""
	}
	var record tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &record):
		return "it does not speak TLS on a port for TLS", "let it use TLS, or another port"
	case errors.As(err, &unknown):
		return "its certificate is by an authority that is not in client_ca_file", "sign its key by the right one, or add that authority to client_ca_file"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return validityFault("its certificate", invalid.Cert, now)
	case strings.Contains(err.Error(), "didn't provide a certificate"):
		return "it has no certificate, and client_cert is \"require\"", "give it one by an authority in client_ca_file"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Sprintf("no handshake within %s", handshakeTimeout), ""
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled):
		return "it left during the handshake", ""
	}
	return err.Error(), ""
}

// validityFault says that a certificate's time is over or has not begun, or that it is the clock that is wrong.
func validityFault(whose string, cert *x509.Certificate, now time.Time) (what, hint string) {
	const day = "2006-01-02 15:04 MST"
	if now.Before(cert.NotBefore) {
		return fmt.Sprintf("%s is valid from %s on, and this machine's clock says %s", whose, cert.NotBefore.UTC().Format(day), now.UTC().Format(day)),
			"is the clock right? without a battery it starts in 1970: wait for the time service (systemd-timesyncd, chrony), or start one"
	}
	return fmt.Sprintf("%s expired on %s, and this machine's clock says %s", whose, cert.NotAfter.UTC().Format(day), now.UTC().Format(day)),
		"renew the certificate; or is the clock wrong?"
}

// certUser returns the name that a client's certificate gives it, and why it gives none.
func certUser(how string, cert *x509.Certificate) (string, error) {
	var name string
	switch {
	case how == certUserCN:
		name = cert.Subject.CommonName
	case len(cert.DNSNames) > 0:
		name = cert.DNSNames[0]
	case len(cert.EmailAddresses) > 0:
		name = cert.EmailAddresses[0]
	case len(cert.URIs) > 0:
		name = cert.URIs[0].String()
	}
	if how == certUserSAN && strings.Contains(name, "://") {
		if len(name) > maxUserName {
			return "", errors.New("the name in its certificate is too long")
		}
		return name, nil // the one kind of name that has a colon
	}
	if err := checkUserName(name); err != nil {
		return "", fmt.Errorf("the name in its certificate, %.32q, %w", name, err)
	}
	return name, nil
}

// certificateFault says what is wrong with the broker's own certificate, or will soon be.
func (b *Broker) certificateFault(now time.Time) (text, hint string) {
	leaf, _ := b.secrets.state()
	switch {
	case leaf == nil:
		return "", ""
	case now.Before(leaf.NotBefore), now.After(leaf.NotAfter):
		return validityFault("the broker's certificate", leaf, now)
	case leaf.NotAfter.Sub(now) < expiresSoon:
		return "the broker's certificate expires on " + leaf.NotAfter.UTC().Format("2006-01-02"), "renew it: cert_file is read again by itself"
	}
	return "", ""
}

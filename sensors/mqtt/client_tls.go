package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"
)

// dial makes the network connection, with a handshake of TLS where the address asks for it. The error is a *clientError.
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	var config *tls.Config
	if c.secured {
		var err error
		if config, err = c.tlsConfig(ctx); err != nil {
			return nil, err
		}
	}
	dialer := net.Dialer{Timeout: clientConnectTimeout}
	network, err := dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return nil, c.connectFault(err)
	}
	if config == nil {
		return network, nil
	}
	ctx, cancel := context.WithTimeout(ctx, clientConnectTimeout)
	defer cancel()
	conn := tls.Client(network, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = network.Close() // it is of no more use
		return nil, c.handshakeFault(err, config, time.Now())
	}
	return conn, nil
}

// tlsConfig reads the files of the configuration. The error is a *clientError.
func (c *Client) tlsConfig(ctx context.Context) (*tls.Config, error) {
	name := c.config.ServerName
	if name == "" {
		host, _, err := net.SplitHostPort(c.address)
		if err != nil {
			return nil, c.connectFault(err)
		}
		name = host
	}
	config := &tls.Config{
		ServerName: name, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: c.config.InsecureSkipVerify, //nolint:gosec // the user says so, and is told what it means
	}
	fault := func(key, path string, err error) *clientError {
		f := &clientError{doing: "read " + key + " " + path, what: err.Error(), err: err}
		if inner, ok := errors.AsType[*fs.PathError](err); ok {
			f.what = inner.Err.Error()
		}
		if errors.Is(err, fs.ErrPermission) {
			f.hint = "let the user that runs skerry read it"
		}
		return f
	}
	if path := c.config.CAFile; path != "" {
		pool, err := readCAs(path)
		if err != nil {
			return nil, fault("ca_file", path, err)
		}
		config.RootCAs = pool
	}
	if c.config.CertFile != "" {
		pair, key, err := readKeyPair(c.config.CertFile, c.config.KeyFile)
		if err != nil {
			path := c.config.CertFile
			if key == "key_file" {
				path = c.config.KeyFile
			}
			return nil, fault(key, path, err)
		}
		if info, err := os.Stat(c.config.KeyFile); err == nil {
			c.warnOfMode(ctx, c.config.KeyFile, info)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// handshakeFault puts a failed handshake into words.
func (c *Client) handshakeFault(err error, config *tls.Config, now time.Time) *clientError {
	f := &clientError{doing: "connect " + c.config.Broker, what: err.Error(), err: err}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		f.what = "the broker's certificate is by an authority that this machine does not know"
		if unknown.Cert != nil {
			f.what += fmt.Sprintf(" (%.128q)", unknown.Cert.Issuer.String())
		}
		f.hint = "set ca_file to the certificate of the authority that signed it"
		if c.config.CAFile != "" {
			f.hint = "ca_file " + c.config.CAFile + " is not the authority that signed it"
		}
	case errors.As(err, &name):
		f.what = fmt.Sprintf("the broker's certificate is for %s, not for %q", namesOf(name.Certificate), config.ServerName)
		f.hint = "connect to a name that the certificate is for, or set server_name to one"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		f.what, f.hint = validityFault("the broker's certificate", invalid.Cert, now)
	case errors.As(err, &record):
		f.what, f.hint = "the broker does not speak TLS on that port", "TLS is usually on port 8883; without TLS write tcp://"
	default:
		f = c.connectFault(err)
	}
	return f
}

// alertFault puts into words that the broker ended the handshake, or what followed it.
func (c *Client) alertFault(f *clientError, alert string) {
	f.what = "the broker refused the handshake: " + alert
	switch {
	case strings.Contains(alert, "certificate required") || strings.Contains(alert, "handshake failure") && c.config.CertFile == "":
		f.what, f.hint = "the broker wants a certificate: "+alert, "set cert_file and key_file to one by an authority that the broker takes"
	case strings.Contains(alert, "expired certificate"):
		f.hint = "renew the certificate in cert_file"
	case strings.Contains(alert, "certificate"):
		f.hint = "the broker does not take the certificate in cert_file: is it by an authority that the broker knows?"
		if c.config.CertFile == "" {
			f.hint = "does the broker want a certificate? set cert_file and key_file"
		}
	case strings.Contains(alert, "protocol version"):
		f.hint = "the broker must speak TLS 1.2 or newer"
	}
}

// namesOf lists what a certificate is for.
func namesOf(cert *x509.Certificate) string {
	if cert == nil {
		return "other names"
	}
	var names []string
	for _, n := range cert.DNSNames {
		names = append(names, fmt.Sprintf("%.64q", n))
	}
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	const most = 5
	switch {
	case len(names) == 0:
		return fmt.Sprintf("no host's name (only a common name, %.64q, which does not count)", cert.Subject.CommonName)
	case len(names) > most:
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// remoteAlert returns what the other side said when it ended a connection over TLS.
func remoteAlert(err error) (text string, ok bool) {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" || op.Err == nil {
		return "", false
	}
	return strings.TrimPrefix(op.Err.Error(), "tls: "), true
}

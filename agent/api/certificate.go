package api

import (
	"crypto/tls"
	"fmt"
	"sync"
	"time"
)

// certificate is what the TCP door shows. Safe for concurrent use.
type certificate struct {
	cert, key string // paths

	mu   sync.Mutex // guards what follows
	file watched
	pair *tls.Certificate
}

// openCertificate reads a certificate and its key. The error is a *DoorError.
func openCertificate(certFile, keyFile string) (*certificate, error) {
	c := &certificate{cert: certFile, key: keyFile, file: watched{paths: []string{certFile, keyFile}}}
	if err := c.failing(); err != nil {
		return nil, err
	}
	return c, nil
}

// lookLocked reads the files again where they have changed.
func (c *certificate) lookLocked() {
	c.file.look(time.Now(), func() error {
		cert, err := readSome(c.cert, maxCertFile)
		if err != nil {
			return &DoorError{Key: "cert_file", Value: c.cert, Err: err, hint: "let the agent's user read it"}
		}
		key, err := readSome(c.key, maxCertFile)
		if err != nil {
			return &DoorError{Key: "key_file", Value: c.key, Err: err, hint: "let the agent's user read it"}
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return &DoorError{
				Key: "cert_file", Value: c.cert, Err: fmt.Errorf("no certificate that belongs to the key in %s: %w", c.key, err),
				hint: "both are PEM; the certificate comes first, those between it and its root may follow",
			}
		}
		c.pair = &pair
		return nil
	})
}

// current returns the certificate for the next handshake.
func (c *certificate) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lookLocked()
	return c.pair, nil
}

// failing returns why the files as they are now are not used.
func (c *certificate) failing() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lookLocked()
	return c.file.err
}

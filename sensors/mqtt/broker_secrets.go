package mqtt

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	maxPEMFile  = 1 << 20             // bytes of a file with certificates or a key
	lookAtFiles = 10 * time.Second    // whether they have changed
	expiresSoon = 14 * 24 * time.Hour // before the end of the broker's certificate people should know
)

// FileError says that a file which the broker needs cannot be used.
type FileError struct {
	Key  string // of [mqtt.broker]
	Path string
	Err  error // names no secret
	hint string
}

// Error names the key, the file and the reason.
func (e *FileError) Error() string { return fmt.Sprintf("%s %s: %v", e.Key, e.Path, e.Err) }

// Unwrap returns the reason.
func (e *FileError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *FileError) Hint() string {
	switch {
	case e.hint != "":
		return e.hint
	case errors.Is(e.Err, fs.ErrNotExist) && e.Key == "users_file":
		return "make it with: skerry mqtt passwd NAME --file FILE"
	case errors.Is(e.Err, fs.ErrPermission):
		return "let the user that runs skerry read it"
	}
	return ""
}

func fileError(key, path string, err error, hint string) *FileError {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err // the path is told once
	}
	return &FileError{Key: key, Path: path, Err: err, hint: hint}
}

// fileStamp tells whether a file has changed.
type fileStamp struct {
	modified time.Time
	size     int64
	inode    uint64
}

func stampOf(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{modified: info.ModTime(), size: info.Size(), inode: inodeOf(info)}
}

// secrets are what the broker reads from files: its certificate, whose certificates it takes, and users. Files that change are
// read again while it runs, and connections stay; what cannot be used then leaves what was before.
type secrets struct {
	config  *BrokerConfig
	checker *checker // nil: no users' file

	mu      sync.Mutex // guards what follows
	tls     *tls.Config
	leaf    *x509.Certificate // the broker's own
	stamps  map[string]fileStamp
	failing error // why the files as they are now are not used
}

func newSecrets(config *BrokerConfig) *secrets {
	s := &secrets{config: config, stamps: map[string]fileStamp{}}
	if config.UsersFile != "" {
		s.checker = newChecker()
	}
	return s
}

// files returns the paths that are configured, by key.
func (s *secrets) files() map[string]string {
	all := map[string]string{"users_file": s.config.UsersFile}
	if s.config.TLSListen != "" {
		all["cert_file"], all["key_file"], all["client_ca_file"] = s.config.CertFile, s.config.KeyFile, s.config.ClientCAFile
	}
	for key, path := range all {
		if path == "" {
			delete(all, key)
		}
	}
	return all
}

// load reads all files, and returns the names of users that are gone or have another password. The error is a *FileError;
// then nothing has changed.
func (s *secrets) load() (revoked map[string]struct{}, err error) {
	stamps := map[string]fileStamp{} // before reading: a change during it is seen
	for _, path := range s.files() {
		stamps[path] = stampOf(path)
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stamps, s.failing = stamps, err
	}()
	var read *users
	if s.checker != nil {
		if read, err = readUsers(s.config.UsersFile); err != nil {
			return nil, fileError("users_file", s.config.UsersFile, err, "")
		}
	}
	var config *tls.Config
	var leaf *x509.Certificate
	if s.config.TLSListen != "" {
		if config, leaf, err = serverTLS(s.config); err != nil {
			return nil, err
		}
	}
	if s.checker != nil {
		revoked = s.checker.replace(read)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tls, s.leaf = config, leaf
	return revoked, nil
}

// changed reports whether a file is not what was read, or could not be used.
func (s *secrets) changed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing != nil {
		return true
	}
	for path, stamp := range s.stamps {
		if stampOf(path) != stamp {
			return true
		}
	}
	return false
}

// server returns the configuration for the next handshake.
func (s *secrets) server() *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tls
}

// state returns the broker's certificate, nil when there is none, and why the files are not used, if so.
func (s *secrets) state() (leaf *x509.Certificate, failing error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaf, s.failing
}

// serverTLS reads what the broker needs for TLS. The error is a *FileError.
func serverTLS(c *BrokerConfig) (*tls.Config, *x509.Certificate, error) {
	pair, key, err := readKeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		path := c.CertFile
		if key == "key_file" {
			path = c.KeyFile
		}
		return nil, nil, fileError(key, path, err, "")
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if c.ClientCAFile == "" {
		return config, pair.Leaf, nil
	}
	if config.ClientCAs, err = readCAs(c.ClientCAFile); err != nil {
		return nil, nil, fileError("client_ca_file", c.ClientCAFile, err, "")
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	if c.ClientCert == clientCertOptional {
		config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return config, pair.Leaf, nil
}

// readKeyPair reads a certificate, with those between it and its root, and its key. key names the file that is to blame.
func readKeyPair(certFile, keyFile string) (pair tls.Certificate, key string, err error) {
	cert, err := readPEM(certFile)
	if err != nil {
		return pair, "cert_file", err
	}
	secret, err := readPEM(keyFile)
	if err != nil {
		return pair, "key_file", err
	}
	pair, err = tls.X509KeyPair(cert, secret)
	if err != nil {
		return pair, "cert_file", fmt.Errorf("no certificate that belongs to the key in %s: %w", keyFile, err)
	}
	return pair, "", nil
}

// readCAs reads the certificates of authorities.
func readCAs(path string) (*x509.CertPool, error) {
	text, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("no certificate in it: want PEM, -----BEGIN CERTIFICATE-----")
	}
	return pool, nil
}

func readPEM(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(f, maxPEMFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxPEMFile {
		return nil, fmt.Errorf("has more than %d bytes", maxPEMFile)
	}
	return text, nil
}

// inodeOf tells a file from another that was put in its place.
func inodeOf(info fs.FileInfo) uint64 {
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		return sys.Ino
	}
	return 0
}

package mqtt

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/skerry-edge/skerry/sensors/mqtt/certtest"
	"github.com/skerry-edge/skerry/sensors/mqtt/mosquittotest"
)

// secured starts a mosquitto that speaks TLS only, and returns a configuration that it takes.
func secured(t *testing.T, s *security, pair certtest.Pair, users map[string]string, lines ...string) (*mosquittotest.Broker, SourceConfig) {
	t.Helper()
	lines = append(append(lines, deepQueues...), "cafile "+s.ca.File, "certfile "+pair.CertFile, "keyfile "+pair.KeyFile)
	b := startMosquitto(t, mosquittotest.Config{Users: users, Lines: lines})
	c := clientTestConfig("tls://" + b.Addr())
	c.CAFile = s.ca.File
	return b, c
}

func TestClient_tls(t *testing.T) {
	s := newSecurity(t)
	b, c := secured(t, s, s.broker, map[string]string{"ann": "hush"}, "require_certificate true")
	c.CertFile, c.KeyFile = s.client.CertFile, s.client.KeyFile
	c.Username, c.PasswordFile, c.QoS = "ann", filepath.Join(s.dir, "password"), 2
	if err := os.WriteFile(c.PasswordFile, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sink := newClientSink(t)
	run := startClient(t, c, sink, nil)
	run.waitConnected(t)
	p := newPublisher(t, "ssl://"+b.Addr(), func(o *paho.ClientOptions) {
		config, err := s.ca.Client("127.0.0.1", &s.client)
		if err != nil {
			t.Fatal(err)
		}
		o.SetTLSConfig(config).SetUsername("ann").SetPassword("hush")
	})
	const n = 100
	publish(t, p, 1, 0, n)
	publish(t, p, 2, n, 2*n)
	clientEventually(t, "all came", func() bool { return sink.count() == 2*n })
	sink.requireAll(t, 2*n)
	run.stop(t)
	if strings.Contains(run.log.String(), "hush") {
		t.Error("the log has the password")
	}
}

// Each fault says what is wrong and what to do.
func TestClient_explainsHandshakes(t *testing.T) {
	s, strange := newSecurity(t), newSecurity(t)
	expired := s.issue(t, certtest.Leaf{Name: "expired", Hosts: []string{"127.0.0.1"}, NotBefore: time.Now().Add(-3 * time.Hour), NotAfter: time.Now().Add(-2 * time.Hour)})
	unborn := s.issue(t, certtest.Leaf{Name: "unborn", Hosts: []string{"127.0.0.1"}, NotBefore: time.Now().Add(2 * time.Hour), NotAfter: time.Now().Add(3 * time.Hour)})
	named := s.issue(t, certtest.Leaf{Name: "named", Hosts: []string{"broker.example.org", "10.1.2.3"}})
	_, good := secured(t, s, s.broker, nil)
	_, wantsCert := secured(t, s, s.broker, nil, "require_certificate true")
	_, wrongName := secured(t, s, named, nil)
	_, tooOld := secured(t, s, expired, nil)
	_, tooYoung := secured(t, s, unborn, nil)
	plain := startMosquitto(t, mosquittotest.Config{})
	for _, c := range []struct {
		name, what, hint string
		config           SourceConfig
		change           func(*SourceConfig)
	}{
		{"unknown authority", `an authority that this machine does not know ("CN=ca")`, "set ca_file", good, func(c *SourceConfig) { c.CAFile = "" }},
		{"wrong authority", "an authority that this machine does not know", "is not the authority", good, func(c *SourceConfig) { c.CAFile = strange.ca.File }},
		{"wrong name", `is for "broker.example.org", 10.1.2.3, not for "127.0.0.1"`, "server_name", wrongName, nil},
		{"expired", "expired on", "is the clock wrong?", tooOld, nil},
		{"not valid yet", "this machine's clock says", "starts in 1970", tooYoung, nil},
		{"no certificate", "", "cert_file", wantsCert, nil},
		{"unknown certificate", "", "cert_file", wantsCert, func(c *SourceConfig) { c.CertFile, c.KeyFile = strange.client.CertFile, strange.client.KeyFile }},
		{"no TLS there", "", "tcp://", good, func(c *SourceConfig) { c.Broker = "tls://" + plain.Addr() }},
		{"TLS there", "", "TLS", good, func(c *SourceConfig) { c.Broker, c.CAFile = strings.Replace(c.Broker, "tls://", "tcp://", 1), "" }},
		{"no file", "read ca_file", "", good, func(c *SourceConfig) { c.CAFile = filepath.Join(s.dir, "none") }},
		{"no authority in the file", "no certificate in it", "", good, func(c *SourceConfig) { c.CAFile = s.broker.KeyFile }},
		{"wrong key", "belongs to the key", "", good, func(c *SourceConfig) { c.CertFile, c.KeyFile = s.client.CertFile, s.broker.KeyFile }},
	} {
		config := c.config
		if c.change != nil {
			c.change(&config)
		}
		run := startClient(t, config, newClientSink(t), nil)
		clientEventually(t, c.name+" is told", func() bool { state, _ := run.state(); return state == "retrying" })
		status := run.client.Status()
		if !strings.Contains(status.Text, c.what) || !strings.Contains(status.Hint, c.hint) {
			t.Errorf("%s: %q, hint %q; want %q, %q", c.name, status.Text, status.Hint, c.what, c.hint)
		}
		t.Logf("%s: %s; hint: %s", c.name, status.Text, status.Hint)
		run.stop(t)
	}
}

// What makes a connection possible although the certificate's name or authority is not what it should be.
func TestClient_tlsByOtherNames(t *testing.T) {
	s := newSecurity(t)
	named := s.issue(t, certtest.Leaf{Name: "named", Hosts: []string{"broker.example.org"}})
	_, c := secured(t, s, named, nil)
	byName := c
	byName.ServerName = "broker.example.org"
	startClient(t, byName, newClientSink(t), nil).waitConnected(t)
	careless := c
	careless.CAFile, careless.InsecureSkipVerify = "", true
	startClient(t, careless, newClientSink(t), nil).waitConnected(t)
	var warned []string
	careless.Warn(func(key, _, _ string) { warned = append(warned, key) })
	if fmt.Sprint(warned) != "[insecure_skip_verify]" {
		t.Errorf("warned of %v", warned)
	}
}

// Files are read at each connect, so that a renewed certificate or authority needs no restart.
func TestClient_readsCertificatesAgain(t *testing.T) {
	s, strange := newSecurity(t), newSecurity(t)
	_, c := secured(t, s, s.broker, nil)
	c.CAFile = filepath.Join(t.TempDir(), "ca.crt")
	replace := func(from string) {
		t.Helper()
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(c.CAFile, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace(strange.ca.File)
	run := startClient(t, c, newClientSink(t), nil)
	clientEventually(t, "it is refused", func() bool { state, _ := run.state(); return state == "retrying" })
	replace(s.ca.File)
	run.waitConnected(t)
}

// A gateway's clock may start in 1970.
func TestValidityFault(t *testing.T) {
	cert := &x509.Certificate{NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	what, hint := validityFault("the broker's certificate", cert, time.Unix(60, 0))
	if want := "the broker's certificate is valid from 2026-01-01 00:00 UTC on, and this machine's clock says 1970-01-01 00:01 UTC"; what != want || !strings.Contains(hint, "clock") {
		t.Errorf("%q; %q", what, hint)
	}
	if what, _ = validityFault("it", cert, cert.NotAfter.Add(time.Minute)); !strings.Contains(what, "expired on 2027-01-01 00:00 UTC") {
		t.Errorf("%q", what)
	}
}

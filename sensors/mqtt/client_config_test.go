package mqtt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSourceConfig_validates(t *testing.T) {
	valid := DefaultSourceConfig()
	valid.Name, valid.Broker, valid.Topics = "meters", "tcp://10.0.0.5:1883", []string{"site/{site}/{sensor}", "other/+/#"}
	for _, tt := range []struct {
		name   string
		change func(*SourceConfig)
		want   []string // keys
	}{
		{"valid", func(*SourceConfig) {}, nil},
		{"inside", func(c *SourceConfig) { c.Broker = "inside" }, nil},
		{"default port", func(c *SourceConfig) { c.Broker = "tcp://broker.example" }, nil},
		{"IPv6", func(c *SourceConfig) { c.Broker = "tcp://[::1]:1883" }, nil},
		{"login", func(c *SourceConfig) { c.Username, c.PasswordFile, c.ClientID = "u", "/p", "id" }, nil},
		{"no name", func(c *SourceConfig) { c.Name = "" }, []string{"name"}},
		{"no broker", func(c *SourceConfig) { c.Broker = "" }, []string{"broker"}},
		{"tls", func(c *SourceConfig) { c.Broker, c.CAFile, c.CertFile, c.KeyFile = "tls://h", "/ca", "/c", "/k" }, nil},
		{"mqtts", func(c *SourceConfig) { c.Broker, c.ServerName = "mqtts://10.0.0.5:8883", "broker.example.org" }, nil},
		{"websocket", func(c *SourceConfig) { c.Broker = "wss://h" }, []string{"broker"}},
		{"certificate without a key", func(c *SourceConfig) { c.Broker, c.CertFile = "tls://h", "/c" }, []string{"key_file"}},
		{"key without a certificate", func(c *SourceConfig) { c.Broker, c.KeyFile = "tls://h", "/k" }, []string{"cert_file"}},
		{"both ways", func(c *SourceConfig) { c.Broker, c.CAFile, c.InsecureSkipVerify = "tls://h", "/ca", true }, []string{"insecure_skip_verify"}},
		{"server name", func(c *SourceConfig) { c.Broker, c.ServerName = "tls://h", "h:1" }, []string{"server_name"}},
		{"tls keys without it", func(c *SourceConfig) { c.CAFile, c.InsecureSkipVerify = "/ca", true }, []string{"ca_file", "insecure_skip_verify"}},
		{"tls keys inside", func(c *SourceConfig) { c.Broker, c.ServerName = "inside", "h" }, []string{"server_name"}},
		{"bare host", func(c *SourceConfig) { c.Broker = "10.0.0.5:1883" }, []string{"broker"}},
		{"no host", func(c *SourceConfig) { c.Broker = "tcp://:1883" }, []string{"broker"}},
		{"port", func(c *SourceConfig) { c.Broker = "tcp://h:70000" }, []string{"broker"}},
		{"port zero", func(c *SourceConfig) { c.Broker = "tcp://h:0" }, []string{"broker"}},
		{"path", func(c *SourceConfig) { c.Broker = "tcp://h:1883/x" }, []string{"broker"}},
		{"password in address", func(c *SourceConfig) { c.Broker = "tcp://u:hush@h:1883" }, []string{"broker"}},
		{"no topics", func(c *SourceConfig) { c.Topics = nil }, []string{"topics"}},
		{"bad topics", func(c *SourceConfig) { c.Topics = []string{"a/#/b", "$share/g/a", "x/{y", ""} }, []string{"topics", "topics", "topics", "topics"}},
		{"same topic", func(c *SourceConfig) { c.Topics = []string{"a/{x}", "a/+"} }, []string{"topics"}},
		{"qos", func(c *SourceConfig) { c.QoS = 3 }, []string{"qos"}},
		{"in flight", func(c *SourceConfig) { c.MaxInflight = 0 }, []string{"max_inflight"}},
		{"far too many in flight", func(c *SourceConfig) { c.MaxInflight = 65536 }, []string{"max_inflight"}},
		{"keep alive", func(c *SourceConfig) { c.KeepAlive = time.Second }, []string{"keep_alive"}},
		{"inside with login", func(c *SourceConfig) { c.Broker, c.Username, c.ClientID = "inside", "u", "c" }, []string{"username", "client_id"}},
		{"password without user", func(c *SourceConfig) { c.PasswordFile = "/p" }, []string{"password_file"}},
		{"client id", func(c *SourceConfig) { c.ClientID = "a\x00b" }, []string{"client_id"}},
		{"all at once", func(c *SourceConfig) { *c = SourceConfig{QoS: -1} }, []string{"name", "broker", "topics", "qos", "max_inflight", "keep_alive"}},
	} {
		c := valid
		tt.change(&c)
		var got []string
		c.Validate(func(key, what, hint string) {
			got = append(got, key)
			if strings.Contains(what+hint, "hush") {
				t.Errorf("%s: %s; %s: tells a password", tt.name, what, hint)
			}
		})
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: keys (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestClient_readsPasswordFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct{ path, want, fault string }{
		{"", "", ""},
		{write("plain", "hush", 0o600), "hush", ""},
		{write("newline", "hush \n", 0o600), "hush ", ""},
		{write("windows", "hush\r\n", 0o600), "hush", ""},
		{write("open", "hush", 0o644), "hush", ""},
		{write("long", strings.Repeat("x", MaxPassword+1), 0o600), "", "more than"},
		{filepath.Join(dir, "none"), "", "no such file"},
		{dir, "", "is not a file"},
	} {
		c := clientTestConfig("tcp://127.0.0.1:1")
		c.PasswordFile = tt.path
		client, log := newTestClient(t, c, nil, nil)
		got, err := client.password(t.Context())
		if got != tt.want || (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%s: %q, %v", tt.path, got, err)
		}
		if warned := strings.Contains(log.String(), "read by everyone"); warned != strings.HasSuffix(tt.path, "open") {
			t.Errorf("%s: warned %t", tt.path, warned)
		}
	}
}

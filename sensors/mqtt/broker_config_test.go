package mqtt

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBrokerConfig_validates(t *testing.T) {
	over := func(c *BrokerConfig) { c.TLSListen, c.CertFile, c.KeyFile = "0.0.0.0:8883", "/c", "/k" }
	for _, c := range []struct {
		name     string
		change   func(*BrokerConfig)
		faults   string
		warnings string
		open     []string
	}{
		{"off", func(*BrokerConfig) {}, "", "", nil},
		{"loopback", func(c *BrokerConfig) { c.Listen = "127.0.0.1:1883" }, "", "", nil},
		{"open by mistake", func(c *BrokerConfig) { c.Listen = "0.0.0.0:1883" }, "listen", "listen", nil},
		{"open, said aloud", func(c *BrokerConfig) { c.Listen, c.AllowAnonymous = ":1883", true }, "", "allow_anonymous", []string{":1883"}},
		{"passwords in the clear", func(c *BrokerConfig) { c.Listen, c.UsersFile = "0.0.0.0:1883", "/u" }, "", "listen", nil},
		{"users, and others", func(c *BrokerConfig) { over(c); c.UsersFile, c.AllowAnonymous = "/u", true }, "", "allow_anonymous", []string{"0.0.0.0:8883"}},
		{"TLS for anyone", over, "tls_listen", "", nil},
		{"TLS with users", func(c *BrokerConfig) { over(c); c.UsersFile = "/u" }, "", "", nil},
		{"TLS with certificates", func(c *BrokerConfig) { over(c); c.ClientCAFile, c.CertUser = "/ca", "san" }, "", "", nil},
		{"certificates, and others on loopback", func(c *BrokerConfig) { over(c); c.ClientCAFile, c.Listen = "/ca", "[::1]:1883" }, "", "", nil},
		{"certificates if one likes", func(c *BrokerConfig) { over(c); c.ClientCAFile, c.ClientCert = "/ca", "optional" }, "tls_listen", "", nil},
		{"certificates, but not without TLS", func(c *BrokerConfig) { over(c); c.ClientCAFile, c.Listen = "/ca", "10.0.0.5:1883" }, "listen", "listen", nil},
		{"no certificate", func(c *BrokerConfig) { c.TLSListen = "127.0.0.1:8883" }, "cert_file key_file", "", nil},
		{"files without TLS", func(c *BrokerConfig) { c.Listen, c.CertFile, c.CertUser = "127.0.0.1:1883", "/c", "cn" }, "cert_file cert_user", "", nil},
		{"words", func(c *BrokerConfig) {
			over(c)
			c.UsersFile, c.ClientCert, c.CertUser, c.OverRate = "/u", "yes", "ou", "drop"
		}, "client_cert cert_user over_rate", "", nil},
		{"cert_user without certificates", func(c *BrokerConfig) { over(c); c.UsersFile, c.CertUser = "/u", "cn" }, "cert_user", "", nil},
		{"same port", func(c *BrokerConfig) { over(c); c.UsersFile, c.Listen = "/u", "0.0.0.0:8883" }, "tls_listen", "listen", nil},
		{"numbers", func(c *BrokerConfig) { c.MessageRate, c.ByteRate, c.ConnectRate = -1, 5, 1001 }, "message_rate connect_rate byte_rate", "", nil},
		{"no address", func(c *BrokerConfig) { c.Listen, c.TLSListen, c.CertFile, c.KeyFile = "1883", "h:x", "/c", "/k" }, "listen tls_listen", "", nil},
	} {
		config := DefaultBrokerConfig()
		c.change(&config)
		var faults, warnings []string
		config.Validate(func(key, _, _ string) { faults = append(faults, key) })
		if strings.Join(faults, " ") != c.faults {
			t.Errorf("%s: faults %v, want %q", c.name, faults, c.faults)
		}
		if c.name == "no address" {
			continue
		}
		config.Warn(func(key, _, _ string) { warnings = append(warnings, key) })
		if strings.Join(warnings, " ") != c.warnings {
			t.Errorf("%s: warnings %v, want %q", c.name, warnings, c.warnings)
		}
		if diff := cmp.Diff(c.open, config.OpenTo()); diff != "" {
			t.Errorf("%s: open to (-want +got):\n%s", c.name, diff)
		}
	}
}

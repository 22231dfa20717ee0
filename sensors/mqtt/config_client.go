package mqtt

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/skerry-edge/skerry/sensors"
)

// BrokerInside is the value of SourceConfig.Broker that means this agent's own broker.
const BrokerInside = "inside"

// Limits of a source's configuration.
const (
	MaxClientID   = 128              // bytes
	MinKeepAlive  = 5 * time.Second  // shorter ones cost traffic and find nothing
	MaxKeepAlive  = time.Hour        // longer ones find a dead line too late
	MaxInflight   = 65535            // packet ids
	MaxPassword   = 65535            // bytes, by the protocol
	maxServerName = 253              // bytes, by DNS
	defaultPort   = "1883"           // of MQTT without TLS
	securePort    = "8883"           // of MQTT with TLS
	defaultAlive  = 30 * time.Second // KeepAlive when not configured
)

// SourceConfig is the part of [[source.mqtt]] that says where messages come from.
type SourceConfig struct {
	Name         string        `toml:"name"`
	Broker       string        `toml:"broker"`        // "inside", "tcp://host:port" or "tls://host:port"
	Topics       []string      `toml:"topics"`        // see sensors.TopicPattern
	QoS          int           `toml:"qos"`           // 0, 1 or 2: the most that is asked for
	Username     string        `toml:"username"`      // empty = anonymous
	PasswordFile string        `toml:"password_file"` // read at each connect; one trailing newline is not part of it
	ClientID     string        `toml:"client_id"`     // empty = the agent makes one
	KeepAlive    time.Duration `toml:"keep_alive"`    // a silent broker is left after 1.5 times this
	MaxInflight  int           `toml:"max_inflight"`  // messages taken and not yet durable

	// With tls:// only. The files are read at each connect.
	CAFile             string `toml:"ca_file"`              // PEM; empty = the authorities that this machine trusts
	CertFile           string `toml:"cert_file"`            // PEM; empty = no certificate is shown
	KeyFile            string `toml:"key_file"`             // PEM
	ServerName         string `toml:"server_name"`          // that the broker's certificate must be for; empty = the host in Broker
	InsecureSkipVerify bool   `toml:"insecure_skip_verify"` // take any certificate: whoever is in between reads and changes everything
}

// DefaultSourceConfig returns what holds where the file says nothing.
func DefaultSourceConfig() SourceConfig {
	return SourceConfig{QoS: 1, KeepAlive: defaultAlive, MaxInflight: 1000}
}

// Validate reports every fault: the key, what is wrong, and a hint that may be empty.
func (c SourceConfig) Validate(report func(key, what, hint string)) {
	if err := sensors.CheckName(c.Name); err != nil {
		report("name", err.Error(), "")
	}
	c.validateBroker(report)
	c.validateTopics(report)
	if c.QoS < 0 || c.QoS > 2 {
		report("qos", fmt.Sprintf("%d is no quality of service", c.QoS), "use 0, 1 or 2; 1 acknowledges after the reading is on disk")
	}
	if c.MaxInflight < 1 || c.MaxInflight > MaxInflight {
		report("max_inflight", fmt.Sprintf("%d is out of range", c.MaxInflight), fmt.Sprintf("use 1 to %d", MaxInflight))
	}
	c.validateTLS(report)
	if c.KeepAlive < MinKeepAlive || c.KeepAlive > MaxKeepAlive {
		report("keep_alive", fmt.Sprintf("%s is out of range", c.KeepAlive), fmt.Sprintf("use %s to %s", MinKeepAlive, MaxKeepAlive))
	}
	c.validateIdentity(report)
}

func (c SourceConfig) validateBroker(report func(key, what, hint string)) {
	switch c.Broker {
	case "":
		report("broker", "is missing", `use "inside", "tcp://host:1883" or "tls://host:8883"`)
	case BrokerInside:
	default:
		if _, _, err := brokerAddress(c.Broker); err != nil {
			report("broker", err.Error(), `use "inside", "tcp://host:1883" or "tls://host:8883"`)
		}
	}
}

// Secured reports whether the broker is spoken to over TLS.
func (c SourceConfig) Secured() bool {
	_, secured, err := brokerAddress(c.Broker)
	return err == nil && secured
}

func (c SourceConfig) validateTLS(report func(key, what, hint string)) {
	if !c.Secured() {
		hint := "remove it, or use tls://"
		if c.Broker == BrokerInside {
			hint = "remove it; for the broker inside see [mqtt.broker]"
		}
		for _, f := range []struct {
			key string
			set bool
		}{
			{"ca_file", c.CAFile != ""},
			{"cert_file", c.CertFile != ""},
			{"key_file", c.KeyFile != ""},
			{"server_name", c.ServerName != ""},
			{"insecure_skip_verify", c.InsecureSkipVerify},
		} {
			if f.set {
				report(f.key, "means nothing without TLS", hint)
			}
		}
		return
	}
	switch {
	case c.CertFile != "" && c.KeyFile == "":
		report("key_file", "is missing: cert_file needs the certificate's key", "")
	case c.CertFile == "" && c.KeyFile != "":
		report("cert_file", "is missing: key_file needs the key's certificate", "")
	}
	if c.InsecureSkipVerify && c.CAFile != "" {
		report("insecure_skip_verify", "and ca_file exclude each other", "remove insecure_skip_verify: ca_file does what is needed")
	}
	if !cleanText(c.ServerName) || len(c.ServerName) > maxServerName || strings.ContainsAny(c.ServerName, "/: ") && net.ParseIP(c.ServerName) == nil {
		report("server_name", fmt.Sprintf("%.64q is no host's name", c.ServerName), `write the name in the certificate, such as "broker.example.org"`)
	}
}

// Warn reports what is allowed and should be known.
func (c SourceConfig) Warn(report func(key, what, hint string)) {
	if c.InsecureSkipVerify && c.Secured() {
		report("insecure_skip_verify", "whoever is between this machine and the broker can read and change everything, the password too",
			"name the authority of the broker's certificate instead: ca_file")
	}
}

func (c SourceConfig) validateTopics(report func(key, what, hint string)) {
	if len(c.Topics) == 0 {
		report("topics", "is empty", `use for example topics = ["site/{site}/{sensor}"]`)
	}
	seen := map[string]string{}
	for _, topic := range c.Topics {
		if strings.HasPrefix(topic, "$share/") {
			report("topics", fmt.Sprintf("topic %q: shared subscriptions are not supported", topic), "one gateway takes a topic whole")
			continue
		}
		pattern, err := sensors.ParseTopicPattern(topic)
		if err != nil {
			report("topics", err.Error(), "")
			continue
		}
		if other, twice := seen[pattern.Filter()]; twice {
			report("topics", fmt.Sprintf("topic %q asks for the same as %q", topic, other), "remove one")
		}
		seen[pattern.Filter()] = topic
	}
}

func (c SourceConfig) validateIdentity(report func(key, what, hint string)) {
	if c.Broker == BrokerInside {
		for _, f := range []struct{ key, value string }{
			{"username", c.Username}, {"password_file", c.PasswordFile}, {"client_id", c.ClientID},
		} {
			if f.value != "" {
				report(f.key, `means nothing with broker = "inside"`, "remove it")
			}
		}
		return
	}
	if c.PasswordFile != "" && c.Username == "" {
		report("password_file", "needs a username", "MQTT 3.1.1 has no password without one")
	}
	if !cleanText(c.Username) || len(c.Username) > MaxPassword {
		report("username", "has control characters or is too long", "")
	}
	if !cleanText(c.ClientID) || len(c.ClientID) > MaxClientID {
		report("client_id", fmt.Sprintf("want at most %d bytes of UTF-8 without control characters", MaxClientID), "")
	}
}

func cleanText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// brokerAddress returns host:port of "tcp://host[:port]" or "tls://host[:port]", and whether it is the latter; ssl:// and mqtts:// are
// other names for tls://, and mqtt:// for tcp://. Errors never quote user information.
func brokerAddress(broker string) (address string, secured bool, err error) {
	u, err := url.Parse(broker)
	if err != nil {
		return "", false, fmt.Errorf("is no address")
	}
	port := defaultPort
	switch u.Scheme {
	case "tcp", "mqtt":
	case "tls", "ssl", "mqtts":
		secured, port = true, securePort
	default:
		return "", false, fmt.Errorf("scheme %q is not supported", u.Scheme)
	}
	switch {
	case u.User != nil:
		return "", false, fmt.Errorf("has user information; set username and password_file instead")
	case u.Hostname() == "":
		return "", false, fmt.Errorf("%q has no host", broker)
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return "", false, fmt.Errorf("%q has something after the port", broker)
	}
	if have := u.Port(); have != "" {
		port = have
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", false, fmt.Errorf("port %q is out of range", port)
	}
	return net.JoinHostPort(u.Hostname(), port), secured, nil
}

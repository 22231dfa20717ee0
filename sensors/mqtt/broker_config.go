package mqtt

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// BrokerConfig is the section [mqtt.broker]: the broker inside.
type BrokerConfig struct {
	Listen         string `toml:"listen"`          // "127.0.0.1:1883"; empty = off; port 0 = any that is free
	TLSListen      string `toml:"tls_listen"`      // "0.0.0.0:8883"; empty = off
	CertFile       string `toml:"cert_file"`       // PEM; the certificates between it and its root may follow
	KeyFile        string `toml:"key_file"`        // PEM
	ClientCAFile   string `toml:"client_ca_file"`  // PEM; empty = clients are not asked for certificates
	ClientCert     string `toml:"client_cert"`     // with ClientCAFile: "require" or "optional"
	CertUser       string `toml:"cert_user"`       // "cn" or "san": the certificate's name is the user's; empty = it is not
	UsersFile      string `toml:"users_file"`      // lines "name:hash"; empty = nobody is asked for a password
	AllowAnonymous bool   `toml:"allow_anonymous"` // clients without a name come in although others have one, or reach it over the network
	MaxClients     int64  `toml:"max_clients"`     // connected at a time; one more is refused
	MaxInflight    int    `toml:"max_inflight"`    // messages of one client that wait for their commit; more wait in its socket
	MaxPacket      int    `toml:"max_packet"`      // bytes of one packet; a longer one ends its connection
	MessageRate    int64  `toml:"message_rate"`    // messages a second of one client; 0 = without limit
	ByteRate       int64  `toml:"byte_rate"`       // bytes a second of one client; 0 = without limit
	OverRate       string `toml:"over_rate"`       // "wait", or "drop_qos0": see overRateDrop
	ConnectRate    int64  `toml:"connect_rate"`    // connections a second from one address; 0 = without limit
}

// The values of BrokerConfig.ClientCert, CertUser and OverRate.
const (
	clientCertRequire  = "require"
	clientCertOptional = "optional"

	certUserCN  = "cn"
	certUserSAN = "san"

	overRateWait = "wait"      // a client beyond its rate is not read for a while
	overRateDrop = "drop_qos0" // its messages of QoS 0 are dropped instead
)

// The bounds of a BrokerConfig.
const (
	maxBrokerClients = 10000
	minBrokerPacket  = 1 << 10
	maxBrokerPacket  = 16 << 20
	maxMessageRate   = 1_000_000
	minByteRate      = 1 << 10
	maxByteRate      = 1 << 30
	maxConnectRate   = 1000
)

// DefaultBrokerConfig returns what holds where the file says nothing: the broker is off.
func DefaultBrokerConfig() BrokerConfig {
	return BrokerConfig{
		MaxClients: 200, MaxInflight: 1000, MaxPacket: 256 << 10,
		ClientCert: clientCertRequire, OverRate: overRateWait, ConnectRate: 20,
	}
}

// On reports whether the broker listens at all.
func (c BrokerConfig) On() bool { return c.Listen != "" || c.TLSListen != "" }

// Validate reports every fault: the key, what is wrong, and what to do.
func (c BrokerConfig) Validate(report func(key, what, hint string)) {
	if c.Listen != "" && validAddress("listen", c.Listen, "127.0.0.1:1883", report) && c.open(c.Listen, false) && !c.AllowAnonymous {
		report("listen", fmt.Sprintf("%q can be reached by other machines, and anyone there may publish", c.Listen),
			"use 127.0.0.1, or set users_file (and tls_listen instead of listen), or allow_anonymous = true")
	}
	c.validateTLS(report)
	between := func(key string, value, low, high int64) {
		if value < low || value > high {
			report(key, fmt.Sprintf("%d is out of range", value), fmt.Sprintf("use %d to %d", low, high))
		}
	}
	between("max_clients", c.MaxClients, 1, maxBrokerClients)
	between("max_inflight", int64(c.MaxInflight), 1, MaxInflight)
	between("max_packet", int64(c.MaxPacket), minBrokerPacket, maxBrokerPacket)
	between("message_rate", c.MessageRate, 0, maxMessageRate)
	between("connect_rate", c.ConnectRate, 0, maxConnectRate)
	if c.ByteRate != 0 {
		between("byte_rate", c.ByteRate, minByteRate, maxByteRate)
	}
	if c.OverRate != overRateWait && c.OverRate != overRateDrop {
		report("over_rate", fmt.Sprintf("%q is not known", c.OverRate), `want "wait" or "drop_qos0"`)
	}
}

func (c BrokerConfig) validateTLS(report func(key, what, hint string)) {
	if c.TLSListen == "" {
		for _, f := range []struct{ key, value string }{
			{"cert_file", c.CertFile}, {"key_file", c.KeyFile}, {"client_ca_file", c.ClientCAFile}, {"cert_user", c.CertUser},
		} {
			if f.value != "" {
				report(f.key, "means nothing without tls_listen", `add tls_listen = "0.0.0.0:8883", or remove it`)
			}
		}
		return
	}
	valid := validAddress("tls_listen", c.TLSListen, "0.0.0.0:8883", report)
	if c.CertFile == "" {
		report("cert_file", "is missing: tls_listen needs a certificate", `for example cert_file = "broker.crt", key_file = "broker.key"; docs/mqtt.md says how to make them`)
	}
	if c.KeyFile == "" {
		report("key_file", "is missing: tls_listen needs the certificate's key", `for example key_file = "broker.key"`)
	}
	if c.ClientCert != clientCertRequire && c.ClientCert != clientCertOptional {
		report("client_cert", fmt.Sprintf("%q is not known", c.ClientCert), `want "require" or "optional"`)
	}
	switch {
	case c.CertUser != "" && c.CertUser != certUserCN && c.CertUser != certUserSAN:
		report("cert_user", fmt.Sprintf("%q is not known", c.CertUser), `want "cn" or "san", or leave it out`)
	case c.CertUser != "" && c.ClientCAFile == "":
		report("cert_user", "needs client_ca_file", "name the file with the authority that signs the clients' certificates")
	}
	if valid && c.TLSListen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
		report("tls_listen", "is the same as listen", "choose another port")
	}
	if valid && c.open(c.TLSListen, true) && !c.AllowAnonymous {
		report("tls_listen", fmt.Sprintf("%q can be reached by other machines, and anyone there may publish", c.TLSListen),
			"set users_file, or client_ca_file, or allow_anonymous = true")
	}
}

// Warn reports what is allowed and should be known.
func (c BrokerConfig) Warn(report func(key, what, hint string)) {
	for _, l := range c.listeners() {
		switch {
		case isLocal(l.address):
		case c.AllowAnonymous && (!l.tls || !c.wantsCert()):
			report("allow_anonymous", fmt.Sprintf("anyone who reaches %s %q may come in without a name or password", l.key, l.address),
				"[[mqtt.acl]] with anonymous = true says what they may do; without it, everything")
		case !l.tls:
			report(l.key, fmt.Sprintf("%q can be reached by other machines: passwords and readings cross the network in the clear", l.address),
				"use tls_listen there, and 127.0.0.1 for listen")
		}
	}
}

// OpenTo returns the addresses on which the broker lets anyone in over the network.
func (c BrokerConfig) OpenTo() []string {
	var all []string
	for _, l := range c.listeners() {
		if !isLocal(l.address) && c.AllowAnonymous && (!l.tls || !c.wantsCert()) {
			all = append(all, l.address)
		}
	}
	return all
}

type listening struct {
	key, address string
	tls          bool
}

func (c BrokerConfig) listeners() []listening {
	var all []listening
	if c.Listen != "" {
		all = append(all, listening{"listen", c.Listen, false})
	}
	if c.TLSListen != "" {
		all = append(all, listening{"tls_listen", c.TLSListen, true})
	}
	return all
}

// open reports whether other machines reach the address and nobody there is asked who he is.
func (c BrokerConfig) open(address string, tls bool) bool {
	return !isLocal(address) && c.UsersFile == "" && (!tls || !c.wantsCert())
}

// wantsCert reports whether nobody gets in over TLS without a certificate.
func (c BrokerConfig) wantsCert() bool {
	return c.ClientCAFile != "" && c.ClientCert == clientCertRequire
}

// validAddress reports whether a value is host:port, and what is wrong if it is not.
func validAddress(key, value, example string, report func(key, what, hint string)) bool {
	hint := fmt.Sprintf("write %s = %q", key, example)
	_, port, err := net.SplitHostPort(value)
	if err != nil {
		report(key, fmt.Sprintf("%q is not host:port", value), hint)
		return false
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		report(key, fmt.Sprintf("port %q is not a number from 0 to 65535", port), hint)
		return false
	}
	return true
}

// isLocal reports whether only this machine reaches an address.
func isLocal(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

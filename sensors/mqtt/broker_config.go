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
	AllowAnonymous bool   `toml:"allow_anonymous"` // needed to listen where other machines reach it
	MaxClients     int64  `toml:"max_clients"`     // connected at a time; one more is refused
	MaxInflight    int    `toml:"max_inflight"`    // messages of one client that wait for their commit; more wait in its socket
	MaxPacket      int    `toml:"max_packet"`      // bytes of one packet; a longer one ends its connection
}

// The bounds of a BrokerConfig.
const (
	maxBrokerClients = 10000
	minBrokerPacket  = 1 << 10
	maxBrokerPacket  = 16 << 20
)

// DefaultBrokerConfig returns what holds where the file says nothing: the broker is off.
func DefaultBrokerConfig() BrokerConfig {
	return BrokerConfig{MaxClients: 200, MaxInflight: 1000, MaxPacket: 256 << 10}
}

// Validate reports every fault: the key, what is wrong, and what to do.
func (c BrokerConfig) Validate(report func(key, what, hint string)) {
	if c.Listen != "" {
		c.validateListen(report)
	}
	between := func(key string, value, low, high int64) {
		if value < low || value > high {
			report(key, fmt.Sprintf("%d is out of range", value), fmt.Sprintf("use %d to %d", low, high))
		}
	}
	between("max_clients", c.MaxClients, 1, maxBrokerClients)
	between("max_inflight", int64(c.MaxInflight), 1, MaxInflight)
	between("max_packet", int64(c.MaxPacket), minBrokerPacket, maxBrokerPacket)
}

func (c BrokerConfig) validateListen(report func(key, what, hint string)) {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		report("listen", fmt.Sprintf("%q is not host:port", c.Listen), `write listen = "127.0.0.1:1883"`)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		report("listen", fmt.Sprintf("port %q is not a number from 0 to 65535", port), `write listen = "127.0.0.1:1883"`)
	}
	if !isLoopback(host) && !c.AllowAnonymous {
		report("listen", fmt.Sprintf("%q can be reached by other machines, and anyone there may publish", c.Listen),
			"use 127.0.0.1, or set allow_anonymous = true")
	}
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

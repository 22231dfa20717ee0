package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// API is the section [api]: the doors on this machine.
type API struct {
	Socket         string   `toml:"socket"`          // the unix socket
	Listen         string   `toml:"listen"`          // "127.0.0.1:7380" opens the TCP door; "" = it is closed
	TokenFile      string   `toml:"token_file"`      // what whoever comes by TCP must know; made when it is not there
	AllowHosts     []string `toml:"allow_hosts"`     // names by which the TCP door may be asked for, besides its addresses
	CertFile       string   `toml:"cert_file"`       // PEM; with it the TCP door speaks TLS only
	KeyFile        string   `toml:"key_file"`        // PEM
	AllowCleartext bool     `toml:"allow_cleartext"` // other machines may reach the TCP door without TLS
}

// defaultTokenFile is API.TokenFile where the file does not say.
const defaultTokenFile = "api.token"

// Open returns the address at which token and readings cross the network in the clear; "" = there is none.
func (a API) Open() string {
	if a.Listen == "" || a.CertFile != "" || isLoopback(a.Listen) {
		return ""
	}
	return a.Listen
}

// validate reports the faults of [api].
func (a API) validate(report func(key, what, hint string)) {
	if a.Socket == "" {
		report("socket", "is empty", `write socket = "skerry.sock"`)
	}
	for i, host := range a.AllowHosts {
		if err := checkHost(host); err != nil {
			report(fmt.Sprintf("allow_hosts[%d]", i), quote(host)+" "+err.Error(), `write the name alone, as in allow_hosts = ["gateway.local"]`)
		}
	}
	if a.Listen == "" {
		for _, f := range []struct{ key, value string }{{"cert_file", a.CertFile}, {"key_file", a.KeyFile}} {
			if f.value != "" {
				report(f.key, "means nothing without listen", `add listen = "0.0.0.0:7380", or remove it`)
			}
		}
		return
	}
	valid := a.validateListen(report)
	if a.TokenFile == "" {
		report("token_file", "is empty", `write token_file = "`+defaultTokenFile+`", or leave it out`)
	}
	if a.CertFile != "" && a.KeyFile == "" {
		report("key_file", "is missing: cert_file needs its key", `for example key_file = "api.key"`)
	}
	if a.KeyFile != "" && a.CertFile == "" {
		report("cert_file", "is missing: key_file needs its certificate", `for example cert_file = "api.crt"`)
	}
	if valid && a.Open() != "" && !a.AllowCleartext {
		report("listen", quote(a.Listen)+" can be reached by other machines, and the token would cross the network in the clear",
			"use 127.0.0.1, or set cert_file and key_file, or allow_cleartext = true")
	}
}

// validateListen reports whether Listen is host:port, and what is wrong if it is not.
func (a API) validateListen(report func(key, what, hint string)) bool {
	const hint = `write listen = "127.0.0.1:7380"`
	_, port, err := net.SplitHostPort(a.Listen)
	if err != nil {
		report("listen", quote(a.Listen)+" is not host:port", hint)
		return false
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		report("listen", "port "+quote(port)+" is not a number from 0 to 65535", hint)
		return false
	}
	return true
}

// api checks [api] against the disk.
func (v *validator) api() {
	a := v.cfg.API
	a.validate(v.section("api"))
	n, _ := v.cfg.tree.find("api")
	warn := v.reporter(n, "api", &v.warnings)
	if len(a.Socket) > maxSocketPath {
		warn("socket", fmt.Sprintf("the path has %d bytes, and Linux allows %d: %s", len(a.Socket), maxSocketPath, a.Socket),
			"name a shorter one, or move the folder")
	}
	if a.Listen == "" {
		warnIdle(
			n, warn,
			idleKey{"allow_hosts", len(a.AllowHosts) > 0, "has no effect without listen"},
			idleKey{"allow_cleartext", a.AllowCleartext, "has no effect without listen"},
		)
		return
	}
	if a.Open() != "" && a.AllowCleartext {
		warn("allow_cleartext", "token and readings cross the network in the clear at "+quote(a.Listen), "set cert_file and key_file")
	}
	if _, err := v.stat(a.TokenFile); err == nil { // else it is made
		v.secretFile(warn, "token_file", a.TokenFile)
	}
	v.secretFile(warn, "key_file", a.KeyFile)
	v.presentFile(warn, "cert_file", a.CertFile)
}

// checkHost reports why text is no host name or address alone.
func checkHost(text string) error {
	if _, err := netip.ParseAddr(text); err == nil {
		return nil
	}
	name := strings.TrimSuffix(text, ".")
	if name == "" || len(name) > maxHostName {
		return fmt.Errorf("has %d bytes, want 1 to %d", len(name), maxHostName)
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._", r) {
			return fmt.Errorf("has %q, which no host name has", r)
		}
	}
	return nil
}

// isLoopback reports whether only this machine reaches an address.
func isLoopback(address string) bool {
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

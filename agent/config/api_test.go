package config

import (
	"strings"
	"testing"
)

func TestAPI_faults(t *testing.T) {
	for text, want := range map[string]string{
		"listen = '127.0.0.1:7380'": "",
		"listen = '[::1]:0'\nallow_hosts = ['gate.local', '10.0.0.5', '::2']": "",
		"listen = 'localhost:7380'":                                "",
		"listen = '0.0.0.0:7380'\ncert_file = 'c'\nkey_file = 'k'": "",
		"listen = '0.0.0.0:7380'\nallow_cleartext = true":          "",
		"listen = '7380'":                                          `a.toml:2: api.listen: "7380" is not host:port; write listen = "127.0.0.1:7380"`,
		"listen = '127.0.0.1:http'":                                `a.toml:2: api.listen: port "http" is not a number from 0 to 65535; write listen = "127.0.0.1:7380"`,
		"listen = '0.0.0.0:7380'":                                  `a.toml:2: api.listen: "0.0.0.0:7380" can be reached by other machines, and the token would cross the network in the clear; use 127.0.0.1, or set cert_file and key_file, or allow_cleartext = true`,
		"listen = ':7380'":                                         `a.toml:2: api.listen: ":7380" can be reached by other machines, and the token would cross the network in the clear; use 127.0.0.1, or set cert_file and key_file, or allow_cleartext = true`,
		"listen = '127.0.0.1:7380'\ncert_file = 'c'":               `a.toml:1: api.key_file: is missing: cert_file needs its key; for example key_file = "api.key"`,
		"listen = '127.0.0.1:7380'\nkey_file = 'k'":                `a.toml:1: api.cert_file: is missing: key_file needs its certificate; for example cert_file = "api.crt"`,
		"listen = '127.0.0.1:7380'\ntoken_file = ''":               `a.toml:3: api.token_file: is empty; write token_file = "api.token", or leave it out`,
		"cert_file = 'c'":                                          `a.toml:2: api.cert_file: means nothing without listen; add listen = "0.0.0.0:7380", or remove it`,
		"listen = '127.0.0.1:0'\nallow_hosts = ['http://gate']":    `a.toml:3: api.allow_hosts[0]: "http://gate" has ':', which no host name has; write the name alone, as in allow_hosts = ["gateway.local"]`,
		"listen = '127.0.0.1:0'\nallow_hosts = ['a', '*']":         `a.toml:3: api.allow_hosts[1]: "*" has '*', which no host name has; write the name alone, as in allow_hosts = ["gateway.local"]`,
		"listen = '127.0.0.1:0'\ntokenfile = 'x'":                  `a.toml:3: api.tokenfile: unknown key; did you mean token_file?`,
	} {
		_, _, err := loadText("[api]\n" + text + "\n")
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func TestAPI_warnings(t *testing.T) {
	for text, want := range map[string]string{
		"listen = '127.0.0.1:0'":                                  "",
		"listen = '0.0.0.0:7380'\nallow_cleartext = true":         "api.allow_cleartext: token and readings cross the network in the clear",
		"allow_hosts = ['a']":                                     "api.allow_hosts: has no effect without listen",
		"allow_cleartext = true":                                  "api.allow_cleartext: has no effect without listen",
		"listen = '127.0.0.1:0'\ncert_file = 'c'\nkey_file = 'k'": "api.cert_file: there is no file",
		"socket = '/" + strings.Repeat("x", 120) + "'":            "api.socket: the path has 121 bytes",
	} {
		_, warnings, err := loadText("[api]\n" + text + "\n")
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		all := ""
		for _, w := range warnings {
			all += w.String() + "\n"
		}
		if (want == "") != (all == "") || !strings.Contains(all, want) {
			t.Errorf("%s: got %q, want %q", text, all, want)
		}
	}
}

package config

import "testing"

func TestLoad_mqttSecurity(t *testing.T) {
	_, warnings, err := loadText(`[mqtt.broker]
listen = "127.0.0.1:1883"
[[mqtt.acl]]
users = ["ann"]
read = ["a/#/b"]
[[mqtt.acl]]
write = ["x"]
writes = ["y"]
[[source.mqtt]]
name = "m"
broker = "tls://h"
topics = ["a"]
format = "value"
collection = "c"
key_file = "/etc/skerry/none"
insecure_skip_verify = true
[[collection]]
name = "c"
`)
	faults, is := err.(Faults) //nolint:errorlint // Load returns it bare
	if !is {
		t.Fatalf("got %v", err)
	}
	wantLines(t, faults,
		`a.toml:5: mqtt.acl.read: topic "a/#/b": # must be the last level`,
		`a.toml:6: mqtt.acl.users: is empty: the rule is for nobody; name them: users = ["meter-1"]; all: users = ["*"]; those without a name: anonymous = true`,
		`a.toml:8: mqtt.acl.writes: unknown key; did you mean write?`,
		`a.toml:9: source.mqtt.cert_file: is missing: key_file needs the key's certificate`)
	wantLines(t, warnings,
		`a.toml:4: mqtt.acl.users: no client has a name; set users_file or cert_user in [mqtt.broker]; for clients without a name: anonymous = true`,
		`a.toml:15: source.mqtt.key_file: there is no file /etc/skerry/none`,
		`a.toml:16: source.mqtt.insecure_skip_verify: whoever is between this machine and the broker can read and change everything, the password too; name the authority of the broker's certificate instead: ca_file`)
}

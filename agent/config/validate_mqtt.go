package config

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/skerry-edge/skerry/sensors/mqtt"
)

// mqtt checks [mqtt.broker] and [[mqtt.acl]].
func (v *validator) mqtt() {
	broker := v.cfg.MQTT.Broker
	broker.Validate(v.section("mqtt.broker"))
	n, _ := v.cfg.tree.find("mqtt.broker")
	warn := v.reporter(n, "mqtt.broker", &v.warnings)
	broker.Warn(warn)
	v.secretFile(warn, "users_file", broker.UsersFile)
	v.secretFile(warn, "key_file", broker.KeyFile)
	v.presentFile(warn, "cert_file", broker.CertFile)
	v.presentFile(warn, "client_ca_file", broker.ClientCAFile)

	rules := v.cfg.MQTT.ACL
	if len(rules) == 0 {
		return
	}
	list, _ := v.cfg.tree.find("mqtt.acl")
	mqtt.ValidateACL(rules, v.reporter(list, "mqtt.acl", &v.faults))
	for i, rule := range rules {
		n := v.entry("mqtt.acl", i)
		rule.Validate(v.reporter(n, "mqtt.acl", &v.faults))
		if len(rule.Users) > 0 && broker.UsersFile == "" && broker.CertUser == "" {
			v.reporter(n, "mqtt.acl", &v.warnings)("users", "no client has a name", "set users_file or cert_user in [mqtt.broker]; for clients without a name: anonymous = true")
		}
	}
	if !slices.ContainsFunc(rules, func(r mqtt.ACLRule) bool { return len(r.Write) > 0 }) {
		v.reporter(list, "mqtt.acl", &v.warnings)("", "nobody may publish: no rule has write", "with any [[mqtt.acl]] only what a rule allows is allowed")
	}
}

// secretFile warns of a file with a secret that is not there or that everyone may read.
func (v *validator) secretFile(warn func(key, what, hint string), key, path string) {
	if path == "" {
		return
	}
	info, err := v.stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		warn(key, "there is no file "+path, "")
	case err == nil && info.Mode().Perm()&0o004 != 0:
		warn(key, "everyone on this machine can read "+path, "chmod 600 "+path)
	}
}

// presentFile warns of a file that is not there.
func (v *validator) presentFile(warn func(key, what, hint string), key, path string) {
	if path == "" {
		return
	}
	if _, err := v.stat(path); errors.Is(err, fs.ErrNotExist) {
		warn(key, "there is no file "+path, "")
	}
}

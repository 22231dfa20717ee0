package agent

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/sensors/mqtt/certtest"
	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

// trouble returns the item with a code, nil when there is none.
func trouble(t *testing.T, a *Agent, code string) *api.Health {
	t.Helper()
	status, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(status.Health, func(h api.Health) bool { return h.Code == code })
	if i < 0 {
		return nil
	}
	return &status.Health[i]
}

// wantTrouble waits for an item and checks what it says.
func wantTrouble(t *testing.T, a *Agent, code, text, hint string) {
	t.Helper()
	var item *api.Health
	until(t, code, func() bool { item = trouble(t, a, code); return item != nil })
	if !strings.Contains(item.Text, text) || !strings.Contains(item.Hint, hint) || hint == "" {
		t.Errorf("%s: %q, hint %q; want %q and %q", code, item.Text, item.Hint, text, hint)
	}
	if item.Since.Before(a.started.Add(-time.Second)) || item.Since.After(time.Now().Add(time.Second)) {
		t.Errorf("%s: since %v, and the agent started %v", code, item.Since, a.started)
	}
}

// doorsGateway has a broker and an API that anyone may try.
func doorsGateway(t *testing.T) (g gateway, certs certtest.Pair) {
	t.Helper()
	dir := t.TempDir()
	authority, err := certtest.NewAuthority(dir, "authority")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue(dir, certtest.Leaf{Name: "gate", Hosts: []string{"127.0.0.1"}}) // ends in an hour
	if err != nil {
		t.Fatal(err)
	}
	line, err := HashMQTTUser("ann", []byte("hush"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "users"), []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return newGateway(t, fmt.Sprintf(`
[api]
listen = "127.0.0.1:0"
[mqtt.broker]
listen = "127.0.0.1:0"
tls_listen = "127.0.0.1:0"
cert_file = %q
key_file = %q
users_file = %q
[[mqtt.acl]]
users = ["ann"]
write = ["site/#"]
`, pair.CertFile, pair.KeyFile, filepath.Join(dir, "users"))), pair
}

func TestHealth_ofTheBroker(t *testing.T) {
	g, pair := doorsGateway(t)
	a, _ := g.start(t)
	for _, code := range []string{"broker_refused", "broker_denied", "broker_files", "broker_open"} {
		if item := trouble(t, a, code); item != nil {
			t.Errorf("before anything happened: %+v", item)
		}
	}
	wantTrouble(t, a, "broker_certificate", "expires on", "renew it")

	options := mqtttest.Options{Addr: a.BrokerAddr().String(), ClientID: "c", Username: "ann", Password: "wrong"}
	if _, err := mqtttest.Dial(t.Context(), options); !errors.Is(err, mqtttest.ErrRefused) {
		t.Fatalf("a wrong password: %v", err)
	}
	wantTrouble(t, a, "broker_refused", "127.0.0.1", "skerry mqtt passwd")

	options.Password = "hush"
	client, err := mqtttest.Dial(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close() //nolint:errcheck // the broker closes it
	if _, err := client.Publish("secret/topic", []byte("1"), 1); err != nil {
		t.Fatal(err)
	}
	if err := client.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantTrouble(t, a, "broker_denied", "secret/topic", "[[mqtt.acl]]")

	if err := os.WriteFile(pair.KeyFile, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantTrouble(t, a, "broker_files", "gate.crt", "put it right")
}

func TestHealth_ofOpenDoors(t *testing.T) {
	g := newGateway(t, "[api]\nlisten = \"0.0.0.0:0\"\nallow_cleartext = true\n[mqtt.broker]\nlisten = \"0.0.0.0:0\"\nallow_anonymous = true\n")
	a, _ := g.start(t)
	wantTrouble(t, a, "broker_open", "0.0.0.0:0", "users_file")
	wantTrouble(t, a, "api_cleartext", "0.0.0.0:0", "cert_file")
}

func TestHealth_ofTheTCPDoor(t *testing.T) {
	g, _ := doorsGateway(t)
	a, _ := g.start(t)
	token := filepath.Join(g.dir, "api.token")
	for _, code := range []string{"api_cleartext", "api_token_readable", "api_files", "api_guesses"} {
		if item := trouble(t, a, code); item != nil {
			t.Errorf("before anything happened: %+v", item)
		}
	}
	status, err := a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, status.Parts.API.URL+"/v1/id", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer wrong")
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode != http.StatusUnauthorized || response.Body.Close() != nil {
		t.Fatalf("a wrong token: %v, %v", response, err)
	}
	wantTrouble(t, a, "api_guesses", "127.0.0.1", "token")
	if err := os.Chmod(token, 0o644); err != nil {
		t.Fatal(err)
	}
	wantTrouble(t, a, "api_token_readable", token, "chmod 600")
	if err := os.WriteFile(token, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantTrouble(t, a, "api_files", token, "put it right")
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Reload(t.Context(), a.now.Load().cfg); err != nil {
		t.Fatal(err)
	}
	until(t, "a new token is there and taken", func() bool { return trouble(t, a, "api_files") == nil && trouble(t, a, "api_token_readable") == nil })
	if text, err := os.ReadFile(token); err != nil || len(text) < 40 {
		t.Errorf("the new token: %d bytes, %v", len(text), err)
	}
}

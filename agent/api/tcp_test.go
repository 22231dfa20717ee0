package api_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/api/apitest"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/mqtt/certtest"
)

// tcpRig is a TCP door that is served.
type tcpRig struct {
	door  *api.TCPDoor
	token string
	file  string // the token's
	stop  func()
}

func serveTCP(t *testing.T, backend api.Backend, options api.Options, c api.TCPConfig) *tcpRig {
	t.Helper()
	if c.Address == "" {
		c.Address = "127.0.0.1:0"
	}
	if c.TokenFile == "" {
		c.TokenFile = filepath.Join(t.TempDir(), "api.token")
	}
	door, err := api.ListenTCP(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(c.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- api.NewServer(backend, options).ServeTCP(ctx, door) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return &tcpRig{door, strings.TrimSpace(string(text)), c.TokenFile, stop}
}

// ask sends a request with headers, "Host" among them, and returns status, headers and body.
func (r *tcpRig) ask(t *testing.T, path string, headers ...string) (int, http.Header, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // a stream that should have been refused does not end
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.door.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		} else {
			request.Header.Add(headers[i], headers[i+1])
		}
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(body)
}

func (r *tcpRig) bearer() []string { return []string{"Authorization", "Bearer " + r.token} }

// certificates makes a door's certificate, and what a client that trusts it needs.
func certificates(t *testing.T) (certtest.Pair, *tls.Config) {
	t.Helper()
	dir := t.TempDir()
	authority, err := certtest.NewAuthority(dir, "authority")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue(dir, certtest.Leaf{Name: "door", Hosts: []string{"127.0.0.1", "localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	trusting, err := authority.Client("", nil)
	if err != nil {
		t.Fatal(err)
	}
	return pair, trusting
}

func TestTCP_contract(t *testing.T) {
	pair, trusting := certificates(t)
	for name, c := range map[string]api.TCPConfig{"plain": {}, "tls": {CertFile: pair.CertFile, KeyFile: pair.KeyFile}} {
		t.Run(name, func(t *testing.T) {
			apitest.Run(t, func(t *testing.T) apitest.Subject {
				t.Helper()
				m := newMemory()
				r := serveTCP(t, m, api.Options{}, c)
				client := api.DialTCP(r.door.URL(), r.token, trusting)
				t.Cleanup(func() { _ = client.Close() })
				return apitest.Subject{
					Backend: client, Collection: "climate", Empty: "empty", Table: sensors.NewTable(), Add: m.Add, Source: "weather", Tally: m.Source("weather"),
				}
			})
		})
	}
}

func TestTCP_whoMayAsk(t *testing.T) {
	registry := prometheus.NewRegistry()
	metrics := api.NewMetrics()
	registry.MustRegister(metrics)
	r := serveTCP(t, newMemory(), api.Options{
		Metrics: metrics, Prometheus: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), Ready: func() error { return errors.New("/secret/path is full") },
	}, api.TCPConfig{AllowHosts: []string{"Gateway.Local."}})
	address := r.door.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	ok := "Bearer " + r.token
	for _, test := range []struct {
		path    string
		headers []string
		status  int
		text    string
	}{
		{"/v1/id", []string{"Authorization", ok}, 200, `"name":"gate"`},
		{"/metrics", []string{"Authorization", ok}, 200, "skerry_api"},
		{"/v1/id", []string{"Authorization", "bearer  " + r.token + " "}, 200, ""},
		{"/v1/id", nil, 401, `"code":"unauthorized"`},
		{"/metrics", nil, 401, `"code":"unauthorized"`},
		{"/v1/nothing", nil, 401, ""}, // strangers do not learn what there is
		{"/v1/nothing", []string{"Authorization", ok}, 404, ""},
		{"/v1/id", []string{"Authorization", "Basic " + r.token}, 401, ""},
		{"/v1/id", []string{"Authorization", r.token}, 401, ""},
		{"/v1/id?token=" + r.token, nil, 401, ""},
		{"/v1/id", []string{"Authorization", "Bearer " + r.token + "x"}, 401, "wrong"},
		{"/v1/id", []string{"Authorization", "Bearer " + r.token[1:]}, 401, "wrong"},
		{"/healthz", nil, 200, `"ok":true`},
		{"/healthz", []string{"Host", "evil.example"}, 403, "forbidden"},
		{"/readyz", nil, 503, `"agent is not ready"`}, // and not why
		{"/readyz", []string{"Authorization", ok}, 503, "/secret/path"},

		{"/v1/id", []string{"Authorization", ok, "Host", "evil.example"}, 403, `evil.example`},
		{"/v1/id", []string{"Authorization", ok, "Host", "evil.example:" + port}, 403, "allow_hosts"},
		{"/v1/id", []string{"Authorization", ok, "Host", "localhost.evil.example"}, 403, ""},
		{"/v1/id", []string{"Authorization", ok, "Host", "10.1.2.3:" + port}, 403, ""},
		{"/v1/id", []string{"Authorization", ok, "Host", "localhost:" + port}, 200, ""},
		{"/v1/id", []string{"Authorization", ok, "Host", "LOCALHOST."}, 200, ""},
		{"/v1/id", []string{"Authorization", ok, "Host", "[::1]:" + port}, 200, ""},
		{"/v1/id", []string{"Authorization", ok, "Host", "gateway.local:8443"}, 200, ""}, // a forwarded port

		{"/v1/id", []string{"Authorization", ok, "Origin", "http://" + address}, 200, ""},
		{"/v1/id", []string{"Authorization", ok, "Origin", "https://" + address}, 200, ""}, // a proxy before us
		{"/v1/id", []string{"Authorization", ok, "Origin", "http://evil.example"}, 403, "evil.example"},
		{"/v1/id", []string{"Authorization", ok, "Origin", "http://127.0.0.1:1"}, 403, ""},
		{"/v1/id", []string{"Authorization", ok, "Origin", "null"}, 403, ""},
		{"/v1/id", []string{"Authorization", ok, "Origin", "http://" + address, "Origin", "http://evil.example"}, 403, ""},
		{"/v1/tail?collection=climate", []string{"Authorization", ok, "Origin", "http://evil.example"}, 403, ""},
		{"/v1/id", []string{"Authorization", ok, "Sec-Fetch-Site", "cross-site"}, 403, ""},
		{"/v1/id", []string{"Authorization", ok, "Sec-Fetch-Site", "same-site"}, 403, ""},
		{"/v1/id", []string{"Authorization", ok, "Sec-Fetch-Site", "none"}, 200, ""},
	} {
		status, header, body := r.ask(t, test.path, test.headers...)
		if status != test.status || !strings.Contains(body, test.text) {
			t.Errorf("%s %q: %d %s, want %d with %q", test.path, test.headers, status, body, test.status, test.text)
		}
		if header.Get("Access-Control-Allow-Origin") != "" || strings.Contains(body, r.token) {
			t.Errorf("%s %q: headers %v, %s", test.path, test.headers, header, body)
		}
		if status == 401 && !strings.HasPrefix(header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: headers %v", test.path, header)
		}
	}
	_, _, shown := r.ask(t, "/metrics", r.bearer()...)
	for _, line := range []string{`{reason="host"} 5`, `{reason="origin"} 7`, `{reason="token"} 8`} {
		if !strings.Contains(shown, "skerry_api_refused_total"+line) {
			t.Errorf("no %s in %s", line, shown)
		}
	}
}

// TestTCP_guesses: after some wrong tokens of an address the right one is not even looked at for a while.
func TestTCP_guesses(t *testing.T) {
	r := serveTCP(t, newMemory(), api.Options{}, api.TCPConfig{})
	last := 0
	for i := range api.MaxGuesses + 1 {
		last, _, _ = r.ask(t, "/v1/id", "Authorization", fmt.Sprintf("Bearer wrong-%d", i))
		if i < api.MaxGuesses && last != 401 {
			t.Fatalf("guess %d: %d", i, last)
		}
	}
	if last != 429 {
		t.Errorf("one guess too many: %d, want 429", last)
	}
	status, header, body := r.ask(t, "/v1/id", r.bearer()...)
	if status != 429 || header.Get("Retry-After") == "" || !strings.Contains(body, `"code":"too_many_guesses"`) {
		t.Errorf("the token after guesses: %d %v %s", status, header, body)
	}
	if status, _, _ := r.ask(t, "/healthz"); status != 200 {
		t.Errorf("/healthz: %d", status)
	}
	if trouble := r.door.Troubles(); trouble.Guessing != "127.0.0.1" || trouble.GuessingSince.IsZero() {
		t.Errorf("troubles: %+v", trouble)
	}
}

func TestTCP_tokenFile(t *testing.T) {
	r := serveTCP(t, newMemory(), api.Options{}, api.TCPConfig{})
	info, err := os.Stat(r.file)
	if err != nil || info.Mode().Perm() != 0o600 || len(r.token) < 40 {
		t.Errorf("the token made: %v, %v, %d characters", info, err, len(r.token))
	}
	if trouble := r.door.Troubles(); trouble != (api.DoorTroubles{}) {
		t.Errorf("troubles: %+v", trouble)
	}
	if err := os.WriteFile(r.file+".new", []byte("another-token-of-the-users\nsecond line\n"), 0o604); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(r.file+".new", 0o604); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(r.file+".new", r.file); err != nil {
		t.Fatal(err)
	}
	until(t, "the new token holds", func() bool {
		status, _, _ := r.ask(t, "/v1/id", "Authorization", "Bearer another-token-of-the-users")
		return status == 200
	})
	if status, _, _ := r.ask(t, "/v1/id", r.bearer()...); status != 401 {
		t.Errorf("the old token: %d", status)
	}
	if trouble := r.door.Troubles(); trouble.TokenReadable != r.file {
		t.Errorf("troubles: %+v", trouble)
	}
	if err := os.WriteFile(r.file, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the short token is refused", func() bool { return r.door.Troubles().Files != nil })
	if status, _, _ := r.ask(t, "/v1/id", "Authorization", "Bearer another-token-of-the-users"); status != 200 {
		t.Errorf("the token before the faulty one: %d", status)
	}
}

// until waits for something that may take the door a second.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for !so() {
		select {
		case <-deadline:
			t.Fatalf("not so in 10 s: %s", what)
		case <-time.After(200 * time.Millisecond): // guesses are counted
		}
	}
}

func TestListenTCP_refuses(t *testing.T) {
	dir := t.TempDir()
	short := filepath.Join(dir, "short")
	if err := os.WriteFile(short, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // nobody came
	token := filepath.Join(dir, "token")
	for _, test := range []struct {
		c    api.TCPConfig
		key  string
		text string
		is   error
	}{
		{api.TCPConfig{Address: "127.0.0.1:0", TokenFile: short}, "token_file", "6 characters", nil},
		{api.TCPConfig{Address: "127.0.0.1:0", TokenFile: filepath.Join(dir, "none", "x")}, "token_file", "no such", fs.ErrNotExist},
		{api.TCPConfig{Address: "127.0.0.1:0", TokenFile: dir}, "token_file", "is a directory", nil},
		{api.TCPConfig{Address: "127.0.0.1:0", TokenFile: token, CertFile: short, KeyFile: short}, "cert_file", "no certificate", nil},
		{api.TCPConfig{Address: "127.0.0.1:0", TokenFile: token, CertFile: token, KeyFile: filepath.Join(dir, "none")}, "key_file", "no such", fs.ErrNotExist},
		{api.TCPConfig{Address: taken.Addr().String(), TokenFile: token}, "listen", "in use", syscall.EADDRINUSE},
	} {
		_, err := api.ListenTCP(t.Context(), test.c)
		refused, ok := errors.AsType[*api.DoorError](err)
		if !ok || refused.Key != test.key || !strings.Contains(err.Error(), test.text) || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%+v: got %v, want %s: %s", test.c, err, test.key, test.text)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
}

// TestTCP_strangersHoldFewPlaces: connections that say nothing, of one address, leave room for others, and end.
func TestTCP_strangersHoldFewPlaces(t *testing.T) {
	r := serveTCP(t, newMemory(), api.Options{}, api.TCPConfig{})
	conns := make([]net.Conn, api.MaxOfAddress)
	for i := range conns {
		conn, err := net.Dial("tcp", r.door.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		conns[i] = conn
		if _, err := io.WriteString(conn, "GET /v1/id HTTP/1.1\r\nHost:"); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "one more is closed", func() bool {
		one, err := net.Dial("tcp", r.door.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer one.Close() //nolint:errcheck // likewise
		_ = one.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.WriteString(one, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		_, err = one.Read(make([]byte, 1))
		return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
	})
	for _, conn := range conns { // slow ones are cut off after 5 s
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a connection that sends no request stays open")
		}
	}
	until(t, "there is room again", func() bool {
		conn, err := net.Dial("tcp", r.door.Addr().String())
		if err != nil {
			return false
		}
		defer conn.Close() //nolint:errcheck // only read
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		line, _ := bufio.NewReader(conn).ReadString('\n')
		return strings.Contains(line, "200")
	})
}

// TestTCP_garbage: what is no HTTP is answered shortly, or not, and nothing breaks.
func TestTCP_garbage(t *testing.T) {
	pair, _ := certificates(t)
	for name, c := range map[string]api.TCPConfig{"plain": {}, "tls": {CertFile: pair.CertFile, KeyFile: pair.KeyFile}} {
		r := serveTCP(t, newMemory(), api.Options{}, c)
		var asking sync.WaitGroup
		for _, text := range []string{
			"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x10\x0e\x00\x04MQTT\x04\x02\x00<\x00\x02ab", "\x00\x00\x00\x00", "SSH-2.0-x\r\n",
			"GET / HTTP/1.1\r\n\r\n", "GET /v1/id HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET /v1/id HTTP/0.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
			"GET http://evil.example/v1/id HTTP/1.1\r\nHost: localhost\r\n\r\n", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
			"POST /v1/id HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", strings.Repeat("A", 64<<10),
			"GET /v1/id HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
		} {
			asking.Go(func() {
				conn, err := net.Dial("tcp", r.door.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
				_, _ = io.WriteString(conn, text)
				answer, err := io.ReadAll(conn)
				if errors.Is(err, os.ErrDeadlineExceeded) || strings.HasPrefix(string(answer), "HTTP/1.1 200") {
					t.Errorf("%s, %.40q: %q, %v", name, text, answer, err)
				}
				_ = conn.Close()
			})
		}
		asking.Wait()
		r.stop()
	}
}

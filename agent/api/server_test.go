package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/sensors"
)

func TestServer_badRequests(t *testing.T) {
	socket, _ := serve(t, newMemory(), api.Options{})
	for path, want := range map[string]int{
		"/v1/query":               400,
		"/v1/query?collection=":   400,
		"/v1/query?collection=_x": 400,
		"/v1/query?collection=climate&collection=empty":                        400,
		"/v1/query?collection=climate&from=yesterday":                          400,
		"/v1/query?collection=climate&from=0001-01-01T00:00:00Z":               400,
		"/v1/query?collection=climate&from=1950-01-01T00:00:00Z":               200,
		"/v1/query?collection=climate&to=1950-01-01T00:00:00Z":                 400,
		"/v1/query?collection=climate&to=1970-01-01T00:00:00Z":                 400,
		"/v1/query?collection=climate&to=2300-01-01T00:00:00Z":                 400,
		"/v1/query?collection=climate&tag=room":                                400,
		"/v1/query?collection=climate&tag=":                                    400,
		"/v1/query?collection=climate&tag=%3Dx":                                400,
		"/v1/query?collection=climate&tag=a%3D1&tag=b%3D2":                     200,
		"/v1/query?collection=climate" + strings.Repeat("&tag=a%3Db", 65):      400,
		"/v1/query?collection=climate&limit=-1":                                400,
		"/v1/query?collection=climate&limit=99999999999999999999":              400,
		"/v1/query?collection=climate&limit=1.5":                               400,
		"/v1/query?collection=climate&newest=maybe":                            400,
		"/v1/query?collection=climate&series=%FF":                              400,
		"/v1/query?collection=climate&series=%ZZ":                              400,
		"/v1/query?collection=climate&series=" + strings.Repeat("x", 1025):     400,
		"/v1/query?collection=climate&From=2026-08-20T12:00:00Z":               400,
		"/v1/query?collection=nothing":                                         404,
		"/v1/tail?collection=nothing":                                          404,
		"/v1/tail":                                                             400,
		"/v1/tail?collection=climate&limit=1":                                  400,
		"/v1/blocks":                                                           400,
		"/v1/blocks?collection=nothing":                                        404,
		"/v1/blocks?collection=climate&from=2026-01-01T00:00:00Z":              400,
		"/v1/blocks?collection=climate":                                        200,
		"/v1/verify?progress=maybe":                                            400,
		"/v1/query?collection=climate&types=maybe":                             400,
		"/v1/query?collection=climate&types=true":                              200,
		"/v1/status?x=1":                                                       400,
		"/v1/nothing":                                                          404,
		"/v1/status/":                                                          404,
		"/":                                                                    404,
		"/metrics":                                                             404, // none were given
		"/healthz":                                                             200,
		"/readyz":                                                              200,
		"/v1/query?collection=climate&from=2026-08-20T12:00:00%2B02:00":        200,
		"/v1/query?collection=climate&series=" + strings.Repeat("%C3%A9", 512): 200,
	} {
		got, body := get(t, socket, "http://skerry"+path)
		if got != want {
			t.Errorf("%.80s: status %d, want %d: %.200s", path, got, want, body)
		}
		if want/100 == 4 && !strings.Contains(body, `"error":`) {
			t.Errorf("%.80s: no error in %q", path, body)
		}
	}
}

func TestServer_hugeHeader(t *testing.T) {
	socket, _ := serve(t, newMemory(), api.Options{})
	client := dial(t, socket)
	// The server answers 431 and closes; a client that is still writing may see only that.
	if _, err := client.Query(t.Context(), api.Query{Collection: "climate", Series: strings.Repeat("x", 64<<10)}); err == nil {
		t.Error("no error")
	}
	if _, err := client.Query(t.Context(), api.Query{Collection: "climate"}); err != nil {
		t.Errorf("the next request: %v", err)
	}
}

func TestServer_methodsAndBodies(t *testing.T) {
	socket, _ := serve(t, newMemory(), api.Options{})
	for _, test := range []struct {
		request string
		want    string
	}{
		{"POST /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "405"},
		{"DELETE /v1/query?collection=climate HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
		{"GET /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "400"},
		{"GET /v1/status HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n", "400"},
		{"rubbish\r\n\r\n", "400"},
	} {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, test.request); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 "+test.want) {
			t.Errorf("%q: got %q, %v, want %s", test.request, line, err, test.want)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestServer_ready(t *testing.T) {
	ready := make(chan error, 2)
	ready <- errors.New("the store opens")
	ready <- nil
	socket, _ := serve(t, newMemory(), api.Options{Ready: func() error { return <-ready }})
	code, body := get(t, socket, "http://skerry/readyz")
	if code != http.StatusServiceUnavailable || !strings.Contains(body, "the store opens") || !strings.Contains(body, `"not_ready"`) {
		t.Errorf("not ready: %d %s", code, body)
	}
	if code, body := get(t, socket, "http://skerry/readyz"); code != http.StatusOK {
		t.Errorf("ready: %d %s", code, body)
	}
}

func TestServer_streamsAreBounded(t *testing.T) {
	metrics := api.NewMetrics()
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics)
	socket, _ := serve(t, newMemory(), api.Options{Metrics: metrics, Prometheus: promhttp.HandlerFor(registry, promhttp.HandlerOpts{})})
	client := dial(t, socket)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var open []api.Rows
	for range api.MaxStreams {
		rows, err := client.Tail(ctx, api.Query{Collection: "climate"})
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, rows)
	}
	if _, err := client.Query(t.Context(), api.Query{Collection: "climate"}); !errors.Is(err, api.ErrBusy) {
		t.Errorf("one stream more: got %v, want ErrBusy", err)
	}
	_, body := get(t, socket, "http://skerry/metrics")
	for _, want := range []string{
		fmt.Sprintf("skerry_api_streams %d\n", api.MaxStreams), `skerry_api_refused_total{reason="streams"} 1`, `skerry_api_requests_total{code="503",route="/v1/query"} 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	cancel()
	for _, rows := range open {
		for range rows.Seq {
		}
	}
	for { // the server notices a moment later
		_, err := client.Query(t.Context(), api.Query{Collection: "climate"})
		if err == nil {
			return
		}
		if !errors.Is(err, api.ErrBusy) {
			t.Fatal(err)
		}
	}
}

func TestServer_connectionsAreBounded(t *testing.T) {
	metrics := api.NewMetrics()
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics)
	socket, _ := serve(t, newMemory(), api.Options{Metrics: metrics, Prometheus: promhttp.HandlerFor(registry, promhttp.HandlerOpts{})})
	var conns []net.Conn
	for range api.MaxConnections {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	extra, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	if err := extra.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := extra.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("one connection more: read %d, %v, want EOF", n, err)
	}
	for _, conn := range append(conns, extra) {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	client := dial(t, socket)
	_, err = client.ID(t.Context())
	for errors.Is(err, api.ErrUnreachable) && t.Context().Err() == nil { // the server notices a moment later
		_, err = client.ID(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, socket, "http://skerry/metrics"); strings.Contains(body, `skerry_api_refused_total{reason="connections"} 0`) {
		t.Errorf("nothing was counted as refused in\n%s", body)
	}
}

// verifying is a backend whose Verify waits.
type verifying struct {
	api.Backend
	began, end chan struct{}
}

func (v verifying) Verify(context.Context, func(api.Progress)) (api.Verification, error) {
	v.began <- struct{}{}
	<-v.end
	return api.Verification{OK: true}, nil
}

func TestServer_verifiesForOneAtATime(t *testing.T) {
	backend := verifying{began: make(chan struct{}), end: make(chan struct{})}
	socket, _ := serve(t, backend, api.Options{})
	client := dial(t, socket)
	first := make(chan error, 1)
	go func() {
		_, err := client.Verify(context.Background(), nil)
		first <- err
	}()
	<-backend.began
	if _, err := client.Verify(t.Context(), nil); !errors.Is(err, api.ErrBusy) {
		t.Errorf("a second one: got %v, want ErrBusy", err)
	}
	close(backend.end)
	if err := <-first; err != nil {
		t.Errorf("the first one: %v", err)
	}
}

func TestServer_readerGoesAway(t *testing.T) {
	one := row(t, strings.Repeat("x", 1000))
	ended := make(chan error, 1)
	backend := scripted{query: func(ctx context.Context, _ api.Query) (api.Rows, error) {
		return api.Rows{Precision: sensors.Milliseconds, Seq: func(yield func(sensors.Row, error) bool) {
			for yield(one, nil) { // for ever
			}
			<-ctx.Done()
			ended <- ctx.Err()
		}}, nil
	}}
	socket, _ := serve(t, backend, api.Options{})
	rows, err := dial(t, socket).Query(t.Context(), api.Query{Collection: "c"})
	if err != nil {
		t.Fatal(err)
	}
	for range rows.Seq {
		break
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the query's context to end", err)
	}
}

func TestClient_brokenOff(t *testing.T) {
	line := `{"time":"2026-08-20T12:00:00.000Z","series":"s","tags":{},"value":1,"unit":"","author":"A"}`
	for name, test := range map[string]struct {
		body string
		rows int
		want error
	}{
		"between lines":  {"62\r\n", 0, api.ErrBrokenOff},
		"in a line":      {"10\r\n" + line[:16], 0, api.ErrBrokenOff},
		"after a line":   {fmt.Sprintf("%x\r\n%s\n\r\n", len(line)+1, line), 1, api.ErrBrokenOff},
		"without an end": {fmt.Sprintf("%x\r\n%s\n{\r\n0\r\n\r\n", len(line)+2, line), 1, api.ErrBrokenOff},
		"a huge line":    {fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", 2<<20, strings.Repeat("x", 2<<20)), 0, bufio.ErrTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			socket := socketPath(t)
			listener, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan struct{})
			go func() {
				defer close(served)
				conn, err := listener.Accept()
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					t.Error(err)
				}
				head := "HTTP/1.1 200 OK\r\nSkerry-Precision: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
				_, _ = io.WriteString(conn, head+test.body) // the client may go away
				if err := errors.Join(conn.Close(), listener.Close()); err != nil {
					t.Error(err)
				}
			}()
			rows, err := dial(t, socket).Query(t.Context(), api.Query{Collection: "c"})
			if err != nil {
				t.Fatal(err)
			}
			count := 0
			var last error
			for _, last = range rows.Seq {
				if last == nil {
					count++
				}
			}
			if count != test.rows || !errors.Is(last, test.want) {
				t.Errorf("got %d rows and %v, want %d and %v", count, last, test.rows, test.want)
			}
			<-served
		})
	}
}

func BenchmarkClient_Query(b *testing.B) {
	series, err := sensors.NewTable().Intern(sensors.Series{Name: "temperature", Unit: "°C", Type: sensors.Float, Tags: []sensors.Tag{{Key: "source", Value: "weather"}}})
	if err != nil {
		b.Fatal(err)
	}
	one := sensors.Row{Reading: sensors.Reading{Series: series, Time: 1_787_227_200_123_000_000, Num: 0x4035800000000000}, Author: "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"}
	backend := scripted{query: func(context.Context, api.Query) (api.Rows, error) {
		return api.Rows{Precision: sensors.Milliseconds, Seq: func(yield func(sensors.Row, error) bool) {
			for yield(one, nil) {
			}
		}}, nil
	}}
	socket := b.TempDir() + "/s"
	listener, err := api.ListenUnix(b.Context(), socket)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- api.NewServer(backend, api.Options{}).Serve(ctx, listener) }()
	rows, err := api.Dial(socket).Query(b.Context(), api.Query{Collection: "c"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	left := b.N
	for _, err := range rows.Seq {
		if err != nil {
			b.Fatal(err)
		}
		if left--; left <= 0 {
			break
		}
	}
	b.StopTimer()
	cancel()
	if err := <-served; err != nil {
		b.Fatal(err)
	}
}

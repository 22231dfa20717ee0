package api_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/api/apitest"
	"github.com/skerry-edge/skerry/sensors"
)

// newMemory returns a backend with two collections.
func newMemory() *apitest.Memory {
	m := apitest.NewMemory(api.ID{Name: "gate", Peer: "12D3KooWGate", Fingerprint: "ab cd"})
	m.Configure("climate", sensors.Milliseconds)
	m.Configure("empty", sensors.Milliseconds)
	return m
}

// socketPath returns a path that is short enough for a socket.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "skerry") //nolint:usetesting // t.TempDir's paths are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "s")
}

// serve serves backend on a new socket until stop is called or the test ends.
func serve(t *testing.T, backend api.Backend, options api.Options) (socket string, stop func()) {
	t.Helper()
	socket = socketPath(t)
	listener, err := api.ListenUnix(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- api.NewServer(backend, options).Serve(ctx, listener) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return socket, stop
}

func dial(t *testing.T, socket string) *api.Client {
	t.Helper()
	client := api.Dial(socket)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func TestClient_contract(t *testing.T) {
	apitest.Run(t, func(t *testing.T) apitest.Subject {
		t.Helper()
		m := newMemory()
		socket, _ := serve(t, m, api.Options{})
		return apitest.Subject{
			Backend: dial(t, socket), Collection: "climate", Empty: "empty", Table: sensors.NewTable(), Add: m.Add,
			Source: "weather", Tally: m.Source("weather"),
		}
	})
}

func TestClient_unreachable(t *testing.T) {
	socket := socketPath(t)
	_, err := dial(t, socket).Status(t.Context())
	unreachable, ok := errors.AsType[*api.UnreachableError](err)
	if !ok || !errors.Is(err, api.ErrUnreachable) || unreachable.Socket != socket {
		t.Fatalf("got %v, want an UnreachableError", err)
	}
	if !strings.Contains(err.Error(), socket) || !strings.Contains(unreachable.Hint(), "skerry run") {
		t.Errorf("got %q, hint %q", err, unreachable.Hint())
	}

	// A socket that takes connections and never answers.
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := dial(t, socket).Status(ctx); !errors.Is(err, api.ErrUnreachable) {
		t.Errorf("a silent socket: got %v, want ErrUnreachable", err)
	}
}

// scripted is a backend whose streams are scripted.
type scripted struct {
	api.Backend
	query func(context.Context, api.Query) (api.Rows, error)
	err   error
}

func (s scripted) Query(ctx context.Context, q api.Query) (api.Rows, error) { return s.query(ctx, q) }

func (s scripted) Status(context.Context) (api.Status, error) { return api.Status{}, s.err }

func row(t *testing.T, value string) sensors.Row {
	t.Helper()
	series, err := sensors.NewTable().Intern(sensors.Series{Name: "s", Type: sensors.String})
	if err != nil {
		t.Fatal(err)
	}
	return sensors.Row{Reading: sensors.Reading{Series: series, Str: value}, Author: "A"}
}

func TestClient_errorsSurviveTheWire(t *testing.T) {
	one := row(t, "x")
	for _, want := range []error{
		api.ErrSlowReader, api.ErrStopping, fmt.Errorf("deeper: %w", api.ErrSlowReader), errors.New("disk on fire"), &api.NoCollectionError{Name: "x", Known: []string{"y"}},
	} {
		backend := scripted{err: want, query: func(context.Context, api.Query) (api.Rows, error) {
			return api.Rows{Precision: sensors.Milliseconds, Seq: func(yield func(sensors.Row, error) bool) {
				if yield(one, nil) {
					yield(sensors.Row{}, want)
				}
			}}, nil
		}}
		socket, _ := serve(t, backend, api.Options{})
		client := dial(t, socket)
		rows, err := client.Query(t.Context(), api.Query{Collection: "c"})
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		var last error
		for _, last = range rows.Seq {
			count++
		}
		_, statusErr := client.Status(t.Context())
		for _, got := range []error{last, statusErr} {
			if got == nil || got.Error() != want.Error() || count != 2 {
				t.Errorf("got %d elements and %q, want 2 and %q", count, got, want)
			}
			for _, kind := range []error{api.ErrSlowReader, api.ErrStopping, api.ErrNoCollection} {
				if errors.Is(got, kind) != errors.Is(want, kind) {
					t.Errorf("%v is %v: %v, want %v", got, kind, errors.Is(got, kind), errors.Is(want, kind))
				}
			}
		}
	}
}

func TestServer_stopEndsStreams(t *testing.T) {
	m := newMemory()
	socket, stop := serve(t, m, api.Options{})
	rows, err := dial(t, socket).Tail(t.Context(), api.Query{Collection: "climate"})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	stop()
	var last error
	for _, last = range rows.Seq {
	}
	if !errors.Is(last, api.ErrStopping) {
		t.Errorf("got %v, want ErrStopping", last)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("stopping took %v", took)
	}
	if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestServer_tailSlowReader(t *testing.T) {
	m := newMemory()
	socket, _ := serve(t, m, api.Options{})
	rows, err := dial(t, socket).Tail(t.Context(), api.Query{Collection: "climate"})
	if err != nil {
		t.Fatal(err)
	}
	reading := row(t, strings.Repeat("x", 1000)).Reading
	batch := make([]sensors.Reading, 500)
	for i := range batch {
		batch[i] = reading
	}
	for range 20 { // 10 MB: more than the socket, both ends' buffers and the tail's 1,024 rows hold
		if err := m.Add(t.Context(), "climate", batch); err != nil {
			t.Fatal(err)
		}
	}
	var last error
	for _, last = range rows.Seq {
	}
	if !errors.Is(last, api.ErrSlowReader) {
		t.Errorf("got %v, want ErrSlowReader", last)
	}
}

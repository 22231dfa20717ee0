package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/api/apitest"
	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/identity"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
	"github.com/skerry-edge/skerry/sensors/serial/serialtest"
	"github.com/skerry-edge/skerry/store"
)

// gateway is a folder with a configuration and an identity.
type gateway struct{ dir string }

func newGateway(t *testing.T, text string) gateway {
	t.Helper()
	dir := t.TempDir()
	if _, err := identity.Create(filepath.Join(dir, identity.FileName)); err != nil {
		t.Fatal(err)
	}
	head := "[gateway]\nname = \"test\"\ntrust_clock = true\n"
	if err := os.WriteFile(filepath.Join(dir, config.FileName), []byte(head+text), 0o600); err != nil {
		t.Fatal(err)
	}
	return gateway{dir}
}

// start runs an agent; stop ends it and fails the test when it did not end well.
func (g gateway) start(t *testing.T) (started *Agent, stop func()) {
	t.Helper()
	cfg, _, err := config.Load(filepath.Join(g.dir, config.FileName))
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(t.Context(), Options{Config: cfg, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- a.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := errors.Join(<-ran, a.Close()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return a, stop
}

const twoSources = `
[mqtt.broker]
listen = "127.0.0.1:0"
[[collection]]
name = "climate"
[[source.mqtt]]
name = "meters"
broker = "inside"
topics = ["site/{site}/{sensor}"]
format = "json"
collection = "climate"
[[source.serial]]
name = "weather"
device = %q
format = "keyvalue"
collection = "climate"
`

// TestAgent_line takes readings by MQTT and over a serial line, restarts, and finds all of them.
func TestAgent_line(t *testing.T) {
	port := serialtest.New(t)
	g := newGateway(t, fmt.Sprintf(twoSources, port.Path))
	a, stop := g.start(t)
	tailCtx, endTail := context.WithTimeout(t.Context(), 20*time.Second)
	defer endTail()
	tail, err := a.Tail(tailCtx, api.Query{Collection: "climate"})
	if err != nil {
		t.Fatal(err)
	}

	result, err := mqtttest.Load{
		Options: mqtttest.Options{Addr: a.BrokerAddr().String(), Window: 50}, Clients: 4, QoS: 1, Messages: 400,
		Topic:   func(client int) string { return fmt.Sprintf("site/home/meter-%d", client) },
		Payload: []byte(`{"power":21.5,"on":true}`),
	}.Run(t.Context())
	if err != nil || result.Acked != 400 {
		t.Fatalf("%d acknowledged: %v", result.Acked, err)
	}
	port.Plug()
	port.Write("temp=21.5 hum=40\r\nnonsense\r\ntemp=21.6 hum=41\r\n")

	const want = 400*2 + 4
	seen := 0
	for _, err := range tail.Seq {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == want {
			break
		}
	}
	if seen != want {
		t.Fatalf("tail showed %d rows, want %d", seen, want)
	}
	status := stored(tailCtx, t, a, want)
	if in := status.Parts.Ingest; in.Decoded != want || in.Stored != want || in.Lost != 0 {
		t.Errorf("ingest %+v, want %d decoded and stored", in, want)
	}
	for _, s := range status.Parts.Sources {
		var rejected uint64
		for _, n := range s.Rejected {
			rejected += n
		}
		if s.Offered != s.Decoded+rejected+s.Repeats {
			t.Errorf("source %s: %d offered, %d decoded, %d rejected, %d repeats", s.Name, s.Offered, s.Decoded, rejected, s.Repeats)
		}
	}
	stop()

	offline, err := OpenOffline(t.Context(), g.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer offline.Close() //nolint:errcheck // read only
	if n := countRows(t, offline, api.Query{Collection: "climate"}); n != want {
		t.Errorf("%d rows after the stop, want %d", n, want)
	}
	if n := countRows(t, offline, api.Query{Collection: "climate", Tags: []sensors.Tag{{Key: "source", Value: "weather"}}}); n != 4 {
		t.Errorf("%d rows of the serial line, want 4", n)
	}
	verified, err := offline.Verify(t.Context(), nil)
	if err != nil || !verified.OK {
		t.Errorf("verify: %+v, %v", verified, err)
	}
}

// stored returns the status once so many readings are counted as stored: a tail shows readings a moment before.
func stored(ctx context.Context, t *testing.T, a *Agent, want uint64) api.Status {
	t.Helper()
	for {
		status, err := a.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if status.Parts.Ingest.Stored >= want {
			return status
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d readings are stored, want %d", status.Parts.Ingest.Stored, want)
		case <-time.After(time.Millisecond):
		}
	}
}

func countRows(t *testing.T, b api.Backend, q api.Query) int {
	t.Helper()
	rows, err := b.Query(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range rows.Seq {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// TestAgent_secondIsRefused: one agent a store; the second names the first.
func TestAgent_secondIsRefused(t *testing.T) {
	g := newGateway(t, "")
	g.start(t)
	cfg, _, err := config.Load(filepath.Join(g.dir, config.FileName))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Options{Config: cfg, Log: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Fatalf("second agent: %v", err)
	}
	if _, err := OpenOffline(t.Context(), g.dir); !errors.Is(err, ErrLocked) {
		t.Fatalf("folder opened beside an agent: %v", err)
	}
}

// TestOpen_givesPortsBack: an agent that cannot have its socket takes no port either.
func TestOpen_givesPortsBack(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := taken.Addr().String()
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, fmt.Sprintf("[mqtt.broker]\nlisten = %q\n[api]\nsocket = \"skerry.toml\"\n", address))
	cfg, _, err := config.Load(filepath.Join(g.dir, config.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Config: cfg, Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Fatal("an agent listens on a file that is no socket")
	}
	if taken, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	if err := taken.Close(); err != nil {
		t.Error(err)
	}
}

// TestAgent_stopsWithItsDoor: when nobody can ask it any more, it stops as it should, and says why.
func TestAgent_stopsWithItsDoor(t *testing.T) {
	g := newGateway(t, "")
	cfg, _, err := config.Load(filepath.Join(g.dir, config.FileName))
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(t.Context(), Options{Config: cfg, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.now.Load().socket.close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "serve api") {
		t.Errorf("run ended with %v", err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// TestAgent_copiedFolderOpensNewFeeds: a copy must not go on with the feeds of its origin.
func TestAgent_copiedFolderOpensNewFeeds(t *testing.T) {
	g := newGateway(t, fmt.Sprintf(twoSources, "/dev/serial/by-id/none"))
	publish := func(g gateway) {
		a, stop := g.start(t)
		result, err := mqtttest.Load{
			Options: mqtttest.Options{Addr: a.BrokerAddr().String()}, Clients: 1, QoS: 1, Messages: 3,
			Topic: func(int) string { return "site/home/m" }, Payload: []byte(`{"v":1}`),
		}.Run(t.Context())
		if err != nil || result.Acked != 3 {
			t.Fatalf("%d acknowledged: %v", result.Acked, err)
		}
		stop()
	}
	publish(g)
	copied := gateway{filepath.Join(t.TempDir(), "copy")}
	if err := os.CopyFS(copied.dir, os.DirFS(g.dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(copied.dir, identity.FileName), 0o600); err != nil {
		t.Fatal(err)
	}
	publish(copied)
	publish(g)
	feeds := func(g gateway) int {
		offline, err := OpenOffline(t.Context(), g.dir)
		if err != nil {
			t.Fatal(err)
		}
		defer offline.Close() //nolint:errcheck // read only
		if n := countRows(t, offline, api.Query{Collection: "climate"}); n != 6 {
			t.Errorf("%d rows, want 6", n)
		}
		return offline.db.Feeds("climate")
	}
	if n := feeds(g); n != 2 {
		t.Errorf("the origin has %d feeds, want its 2", n)
	}
	if n := feeds(copied); n != 4 {
		t.Errorf("the copy has %d feeds, want 2 of its origin and 2 of its own", n)
	}
}

// TestAgent_metrics: the door shows every part's sums.
func TestAgent_metrics(t *testing.T) {
	g := newGateway(t, fmt.Sprintf(twoSources, "/dev/serial/by-id/none"))
	a, _ := g.start(t)
	server := a.prometheus(api.NewMetrics())
	w := httptest.NewRecorder()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	server.ServeHTTP(w, request)
	for _, name := range []string{
		"skerry_ingest_stored_readings_total", `skerry_ingest_lost_readings_total{reason="queue_full"}`,
		`skerry_source_connected{source="weather"} 0`, "skerry_broker_acked_messages_total",
		"skerry_broker_dropped_messages_total", "skerry_store_journal_bytes",
	} {
		if !strings.Contains(w.Body.String(), name) {
			t.Errorf("no metric %s", name)
		}
	}
}

// TestAgent_keepsTheBackendsPromises runs the contract of api.Backend on a real agent.
func TestAgent_keepsTheBackendsPromises(t *testing.T) {
	apitest.Run(t, func(t *testing.T) apitest.Subject {
		t.Helper()
		g := newGateway(t, `
[mqtt.broker]
listen = "127.0.0.1:0"
[[collection]]
name = "climate"
seal = "fast"
[[collection]]
name = "empty"
[[source.mqtt]]
name = "weather"
broker = "inside"
topics = ["weather"]
format = "json"
collection = "empty"
`)
		a, _ := g.start(t)
		return apitest.Subject{
			Backend: a, Collection: "climate", Empty: "empty", Table: a.line.table, Source: "weather", Tally: a.now.Load().inputs[0].route.Tally,
			Add: func(ctx context.Context, collection string, readings []sensors.Reading) error {
				done := make(chan error, 1)
				// The pipeline may reorder what it is given; the suite goes on with its own.
				batch := sensors.Batch{Source: "test", Collection: collection, Readings: slices.Clone(readings)}
				if err := a.pipeline.Add(ctx, batch, func(err error) { done <- err }); err != nil {
					return err
				}
				return <-done
			},
		}
	})
}

// TestSeen_isOfOneSource: the latest message of a packet id counts, and other sources' do not.
func TestSeen_isOfOneSource(t *testing.T) {
	s := newSeen([]store.Origin{
		{Source: "a", Origin: sensors.Origin{Client: "tcp://x", PacketID: 7, Hash: 1}},
		{Source: "a", Origin: sensors.Origin{Client: "tcp://x", PacketID: 7, Hash: 2}},
		{Source: "b", Origin: sensors.Origin{Client: "tcp://x", PacketID: 8, Hash: 3}},
	}, "a")
	for _, c := range []struct {
		source, client string
		id             uint16
		hash           uint64
		want           bool
	}{
		{"a", "tcp://x", 7, 2, true},
		{"a", "tcp://x", 7, 1, false},
		{"a", "tcp://y", 7, 2, false},
		{"b", "tcp://x", 8, 3, false},
		{"a", "tcp://x", 8, 3, false},
	} {
		if got := s.Journalled(c.source, c.client, c.id, c.hash); got != c.want {
			t.Errorf("%+v: got %t", c, got)
		}
	}
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
	"github.com/skerry-edge/skerry/sensors/serial/serialtest"
)

// reload writes the configuration and lets the agent take it.
func (g gateway) reload(t *testing.T, a *Agent, text string) ([]string, error) {
	t.Helper()
	head := "[gateway]\nname = \"test\"\ntrust_clock = true\n"
	if strings.HasPrefix(text, "[gateway]") {
		head = ""
	}
	if err := os.WriteFile(filepath.Join(g.dir, config.FileName), []byte(head+text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(filepath.Join(g.dir, config.FileName))
	if err != nil {
		t.Fatal(err)
	}
	return a.Reload(t.Context(), cfg)
}

// variant is a configuration whose sources meters and weather, and whose broker, are always the same, and nothing else.
func variant(i int, device string) string {
	text := fmt.Sprintf(`
[mqtt.broker]
listen = "127.0.0.1:0"
[store]
durability = %q
interval = "1s"
ack_max_wait = "20ms"
[[collection]]
name = "climate"
max_readings = %d
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
[[source.mqtt]]
name = "changing"
broker = "inside"
topics = ["changing/{x}"]
format = "json"
collection = "climate"
tags = { round = "%d" }
`, []string{"sync", "interval"}[i/3%2], 100+i%7*300, device, i)
	if i%3 == 1 {
		text += fmt.Sprintf("[[collection]]\nname = \"spare-%d\"\n[[source.mqtt]]\nname = \"spare\"\nbroker = \"inside\"\ntopics = [\"site/#\"]\nformat = \"json\"\ncollection = \"spare-%[1]d\"\n", i%5)
	}
	if i%2 == 1 {
		text += "[api]\nlisten = \"127.0.0.1:0\"\n"
	}
	if i%4 == 3 {
		text += "[[source.mqtt]]\nname = \"elsewhere\"\nbroker = \"tcp://127.0.0.1:1\"\ntopics = [\"a\"]\nformat = \"value\"\ncollection = \"climate\"\n"
	}
	return text
}

// publishing is clients that publish until they are told to stop. None of their connections may end.
type publishing struct {
	stop  chan struct{}
	done  sync.WaitGroup
	sent  [3]atomic.Uint64 // to site/…, to changing/…, in lines over the serial line
	fault atomic.Pointer[error]
}

func (p *publishing) failed(err error) { p.fault.CompareAndSwap(nil, &err) }

func (p *publishing) client(ctx context.Context, addr string, n int, qos byte, topic string, kind int) {
	acked := make(chan struct{}, 1)
	client, err := mqtttest.Dial(ctx, mqtttest.Options{
		Addr: addr, ClientID: fmt.Sprintf("p%d", n), Window: 20, OnAck: func(uint16) { p.sent[kind].Add(1) },
	})
	if err != nil {
		p.failed(err)
		return
	}
	close(acked)
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	for i := 0; ; i++ {
		select {
		case <-p.stop:
			if err := errors.Join(client.Drain(ctx), client.Disconnect()); err != nil {
				p.failed(fmt.Errorf("client %d at its end: %w", n, err))
			}
			<-client.Ended()
			return
		case <-client.Ended():
			p.failed(fmt.Errorf("the connection of client %d ended", n))
			return
		case <-pace.C:
		}
		if _, err := client.Publish(topic, fmt.Appendf(nil, `{"n":%d}`, i), qos); err != nil {
			p.failed(fmt.Errorf("client %d: %w", n, err))
			return
		}
		if qos == 0 {
			p.sent[kind].Add(1)
		}
		if err := client.Flush(); err != nil {
			p.failed(fmt.Errorf("client %d: %w", n, err))
			return
		}
	}
}

// TestAgent_reloadsUnderLoad takes 50 configurations while 16 clients publish and a serial line delivers: every message and line is stored
// once, and no connection ends.
func TestAgent_reloadsUnderLoad(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	g := newGateway(t, variant(0, port.Path))
	a, stop := g.start(t)
	addr := a.BrokerAddr().String()
	p := &publishing{stop: make(chan struct{})}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for n := range 16 {
		topic, kind := fmt.Sprintf("site/home/m%d", n), 0
		if n%4 == 3 {
			topic, kind = fmt.Sprintf("changing/c%d", n), 1
		}
		p.done.Go(func() { p.client(ctx, addr, n, byte(n%2), topic, kind) })
	}
	connected := func() bool {
		i := slices.IndexFunc(a.now.Load().inputs, func(in *input) bool { return in.name == "weather" })
		return a.now.Load().inputs[i].status().State == "connected"
	}
	until(t, "the serial line is open", connected)
	p.done.Go(func() {
		pace := time.NewTicker(3 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-pace.C:
				port.Write("temp=21.5\r\n")
				p.sent[2].Add(1)
			}
		}
	})
	started := a.started
	until(t, "messages come", func() bool { return p.sent[0].Load() > 20 && p.sent[1].Load() > 20 || p.fault.Load() != nil })
	for i := 1; i <= 50; i++ {
		before, changed := p.sent[0].Load()+p.sent[1].Load(), p.sent[1].Load()
		if restart, err := g.reload(t, a, variant(i, port.Path)); err != nil || restart != nil {
			t.Fatalf("reload %d: %v, %v", i, restart, err)
		}
		until(t, "messages go on", func() bool {
			return p.sent[0].Load()+p.sent[1].Load() > before+150 && p.sent[1].Load() > changed+10 || p.fault.Load() != nil
		})
		if got := a.BrokerAddr().String(); got != addr || !connected() {
			t.Fatalf("reload %d: the broker listens on %s, before on %s; the serial line is open: %t", i, got, addr, connected())
		}
	}
	close(p.stop)
	p.done.Wait()
	if fault := p.fault.Load(); fault != nil {
		t.Fatal(*fault)
	}
	site, changing, lines := p.sent[0].Load(), p.sent[1].Load(), p.sent[2].Load()
	t.Logf("%d messages to what stays, %d to what changes, %d lines", site, changing, lines)
	stored(ctx, t, a, site+changing+lines)
	stop()

	offline, err := OpenOffline(t.Context(), g.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer offline.Close() //nolint:errcheck // read only
	for source, want := range map[string]uint64{"meters": site, "changing": changing, "weather": lines} {
		got := countRows(t, offline, api.Query{Collection: "climate", Tags: []sensors.Tag{{Key: "source", Value: source}}})
		if uint64(got) != want {
			t.Errorf("source %s: %d rows, want %d", source, got, want)
		}
	}
	for _, round := range []string{"0", "25", "50"} { // each configuration was at work
		if countRows(t, offline, api.Query{Collection: "climate", Tags: []sensors.Tag{{Key: "source", Value: "changing"}, {Key: "round", Value: round}}}) == 0 {
			t.Errorf("no rows of round %s", round)
		}
	}
	verified, err := offline.Verify(t.Context(), nil)
	if err != nil || !verified.OK {
		t.Errorf("verify: %+v, %v", verified, err)
	}
	if a.started != started {
		t.Error("the agent is another one")
	}
}

// until waits for something.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for !so() {
		select {
		case <-deadline:
			t.Fatalf("not so in 30 s: %s", what)
		case <-time.After(time.Millisecond):
		}
	}
}

// TestAgent_reloadReplacesPorts: ports that change hands are given back and taken again; one that is another's refuses the
// configuration, and everything is as before.
func TestAgent_reloadReplacesPorts(t *testing.T) {
	ports := freePorts(t, 2)
	first := fmt.Sprintf("[mqtt.broker]\nlisten = %q\n[api]\nlisten = %q\n", ports[0], ports[1])
	g := newGateway(t, first)
	a, _ := g.start(t)
	dial := func() *mqtttest.Client {
		t.Helper()
		client, err := mqtttest.Dial(t.Context(), mqtttest.Options{Addr: ports[0], ClientID: "c"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
	client := dial()
	if _, err := g.reload(t, a, strings.Replace(first, "[api]", "max_clients = 7\n[api]", 1)+"allow_hosts = [\"gate\"]\n"); err != nil {
		t.Fatal(err)
	}
	<-client.Ended()
	client = dial()
	if got := a.now.Load(); got.cfg.MQTT.Broker.MaxClients != 7 || got.tcp.madeOf.AllowHosts[0] != "gate" {
		t.Errorf("after the reload: %+v", got.cfg)
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // nobody came
	// The door's settings change on its own port, and then the broker's port is another's: the door has to open again as it was.
	_, err = g.reload(t, a, fmt.Sprintf("[mqtt.broker]\nlisten = %q\n[api]\nlisten = %q\nsocket = \"other.sock\"\n[[collection]]\nname = \"new\"\n", taken.Addr(), ports[1]))
	if err == nil || !strings.Contains(err.Error(), taken.Addr().String()) || !strings.Contains(err.Error(), "skerry.toml:5: mqtt.broker.listen") ||
		!strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("a port that is taken: %v", err)
	}
	select {
	case <-client.Ended():
		t.Error("the connection ended although the configuration was refused")
	default:
	}
	if got := a.now.Load(); got.tcp.madeOf.AllowHosts[0] != "gate" || got.tcp.task.over() || got.broker.task.over() || len(got.view.configured) != 0 {
		t.Errorf("after the refusal: %+v", got)
	}
	if _, err := os.Stat(filepath.Join(g.dir, "other.sock")); err == nil {
		t.Error("the socket of the refused configuration is still there")
	}

	if _, err := g.reload(t, a, "[api]\nsocket = \"other.sock\"\n"); err != nil {
		t.Fatal(err)
	}
	<-client.Ended()
	for _, port := range ports {
		if conn, err := net.Dial("tcp", port); err == nil {
			t.Errorf("%s is still open", port)
			_ = conn.Close()
		}
	}
	other := api.Dial(filepath.Join(g.dir, "other.sock"))
	defer other.Close() //nolint:errcheck // idle
	status, err := other.Status(t.Context())
	if err != nil || status.Parts.API.Socket != filepath.Join(g.dir, "other.sock") || status.Parts.Broker != nil || !status.Config.Read.After(status.Started) {
		t.Errorf("at the new socket: %+v, %v", status, err)
	}
	if _, err := os.Stat(filepath.Join(g.dir, "skerry.sock")); err == nil {
		t.Error("the old socket is still there")
	}
}

// freePorts returns addresses on which nobody listens.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	all := make([]string, n)
	var listeners []net.Listener
	for i := range all {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		all[i] = listener.Addr().String()
		listeners = append(listeners, listener)
	}
	for _, listener := range listeners {
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestAgent_reloadSaysWhatWaits: what only counts from the next start on stays, and is named until it is as before again.
func TestAgent_reloadSaysWhatWaits(t *testing.T) {
	collection := "[[collection]]\nname = \"climate\"\n"
	g := newGateway(t, collection)
	a, _ := g.start(t)
	head := "[gateway]\nname = \"other\"\ntrust_clock = true\n"
	restart, err := g.reload(t, a, head+"data_dir = \"elsewhere\"\nidentity_file = \"other.key\"\n"+collection+"precision = \"ns\"\nmax_readings = 7\n")
	if err != nil || len(restart) != 3 {
		t.Fatalf("got %q, %v", restart, err)
	}
	status, err := a.Status(t.Context())
	if err != nil || status.Name != "other" || status.Folder != filepath.Join(g.dir, "data") || !slices.Equal(status.Config.Restart, restart) {
		t.Errorf("status %+v, %v", status, err)
	}
	if i := slices.IndexFunc(status.Health, func(h api.Health) bool { return h.Code == "restart_needed" }); i < 0 ||
		!strings.Contains(status.Health[i].Text, "gateway.data_dir") {
		t.Errorf("health %+v", status.Health)
	}
	if c := a.now.Load().cfg.Collections[0]; c.Precision != "ms" || c.MaxReadings != 7 {
		t.Errorf("the collection is %+v", c)
	}
	if restart, err = g.reload(t, a, collection); err != nil || restart != nil {
		t.Errorf("back again: %q, %v", restart, err)
	}
	if status, err = a.Status(t.Context()); err != nil || len(status.Health) != 0 {
		t.Errorf("back again: health %+v, %v", status.Health, err)
	}
}

// TestLedger_keepsWhatIsGone: sums only grow, whatever sources come and go.
func TestLedger_keepsWhatIsGone(t *testing.T) {
	source := func(collection string, repeats uint64) *input {
		return &input{collection: collection, status: func() sensors.SourceStatus {
			return sensors.SourceStatus{Repeats: repeats, Rejected: map[sensors.Reason]uint64{sensors.ReasonTime: 1}}
		}}
	}
	var l ledger
	first, second, other := source("a", 5), source("a", 7), source("b", 11)
	for i, test := range []struct {
		inputs   []*input
		repeats  uint64
		rejected uint64
	}{
		{[]*input{first, other}, 5, 1},
		{[]*input{second, other}, 12, 2},
		{[]*input{other}, 12, 2},
		{nil, 12, 2},
		{[]*input{source("a", 1)}, 13, 3},
	} {
		l.set(test.inputs)
		if got := l.of("a"); got.Repeats != test.repeats || got.Rejected != test.rejected {
			t.Errorf("step %d: %+v, want %d and %d", i, got, test.repeats, test.rejected)
		}
	}
	if got := l.of("b"); got.Repeats != 11 {
		t.Errorf("the other collection: %+v", got)
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerry-edge/skerry/agent"
	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
	"github.com/skerry-edge/skerry/sensors/serial/serialtest"
)

var (
	killRounds = flag.Int("kill.rounds", 5, "how often TestKill kills the agent")
	killSeed   = flag.Uint64("kill.seed", 0, "seed of TestKill; 0 draws one and prints it")
)

// asProgram makes the test binary behave as skerry, so that tests can start and kill real processes of it.
const asProgram = "SKERRY_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	time.Local = time.FixedZone("CEST", 2*60*60) // for all tests, before any goroutine could read it
	os.Exit(m.Run())
}

// program returns a command that runs this skerry.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

const (
	killPublishers = 16
	killWindow     = 20
	startLimit     = 2 * time.Second
)

// TestKill kills an agent at random moments under 16 QoS 1 publishers and a serial line. Every
// acknowledged reading must be there afterwards, the store must verify, and a start must take less than 2 s.
func TestKill(t *testing.T) {
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d, %d rounds", seed, *killRounds)
	k := newKillRig(t, rand.New(rand.NewPCG(seed, 0)))
	for round := range *killRounds {
		k.round(round)
	}
	t.Logf("acknowledged %d readings in all; slowest start %s", k.acked, k.slowest.Round(time.Millisecond))
}

type killRig struct {
	t       *testing.T
	rng     *rand.Rand
	dir     string
	broker  string
	port    *serialtest.Port
	next    [killPublishers]int64 // the number that each publisher sends next
	acked   int
	slowest time.Duration
}

func newKillRig(t *testing.T, rng *rand.Rand) *killRig {
	t.Helper()
	k := &killRig{t: t, rng: rng, dir: filepath.Join(t.TempDir(), "gateway"), port: serialtest.New(t)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k.broker = listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := program(t, "init", "--dir", k.dir, "--name", "killed").CombinedOutput(); err != nil {
		t.Fatalf("init: %v\n%s", err, out)
	}
	dropIn := fmt.Sprintf(`
[mqtt.broker]
listen = %q
[[collection]]
name = "load"
max_readings = 500
max_delay = "200ms"
[[source.mqtt]]
name = "load"
broker = "inside"
topics = ["load/{publisher}"]
format = "json"
collection = "load"
[[source.serial]]
name = "line"
device = %q
format = "keyvalue"
collection = "load"
`, k.broker, k.port.Path)
	if err := os.MkdirAll(filepath.Join(k.dir, "skerry.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(k.dir, "skerry.d", "load.toml"), []byte(dropIn), 0o600); err != nil {
		t.Fatal(err)
	}
	return k
}

// round starts the agent, loads it, kills it, and looks at what is left.
func (k *killRig) round(round int) {
	k.t.Helper()
	began := time.Now()
	cmd := program(k.t, "run", "--config", filepath.Join(k.dir, "skerry.toml"))
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var mu sync.Mutex
	acked := map[string][]int64{} // by publisher
	first := make(chan struct{})
	firstOnce := sync.OnceFunc(func() { close(first) })
	var load errgroup.Group
	for i := range killPublishers {
		load.Go(func() error {
			got := k.publish(ctx, i, firstOnce)
			mu.Lock()
			defer mu.Unlock()
			acked[fmt.Sprintf("p%d", i)] = got
			return nil
		})
	}
	load.Go(func() error { k.babble(ctx); return nil })
	select {
	case <-first:
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		k.t.Fatalf("round %d: nothing was acknowledged in 20 s; the agent's log:\n%s", round, &log)
	}
	start := time.Since(began)
	k.slowest = max(k.slowest, start)
	if start > startLimit {
		k.t.Errorf("round %d: %s from start to the first acknowledgement, want at most %s", round, start, startLimit)
	}
	<-time.After(time.Duration(k.rng.IntN(400)) * time.Millisecond)
	if err := cmd.Process.Kill(); err != nil {
		k.t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"
	cancel()
	_ = load.Wait() // the loads return no error
	k.check(round, acked, &log)
}

// publish publishes until the connection ends and returns the numbers whose acknowledgement was read.
func (k *killRig) publish(ctx context.Context, i int, acknowledged func()) []int64 {
	var mu sync.Mutex
	inFlight := map[uint16]int64{}
	var acked []int64
	var client *mqtttest.Client
	for client == nil {
		var err error
		client, err = mqtttest.Dial(ctx, mqtttest.Options{
			Addr: k.broker, ClientID: fmt.Sprintf("p%d", i), Window: killWindow,
			OnAck: func(id uint16) {
				mu.Lock()
				defer mu.Unlock()
				acked = append(acked, inFlight[id])
				acknowledged()
			},
		})
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(10 * time.Millisecond): // the agent is starting
			}
		}
	}
	defer client.Close() //nolint:errcheck // the agent was killed
	id := uint16(0)
	for ctx.Err() == nil {
		n := k.next[i]
		k.next[i]++
		// The client gives out packet ids from 1 on, in order: the number is noted before it can be acknowledged.
		id++
		mu.Lock()
		inFlight[id] = n
		mu.Unlock()
		got, err := client.Publish(fmt.Sprintf("load/p%d", i), fmt.Appendf(nil, `{"n":%d}`, n), 1)
		if err != nil {
			break
		}
		if got != id {
			k.t.Errorf("packet id %d, want %d", got, id)
			break
		}
		if id%killWindow == 0 {
			if err := client.Flush(); err != nil {
				break
			}
		}
	}
	<-client.Ended()
	mu.Lock()
	defer mu.Unlock()
	return acked
}

// babble writes lines and noise to the serial port.
func (k *killRig) babble(ctx context.Context) {
	device := k.port.Plug()
	defer k.port.Unplug()
	for n := 0; ctx.Err() == nil; n++ {
		// What nobody reads is lost, as a sensor's would be.
		_ = device.Far.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = fmt.Fprintf(device.Far, "line=%d\r\nnoise\x00\xff\n", n)
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
}

// check opens the folder without an agent.
func (k *killRig) check(round int, acked map[string][]int64, log io.Reader) {
	k.t.Helper()
	ctx := context.Background()
	store, err := agent.OpenOffline(ctx, k.dir)
	if err != nil {
		k.t.Fatalf("round %d: %v", round, err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			k.t.Error(err)
		}
	}()
	verified, err := store.Verify(ctx, nil)
	if err != nil {
		k.t.Fatalf("round %d: %v", round, err)
	}
	for _, d := range verified.Damage {
		k.t.Errorf("round %d: damage: %+v", round, d)
	}
	rows, err := store.Query(ctx, api.Query{Collection: "load", Series: "n"})
	if err != nil {
		k.t.Fatalf("round %d: %v", round, err)
	}
	stored := map[string]map[int64]bool{}
	for row, err := range rows.Seq {
		if err != nil {
			k.t.Fatalf("round %d: %v", round, err)
		}
		publisher, _ := row.Series.Tag("publisher")
		if stored[publisher] == nil {
			stored[publisher] = map[int64]bool{}
		}
		stored[publisher][row.Int()] = true
	}
	missing := 0
	for publisher, numbers := range acked {
		k.acked += len(numbers)
		for _, n := range numbers {
			if !stored[publisher][n] {
				missing++
				if missing <= 5 {
					k.t.Errorf("round %d: %s: %d was acknowledged and is not there", round, publisher, n)
				}
			}
		}
	}
	if k.t.Failed() {
		text, err := io.ReadAll(log)
		if err == nil || errors.Is(err, io.EOF) {
			k.t.Logf("the agent's log:\n%s", strings.TrimSpace(string(text)))
		}
		k.t.FailNow()
	}
}

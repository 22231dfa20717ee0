package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/sensors/mqtt/mosquittotest"
	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
	"github.com/skerry-edge/skerry/sensors/serial/serialtest"
)

// patience is how long what a test waits for may take on a busy machine.
const patience = 30 * time.Second

// startedProgram is a process whose output a test reads while it runs.
type startedProgram struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string // of both outputs; closed at the end
}

func startProgram(t *testing.T, args ...string) *startedProgram {
	t.Helper()
	p := &startedProgram{t: t, cmd: program(t, args...), lines: make(chan string, 10000)}
	reader, writer := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = writer, writer
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.cmd.Wait()
		_ = writer.Close()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-ended
	})
	return p
}

// await reads lines until one has the text, and returns all of them.
func (p *startedProgram) await(text string) string {
	p.t.Helper()
	var seen strings.Builder
	late := time.After(patience)
	for {
		select {
		case line, open := <-p.lines:
			if !open {
				p.t.Fatalf("ended before %q, after\n%s", text, seen.String())
			}
			seen.WriteString(line + "\n")
			if strings.Contains(line, text) {
				return seen.String()
			}
		case <-late:
			p.t.Fatalf("no %q within %v, after\n%s", text, patience, seen.String())
		}
	}
}

// awaitWhile calls do again and again until a line has the text, and returns that line.
func (p *startedProgram) awaitWhile(text string, do func()) string {
	p.t.Helper()
	late := time.After(patience)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case line := <-p.lines:
			if strings.Contains(line, text) {
				return line
			}
		case <-again.C:
			do()
		case <-late:
			p.t.Fatalf("no %q within %v", text, patience)
		}
	}
}

// interrupt sends Ctrl-C and returns the exit code and the rest of the output.
func (p *startedProgram) interrupt() (code int, rest string) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		p.t.Fatal(err)
	}
	var b strings.Builder
	late := time.After(patience)
	for {
		select {
		case line, open := <-p.lines:
			if !open {
				return p.cmd.ProcessState.ExitCode(), b.String()
			}
			b.WriteString(line + "\n")
		case <-late:
			p.t.Fatalf("does not end, after\n%s", b.String())
		}
	}
}

// gatewayWith returns a folder that init made, with sections more.
func gatewayWith(t *testing.T, sections string) string {
	t.Helper()
	dir := setup(t)
	if err := os.WriteFile(filepath.Join(dir, "skerry.d", "10.toml"), []byte("[[collection]]\nname = \"climate\"\n"+sections), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func serialSection(path string) string {
	return fmt.Sprintf("[[source.serial]]\nname = \"weather\"\ndevice = %q\nformat = \"keyvalue\"\nunit = { temp = \"°C\" }\ncollection = \"climate\"\n", path)
}

// TestSource_serialByItself: without an agent the port is opened, what arrives is shown, and nothing is stored.
func TestSource_serialByItself(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	dir := gatewayWith(t, serialSection(port.Path))
	p := startProgram(t, "source", "test", "weather", "--dir", dir)
	p.await("opened here, as no agent runs")
	port.Write("temp=21.5 hum=40\n")
	if text := p.await("    hum"); !strings.Contains(text, "  temp=21.5 hum=40\n    temp  21.5 °C  source=weather\n    hum   40  source=weather\n") {
		t.Errorf("shown:\n%s", text)
	}
	port.Write("=\x1b[2J\n")
	if text := p.await("    rejected, "); strings.Contains(text, "\x1b") || !strings.Contains(text, `=\x1b[2J`) {
		t.Errorf("shown:\n%q", text)
	}
	code, rest := p.interrupt()
	if code != 0 || !strings.Contains(rest, "2 inputs, 2 readings, 1 rejected") {
		t.Errorf("exit code %d, %q", code, rest)
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a store: %v", err)
	}
}

// TestSource_frameWithoutEnd: bytes that never end a frame, as at a wrong rate, are shown all the same.
func TestSource_frameWithoutEnd(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	p := startProgram(t, "source", "test", "weather", "--dir", gatewayWith(t, serialSection(port.Path)))
	p.awaitWhile(`\xfe\x80`, func() { port.Write("\xfe\x80") })
	p.await("without the end of a frame: check baud and framing")
}

// TestSource_silence: what is wrong, and what to check, is said while nothing arrives; with --for it is a failure.
func TestSource_silence(t *testing.T) {
	port := serialtest.New(t)
	dir := gatewayWith(t, serialSection(port.Path))
	r := runProgram(t, "source", "test", "weather", "--dir", dir, "--for", "2500ms")
	if r.code != 1 || !strings.Contains(r.stderr, "error: nothing arrived within 2.5s: "+port.Path+" is not there\nhint: ") {
		t.Errorf("no port: exit code %d, %q", r.code, r.stderr)
	}
	port.Plug()
	p := startProgram(t, "source", "test", "weather", "--dir", dir)
	p.await("nothing arrived for")
	p.await("hint: check that the sensor has power and sends by itself")
	q := startProgram(t, "source", "test", "weather", "--dir", dir) // the port is held now
	q.await("is in use by another program")
	q.await("if an agent holds it")
	for _, one := range []*startedProgram{q, p} {
		if code, rest := one.interrupt(); code != 0 {
			t.Errorf("exit code %d, %q", code, rest)
		}
	}
}

// TestSource_tapsTheAgent: with an agent its source is watched, and the broker inside can be tested.
func TestSource_tapsTheAgent(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	dir := gatewayWith(t, "[mqtt.broker]\nlisten = \"127.0.0.1:0\"\n"+serialSection(port.Path)+
		"[[source.mqtt]]\nname = \"meters\"\nbroker = \"inside\"\ntopics = [\"site/{site}\"]\nformat = \"json\"\ncollection = \"climate\"\n")
	if r := runProgram(t, "source", "test", "meters", "--dir", dir); r.code != 4 || !strings.Contains(r.stderr, "it needs a running agent\nhint: start one") {
		t.Errorf("the broker inside without an agent: exit code %d, %q", r.code, r.stderr)
	}
	a := startProgram(t, "run", "--config", filepath.Join(dir, "skerry.toml"))
	a.await("committer started")
	for args, want := range map[string]string{
		"wether": "hint: did you mean: skerry source test weather\n",
		"xyz":    "error: no such source: \"xyz\"; known are: meters, weather\n",
	} {
		if r := runProgram(t, "source", "test", args, "--dir", dir); r.code != 1 || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: exit code %d, %q, want %q", args, r.code, r.stderr, want)
		}
	}
	m := startProgram(t, "source", "test", "meters", "--dir", dir)
	m.await("watched in the running agent")
	r := runProgram(t, "status", "--json", "--config", filepath.Join(dir, "skerry.toml"))
	var status struct {
		Parts struct{ Broker struct{ Listen string } }
	}
	if err := json.Unmarshal([]byte(r.stdout), &status); err != nil {
		t.Fatal(err)
	}
	client, err := mqtttest.Dial(t.Context(), mqtttest.Options{Addr: status.Parts.Broker.Listen, ClientID: "meter"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close() //nolint:errcheck // nothing is owed
	_, err = client.Publish("site/home", []byte(`{"power":42}`), 1)
	if err = errors.Join(err, client.Flush()); err != nil {
		t.Fatal(err)
	}
	m.await("site/home  {\"power\":42}")
	m.await("power  42  site=home  source=meters")
	if code, rest := m.interrupt(); code != 0 || !strings.Contains(rest, "1 input, 1 reading") {
		t.Errorf("exit code %d, %q", code, rest)
	}
	p := startProgram(t, "source", "test", "weather", "--json", "--dir", dir)
	line := p.awaitWhile("{", func() { port.Write("temp=20.25\n") })
	if !strings.Contains(line, `"raw":"temp=20.25","size":11,"readings":[{"time":"`) || !strings.Contains(line, `"series":"temp","tags":{"source":"weather"},"value":20.25,"unit":"°C"}],"count":1}`) {
		t.Errorf("--json: %s", line)
	}
	if code, rest := p.interrupt(); code != 0 || strings.Contains(rest, "inputs") {
		t.Errorf("exit code %d, %q", code, rest)
	}
}

// testMosquitto returns a running broker.
func testMosquitto(t *testing.T) *mosquittotest.Broker {
	t.Helper()
	broker, err := mosquittotest.New(t.TempDir(), mosquittotest.Config{})
	if errors.Is(err, mosquittotest.ErrNotInstalled) {
		t.Skip(err)
	}
	if err == nil {
		err = broker.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Stop(); err != nil {
			t.Error(err)
		}
	})
	return broker
}

// TestSource_mqttDisturbsNobody: the test has a client id of its own and a clean session, so the agent's misses nothing.
func TestSource_mqttDisturbsNobody(t *testing.T) {
	broker := testMosquitto(t)
	client, err := mqtttest.Dial(t.Context(), mqtttest.Options{Addr: broker.Addr(), ClientID: "meter"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close() //nolint:errcheck // nothing is owed
	p := startProgram(t, "source", "test", "plant", "--dir", gatewayWith(t, fmt.Sprintf(
		"[[source.mqtt]]\nname = \"plant\"\nbroker = %q\nclient_id = \"the-agents-own\"\nqos = 2\ntopics = [\"plant/{x}\"]\nformat = \"json\"\ncollection = \"climate\"\n", broker.URL())))
	p.awaitWhile("plant/a", func() {
		_, err := client.Publish("plant/a", []byte(`{"v":7}`), 1)
		if err = errors.Join(err, client.Flush()); err != nil {
			t.Fatal(err)
		}
	})
	if code, rest := p.interrupt(); code != 0 {
		t.Errorf("exit code %d, %q", code, rest)
	}
	if log := broker.Log(); strings.Contains(log, "the-agents-own") || !regexp.MustCompile(`as skerry-test-\S+ \(p2, c1`).MatchString(log) {
		t.Errorf("want a client skerry-test-… with a clean session, in the broker's log:\n%s", log)
	}
}

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
	"github.com/skerry-edge/skerry/sensors/serial/serialtest"
)

// A conversation is a program at a terminal, which the test reads and answers.
type conversation struct {
	t      *testing.T
	far    *os.File
	ended  chan error
	signal func(syscall.Signal) error
	text   strings.Builder
}

func converse(t *testing.T, args ...string) *conversation {
	t.Helper()
	pair := serialtest.New(t).Plug() // a terminal is one end of a pseudo-terminal, too
	near, err := os.OpenFile(pair.Path, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := program(t, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = near, near, near
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &conversation{t: t, far: pair.Far, ended: make(chan error, 1), signal: func(s syscall.Signal) error { return cmd.Process.Signal(s) }}
	go func() { c.ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = near.Close()
	})
	return c
}

// await reads until the terminal shows text, and forgets what was before.
func (c *conversation) await(text string) string {
	c.t.Helper()
	if err := c.far.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for {
		if before, after, found := strings.Cut(c.text.String(), text); found {
			c.text.Reset()
			c.text.WriteString(after)
			return before + text
		}
		n, err := c.far.Read(buf)
		c.text.Write(buf[:n])
		if err != nil && n == 0 {
			c.t.Fatalf("no %q: %v, after\n%s", text, err, c.text.String())
		}
	}
}

// answer waits for a question and types.
func (c *conversation) answer(question, text string) string {
	c.t.Helper()
	seen := c.await(question)
	seen += c.await("]: ")
	if _, err := c.far.WriteString(text + "\n"); err != nil {
		c.t.Fatal(err)
	}
	return seen
}

// TestInitInteractive_findsSources drives the dialogue from end to end: a sensor on a serial line, a broker with retained messages.
func TestInitInteractive_findsSources(t *testing.T) {
	broker := testMosquitto(t)
	client, err := mqtttest.Dial(t.Context(), mqtttest.Options{Addr: broker.Addr(), ClientID: "devices", Window: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close() //nolint:errcheck // nothing is owed
	var id uint16
	for topic, payload := range map[string]string{
		"tele/washer/SENSOR":                                `{"Time":"2026-03-01T12:59:40","ENERGY":{"Total":183.412,"Power":143}}`,
		"zigbee2mqtt/bath":                                  `{"battery":91,"last_seen":"2026-03-01T11:59:57.120Z","temperature":21.38}`,
		"shellies/shelly1pm-98/relay/0/power":               "62.18",
		"homeassistant/sensor/greenhouse_temperature/state": "23.4",
		"site/a/meter1":                                     `{"p":1}`,
		"site/b/meter2":                                     `{"p":2}`,
	} {
		id++
		if err := client.Send(mqtttest.Message{ID: id, Topic: topic, Payload: []byte(payload), QoS: 1, Retain: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(client.Flush(), client.Drain(t.Context())); err != nil {
		t.Fatal(err)
	}
	port := serialtest.New(t)
	pair := port.Plug()
	var babble sync.WaitGroup
	stop := make(chan struct{})
	babble.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				_ = pair.Far.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
				_, _ = pair.Far.WriteString("temp=21.5 hum=40\r\n") // nobody reads between two questions
			}
		}
	})
	defer func() { close(stop); babble.Wait() }()

	dir := filepath.Join(t.TempDir(), "gw")
	c := converse(t, "init", "--interactive", "--dir", dir)
	c.answer("Name of this gateway", "shed \"1\"")
	c.answer("Which? a number, a path, or none", "ttyUSB0")
	c.answer("want a number", port.Path)
	c.answer("Baud?", "")
	if seen := c.answer("Take this port as a source?", ""); !strings.Contains(seen, "9600 baud") || !strings.Contains(seen, "That is keyvalue") || !strings.Contains(seen, "temp = 21.5") {
		t.Errorf("shown:\n%s", seen)
	}
	c.answer("Name of the source", "weather")
	c.answer("Format", "")
	c.answer("Another serial port", "")
	c.answer("Address, HOST:PORT", broker.Addr())
	c.answer("User name", "")
	for _, source := range []string{"tasmota", "zigbee", "shelly1", "hass"} {
		c.answer("Take them as source "+source, "")
	}
	if seen := c.answer("Take them, format json", ""); !strings.Contains(seen, "site/{level2}/{level3}") {
		t.Errorf("shown:\n%s", seen)
	}
	if seen := c.answer("Write ", ""); strings.Contains(seen, "\x1b") {
		t.Errorf("there are colours in\n%q", seen)
	}
	c.await("skerry run --config")
	if err := <-c.ended; err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "skerry.toml")
	if r := runProgram(t, "config", "check", file); r.code != 0 || r.stdout != file+": ok: 1 collection, 6 sources, 0 warnings\n" {
		t.Errorf("config check: exit code %d, %q, %q", r.code, r.stdout, r.stderr)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "name = \"shed \\\"1\\\"\"") || !strings.Contains(string(text), "# A source that reads a serial line.") {
		t.Errorf("%v, in\n%s", err, text)
	}
	if r := runProgram(t, "source", "test", "hass", "--config", file, "--for", "2s"); r.code != 0 || !strings.Contains(r.stdout, "greenhouse_temperature  23.4") {
		t.Errorf("source test: exit code %d, %q, %q", r.code, r.stdout, r.stderr)
	}
	if r := converse(t, "init", "--interactive", "--dir", dir).await("choose another folder"); !strings.Contains(r, "there is a gateway in") {
		t.Errorf("a second time: %q", r)
	}
}

// TestInitInteractive_leavesNothing: Ctrl-C at any question, and saying no at the end, leave no file.
func TestInitInteractive_leavesNothing(t *testing.T) {
	questions := []string{"Name of this gateway", "Which?", "Address", "Write "}
	for last := range questions {
		dir := filepath.Join(t.TempDir(), "gw")
		c := converse(t, "init", "--interactive", "--dir", dir)
		for i, question := range questions[:last+1] {
			if i == last {
				c.await(question)
				break
			}
			c.answer(question, map[bool]string{true: "pump", false: "none"}[i == 0])
		}
		if err := c.signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		c.await("error: nothing was written: interrupted")
		if err := <-c.ended; err == nil {
			t.Errorf("at %q: exit code 0", questions[last])
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("at %q: there is a folder: %v", questions[last], err)
		}
	}
	dir := filepath.Join(t.TempDir(), "gw")
	r := runProgram(t, "init", "--interactive", "--dir", dir)
	if r.code != 2 || !strings.Contains(r.stderr, "error: --interactive asks at a terminal") || !strings.Contains(r.stderr, "hint: without questions: skerry init --dir "+dir+" --name NAME") {
		t.Errorf("without a terminal: exit code %d, %q", r.code, r.stderr)
	}
}

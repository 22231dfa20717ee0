package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/configs"
)

// runRig is a gateway that a runner runs; the test reads its log.
type runRig struct {
	t       *testing.T
	dir     string
	log     chan string // its lines
	hangups chan os.Signal
}

func newRunRig(t *testing.T) *runRig {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "gateway")
	made, err := makeGateway(dir, "first", configs.Sample("first"))
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(made.config)
	if err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	rig := &runRig{t: t, dir: dir, log: make(chan string, 10000), hangups: make(chan os.Signal)}
	r := runner{path: made.config, out: writer, hangups: rig.hangups}
	r.begin(cfg, nil)
	go func() {
		defer close(rig.log)
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			rig.log <- lines.Text()
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() {
		ran <- r.run(ctx, cfg)
		_ = writer.Close()
	}()
	t.Cleanup(func() {
		cancel()
		for range rig.log { // to its end
		}
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	return rig
}

// await reads the log until a line has the text.
func (r *runRig) await(text string) {
	r.t.Helper()
	for line := range r.log {
		if strings.Contains(line, text) {
			return
		}
	}
	r.t.Fatalf("the log ended before %q", text)
}

// reload puts a drop-in there and sends SIGHUP.
func (r *runRig) reload(dropIn string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "skerry.d", "x.toml"), []byte(dropIn), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.hangups <- syscall.SIGHUP
}

// status returns the gateway's name and why it refused a configuration.
func (r *runRig) status() (name, refused string) {
	r.t.Helper()
	client := api.Dial(filepath.Join(r.dir, "skerry.sock"))
	s, err := client.Status(r.t.Context())
	if err = errors.Join(err, client.Close()); err != nil {
		r.t.Fatal(err)
	}
	if i := slices.IndexFunc(s.Health, func(h api.Health) bool { return h.Code == "config_refused" }); i >= 0 {
		refused = s.Health[i].Text
	}
	return s.Name, refused
}

func TestRunner_takesANewConfiguration(t *testing.T) {
	r := newRunRig(t)
	r.await("committer started")
	if name, refused := r.status(); name != "first" || refused != "" {
		t.Errorf("got %q, refused %q", name, refused)
	}

	r.reload("[gateway]\nname = 5\nnam = 6\n")
	r.await("configuration refused")
	if name, refused := r.status(); name != "first" || !strings.Contains(refused, "x.toml:2") || !strings.Contains(refused, "1 more") {
		t.Errorf("after faults: got %q, refused %q", name, refused)
	}

	r.reload("[gateway]\nname = \"second\"\n")
	r.await("configuration read again")
	if name, refused := r.status(); name != "second" || refused != "" {
		t.Errorf("after a good one: got %q, refused %q", name, refused)
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	r.reload(fmt.Sprintf("[gateway]\nname = \"third\"\n[mqtt.broker]\nlisten = %q\n", taken.Addr()))
	r.await("configuration refused")
	if name, refused := r.status(); name != "second" || !strings.Contains(refused, "in use") {
		t.Errorf("after a port that is taken: got %q, refused %q", name, refused)
	}
}

// Package gateway runs real agents: the program that users run, in a folder of its own.
package gateway

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/bench/machine"
	"github.com/skerry-edge/skerry/identity"
)

// Collection is where all sources of a Gateway put their readings.
const Collection = "bench"

const keyFile = "identity.key"

// Gateway is a configured folder, and the agent on it while it runs. Not safe for concurrent use.
type Gateway struct {
	Dir     string
	Addr    string // of the broker inside
	program string
	cmd     *exec.Cmd
	log     *bytes.Buffer
	exited  chan error
}

// New lays out dir as the program's init does, with the broker inside on a free port, one source that takes bench/# as
// JSON, and more configuration.
func New(ctx context.Context, program, dir, more string) (*Gateway, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create gateway: %w", err)
	}
	if _, err := identity.Create(filepath.Join(dir, keyFile)); err != nil {
		return nil, fmt.Errorf("create gateway: %w", err)
	}
	addr, err := FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf(`
[gateway]
name = "bench"
data_dir = "data"
trust_clock = true
[mqtt.broker]
listen = %q
[[collection]]
name = %q
[[source.mqtt]]
name = "bench"
broker = "inside"
topics = ["bench/{client}"]
format = "json"
time = "ts"
time_unit = "ms"
collection = %q
%s`, addr, Collection, Collection, more)
	if err := os.WriteFile(filepath.Join(dir, config.FileName), []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("create gateway: %w", err)
	}
	return &Gateway{Dir: dir, Addr: addr, program: program, log: &bytes.Buffer{}}, nil
}

// FreeAddr returns a loopback address that nothing listens on.
func FreeAddr(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find free port: %w", err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", fmt.Errorf("find free port: %w", err)
	}
	return addr, nil
}

// Key returns the gateway's private key.
func (g *Gateway) Key() (ed25519.PrivateKey, error) {
	id, err := identity.Load(filepath.Join(g.Dir, keyFile))
	if err != nil {
		return nil, err
	}
	return id.PrivateKey(), nil
}

// Data returns the store's folder.
func (g *Gateway) Data() string { return filepath.Join(g.Dir, "data") }

// Socket returns the path of the agent's door.
func (g *Gateway) Socket() string { return filepath.Join(g.Dir, "skerry.sock") }

// Launch starts the agent and does not wait for it. group, which may be nil, limits its memory.
func (g *Gateway) Launch(ctx context.Context, group *machine.Cgroup) error {
	line := []string{g.program, "run", "--config", filepath.Join(g.Dir, config.FileName)}
	if group != nil {
		line = group.Wrap(line...)
	}
	g.log.Reset()
	cmd := exec.CommandContext(ctx, line[0], line[1:]...) //nolint:gosec // the program to measure
	cmd.Stderr = g.log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start gateway: %w", err)
	}
	exited := make(chan error, 1)
	g.cmd, g.exited = cmd, exited
	go func() { exited <- cmd.Wait() }()
	return nil
}

const (
	startLimit = 60 * time.Second
	stopLimit  = 90 * time.Second
)

// Start launches the agent and returns when its broker takes connections.
func (g *Gateway) Start(ctx context.Context, group *machine.Cgroup) error {
	if err := g.Launch(ctx, group); err != nil {
		return err
	}
	return g.Await(ctx)
}

// Await returns when the broker takes connections.
func (g *Gateway) Await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", g.Addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-g.exited:
			g.exited <- err
			return fmt.Errorf("gateway ended: %w: %s", err, g.log)
		case <-ctx.Done():
			return fmt.Errorf("gateway does not listen: %w: %s", ctx.Err(), g.log)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// Stop ends the agent cleanly and waits: everything is sealed then.
func (g *Gateway) Stop() error { return g.end(syscall.SIGTERM) }

// Kill ends the agent without warning.
func (g *Gateway) Kill() error {
	err := g.end(syscall.SIGKILL)
	if _, is := errors.AsType[*exec.ExitError](err); is {
		return nil // as wanted
	}
	return err
}

func (g *Gateway) end(s syscall.Signal) error {
	if g.cmd == nil {
		return nil
	}
	cmd := g.cmd
	g.cmd = nil
	if err := cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop gateway: %w", err)
	}
	timer := time.AfterFunc(stopLimit, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := <-g.exited; err != nil {
		return fmt.Errorf("stop gateway: %w: %s", err, g.log)
	}
	return nil
}

// PID returns the running agent's process id.
func (g *Gateway) PID() int { return g.cmd.Process.Pid }

// Process returns what the kernel counts of the running agent.
func (g *Gateway) Process() (machine.Process, error) { return machine.ProcessOf(g.PID()) }

// Log returns what the agent wrote since its start. The agent must have ended.
func (g *Gateway) Log() string { return g.log.String() }

// Status asks the running agent.
func (g *Gateway) Status(ctx context.Context) (api.Status, error) {
	client := api.Dial(g.Socket())
	status, err := client.Status(ctx)
	return status, errors.Join(err, client.Close())
}

// DropIn puts more configuration over what New wrote.
func (g *Gateway) DropIn(name, text string) error {
	path := filepath.Join(g.Dir, "skerry.d", name+".toml")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("configure gateway: %w", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("configure gateway: %w", err)
	}
	return nil
}

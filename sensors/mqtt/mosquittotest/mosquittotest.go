// Package mosquittotest runs a real mosquitto on the loopback for tests and benchmarks.
package mosquittotest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// SkipVariable names an environment variable that, set to 1, lets tests skip where mosquitto is not installed.
const SkipVariable = "SKERRY_SKIP_MOSQUITTO"

// ErrNotInstalled means that this machine has no mosquitto. `make test` installs it.
var ErrNotInstalled = errors.New("mosquitto is not installed (apt-get install mosquitto)")

const startTimeout = 20 * time.Second

// Config is what of mosquitto's configuration matters here.
type Config struct {
	Persistence bool              // keep sessions and messages in the folder, saved at every change
	Users       map[string]string // passwords; nil = anonymous
	Quiet       bool              // log no packets: faster
	Lines       []string          // added to the configuration, such as "max_inflight_messages 20"
}

// Broker is one mosquitto on one port, through any number of starts. Not safe for concurrent use, except Log.
type Broker struct {
	path string // the program
	dir  string
	port int
	proc *process // nil while stopped
	log  *tail
}

type process struct {
	cmd    *exec.Cmd
	ready  chan struct{} // closed when it listens
	exited chan struct{} // closed when it is gone
}

// Path returns where mosquitto is, or ErrNotInstalled.
func Path() (string, error) {
	if path, err := exec.LookPath("mosquitto"); err == nil {
		return path, nil
	}
	const usual = "/usr/sbin/mosquitto" // not in every user's PATH
	if _, err := os.Stat(usual); err == nil {
		return usual, nil
	}
	return "", ErrNotInstalled
}

// New writes a configuration into dir, which stays the caller's, for a free loopback port. Nothing runs yet.
func New(dir string, c Config) (*Broker, error) {
	path, err := Path()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	b := &Broker{path: path, dir: dir, port: port, log: &tail{}}
	lines := []string{
		fmt.Sprintf("listener %d 127.0.0.1", port),
		"log_dest stderr", "sys_interval 0",
		fmt.Sprintf("persistence %t", c.Persistence),
	}
	if c.Quiet {
		lines = append(lines, "log_type error", "log_type warning", "log_type notice", "log_type information")
	} else {
		lines = append(lines, "log_type all")
	}
	if os.Geteuid() == 0 {
		lines = append(lines, "user root") // else it gives up the right to write into dir
	}
	if c.Persistence {
		lines = append(lines, "persistence_location "+dir+"/", "autosave_on_changes true", "autosave_interval 1")
	}
	if c.Users == nil {
		lines = append(lines, "allow_anonymous true")
	} else {
		users, err := b.writeUsers(c.Users)
		if err != nil {
			return nil, err
		}
		lines = append(lines, "allow_anonymous false", "password_file "+users)
	}
	lines = append(lines, c.Lines...)
	if err := os.WriteFile(b.file("mosquitto.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("write mosquitto.conf: %w", err)
	}
	return b, nil
}

// URL returns the broker's address as configurations write it.
func (b *Broker) URL() string { return "tcp://" + b.Addr() }

// Addr returns host:port.
func (b *Broker) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port)) }

// Log returns the last lines that mosquitto wrote.
func (b *Broker) Log() string { return b.log.String() }

// Start starts mosquitto and returns when it listens. ctx bounds the wait, not the process.
func (b *Broker) Start(ctx context.Context) error {
	if b.proc != nil {
		return errors.New("mosquitto runs already")
	}
	cmd := exec.Command(b.path, "-c", b.file("mosquitto.conf")) //nolint:gosec,noctx // the program for tests; ended by Stop and Kill
	cmd.Dir = b.dir
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("start mosquitto: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start mosquitto: %w", err)
	}
	p := &process{cmd: cmd, ready: make(chan struct{}), exited: make(chan struct{})}
	go p.watch(stderr, b.log)
	b.proc = p
	timer := time.NewTimer(startTimeout)
	defer timer.Stop()
	select {
	case <-p.ready:
		return nil
	case <-p.exited:
		err = fmt.Errorf("mosquitto ended at once: %s", b.Log())
	case <-timer.C:
		err = fmt.Errorf("mosquitto did not listen within %s: %s", startTimeout, b.Log())
	case <-ctx.Done():
		err = ctx.Err()
	}
	return errors.Join(err, b.Kill())
}

// Stop asks mosquitto to end (SIGTERM: it saves what it persists) and waits. No process is no error.
func (b *Broker) Stop() error { return b.end(syscall.SIGTERM) }

// Kill ends mosquitto without warning (SIGKILL) and waits. No process is no error.
func (b *Broker) Kill() error { return b.end(syscall.SIGKILL) }

// Save makes mosquitto write what it persists (SIGUSR1), as far as its event loop has come; it does not wait.
func (b *Broker) Save() error { return b.signal(syscall.SIGUSR1) }

// Saved returns when mosquitto last wrote what it persists; zero if never.
func (b *Broker) Saved() (time.Time, error) {
	info, err := os.Stat(b.file("mosquitto.db"))
	if errors.Is(err, os.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("look at mosquitto.db: %w", err)
	}
	return info.ModTime(), nil
}

// Pause stops mosquitto from running (SIGSTOP) while its connections stay.
func (b *Broker) Pause() error { return b.signal(syscall.SIGSTOP) }

// Resume undoes Pause.
func (b *Broker) Resume() error { return b.signal(syscall.SIGCONT) }

func (b *Broker) signal(s syscall.Signal) error {
	if b.proc == nil {
		return errors.New("mosquitto does not run")
	}
	if err := b.proc.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("signal mosquitto: %w", err)
	}
	return nil
}

func (b *Broker) end(s syscall.Signal) error {
	p := b.proc
	if p == nil {
		return nil
	}
	b.proc = nil
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end mosquitto: %w", err)
	}
	<-p.exited
	return nil
}

// watch reads the log to its end, which is the process's, and reaps the process.
func (p *process) watch(stderr io.Reader, log *tail) {
	defer close(p.exited)
	lines := bufio.NewScanner(stderr)
	listening := false
	for lines.Scan() {
		line := lines.Text()
		log.add(line)
		if !listening && strings.HasSuffix(line, " running") {
			listening = true
			close(p.ready)
		}
	}
	_ = p.cmd.Wait() // a killed process has no other end to tell of
}

func (b *Broker) file(name string) string { return filepath.Join(b.dir, name) }

// writeUsers writes a password file and lets mosquitto's own tool hash it.
func (b *Broker) writeUsers(users map[string]string) (string, error) {
	var text strings.Builder
	for user, password := range users {
		fmt.Fprintf(&text, "%s:%s\n", user, password)
	}
	path := b.file("users")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		return "", fmt.Errorf("write users: %w", err)
	}
	if out, err := exec.Command("mosquitto_passwd", "-U", path).CombinedOutput(); err != nil { //nolint:gosec,noctx // ends by itself
		return "", fmt.Errorf("mosquitto_passwd: %w: %s", err, out)
	}
	return path, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // does not block
	if err != nil {
		return 0, fmt.Errorf("find free port: %w", err)
	}
	defer l.Close() //nolint:errcheck // nothing was written
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("find free port: got a %T", l.Addr())
	}
	return addr.Port, nil
}

// tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == 50 {
		t.lines = append(t.lines[:0], t.lines[1:]...)
	}
	t.lines = append(t.lines, line)
}

// String returns the lines.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}

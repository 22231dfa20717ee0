package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/configs"
	"github.com/skerry-edge/skerry/sensors/mqtt/certtest"
)

// startCase is something that keeps a gateway from starting.
type startCase struct {
	name string
	text string                            // of a drop-in
	make func(t *testing.T, dir string)    // puts the obstacle there; nil: text is enough
	as   func(t *testing.T, cmd *exec.Cmd) // who runs it; nil: as the test does
	file func(dir string) string           // that the error begins with; nil: the drop-in's line of the key
	code int
	key  string
	want []string // in the error; DIR is the folder
	hint string
}

// TestProgram_saysWhatKeepsItFromStarting runs real processes: each ends with the code of the contract, names file, line, key and value, and
// says what to do.
func TestProgram_saysWhatKeepsItFromStarting(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // nobody came
	certs := t.TempDir()
	authority, err := certtest.NewAuthority(certs, "authority")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue(certs, certtest.Leaf{Name: "gate", Hosts: []string{"localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	address, who := taken.Addr().String(), fmt.Sprintf("process %d", os.Getpid())
	secured := fmt.Sprintf("cert_file = %q\nkey_file = %q\n", pair.CertFile, pair.KeyFile)
	for _, test := range append(fileCases(), []startCase{
		{name: "broker's port", text: fmt.Sprintf("[mqtt.broker]\nlisten = %q\n", address), code: 1, key: "mqtt.broker.listen", want: []string{address, who, "in use"}, hint: "choose another port in mqtt.broker.listen"},
		{name: "broker's port for TLS", text: fmt.Sprintf("[mqtt.broker]\ntls_listen = %q\nallow_anonymous = true\n%s", address, secured), code: 1, key: "mqtt.broker.tls_listen", want: []string{address, who}, hint: "choose another port in mqtt.broker.tls_listen"},
		{name: "API's port", text: fmt.Sprintf("[api]\nlisten = %q\n", address), code: 1, key: "api.listen", want: []string{address, who}, hint: "choose another port in api.listen"},
		{name: "address of another machine", text: "[mqtt.broker]\nlisten = \"192.0.2.1:1883\"\nallow_anonymous = true\n", code: 1, key: "mqtt.broker.listen", want: []string{"192.0.2.1:1883"}, hint: "this machine does not have that address"},
		{name: "broker's key", text: "[mqtt.broker]\ntls_listen = \"127.0.0.1:0\"\nallow_anonymous = true\n" + strings.Replace(secured, "gate.key", "none.key", 1), code: 1, key: "mqtt.broker.key_file", want: []string{"none.key", "no such file"}},
		{name: "API's certificate", text: "[api]\nlisten = \"127.0.0.1:0\"\n" + strings.Replace(secured, "gate.key", "authority.crt", 1), code: 1, key: "api.cert_file", want: []string{"gate.crt", "no certificate"}, hint: "PEM"},
		{name: "open door", text: "[api]\nlisten = \"0.0.0.0:0\"\n", code: 78, key: "api.listen", want: []string{"in the clear", "allow_cleartext"}},
	}...) {
		t.Run(test.name, test.run)
	}
}

// fileCases are those of files and folders.
func fileCases() []startCase {
	write := func(name, text string, mode os.FileMode) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	main := func(dir string) string { return filepath.Join(dir, "skerry.toml") }
	return []startCase{
		{name: "no key", code: 1, key: "gateway.identity_file", text: "[gateway]\nidentity_file = \"other.key\"\n", want: []string{"DIR/other.key", "no such file"}, hint: "backup"},
		{name: "key that others can read", make: write("identity.key", "x", 0o644), code: 1, key: "gateway.identity_file", file: main, want: []string{"DIR/identity.key", "0644"}, hint: "chmod 600 DIR/identity.key"},
		{name: "long path of the socket", text: "[api]\nsocket = \"" + strings.Repeat("x", 120) + "\"\n", code: 1, key: "api.socket", want: []string{"bytes, a socket's may have 107"}, hint: "shorter"},
		{name: "file in the socket's place", text: "[api]\nsocket = \"x\"\n", make: write("x", "precious", 0o600), code: 1, key: "api.socket", want: []string{"DIR/x", "no socket"}, hint: "move it away"},
		{name: "no folder for the socket", text: "[api]\nsocket = \"none/x\"\n", code: 1, key: "api.socket", want: []string{"DIR/none/x", "no such file"}, hint: "mkdir -p DIR/none"},
		{name: "file in the store's place", text: "[gateway]\ndata_dir = \"x/data\"\n", make: write("x", "", 0o600), code: 1, key: "gateway.data_dir", want: []string{"DIR/x"}, hint: "in the way"},
		{name: "short token", text: "[api]\nlisten = \"127.0.0.1:0\"\n", make: write("api.token", "123456\n", 0o600), code: 1, key: "api.token_file", file: main, want: []string{"DIR/api.token", "at least 16"}, hint: "remove the file"},
		{name: "locked store", make: lockStore, code: 1, key: "gateway.data_dir", file: main, want: []string{"skerry run, process ", "DIR/data/LOCK"}, hint: "one store has one agent"},
		{name: "another agent's socket", text: "[gateway]\ndata_dir = \"other\"\n", make: lockStore, code: 1, key: "api.socket", file: main, want: []string{"DIR/skerry.sock", "another agent"}, hint: "another socket"},
		{name: "another user's store", as: asNobody, make: foreignFiles, text: "[gateway]\ndata_dir = \"foreign/data\"\n", code: 1, key: "gateway.data_dir", want: []string{"DIR/foreign", "permission denied"}, hint: "sudo chown -R"},
		{name: "another user's key", as: asNobody, make: foreign("identity.key"), code: 1, key: "gateway.identity_file", file: main, want: []string{"DIR/identity.key", "permission denied"}, hint: "sudo chown -R"},
		{name: "no folder to write", as: asNobody, make: foreignFiles, text: "[gateway]\ndata_dir = \"data\"\n[api]\nsocket = \"foreign/x\"\n", code: 1, key: "api.socket", want: []string{"DIR/foreign/x", "permission denied"}, hint: "sudo chown -R"},
		{name: "configuration that we may not read", as: asNobody, make: foreign("skerry.toml"), code: 78, file: func(string) string { return "read configuration" }, want: []string{"permission denied"}, hint: "another user"},
		{name: "read-only file system", make: mountOver("ro"), text: "[gateway]\ndata_dir = \"small/data\"\n", code: 1, key: "gateway.data_dir", want: []string{"DIR/small", "read-only"}, hint: "mount it writable"},
		{name: "no space", make: mountOver("size=64k"), text: "[gateway]\ndata_dir = \"small/data\"\n", code: 1, key: "gateway.data_dir", want: []string{"no space left"}, hint: "free some"},
	}
}

func (c *startCase) run(t *testing.T) {
	parent, err := os.MkdirTemp("", "sk") //nolint:usetesting // t.TempDir is closed to other users, and long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(parent) })
	if err := os.Chmod(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "g")
	if _, err := makeGateway(dir, "gate", configs.Sample("gate")); err != nil {
		t.Fatal(err)
	}
	if c.as != nil {
		cmd := exec.Command("chown", "-R", "65534:65534", dir)
		if err := cmd.Run(); err != nil {
			t.Skipf("only root can make files another user's: %v", err)
		}
	}
	if c.make != nil {
		c.make(t, dir)
	}
	dropIn := filepath.Join(dir, "skerry.d", "x.toml")
	if err := os.WriteFile(dropIn, []byte(c.text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := program(t, "run", "--config", filepath.Join(dir, "skerry.toml"))
	if c.as != nil {
		c.as(t, cmd)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	kill := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	err = cmd.Run()
	kill.Stop()
	if exit, is := errors.AsType[*exec.ExitError](err); err != nil && !is || is && exit.ExitCode() != c.code || err == nil {
		t.Fatalf("ended with %v, want %d: %s", err, c.code, stderr.String())
	}
	_, text, _ := strings.Cut(stderr.String(), "error: ")
	begins := dropIn + ":"
	if c.file != nil {
		begins = c.file(dir)
	}
	if !strings.HasPrefix(text, begins) || !strings.Contains(text, c.key+": ") {
		t.Errorf("got %s, want %s and %s", stderr.String(), begins, c.key)
	}
	text, hint, _ := strings.Cut(text, "\nhint: ")
	for _, want := range c.want {
		if !strings.Contains(text, strings.ReplaceAll(want, "DIR", dir)) {
			t.Errorf("got %s, want %q in the error", stderr.String(), want)
		}
	}
	if !strings.Contains(hint, strings.ReplaceAll(c.hint, "DIR", dir)) {
		t.Errorf("got %s, want %q in the hint", stderr.String(), c.hint)
	}
}

// lockStore runs an agent in the folder, which has its store and its socket.
func lockStore(t *testing.T, dir string) {
	t.Helper()
	cmd := program(t, "run", "--config", filepath.Join(dir, "skerry.toml"))
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, log)
		_ = cmd.Wait()
	})
	var seen []byte
	buffer := make([]byte, 4096)
	for !bytes.Contains(seen, []byte("api listens")) {
		n, err := log.Read(buffer)
		if seen = append(seen, buffer[:n]...); err != nil {
			t.Fatalf("the first agent: %v: %s", err, seen)
		}
	}
}

// asNobody runs the program as a user who owns nothing here but the gateway's folder.
func asNobody(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	self, err := os.ReadFile(cmd.Path)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "sk") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Path = filepath.Join(dir, "skerry")
	if err := os.WriteFile(cmd.Path, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

// foreignFiles makes a folder of root's.
func foreignFiles(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, "foreign"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// foreign makes a file root's, and nobody else's to read.
func foreign(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Chown(path, 0, 0), os.Chmod(path, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// mountOver mounts a small file system at DIR/small.
func mountOver(options string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		at := filepath.Join(dir, "small")
		if err := os.Mkdir(at, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := exec.Command("mount", "-t", "tmpfs", "-o", options, "none", at).Run(); err != nil {
			t.Skipf("this user cannot mount: %v", err)
		}
		t.Cleanup(func() { _ = exec.Command("umount", at).Run() })
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
)

// A ran command line is what a real process left.
type ran struct {
	code           int
	stdout, stderr string
}

// runProgram runs a command line in a process of its own.
func runProgram(t *testing.T, args ...string) ran {
	t.Helper()
	cmd := program(t, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit, is := errors.AsType[*exec.ExitError](err); err != nil && !is {
		t.Fatal(err)
	} else if is {
		return ran{exit.ExitCode(), stdout.String(), stderr.String()}
	}
	return ran{0, stdout.String(), stderr.String()}
}

// filledGateway returns a folder in which a demo has stored readings.
func filledGateway(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "demo")
	if r := runProgram(t, "demo", "--dir", dir, "--for", "1500ms"); r.code != 0 {
		t.Fatalf("demo: exit code %d, %s", r.code, r.stderr)
	}
	return dir
}

// TestProgram_readsBesideAFaultyConfiguration: one's own data can be read whatever the configuration is like.
func TestProgram_readsBesideAFaultyConfiguration(t *testing.T) {
	dir := filledGateway(t)
	file := filepath.Join(dir, "skerry.toml")
	rows := runProgram(t, "query", "demo", "--dir", dir, "--format", "csv").stdout
	if strings.Count(rows, "\n") < 3 {
		t.Fatalf("the demo stored %q", rows)
	}
	warning := "warning: " + file + ":"
	for name, text := range map[string]string{
		"an unknown key":      "[gateway]\nname = 'demo'\ndata_dri = 'x'\n",
		"an empty value":      "[gateway]\nname = 'demo'\ndata_dir = ''\nidentity_file = ''\n",
		"no TOML":             "[gateway\n",
		"a wrong type":        "[gateway]\ndata_dir = 5\n[[collection]]\nname = ''\n",
		"a variable not set":  "[gateway]\ndata_dir = '${SKERRY_TEST_NOT_SET}'\n",
		"a collection's kind": "[[collection]]\nname = 'demo'\nkind = 'gauge'\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, "rows.csv")
		for _, args := range [][]string{
			{"query", "demo", "--format", "csv"}, {"verify"}, {"export", "demo", "--out", out}, {"collections", "--json"},
		} {
			r := runProgram(t, append(args, "--dir", dir)...)
			if r.code != 0 || !strings.HasPrefix(r.stderr, warning) || args[0] == "query" && r.stdout != rows {
				t.Errorf("%s: %v: exit code %d, %q, %q, want 0 and a warning", name, args, r.code, r.stdout, r.stderr)
			}
		}
		if text, err := os.ReadFile(out); err != nil || string(text) != rows {
			t.Errorf("%s: exported %q, %v", name, text, err)
		}
		for _, args := range [][]string{{"run"}, {"config", "check"}, {"config", "show"}, {"id"}} {
			if r := runProgram(t, append(args, "--config", file)...); r.code != 78 || !strings.HasPrefix(r.stderr, "error: "+file+":") {
				t.Errorf("%s: %v: exit code %d, %q, want 78", name, args, r.code, r.stderr)
			}
		}
		if r := runProgram(t, "status", "--config", file); r.code != 4 || !strings.HasPrefix(r.stderr, warning) {
			t.Errorf("%s: status: exit code %d, %q, want 4 and a warning", name, r.code, r.stderr)
		}
	}
}

// TestProgram_outputThatEnds: a reader that has read enough ends a command quietly; a full disk is a failure.
func TestProgram_outputThatEnds(t *testing.T) {
	dir := filledGateway(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close() //nolint:errcheck // nothing was written
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close() //nolint:errcheck // nothing was written
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"demo", "--dir", dir, "--for", "1m"},
		{"query", "demo", "--dir", dir},
		{"query", "demo", "--dir", dir, "--format", "json"},
		{"query", "demo", "--dir", dir, "--format", "csv"},
		{"collections", "--dir", dir},
		{"collections", "--dir", dir, "--json"},
		{"verify", "--dir", dir},
		{"verify", "--dir", dir, "--json"},
		{"config", "show", "--dir", dir},
		{"config", "check", "--dir", dir},
		{"id", "--dir", dir},
		{"version"},
		{"completion", "bash"},
		{"completion", "zsh"},
		{"completion", "fish"},
	} {
		for out, want := range map[*os.File]int{writer: 0, full: 1} {
			cmd := program(t, args...)
			var stderr strings.Builder
			cmd.Stdout, cmd.Stderr = out, &stderr
			ended := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
			_ = cmd.Run()
			ended.Stop()
			if code := cmd.ProcessState.ExitCode(); code != want || (stderr.Len() == 0) != (want == 0) {
				t.Errorf("%v > %s: exit code %d, %q, want %d", args, out.Name(), code, stderr.String(), want)
			}
		}
	}
}

// TestProgram_saysWhatIsMeant: a wrong command line is told which word is wrong and what to write.
func TestProgram_saysWhatIsMeant(t *testing.T) {
	empty := t.TempDir()
	for line, want := range map[string]string{
		"query c --limit x":         "error: --limit \"x\": want a whole number\nhint: see: skerry query --help\n",
		"demo --for xx":             "error: --for \"xx\": want a number with its unit, such as 500ms, 30s or 5m\nhint: see: skerry demo --help\n",
		"query c --json":            "error: unknown flag: --json\nhint: write --format json\n",
		"run --dir x":               "error: unknown flag: --dir\nhint: write --config DIR/skerry.toml\n",
		"export c":                  "error: --out says where, and is missing\nhint: for example: --out c.csv\n",
		"export":                    "error: COLLECTION is missing\nhint: for example: skerry export climate; the names: skerry collections\n",
		"tail a b":                  "error: want one COLLECTION, have 2 arguments: [\"a\" \"b\"]\nhint: quote a name that has blanks\n",
		"help nope":                 "error: there is no command \"nope\"\nhint: see: skerry --help\n",
		"query c --dir " + empty:    "error: there is no gateway in " + empty + ": neither skerry.toml nor data\nhint: make one with: skerry init --dir " + empty + "\n",
		"config check " + empty:     "error: read configuration: read " + empty + ": is a directory\nhint: it is a folder; name the file in it: " + empty + "/skerry.toml\n",
		"status --dir " + empty:     "error: unknown flag: --dir\nhint: only a running agent can answer this: name its configuration with --config FILE, or its --socket PATH\n",
		"help query and more words": "error: there is no command \"query and more words\"\nhint: see: skerry --help\n",
	} {
		if r := runProgram(t, strings.Fields(line)...); r.code == 0 || r.stdout != "" || r.stderr != want {
			t.Errorf("%s: exit code %d, %q, %q, want %q", line, r.code, r.stdout, r.stderr, want)
		}
	}
	dir := filledGateway(t)
	out := filepath.Join(dir, "nowhere", "rows.csv")
	r := runProgram(t, "export", "demo", "--dir", dir, "--out", out)
	if want := "error: export demo: make file " + out + ": no such file or directory\n"; r.code != 1 || r.stderr != want {
		t.Errorf("export: exit code %d, %q, want %q", r.code, r.stderr, want)
	}
}

// TestProgram_verifyNamesDamage: what is damaged is named with exit code 3, also where it keeps the store from opening.
func TestProgram_verifyNamesDamage(t *testing.T) {
	for _, pattern := range []string{"*.sst", "MANIFEST"} {
		dir := filledGateway(t)
		if r := runProgram(t, "verify", "--dir", dir); r.code != 0 {
			t.Fatalf("exit code %d, %s", r.code, r.stderr)
		}
		files, err := filepath.Glob(filepath.Join(dir, "data", "badger", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, file := range files {
			if pattern == "MANIFEST" {
				err = os.Remove(file)
			} else {
				err = flipMiddle(file)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		r := runProgram(t, "verify", "--json", "--dir", dir)
		var v api.Verification
		if err := json.Unmarshal([]byte(r.stdout), &v); err != nil {
			t.Fatalf("%s: %v: %s, %s", pattern, err, r.stdout, r.stderr)
		}
		if r.code != exitDamage || v.OK || len(v.Damage) == 0 {
			t.Errorf("%s: exit code %d, %s, want damage", pattern, r.code, r.stdout)
		}
	}
}

// flipMiddle changes one byte of a file.
func flipMiddle(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[len(b)/2] ^= 1
	return os.WriteFile(path, b, 0o600)
}

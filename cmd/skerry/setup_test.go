package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/agent/api"
)

// setup makes a gateway named pump and returns its folder.
func setup(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "my gateway")
	if code, _, stderr := skerry(t, "init", "--dir", dir, "--name", "pump"); code != 0 {
		t.Fatalf("init: exit code %d, %s", code, stderr)
	}
	return dir
}

func TestInit_laysOutTheFolder(t *testing.T) {
	dir := setup(t)
	for name, mode := range map[string]os.FileMode{"skerry.toml": 0o644, "identity.key": 0o600, "skerry.d": 0o755} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm()&^mode != 0 {
			t.Errorf("%s: %v, %v, want at most mode %04o", name, info, err, mode)
		}
	}
	config := filepath.Join(dir, "skerry.toml")
	if code, stdout, stderr := skerry(t, "config", "check", config); code != 0 || stderr != "" || stdout != config+": ok: 0 collections, 0 sources, 0 warnings\n" {
		t.Errorf("config check: exit code %d, %q, %q", code, stdout, stderr)
	}
	text, err := os.ReadFile(config)
	if err != nil || strings.Contains(string(text), dir) {
		t.Errorf("the configuration names its own folder, so it cannot be moved (err %v)", err)
	}
}

func TestInit_overwritesNothing(t *testing.T) {
	dir := setup(t)
	key, err := os.ReadFile(filepath.Join(dir, "identity.key"))
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "skerry.toml")
	code, stdout, stderr := skerry(t, "init", "--dir", dir, "--name", "other")
	want := "error: there is a gateway in " + dir + " already\nhint: run it with: skerry run --config '" + config + "'; for another one choose another folder\n"
	if code != 1 || stdout != "" || stderr != want {
		t.Errorf("init: exit code %d, %q, %q, want 1 and %q", code, stdout, stderr, want)
	}
	if err := os.Remove(config); err != nil {
		t.Fatal(err)
	}
	code, stdout, _ = skerry(t, "init", "--dir", dir, "--name", "other")
	if code != 0 || !strings.Contains(stdout, "kept  "+filepath.Join(dir, "identity.key")) {
		t.Errorf("init beside a key: exit code %d, %q", code, stdout)
	}
	if after, err := os.ReadFile(filepath.Join(dir, "identity.key")); err != nil || string(after) != string(key) {
		t.Errorf("the key is another one now (err %v)", err)
	}
}

func TestID_tellsWhoItIs(t *testing.T) {
	dir := setup(t)
	code, stdout, stderr := skerry(t, "id", "--dir", dir, "--json")
	var id api.ID
	if err := json.Unmarshal([]byte(stdout), &id); code != 0 || stderr != "" || err != nil {
		t.Fatalf("id --json: exit code %d, %q, %q, %v", code, stdout, stderr, err)
	}
	if id.Name != "pump" || !strings.HasPrefix(id.Peer, "12D3KooW") || len(id.Fingerprint) != 19 {
		t.Errorf("id = %+v", id)
	}
	want := "name         pump\npeer         " + id.Peer + "\nfingerprint  " + id.Fingerprint + "\n"
	if _, stdout, _ := skerry(t, "id", "--config", filepath.Join(dir, "skerry.toml")); stdout != want {
		t.Errorf("id: %q, want %q", stdout, want)
	}
	key := filepath.Join(dir, "identity.key")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = skerry(t, "id", "--dir", dir)
	if want := "error: key file " + key + " is open to others (mode 0644)\nhint: chmod 600 " + key + "\n"; code != 1 || stderr != want {
		t.Errorf("id: exit code %d, %q, want 1 and %q", code, stderr, want)
	}
}

func TestConfig_faultsAndWarnings(t *testing.T) {
	dir := setup(t)
	dropIn := filepath.Join(dir, "skerry.d", "10.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(dropIn, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("[gateway]\nnaem = 'x'\n[log]\nlevel = 'loud'\n")
	for _, args := range [][]string{{"config", "check"}, {"config", "show"}, {"id"}, {"run"}} {
		code, stdout, stderr := skerry(t, append(args, "--config", filepath.Join(dir, "skerry.toml"))...)
		want := "error: " + dropIn + ":2: gateway.naem: unknown key; did you mean name?\n" +
			"error: " + dropIn + `:4: log.level: "loud" is not known; want "debug", "info", "warn" or "error"` + "\n"
		if code != 78 || stdout != "" || stderr != want {
			t.Errorf("%v: exit code %d, %q, %q, want 78 and %q", args, code, stdout, stderr, want)
		}
	}
	write("[[collection]]\nname = 'c'\n[[source.mqtt]]\nname = 'm'\nbroker = 'tcp://b'\ntopics = ['a/+']\nformat = 'value'\ncollection = 'c'\n")
	code, stdout, stderr := skerry(t, "config", "check", "--dir", dir)
	if code != 0 || !strings.HasSuffix(stdout, ": ok: 1 collection, 1 source, 1 warning\n") || !strings.HasPrefix(stderr, "warning: "+dropIn+":6: source.mqtt.topics: ") {
		t.Errorf("check: exit code %d, %q, %q", code, stdout, stderr)
	}
	code, stdout, stderr = skerry(t, "config", "show", "--dir", dir)
	shown := filepath.Join(t.TempDir(), "shown.toml")
	if err := os.WriteFile(shown, []byte(stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	if code != 0 || stderr != "" || !strings.Contains(stdout, "# "+dropIn+":4") {
		t.Errorf("show: exit code %d, %q, %q", code, stdout, stderr)
	}
	if code, _, stderr := skerry(t, "config", "check", shown); code != 0 {
		t.Errorf("what show prints has faults: %s", stderr)
	}
}

func TestRoot_usage(t *testing.T) {
	t.Chdir(t.TempDir())
	for args, want := range map[string]string{
		"querry":                     "error: unknown command \"querry\" for \"skerry\"\nhint: did you mean: skerry query\n",
		"frobnicate":                 "error: unknown command \"frobnicate\" for \"skerry\"\nhint: see: skerry --help\n",
		"config chek":                "error: unknown command \"chek\" for \"skerry config\"\nhint: did you mean: skerry config check\n",
		"id --jsn":                   "error: unknown flag: --jsn\nhint: did you mean: --json\n",
		"id -x":                      "error: unknown shorthand flag: 'x' in -x\nhint: see: skerry id --help\n",
		"id now":                     "error: skerry id takes no argument, have \"now\"\nhint: see: skerry id --help\n",
		"id --dir":                   "error: flag needs an argument: --dir\nhint: see: skerry id --help\n",
		"id --dir x --config y":      "error: --dir cannot be combined with --config\nhint: leave one of them out\n",
		"init":                       "error: --dir says where, and is missing\nhint: for example: skerry init --dir ~/my-gateway\n",
		"completion csh":             "error: invalid argument \"csh\" for \"skerry completion\"\nhint: see: skerry completion --help\n",
		"query c --dir x --socket y": "error: --dir cannot be combined with --socket or --config\nhint: --dir reads a folder without an agent; leave the other flag out\n",
		"config check a b":           "error: accepts at most 1 arg(s), received 2\nhint: see: skerry config check --help\n",
		"config check a --dir b":     "error: FILE cannot be combined with --config or --dir\nhint: leave the flag out\n",
	} {
		code, stdout, stderr := skerry(t, strings.Fields(args)...)
		if diff := cmp.Diff(want, stderr); code != 2 || stdout != "" || diff != "" {
			t.Errorf("%s: exit code %d, want 2; stdout %q; stderr (-want +got)\n%s", args, code, stdout, diff)
		}
	}
	code, _, stderr := skerry(t, "config", "check", "none.toml")
	if want := "error: read configuration: open none.toml: no such file or directory\nhint: make one with: skerry init --dir DIR\n"; code != 78 || stderr != want {
		t.Errorf("no file: exit code %d, %q, want 78 and %q", code, stderr, want)
	}
}

func TestRoot_help(t *testing.T) {
	for _, args := range []string{"", "--help", "help", "config"} {
		code, stdout, stderr := skerry(t, strings.Fields(args)...)
		if code != 0 || !strings.Contains(stdout, "Available Commands:") || stderr != "" {
			t.Errorf("%q: exit code %d, %q, %q", args, code, stdout, stderr)
		}
	}
	root, _ := newRootCmd()
	for _, cmd := range append(root.Commands(), root) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: its short help %q is empty or ends with a point", cmd.Name(), cmd.Short)
		}
	}
}

func TestVersion_says(t *testing.T) {
	_, stdout, _ := skerry(t, "version", "--json")
	var v buildVersion
	if err := json.Unmarshal([]byte(stdout), &v); err != nil || v.Version == "" || v.Go == "" || v.Platform == "" {
		t.Errorf("version --json: %q, %v", stdout, err)
	}
	if code, stdout, _ := skerry(t, "version"); code != 0 || !strings.HasPrefix(stdout, "skerry "+v.Version) {
		t.Errorf("version: exit code %d, %q", code, stdout)
	}
	if code, stdout, _ := skerry(t, "--version"); code != 0 || stdout != "skerry "+v.Version+"\n" {
		t.Errorf("--version: exit code %d, %q", code, stdout)
	}
}

func TestCompletion_completes(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, stdout, stderr := skerry(t, "completion", shell); code != 0 || len(stdout) < 1000 || stderr != "" {
			t.Errorf("%s: exit code %d, %d bytes, %q", shell, code, len(stdout), stderr)
		}
	}
	for args, want := range map[string]string{
		"con": "config\tCheck and show the configuration\n", "config c": "check\tTell everything that is wrong with the configuration\n",
		"completion f": "fish\n", "config check ": "toml\n:8\n",
	} {
		line := append([]string{"__complete"}, strings.Split(args, " ")...)
		if _, stdout, _ := skerry(t, line...); !strings.HasPrefix(stdout, want) {
			t.Errorf("complete %q: %q, want %q", args, stdout, want)
		}
	}
}

func TestShellQuote(t *testing.T) {
	for text, want := range map[string]string{"/a/b-c.toml": "/a/b-c.toml", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$x": "'$x'"} {
		if got := shellQuote(text); got != want {
			t.Errorf("shellQuote(%q) = %s, want %s", text, got, want)
		}
	}
}

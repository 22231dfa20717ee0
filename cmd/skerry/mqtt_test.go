package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMQTTPasswd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	for _, c := range []struct {
		args   string
		stdin  string
		code   int
		stdout string
		stderr string
	}{
		{"ann", "hush\n", 0, "ann:$2a$", ""},
		{"ann --file " + path, "hush", 0, "user ann added", ""},
		{"ann --file " + path, "other\r\n", 0, "user ann replaced", ""},
		{"a:b", "hush\n", exitUsage, "", "colon"},
		{"ann", "\n", exitFailure, "", "the password is empty"},
		{"ann", strings.Repeat("x", 5000), exitFailure, "", "want at most 72"},
		{"", "hush\n", exitUsage, "", "accepts 1 arg"},
	} {
		var stdout, stderr bytes.Buffer
		code := execute(t.Context(), append([]string{"mqtt", "passwd"}, strings.Fields(c.args)...), strings.NewReader(c.stdin), &stdout, &stderr)
		if code != c.code || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
			t.Errorf("%q: code %d, %q, %q", c.args, code, stdout.String(), stderr.String())
		}
		if strings.Contains(stdout.String()+stderr.String(), "hush") {
			t.Errorf("%q: shows the password", c.args)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info, err)
	}
}

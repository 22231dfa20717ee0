package mqtt

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// quickHash returns a users' line that is cheap to check.
func quickHash(tb testing.TB, name, password string) string {
	tb.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		tb.Fatal(err)
	}
	return name + ":" + string(hash)
}

func TestParseUsers(t *testing.T) {
	line := quickHash(t, "ann", "hush")
	hash := strings.TrimPrefix(line, "ann:")
	for _, c := range []struct {
		name, text, fault string
		users             int
	}{
		{"empty", "", "", 0},
		{"comment and blank lines", "# users\n\n" + line + "\r\n  \n", "", 1},
		{"no newline at the end", line, "", 1},
		{"twice", line + "\n" + line, `line 2: user "ann" is there twice`, 0},
		{"no colon", "ann", "line 1: want name:hash", 0},
		{"plain password", "ann:hush", "not of a kind that is known", 0},
		{"empty name", ":" + hash, "is empty", 0},
		{"star", "*:" + hash, "stands for all users", 0},
		{"blank", "ann :" + hash, "a blank at an end", 0},
		{"control", "a\x01:" + hash, "control characters", 0},
		{"damaged", "ann:" + hash[:59] + "\x00x", "not of a kind", 0},
		{"too dear", "ann:" + strings.Replace(hash, "$04$", "$31$", 1), "cost 31, want at most 12", 0},
		{"too many iterations", "ann:$7$20001$" + strings.Repeat("A", 16) + "$" + strings.Repeat("A", 86) + "==", "20001 iterations", 0},
		{"large", strings.Repeat("#", maxUsersFile+1), "more than", 0},
	} {
		got, err := parseUsers([]byte(c.text))
		switch {
		case c.fault == "" && (err != nil || len(got.byName) != c.users):
			t.Errorf("%s: %+v, %v", c.name, got, err)
		case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
			t.Errorf("%s: %v, want %q", c.name, err, c.fault)
		case err != nil && (strings.Contains(err.Error(), hash) || strings.Contains(err.Error(), "hush")):
			t.Errorf("%s: %v: tells a secret", c.name, err)
		}
	}
}

func TestHashUser(t *testing.T) {
	line, err := HashUser("ann", []byte("hush"))
	if err != nil {
		t.Fatal(err)
	}
	u, err := parseUsers([]byte(line + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	hash, known := u.find("ann")
	if !known || !hash.matches([]byte("hush")) || hash.matches([]byte("Hush")) {
		t.Errorf("%q, %t", hash, known)
	}
	if other, known := u.find("nobody"); known || other != hash {
		t.Errorf("an unknown user: %q, %t, want ann's hash to try", other, known)
	}
	for _, c := range []struct{ name, password string }{{"a:b", "x"}, {"", "x"}, {"ann", ""}, {"ann", strings.Repeat("x", 73)}} {
		if _, err := HashUser(c.name, []byte(c.password)); err == nil {
			t.Errorf("%q with %d bytes was taken", c.name, len(c.password))
		}
	}
}

// A file of mosquitto_passwd may go on to be used.
func TestUsers_takesMosquittosHashes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	out, err := exec.CommandContext(t.Context(), "mosquitto_passwd", "-b", "-c", path, "ann", "hush").CombinedOutput()
	if err != nil {
		if os.Getenv("SKERRY_SKIP_MOSQUITTO") == "1" {
			t.Skip("no mosquitto_passwd, and SKERRY_SKIP_MOSQUITTO=1")
		}
		t.Fatalf("mosquitto_passwd: %v: %s", err, out)
	}
	u, err := readUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	if hash, _ := u.find("ann"); !strings.HasPrefix(string(hash), "$7$") || !hash.matches([]byte("hush")) || hash.matches([]byte("x")) {
		t.Errorf("hash %q", hash)
	}
}

func TestPutUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	ann, bob, again := quickHash(t, "ann", "1"), quickHash(t, "bob", "2"), quickHash(t, "ann", "3")
	put := func(line string, want bool) {
		t.Helper()
		if replaced, err := PutUser(path, line); err != nil || replaced != want {
			t.Fatalf("replaced %t, %v", replaced, err)
		}
	}
	put(ann, false)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("# mine\n"+ann), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	put(bob, false)
	put(again, true)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "# mine\n" + again + "\n" + bob + "\n"; string(text) != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v; want what others may do with it gone", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("what is this\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := PutUser(path, ann); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a file that is none of users: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// FuzzParseUsers: no text makes it fail otherwise than by an error, and what it takes can be checked.
func FuzzParseUsers(f *testing.F) {
	f.Add("# x\nann:$2a$04$5hVXZq3bYl3tJv8pKJ1Zm.0dQyTqg1VYcVJb3i0v7pXHn8yJm8y2K\n")
	f.Add("bob:$7$101$q83vEjRWeJCrze8S$" + strings.Repeat("A", 86) + "==\n")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := parseUsers([]byte(text))
		if err != nil {
			return
		}
		if len(u.all) != len(u.byName) || len(u.all) > maxUsers {
			t.Errorf("%d users, %d names", len(u.all), len(u.byName))
		}
		for name, hash := range u.byName {
			if checkUserName(name) != nil || hash.check() != nil {
				t.Errorf("took %q", name)
			}
		}
	})
}

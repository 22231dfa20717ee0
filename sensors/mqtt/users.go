package mqtt

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

// The bounds of a users' file.
const (
	maxUsersFile    = 1 << 20 // bytes
	maxUsers        = 10_000
	maxUserName     = 128    // bytes
	maxUserPassword = 72     // bytes: bcrypt looks at no more
	maxHashCost     = 12     // of bcrypt, as a power of two
	maxIterations   = 20_000 // of PBKDF2
	hashCost        = 9      // of bcrypt, of hashes that we make: decision 0012
)

// users are the names and hashed passwords of a users' file. Immutable.
type users struct {
	byName map[string]passwordHash
	all    []passwordHash // in the order of the file
}

// passwordHash is a hash as it stands in the file: of bcrypt ($2a$, $2b$, $2y$), or of mosquitto_passwd ($7$).
type passwordHash string

// readUsers reads a users' file: lines "name:hash", empty lines, and comments that begin with #.
func readUsers(path string) (*users, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(f, maxUsersFile+1))
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return parseUsers(text)
}

// parseUsers reads the text of a users' file. Errors name the line, and never quote a hash.
func parseUsers(text []byte) (*users, error) {
	if len(text) > maxUsersFile {
		return nil, fmt.Errorf("has more than %d bytes", maxUsersFile)
	}
	u := &users{byName: map[string]passwordHash{}}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		name, hash, err := parseUser(strings.TrimRight(string(line), "\r\n"))
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", number, err)
		case name == "":
			continue
		case len(u.all) == maxUsers:
			return nil, fmt.Errorf("line %d: more than %d users", number, maxUsers)
		}
		if _, twice := u.byName[name]; twice {
			return nil, fmt.Errorf("line %d: user %q is there twice", number, name)
		}
		u.byName[name] = hash
		u.all = append(u.all, hash)
	}
	return u, nil
}

// parseUser reads one line. An empty name means that there is no user in it.
func parseUser(line string) (name string, hash passwordHash, err error) {
	if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
		return "", "", nil
	}
	name, rest, found := strings.Cut(line, ":")
	if !found {
		return "", "", errors.New("want name:hash; make such a line with: skerry mqtt passwd NAME")
	}
	if err := checkUserName(name); err != nil {
		return "", "", fmt.Errorf("user %q %w", name, err)
	}
	hash = passwordHash(rest)
	if err := hash.check(); err != nil {
		return "", "", fmt.Errorf("user %q: %w", name, err)
	}
	return name, hash, nil
}

// checkUserName reports why a name cannot be a user's.
func checkUserName(name string) error {
	switch {
	case name == "":
		return errors.New("is empty")
	case name == everyUser:
		return errors.New("stands for all users")
	case len(name) > maxUserName:
		return fmt.Errorf("has more than %d bytes", maxUserName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("has control characters or is not UTF-8")
	case strings.Contains(name, ":") || strings.HasPrefix(name, "#") || strings.TrimSpace(name) != name:
		return errors.New("has a colon, a # at its beginning, or a blank at an end")
	}
	return nil
}

// check reports why the hash cannot be one, or costs too much to try.
func (h passwordHash) check() error {
	if strings.HasPrefix(string(h), "$7$") {
		_, _, _, err := h.mosquitto()
		return err
	}
	if !strings.HasPrefix(string(h), "$2") || len(h) != 60 {
		return errors.New("its hash is not of a kind that is known; make one with: skerry mqtt passwd NAME")
	}
	cost, err := bcrypt.Cost([]byte(h))
	switch {
	case err != nil:
		return errors.New("its hash is damaged; make one with: skerry mqtt passwd NAME")
	case cost > maxHashCost:
		return fmt.Errorf("its hash has cost %d, want at most %d", cost, maxHashCost)
	}
	return nil
}

// mosquitto takes a hash of mosquitto_passwd apart: $7$ITERATIONS$SALT$HASH, PBKDF2 with SHA-512.
func (h passwordHash) mosquitto() (iterations int, salt, want []byte, err error) {
	damaged := errors.New("its hash is damaged; make one with: skerry mqtt passwd NAME")
	parts := strings.Split(string(h), "$")
	if len(parts) != 5 {
		return 0, nil, nil, damaged
	}
	if iterations, err = strconv.Atoi(parts[2]); err != nil || iterations < 1 {
		return 0, nil, nil, damaged
	}
	if iterations > maxIterations {
		return 0, nil, nil, fmt.Errorf("its hash has %d iterations, want at most %d", iterations, maxIterations)
	}
	salt, err = base64.StdEncoding.DecodeString(parts[3])
	if err != nil || len(salt) < 8 || len(salt) > 64 {
		return 0, nil, nil, damaged
	}
	want, err = base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(want) != sha512.Size {
		return 0, nil, nil, damaged
	}
	return iterations, salt, want, nil
}

// matches reports whether it is the password's hash. It takes as long as hashing does, whatever the outcome.
func (h passwordHash) matches(password []byte) bool {
	if strings.HasPrefix(string(h), "$7$") {
		iterations, salt, want, err := h.mosquitto()
		if err != nil {
			return false
		}
		have, err := pbkdf2.Key(sha512.New, string(password), salt, iterations, sha512.Size)
		return err == nil && subtle.ConstantTimeCompare(have, want) == 1
	}
	return bcrypt.CompareHashAndPassword([]byte(h), password) == nil
}

// find returns the hash to try for a name, and whether there is such a user. For a name that is nobody's it is always the same
// user's, so that the time of a refusal does not tell who exists.
func (u *users) find(name string) (hash passwordHash, known bool) {
	if hash, known = u.byName[name]; known || len(u.all) == 0 {
		return hash, known
	}
	h := fnv.New32a()
	_, _ = io.WriteString(h, name)                         // a hash never fails
	return u.all[int(h.Sum32()%uint32(len(u.all)))], false //nolint:gosec // at most maxUsers
}

// HashUser returns the line of a users' file for a user. The error says what is wrong with the name or the password.
func HashUser(name string, password []byte) (string, error) {
	if err := checkUserName(name); err != nil {
		return "", fmt.Errorf("user name %q %w", name, err)
	}
	switch {
	case len(password) == 0:
		return "", errors.New("the password is empty")
	case len(password) > maxUserPassword:
		return "", fmt.Errorf("the password has %d bytes, want at most %d", len(password), maxUserPassword)
	}
	hash, err := bcrypt.GenerateFromPassword(password, hashCost)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return name + ":" + string(hash), nil
}

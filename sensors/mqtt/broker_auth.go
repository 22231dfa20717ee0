package mqtt

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of checking passwords: see checker.
const (
	maxHashing     = 1                // passwords that are hashed at a time
	maxHashWaiters = 64               // that wait for it
	hashWait       = 10 * time.Second // for which one waits
	maxKnown       = 4096             // passwords that are known to be right
	guessBurst     = 10               // wrong passwords of an address in a row
	guessEvery     = 10 * time.Second // in which one of these comes back
)

// verdict is what became of a password.
type verdict uint8

const (
	verdictRight verdict = iota
	verdictWrong
	verdictGuesses // not looked at: too many wrong ones came from the address
	verdictBusy    // not looked at: too many wait
)

// checker checks passwords.
//
// Aim: a flood of CONNECT packets costs a bounded share of the machine, and a client that was connected before gets in all the
// same. Hashing is dear by design, some tenths of a second on a Pi Zero. So:
//
//   - One password is hashed at a time, 4 KiB of memory each. After a wrong one the place stays taken for as long as the hashing
//     took: guesses get half of one core at most.
//   - A limited number waits, for a limited time; more are told that the server is busy.
//   - An address that guessed wrong ten times gets one more try each ten seconds.
//   - A password that was right is known until its line in the users' file changes, and costs nothing from then on: it passes by
//     all of these. Known is a keyed hash of user, line and password, under a key that is made at the start and never stored.
//   - A name that is nobody's is hashed against somebody's line, always the same: it takes as long as a wrong password.
//
// Safe for concurrent use.
type checker struct {
	key      [32]byte
	users    atomic.Pointer[users] // nil: there is no users' file
	guesses  *budgets
	places   chan struct{} // capacity maxHashing
	waiting  atomic.Int32
	hashing  atomic.Int32 // now
	most     atomic.Int32 // at once, ever
	hashed   atomic.Uint64
	hash     func(passwordHash, []byte) bool // passwordHash.matches, but in tests
	patience time.Duration                   // hashWait, but in tests

	mu    sync.Mutex // guards what follows
	known map[[sha256.Size]byte]struct{}
}

func newChecker() *checker {
	c := &checker{
		guesses: newBudgets(1/guessEvery.Seconds(), guessBurst), places: make(chan struct{}, maxHashing),
		hash: passwordHash.matches, patience: hashWait, known: map[[sha256.Size]byte]struct{}{},
	}
	_, _ = rand.Read(c.key[:]) // never fails
	return c
}

// check checks a password that came from an address. It may take some seconds.
func (c *checker) check(ctx context.Context, from netip.Addr, name string, password []byte) verdict {
	if len(name) > maxUserName || len(password) > maxUserPassword {
		return verdictWrong // whoever has the name
	}
	hash, known := c.users.Load().find(name)
	mark := c.mark(name, hash, password)
	if known && c.isKnown(mark) {
		return verdictRight
	}
	if !c.guesses.left(from, time.Now()) {
		return verdictGuesses
	}
	if c.waiting.Add(1) > maxHashWaiters {
		c.waiting.Add(-1)
		return verdictBusy
	}
	defer c.waiting.Add(-1)
	timer := time.NewTimer(c.patience)
	defer timer.Stop()
	select {
	case c.places <- struct{}{}:
	case <-timer.C:
		return verdictBusy
	case <-ctx.Done():
		return verdictBusy
	}
	defer func() { <-c.places }()
	if known && c.isKnown(mark) { // since another connection's try
		return verdictRight
	}
	if !c.guesses.left(from, time.Now()) { // likewise
		return verdictGuesses
	}
	if c.try(ctx, hash, password) && known {
		c.remember(mark)
		return verdictRight
	}
	c.guesses.take(from, time.Now())
	return verdictWrong
}

// try hashes, and waits as long again when the password is wrong.
func (c *checker) try(ctx context.Context, hash passwordHash, password []byte) bool {
	now := c.hashing.Add(1)
	for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
	}
	c.hashed.Add(1)
	start := time.Now()
	right := hash != "" && c.hash(hash, password)
	took := time.Since(start)
	c.hashing.Add(-1)
	if !right {
		pause(ctx, took)
	}
	return right
}

// mark returns what a right password is known by.
func (c *checker) mark(name string, hash passwordHash, password []byte) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, c.key[:])
	for _, part := range [][]byte{[]byte(name), []byte(hash), password} {
		_, _ = mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part)))) //nolint:gosec // short; a hash never fails
		_, _ = mac.Write(part)
	}
	mac.Sum(sum[:0])
	return sum
}

func (c *checker) isKnown(mark [sha256.Size]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.known[mark]
	return ok
}

// remember notes a right password, in place of any other when there are too many.
func (c *checker) remember(mark [sha256.Size]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxKnown {
		for other := range c.known {
			delete(c.known, other)
			break
		}
	}
	c.known[mark] = struct{}{}
}

// replace takes the users of a file that was read again, and returns the names of those that are gone or have another password.
func (c *checker) replace(now *users) map[string]struct{} {
	before := c.users.Swap(now)
	changed := map[string]struct{}{}
	if before == nil {
		return changed
	}
	for name, hash := range before.byName {
		if now.byName[name] != hash {
			changed[name] = struct{}{}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(changed) > 0 {
		clear(c.known) // marks do not tell whose they are
	}
	return changed
}

// addressOf returns a connection's address for people.
func addressOf(conn net.Conn) string {
	if addr := conn.RemoteAddr(); addr != nil {
		return addr.String()
	}
	return "unknown"
}

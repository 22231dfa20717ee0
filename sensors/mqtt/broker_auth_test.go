package mqtt

import (
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// testChecker returns one for the users ann and bob, whose hash takes a second.
func testChecker(t *testing.T) *checker {
	t.Helper()
	u, err := parseUsers([]byte(quickHash(t, "ann", "right") + "\n" + quickHash(t, "bob", "right") + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := newChecker()
	c.users.Store(u)
	c.hash = func(_ passwordHash, password []byte) bool {
		time.Sleep(time.Second) //nolint:forbidigo // in a bubble: it is what hashing costs
		return string(password) == "right"
	}
	return c
}

func address(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }

// A flood from many addresses: one is hashed at a time, few wait, none waits long, and who is known gets in at once.
func TestChecker_bearsAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testChecker(t)
		if v := c.check(t.Context(), address(1), "ann", []byte("right")); v != verdictRight {
			t.Fatalf("verdict %d", v)
		}
		const flood = 1000
		var verdicts [4]atomic.Int64
		var group sync.WaitGroup
		start := time.Now()
		for i := range flood {
			group.Go(func() { verdicts[c.check(t.Context(), address(i), "x"+strconv.Itoa(i), []byte("guess"))].Add(1) })
		}
		time.Sleep(time.Millisecond) //nolint:forbidigo // in a bubble: all of them have come
		if n := c.waiting.Load(); n != maxHashWaiters {
			t.Errorf("%d wait, want %d", n, maxHashWaiters)
		}
		before := time.Now()
		if v := c.check(t.Context(), address(1), "ann", []byte("right")); v != verdictRight || time.Since(before) > 0 {
			t.Errorf("who is known: verdict %d after %s", v, time.Since(before))
		}
		group.Wait()
		if n := c.most.Load(); n != maxHashing {
			t.Errorf("%d were hashed at a time, want %d", n, maxHashing)
		}
		// A wrong one takes a second, and holds the place for another: five in ten seconds, and the one that began before.
		if wrong := verdicts[verdictWrong].Load(); wrong < 4 || wrong > 6 || verdicts[verdictBusy].Load() != flood-wrong {
			t.Errorf("%d wrong, %d busy of %d", wrong, verdicts[verdictBusy].Load(), flood)
		}
		if d := time.Since(start); d > hashWait+3*time.Second {
			t.Errorf("took %s", d)
		}
	})
}

func TestChecker_limitsGuessesOfAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testChecker(t)
		if v := c.check(t.Context(), address(1), "bob", []byte("right")); v != verdictRight {
			t.Fatalf("verdict %d", v)
		}
		wrong := 0
		for range 100 {
			if c.check(t.Context(), address(1), "ann", []byte("guess")) == verdictWrong {
				wrong++
			}
		}
		// Each takes two seconds, and one more comes back each ten.
		if wrong < guessBurst || wrong > guessBurst+3 {
			t.Errorf("%d guesses, want about %d", wrong, guessBurst)
		}
		if v := c.check(t.Context(), address(1), "ann", []byte("right")); v != verdictGuesses {
			t.Errorf("a new password from there: verdict %d", v)
		}
		if v := c.check(t.Context(), address(1), "bob", []byte("right")); v != verdictRight {
			t.Errorf("who is known, from there: verdict %d", v)
		}
		if v := c.check(t.Context(), address(2), "ann", []byte("right")); v != verdictRight {
			t.Errorf("from elsewhere: verdict %d", v)
		}
		time.Sleep(guessEvery) //nolint:forbidigo // in a bubble
		if v := c.check(t.Context(), address(1), "ann", []byte("guess")); v != verdictWrong {
			t.Errorf("later: verdict %d", v)
		}
	})
}

// The time of a refusal does not tell who exists.
func TestChecker_unknownUsersTakeAsLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testChecker(t)
		took := func(name string) time.Duration {
			start := time.Now()
			if v := c.check(t.Context(), address(1), name, []byte("guess")); v != verdictWrong {
				t.Errorf("%s: verdict %d", name, v)
			}
			return time.Since(start)
		}
		if ann, nobody := took("ann"), took("nobody"); ann != nobody || ann == 0 {
			t.Errorf("ann %s, nobody %s", ann, nobody)
		}
		if c.hashed.Load() != 2 {
			t.Errorf("%d were hashed", c.hashed.Load())
		}
		// Whoever's password somebody guesses under a wrong name is not let in.
		if v := c.check(t.Context(), address(1), "nobody", []byte("right")); v != verdictWrong {
			t.Errorf("right password of another: verdict %d", v)
		}
	})
}

func TestChecker_forgetsWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testChecker(t)
		for _, name := range []string{"ann", "bob"} {
			if v := c.check(t.Context(), address(1), name, []byte("right")); v != verdictRight {
				t.Fatalf("%s: verdict %d", name, v)
			}
		}
		u, err := parseUsers([]byte(quickHash(t, "ann", "new")))
		if err != nil {
			t.Fatal(err)
		}
		if gone := c.replace(u); len(gone) != 2 {
			t.Errorf("changed %v, want ann and bob", gone)
		}
		hashed := c.hashed.Load()
		if v := c.check(t.Context(), address(1), "bob", []byte("right")); v != verdictWrong {
			t.Errorf("bob, who is gone: verdict %d", v)
		}
		if c.check(t.Context(), address(1), "ann", []byte("right")); c.hashed.Load() != hashed+2 {
			t.Error("ann's password was not looked at again")
		}
	})
}

func TestChecker_boundsWhatItKnows(t *testing.T) {
	c := newChecker()
	for i := range maxKnown + 100 {
		c.remember(c.mark(strconv.Itoa(i), "h", nil))
	}
	if len(c.known) != maxKnown {
		t.Errorf("%d known", len(c.known))
	}
	if c.mark("a", "b", []byte("c")) == c.mark("ab", "", []byte("c")) || c.mark("a", "b", []byte("c")) == newChecker().mark("a", "b", []byte("c")) {
		t.Error("marks are not told apart")
	}
}

// What a try costs in memory, with the hash as it is made for users.
func TestPasswordHash_memory(t *testing.T) {
	line, err := HashUser("ann", []byte("right"))
	if err != nil {
		t.Fatal(err)
	}
	hash := passwordHash(line[len("ann:"):])
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const tries = 4
	for range tries {
		hash.matches([]byte("guess"))
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / tries; each > 64<<10 {
		t.Errorf("%d bytes a try", each)
	}
}

func TestBudgets(t *testing.T) {
	b := newBudgets(1, 2)
	now := time.Unix(1000, 0)
	for i, want := range []bool{true, true, false} {
		if b.left(address(1), now) != want || b.take(address(1), now) != want {
			t.Errorf("token %d", i)
		}
	}
	if !b.take(address(2), now) || !b.take(address(1), now.Add(time.Second)) || b.take(address(1), now.Add(time.Second)) {
		t.Error("tokens of another address, or later")
	}
	for i := range 3 * maxAddresses {
		b.take(address(i), now)
	}
	if len(b.byAddr) > maxAddresses {
		t.Errorf("%d addresses remembered", len(b.byAddr))
	}
	if b.take(address(5000), now) {
		t.Error("addresses without a place do not share a budget")
	}
	later := now.Add(time.Hour)
	if !b.take(address(5000), later) || len(b.byAddr) > 2 {
		t.Errorf("full budgets do not make room: %d", len(b.byAddr))
	}
}

func TestAddressKey(t *testing.T) {
	key := func(s string) netip.Addr {
		return addressKey(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)))
	}
	if key("[2001:db8:1:2::1]:1") != key("[2001:db8:1:2:ffff::9]:2") || key("[2001:db8:1:2::1]:1") == key("[2001:db8:1:3::1]:1") {
		t.Error("IPv6 networks")
	}
	if key("[::ffff:10.0.0.1]:1") != key("10.0.0.1:5") || key("10.0.0.1:1") == key("10.0.0.2:1") {
		t.Error("IPv4 addresses")
	}
}

// Package clock says what time it is and how sure we are.
//
// Gateways often have no battery behind their clock: they start in the past, and jump when the network tells them the
// time. Until the kernel says that the clock is right, System gives a time that begins where the wall clock stood at
// start and only moves forward, so that readings keep their order; the boot's id and the monotonic offset let it be put
// right later.
package clock

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// checkEvery is how often the kernel is asked at most.
const checkEvery = time.Second

// System is this machine's clock. Safe for concurrent use.
type System struct {
	start   time.Time // wall time when the clock was opened
	boot    [8]byte
	read    func() (wall time.Time, since time.Duration) // since the clock was opened, by the monotonic clock
	isRight func() (bool, error)                         // whether the kernel's clock is synchronised

	synced    atomic.Bool  // for good
	nextCheck atomic.Int64 // nanoseconds since start
}

// New returns the machine's clock. With trusted it is taken as right although the kernel may not say so, which it never does in
// some containers and virtual machines.
func New(trusted bool) *System {
	began := time.Now()
	c := newSystem(func() (time.Time, time.Duration) {
		now := time.Now()
		return now, now.Sub(began)
	}, kernelSynced)
	c.boot = bootID("/proc/sys/kernel/random/boot_id")
	c.synced.Store(trusted)
	return c
}

func newSystem(read func() (time.Time, time.Duration), isRight func() (bool, error)) *System {
	start, _ := read()
	return &System{start: start.Round(0), read: read, isRight: isRight}
}

// Now returns the time and whether it is known to be right. Once it is right it stays so while the program runs.
// Before, the time returned never steps: it is the wall time of the start plus the monotonic time since. When
// the clock becomes right it may step once, in either direction.
func (c *System) Now() (now time.Time, synced bool) {
	now, since := c.read()
	if c.synced.Load() {
		return now, true
	}
	next := c.nextCheck.Load()
	if int64(since) >= next && c.nextCheck.CompareAndSwap(next, int64(since+checkEvery)) {
		if right, err := c.isRight(); err == nil && right {
			c.synced.Store(true)
			return now, true
		}
	}
	return c.start.Add(since), false
}

// Boot returns an id of the time since the machine was started: with Mono it names a moment however wrong the wall
// clock is.
func (c *System) Boot() [8]byte { return c.boot }

// Mono returns the nanoseconds since the machine was started, those in suspend included.
func (c *System) Mono() uint64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0 // not on any kernel since 2.6.39
	}
	return uint64(ts.Nano()) //nolint:gosec // time since boot is positive
}

// bootID returns the first half of the kernel's random id of this boot. Where the kernel does not tell, it is random: then every
// start of the program counts as a boot, which is true as far as anyone can know.
func bootID(path string) (id [8]byte) {
	text, err := os.ReadFile(path)
	if err == nil {
		raw, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(text)), "-", ""))
		if err == nil && len(raw) == 16 {
			copy(id[:], raw)
			return id
		}
	}
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// kernelSynced asks the kernel whether something keeps its clock right (adjtimex(2)).
func kernelSynced() (bool, error) {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	if err != nil {
		return false, fmt.Errorf("ask for the clock's state: %w", err)
	}
	return state != unix.TIME_ERROR && tx.Status&unix.STA_UNSYNC == 0, nil
}

// Package clock says what time it is and how sure we are.
package clock

import (
	"encoding/hex"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// checkEvery is how often the kernel is asked whether its clock is synchronised.
const checkEvery = time.Second

// System is this machine's clock. Safe for concurrent use.
//
// Until the kernel says that its clock is synchronised, Now goes on from the time at which New was
// called by the monotonic clock, so that times of one run are in order and a known distance apart,
// however the wall clock is set meanwhile. From then on Now is the wall clock, and stays it.
type System struct {
	wall   func() time.Time // with monotonic reading
	synced func() bool

	start time.Time // with monotonic reading
	boot  [8]byte

	mu      sync.Mutex
	is      bool
	checked time.Time
}

// New returns the system's clock. With trust it is taken as synchronised whatever the kernel says.
func New(trust bool) *System {
	c := &System{wall: time.Now, synced: kernelSynced, boot: bootID()}
	c.start, c.is = c.wall(), trust
	return c
}

// Now returns the time and whether it is known to be right.
func (c *System) Now() (now time.Time, synced bool) {
	wall := c.wall()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.is && (c.checked.IsZero() || wall.Sub(c.checked) >= checkEvery) {
		c.checked = wall
		c.is = c.synced()
	}
	if c.is {
		return wall, true
	}
	elapsed := wall.Sub(c.start) // by the monotonic clock
	return c.start.Round(0).Add(elapsed), false
}

// Boot returns the first 8 bytes of the kernel's random id of this boot; zero where it has none.
func (c *System) Boot() [8]byte { return c.boot }

// Mono returns the nanoseconds since boot, suspended time included.
func (*System) Mono() uint64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return uint64(max(ts.Nano(), 0))
}

// kernelSynced asks the kernel: adjtimex(2) returns TIME_ERROR, and STA_UNSYNC is set, until a time
// service has set the clock.
func kernelSynced() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
}

func bootID() (id [8]byte) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return id
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(b)), "-", ""))
	if err != nil {
		return id
	}
	copy(id[:], raw)
	return id
}

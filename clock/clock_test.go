package clock

import (
	"testing"
	"time"
)

// fake is a wall clock that can be set, with a monotonic clock that cannot: times that New's start does not share a
// monotonic reading with would compare by wall time, so the test derives all of them from one.
func TestSystem_goesOnByTheMonotonicClockUntilSynced(t *testing.T) {
	start := time.Now()
	now, kernel := start, false
	c := &System{wall: func() time.Time { return now }, synced: func() bool { return kernel }, start: start}
	now = start.Add(90 * time.Second)
	got, synced := c.Now()
	if synced || !got.Equal(start.Round(0).Add(90*time.Second)) {
		t.Fatalf("unsynced: %v %v", got, synced)
	}
	kernel = true
	now = start.Add(90*time.Second + checkEvery/2)
	if _, synced = c.Now(); synced {
		t.Fatal("the kernel was asked again too early")
	}
	now = start.Add(90*time.Second + checkEvery)
	if got, synced = c.Now(); !synced || !got.Equal(now) {
		t.Fatalf("synced: %v %v", got, synced)
	}
	kernel = false
	now = now.Add(time.Hour)
	if _, synced = c.Now(); !synced {
		t.Fatal("a clock that was synced does not become unsynced in the same run")
	}
}

func TestNew_trusts(t *testing.T) {
	if _, synced := New(true).Now(); !synced {
		t.Fatal("a trusted clock is synced")
	}
	if c := New(false); c.Mono() == 0 || c.Boot() == [8]byte{} {
		t.Fatalf("boot %x, mono %d", c.Boot(), c.Mono())
	}
}

package clock

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// fakeTime is what the kernel says.
type fakeTime struct {
	wall  time.Time
	since time.Duration
	right bool
	fail  error
	asked int
}

func (f *fakeTime) read() (time.Time, time.Duration) { return f.wall, f.since }
func (f *fakeTime) isRight() (bool, error)           { f.asked++; return f.right, f.fail }
func (f *fakeTime) pass(d time.Duration)             { f.wall, f.since = f.wall.Add(d), f.since+d }

func TestSystem_nowDoesNotStepWhileUnsynced(t *testing.T) {
	began := time.Date(1970, 1, 1, 0, 0, 42, 0, time.UTC)
	f := &fakeTime{wall: began}
	c := newSystem(f.read, f.isRight)
	check := func(want time.Time, wantSynced bool) {
		t.Helper()
		if now, synced := c.Now(); !now.Equal(want) || synced != wantSynced {
			t.Errorf("Now = %v, %v, want %v, %v", now, synced, want, wantSynced)
		}
	}
	check(began, false)
	f.wall = f.wall.AddDate(56, 0, 0) // someone set the clock, the kernel does not call it right yet
	f.pass(5 * time.Second)
	check(began.Add(5*time.Second), false)
	f.right = true
	f.pass(2 * time.Second)
	check(began.Add(7*time.Second).AddDate(56, 0, 0), true)
	f.right = false
	f.pass(2 * time.Second)
	check(began.Add(9*time.Second).AddDate(56, 0, 0), true)
}

func TestSystem_asksOnceASecond(t *testing.T) {
	f := &fakeTime{fail: errors.New("not allowed"), right: true}
	c := newSystem(f.read, f.isRight)
	for range 35 {
		if _, synced := c.Now(); synced {
			t.Fatal("synced although the kernel does not tell")
		}
		f.pass(100 * time.Millisecond)
	}
	if f.asked != 4 {
		t.Errorf("asked %d times in 3.5 s, want 4", f.asked)
	}
}

func TestSystem_isSafeForConcurrentUse(t *testing.T) {
	c := New(false)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				c.Now()
			}
		})
	}
	all.Wait()
}

func TestNew_trusted(t *testing.T) {
	now, synced := New(true).Now()
	if !synced || time.Since(now).Abs() > time.Minute {
		t.Errorf("Now = %v, %v", now, synced)
	}
}

func TestNew_bootAndMono(t *testing.T) {
	a, b := New(false), New(false)
	if a.Boot() != b.Boot() || a.Boot() == [8]byte{} {
		t.Errorf("boot ids %x and %x", a.Boot(), b.Boot())
	}
	first := a.Mono()
	if second := b.Mono(); first == 0 || second < first {
		t.Errorf("Mono = %d, then %d", first, second)
	}
}

func TestBootID_reads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boot_id")
	if err := os.WriteFile(path, []byte("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := bootID(path), [8]byte{0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78}; got != want {
		t.Errorf("bootID = %x, want %x", got, want)
	}
	missing := filepath.Join(t.TempDir(), "none")
	if first, second := bootID(missing), bootID(missing); first == second {
		t.Error("without the kernel's id two boots are one")
	}
}

func BenchmarkSystem_nowUnsynced(b *testing.B) {
	c := New(false)
	c.isRight = func() (bool, error) { return false, nil }
	for b.Loop() {
		c.Now()
	}
}

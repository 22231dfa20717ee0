// Package serialtest simulates a serial port with a stable name for tests: a real pseudo-terminal
// behind a link, as udev makes them in /dev/serial/by-id.
package serialtest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/sensors/pty"
)

// WriteTimeout is how long Write waits for a reader that does not read.
const WriteTimeout = 20 * time.Second

// Port is a port that can be plugged in and out. Not safe for concurrent use.
type Port struct {
	Path string // the stable name; there while something is plugged in

	tb   testing.TB
	pair *pty.Pair
}

// New returns a port with nothing plugged in, in a folder that goes with the test.
func New(tb testing.TB) *Port {
	tb.Helper()
	p := &Port{Path: filepath.Join(tb.TempDir(), "usb-Test_Sensor-if00-port0"), tb: tb}
	tb.Cleanup(p.Unplug)
	return p
}

// Plug plugs a device in: a new pseudo-terminal behind the name. What was plugged in before stays
// open, like a device to which the name no longer leads; the returned pair is the new one.
func (p *Port) Plug() *pty.Pair {
	p.tb.Helper()
	pair, err := pty.Open()
	if err != nil {
		p.tb.Fatal(err)
	}
	p.tb.Cleanup(func() {
		if err := pair.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			p.tb.Error(err)
		}
	})
	if err := pair.Link(p.Path); err != nil {
		p.tb.Fatal(err)
	}
	p.pair = pair
	return pair
}

// Unplug pulls the device out: its node and its name vanish. Without a device it does nothing.
func (p *Port) Unplug() {
	p.tb.Helper()
	if p.pair == nil {
		return
	}
	if err := p.pair.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		p.tb.Error(err)
	}
	if err := os.Remove(p.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
		p.tb.Error(err)
	}
	p.pair = nil
}

// Write sends text from the device. It fails the test when the port is not read for WriteTimeout.
func (p *Port) Write(text string) {
	p.tb.Helper()
	if p.pair == nil {
		p.tb.Fatal("nothing is plugged in")
	}
	if err := p.pair.Far.SetWriteDeadline(time.Now().Add(WriteTimeout)); err != nil {
		p.tb.Fatal(err)
	}
	if _, err := p.pair.Far.WriteString(text); err != nil {
		p.tb.Fatal(err)
	}
}

// Package pty opens pseudo-terminal pairs, the two ends of a serial line without the line.
package pty

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Pair is an open pseudo-terminal. What is written to Far arrives at whoever opens Path as a serial
// port, unchanged, and is kept for it while the port is not open (a few KiB; after that writes block
// until their deadline).
type Pair struct {
	Far  *os.File // the sensor's end; deadlines work
	Path string   // the gateway's end, "/dev/pts/7"
}

// Open opens a new pair, raw from the first byte on. Closing Far is like unplugging the port.
func Open() (*Pair, error) {
	far, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open pseudo-terminal: %w", err)
	}
	var number int
	err = control(far, func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return fmt.Errorf("unlock pseudo-terminal: %w", err)
		}
		if number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN); err != nil {
			return fmt.Errorf("number pseudo-terminal: %w", err)
		}
		return setRaw(fd)
	})
	if err != nil {
		return nil, errors.Join(err, far.Close())
	}
	return &Pair{Far: far, Path: "/dev/pts/" + strconv.Itoa(number)}, nil
}

// Close closes the sensor's end.
func (p *Pair) Close() error { return p.Far.Close() }

// Link makes path a symbolic link to the pair, as udev does in /dev/serial/by-id. An existing link is
// replaced in one step. The folder must be there.
func (p *Pair) Link(path string) error {
	next := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".next")
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("link pseudo-terminal: %w", err)
	}
	if err := os.Symlink(p.Path, next); err != nil {
		return fmt.Errorf("link pseudo-terminal: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("link pseudo-terminal: %w", err)
	}
	return nil
}

// setRaw switches off what a terminal does to bytes before the gateway's end sets its own modes:
// echo, line editing, signals, changed newlines.
func setRaw(fd int) error {
	modes, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("read terminal modes: %w", err)
	}
	modes.Iflag, modes.Oflag, modes.Lflag = 0, 0, 0
	modes.Cc[unix.VMIN], modes.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, modes); err != nil {
		return fmt.Errorf("set terminal modes: %w", err)
	}
	return nil
}

func control(f *os.File, do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := conn.Control(func(fd uintptr) { done = do(int(fd)) }); err != nil {
		return err
	}
	return done
}

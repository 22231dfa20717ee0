package serial

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/tarm/serial"
	"golang.org/x/sys/unix"
)

// What reading a line can end with besides errors of the system.
var (
	errIdle        = errors.New("no byte arrived")
	errInterrupted = errors.New("interrupted")
	errNotPort     = errors.New("not a serial port")
)

// slack is how late an expired wait may be noticed and still be believed.
const slack = 5 * time.Millisecond

// port is an open serial port. tarm/serial opens it and sets the line up; bytes are read from a
// second descriptor of the same device, which is non-blocking, because tarm's own Read knows time in
// steps of 100 ms, reports a silent line and an unplugged one alike as EOF, and is not interrupted by
// Close. On the second one silence is an expired deadline and everything else means the device is gone.
type port struct {
	// constant after openPort
	line   *serial.Port
	file   *os.File
	device uint64 // the device's number
	pseudo bool   // a pseudo-terminal: it keeps what was written before it was opened

	mu          sync.Mutex
	interrupted bool
}

// openPort opens the port at path, which may be a link, for reading by this process alone. It never waits for a carrier.
func openPort(path string, c Config) (*port, error) { return openPortFor(path, c, os.O_RDONLY) }

// openPortFor is openPort with the access that the second descriptor has.
func openPortFor(path string, c Config, access int) (*port, error) {
	target, err := filepath.EvalSymlinks(path) // both descriptors must be of one device
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(target)
	if err != nil {
		return nil, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode()&os.ModeCharDevice == 0 {
		return nil, fmt.Errorf("%s is %s: %w", path, kindOf(info.Mode()), errNotPort)
	}
	file, err := os.OpenFile(target, access|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	p := &port{file: file, device: stat.Rdev, pseudo: isPseudo(stat.Rdev)}
	if err = p.claim(); err == nil {
		p.line, err = serial.OpenPort(c.tarm(target))
	}
	if err == nil && !p.pseudo {
		// The mark of a pseudo-terminal would outlive a killed process; others lose it at the last close.
		err = p.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCEXCL, 0) })
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// tarm returns the configuration in tarm's words. A time-out must be set: without one tarm asks the
// line for VTIME 0, and a non-blocking read of a silent line would look like its end.
func (c Config) tarm(path string) *serial.Config {
	t := &serial.Config{
		Name: path, Baud: c.Baud, Size: byte(c.DataBits), Parity: serial.ParityNone, //nolint:gosec // 5 to 8
		StopBits: serial.Stop1, ReadTimeout: 100 * time.Millisecond,
	}
	switch c.Parity {
	case ParityOdd:
		t.Parity = serial.ParityOdd
	case ParityEven:
		t.Parity = serial.ParityEven
	}
	if c.StopBits == 2 {
		t.StopBits = serial.Stop2
	}
	return t
}

// read reads what arrives within wait. It returns errIdle when nothing did, errInterrupted after
// interrupt, and io.EOF or an error of the system when the device is gone.
func (p *port) read(buf []byte, wait time.Duration) (int, error) {
	deadline := time.Now().Add(wait)
	if err := p.setDeadline(deadline); err != nil {
		return 0, err
	}
	n, err := p.file.Read(buf)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if time.Since(deadline) < slack {
		return 0, p.orInterrupted(errIdle)
	}
	// This process was late: bytes that are there already may have come in time.
	if err = p.setDeadline(time.Time{}); err != nil {
		return 0, err
	}
	return p.readNow(buf)
}

// readNow reads what is there already.
func (p *port) readNow(buf []byte) (int, error) {
	conn, err := p.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var n int
	var readErr error
	err = conn.Read(func(fd uintptr) bool {
		n, readErr = unix.Read(int(fd), buf)
		return true
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, p.orInterrupted(errIdle)
	}
	if err != nil {
		return 0, err
	}
	switch {
	case errors.Is(readErr, unix.EAGAIN), errors.Is(readErr, unix.EINTR):
		return 0, p.orInterrupted(errIdle)
	case readErr != nil:
		return 0, readErr
	case n == 0:
		return 0, unix.EIO
	}
	return n, nil
}

// interrupt makes reads return, now and from now on. Safe for concurrent use with read.
func (p *port) interrupt() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.interrupted = true
	return p.file.SetReadDeadline(time.Unix(1, 0))
}

func (p *port) setDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.interrupted {
		return errInterrupted
	}
	return p.file.SetReadDeadline(t)
}

func (p *port) orInterrupted(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.interrupted {
		return errInterrupted
	}
	return err
}

// close releases the port. No read may be under way.
func (p *port) close() error {
	var errs []error
	if p.line != nil {
		if !p.pseudo {
			// Of no use when the device is gone, then it has no mark either.
			_ = p.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCNXCL, 0) })
		}
		errs = append(errs, p.line.Close())
	}
	return errors.Join(append(errs, p.file.Close())...)
}

// claim takes the lock that other well-behaved programs look at, and that ends with the process.
func (p *port) claim() error {
	return p.control(func(fd int) error {
		if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
			if errors.Is(err, unix.EWOULDBLOCK) {
				return fmt.Errorf("lock %s: %w", p.file.Name(), unix.EBUSY)
			}
			return fmt.Errorf("lock %s: %w", p.file.Name(), err)
		}
		return nil
	})
}

func (p *port) control(do func(fd int) error) error {
	conn, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := conn.Control(func(fd uintptr) { done = do(int(fd)) }); err != nil {
		return err
	}
	return done
}

// isPseudo reports whether the device number is of a Unix 98 pseudo-terminal
// (Documentation/admin-guide/devices.txt of the kernel: majors 136 to 143).
func isPseudo(device uint64) bool {
	major := unix.Major(device)
	return major >= 136 && major <= 143
}

func kindOf(mode os.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode.IsRegular():
		return "a regular file"
	}
	return "no character device"
}

// openLine is openPort as Source wants it.
func openLine(path string, c Config) (line, error) {
	p, err := openPort(path, c)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// keeps reports whether nothing can have been missed before the port was opened.
func (p *port) keeps() bool { return p.pseudo }

// moved reports whether path leads to a device that is not the open one.
func (p *port) moved(path string) bool {
	now := lookAt(path)
	return now.there && now.device != p.device
}

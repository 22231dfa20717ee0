package serial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// LineConfig is a serial line that a protocol with requests and answers uses, such as Modbus RTU: eight data bits.
type LineConfig struct {
	Device   string `toml:"device"` // as of Config
	Baud     int    `toml:"baud"`
	Parity   string `toml:"parity"`    // "none", "odd", "even"
	StopBits int    `toml:"stop_bits"` // 1 or 2
	RS485    bool   `toml:"rs485"`     // the kernel switches the transmitter by RTS
}

// DefaultLineConfig returns what holds for keys that are not set: 9600 8N1.
func DefaultLineConfig() LineConfig { return LineConfig{Baud: 9600, Parity: ParityNone, StopBits: 1} }

// Validate reports every fault, with the key that it stands at.
func (c LineConfig) Validate(report func(key, what, hint string)) { c.config().validateLine(report) }

func (c LineConfig) config() Config {
	return Config{Device: c.Device, Baud: c.Baud, DataBits: 8, Parity: c.Parity, StopBits: c.StopBits}
}

// Path returns the path of the device's node.
func (c LineConfig) Path() string { return devicePath(c.Device) }

// Character returns how long one character takes on the line: 11 bits, as the Modbus specification counts.
func (c LineConfig) Character() time.Duration {
	return 11 * time.Second / time.Duration(max(c.Baud, 1))
}

// Explain returns the state that an error of Open, Read or Write means and what people should know of it.
func (c LineConfig) Explain(err error) (state, text, hint string) {
	if errors.Is(err, errNoRS485) {
		return stateRetrying, c.Path() + ": " + errNoRS485.Error(),
			"leave rs485 out: adapters on USB switch the transmitter by themselves"
	}
	return explain(err, c.Path())
}

// Pause waits until about d has passed, the device's node changes, or ctx ends.
func (c LineConfig) Pause(ctx context.Context, d time.Duration) {
	pause(ctx, c.Path(), lookAt(c.Path()), jitter(d))
}

// Bus is an open serial line that bytes are written to and read from, with deadlines as a net.Conn has them:
// os.ErrDeadlineExceeded says that one passed, any other error that the device is gone. Close ends a Read under way.
type Bus struct {
	port    *port
	path    string
	checked time.Time // when the path was looked at
}

var errNoRS485 = errors.New("this port has no RS-485 mode")

// Open opens the line for this process alone.
func (c LineConfig) Open() (*Bus, error) {
	p, err := openPortFor(c.Path(), c.config(), os.O_RDWR)
	if err != nil {
		return nil, err
	}
	if c.RS485 {
		err = p.control(enableRS485)
	}
	if err == nil { // what others wrote to the line before is no answer
		err = p.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH) })
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return &Bus{port: p, path: c.Path(), checked: time.Now()}, nil
}

// Read implements io.Reader.
func (b *Bus) Read(buf []byte) (int, error) { return b.port.file.Read(buf) }

// Write implements io.Writer. It fails when another device is behind the path than the open one.
func (b *Bus) Write(bytes []byte) (int, error) {
	if time.Since(b.checked) >= checkEvery {
		if b.checked = time.Now(); b.port.moved(b.path) {
			return 0, errMoved
		}
	}
	return b.port.file.Write(bytes)
}

// SetReadDeadline sets when a Read that has no byte ends.
func (b *Bus) SetReadDeadline(t time.Time) error { return b.port.file.SetReadDeadline(t) }

// SetWriteDeadline sets when a Write that the device does not take ends.
func (b *Bus) SetWriteDeadline(t time.Time) error { return b.port.file.SetWriteDeadline(t) }

// Close releases the line. Safe for concurrent use with Read and Write, to be called once.
func (b *Bus) Close() error { return b.port.close() }

// rs485 is the kernel's struct serial_rs485 (linux/serial.h).
type rs485 struct {
	flags                uint32
	delayBefore, delayAt uint32 // milliseconds around sending
	_                    [5]uint32
}

// Bits of rs485.flags.
const (
	rs485Enabled   = 1 << 0
	rs485RTSOnSend = 1 << 1
)

// enableRS485 lets the driver raise RTS while it sends.
func enableRS485(fd int) error {
	mode := rs485{flags: rs485Enabled | rs485RTSOnSend}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCSRS485, uintptr(unsafe.Pointer(&mode))) //nolint:gosec // the ioctl takes a pointer
	switch {
	case errno == 0:
		return nil
	case errors.Is(errno, unix.ENOTTY), errors.Is(errno, unix.EINVAL), errors.Is(errno, unix.ENOSYS), errors.Is(errno, unix.EOPNOTSUPP):
		return errNoRS485
	}
	return fmt.Errorf("switch to RS-485: %w", errno)
}

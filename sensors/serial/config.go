package serial

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// The values of Config.Framing.
const (
	FramingLine      = "line"      // ends with \n; \r at either end is no part of it
	FramingDelimiter = "delimiter" // ends with Config.Delimiter
	FramingLength    = "length"    // has Config.Length bytes
	FramingSilence   = "silence"   // ends when no byte arrives for Config.Silence
)

// The values of Config.Parity.
const (
	ParityNone = "none"
	ParityOdd  = "odd"
	ParityEven = "even"
)

// Limits of the configuration.
const (
	MaxFrameBytes     = 1 << 20               // the largest MaxFrame and Length
	MaxDelimiterBytes = 16                    // after escapes
	MinSilence        = 20 * time.Millisecond // the latency timer of common USB adapters is 16 ms
	MaxSilence        = time.Minute
)

// Config is one serial source. It stands beside the decoder's keys in [[source.serial]].
type Config struct {
	Name      string `toml:"name"`
	Device    string `toml:"device"` // an absolute path; a bare name is looked up in /dev/serial/by-id, ttyX in /dev
	Baud      int    `toml:"baud"`
	DataBits  int    `toml:"data_bits"` // 5 to 8
	Parity    string `toml:"parity"`    // "none", "odd", "even"
	StopBits  int    `toml:"stop_bits"` // 1 or 2
	Framing   string `toml:"framing"`   // "line", "delimiter", "length", "silence"
	Delimiter string `toml:"delimiter"` // 1 to 16 bytes; escapes as in Go: '\x03', '\r'
	Length    int    `toml:"length"`    // bytes of each frame
	// Silence ends a frame, or begins fixed lengths anew: 20 ms or more.
	Silence  time.Duration `toml:"silence"`
	MaxFrame int           `toml:"max_frame"` // bytes; longer frames are counted and skipped
}

// DefaultConfig returns what holds for keys that are not set: 9600 8N1, lines of at most 4096 bytes.
func DefaultConfig() Config {
	return Config{
		Baud: 9600, DataBits: 8, Parity: ParityNone, StopBits: 1,
		Framing: FramingLine, Silence: 50 * time.Millisecond, MaxFrame: 4096,
	}
}

// Validate reports every fault, with the key that it stands at.
func (c Config) Validate(report func(key, what, hint string)) {
	if err := sensors.CheckName(c.Name); err != nil {
		report("name", err.Error(), "")
	}
	c.validateLine(report)
	c.validateFraming(report)
}

func (c Config) validateLine(report func(key, what, hint string)) {
	switch {
	case c.Device == "":
		report("device", "is not set", `device = "/dev/ttyUSB0", or a name in `+byIDFolder)
	case strings.ContainsRune(c.Device, '/') && !filepath.IsAbs(c.Device):
		report("device", fmt.Sprintf("%q is neither an absolute path nor a bare name", c.Device), "")
	case strings.ContainsRune(c.Device, 0):
		report("device", "has a zero byte", "")
	}
	if !slices.Contains(bauds(), c.Baud) {
		list := make([]string, 0, len(bauds()))
		for _, b := range bauds() {
			list = append(list, strconv.Itoa(b))
		}
		report("baud", fmt.Sprintf("%d is no rate of a serial port", c.Baud), "one of "+strings.Join(list, ", "))
	}
	if c.DataBits < 5 || c.DataBits > 8 {
		report("data_bits", fmt.Sprintf("is %d, want 5 to 8", c.DataBits), "")
	}
	if c.Parity != ParityNone && c.Parity != ParityOdd && c.Parity != ParityEven {
		report("parity", fmt.Sprintf("is %q", c.Parity), `one of "none", "odd", "even"`)
	}
	if c.StopBits != 1 && c.StopBits != 2 {
		report("stop_bits", fmt.Sprintf("is %d, want 1 or 2", c.StopBits), "")
	}
}

func (c Config) validateFraming(report func(key, what, hint string)) {
	if c.MaxFrame < 1 || c.MaxFrame > MaxFrameBytes {
		report("max_frame", fmt.Sprintf("is %d, want 1 to %d bytes", c.MaxFrame, MaxFrameBytes), "")
	}
	switch c.Framing {
	case FramingLine:
	case FramingDelimiter:
		if delim, err := unescape(c.Delimiter); err != nil {
			report("delimiter", err.Error(), `escapes are written as in Go: '\x03', '\r\n'`)
		} else if len(delim) < 1 || len(delim) > MaxDelimiterBytes {
			report("delimiter", fmt.Sprintf("has %d bytes, want 1 to %d", len(delim), MaxDelimiterBytes),
				`framing = "delimiter" needs it`)
		}
	case FramingLength:
		if c.Length < 1 || c.Length > MaxFrameBytes {
			report("length", fmt.Sprintf("is %d, want 1 to %d bytes", c.Length, MaxFrameBytes), `framing = "length" needs it`)
		} else if c.Length > c.MaxFrame {
			report("length", fmt.Sprintf("is %d, more than max_frame = %d", c.Length, c.MaxFrame), "")
		}
	case FramingSilence:
	default:
		report("framing", fmt.Sprintf("is %q", c.Framing), `one of "line", "delimiter", "length", "silence"`)
	}
	switch {
	case c.Silence < MinSilence || c.Silence > MaxSilence:
		report("silence", fmt.Sprintf("is %v, want %v to %v", c.Silence, MinSilence, MaxSilence), "")
	case c.Baud > 0 && c.Silence < 2*c.character() && (c.Framing == FramingSilence || c.Framing == FramingLength):
		report("silence", fmt.Sprintf("is %v, less than two characters at %d baud", c.Silence, c.Baud),
			fmt.Sprintf("at least %q", (2*c.character()).Round(time.Millisecond)+time.Millisecond))
	}
}

// character is the time that one character takes on the line, at most: start bit, parity, two stop bits.
func (c Config) character() time.Duration {
	return time.Duration(1+c.DataBits+1+2) * time.Second / time.Duration(max(c.Baud, 1))
}

// bauds are the rates that tarm/serial can set on Linux.
func bauds() []int {
	return []int{
		50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400,
		460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000,
	}
}

// unescape returns the bytes that s stands for, with escapes as in Go.
func unescape(s string) ([]byte, error) {
	var out []byte
	for rest := s; rest != ""; {
		char, multibyte, tail, err := strconv.UnquoteChar(rest, 0)
		if err != nil {
			return nil, fmt.Errorf("%q has an unknown escape", s)
		}
		if multibyte || char >= 0x100 {
			out = append(out, string(char)...)
		} else {
			out = append(out, byte(char)) //nolint:gosec // below 0x100
		}
		rest = tail
	}
	return out, nil
}

package serial

import (
	"strings"
	"testing"
	"time"
)

func faultsOf(c Config) map[string]string {
	found := map[string]string{}
	c.Validate(func(key, what, hint string) { found[key] = what + "; " + hint })
	return found
}

func TestConfig_validatesDefaults(t *testing.T) {
	if found := faultsOf(framing(FramingLine, nil)); len(found) > 0 {
		t.Error(found)
	}
}

func TestConfig_reportsFaults(t *testing.T) {
	for _, test := range []struct {
		key, want string
		change    func(*Config)
	}{
		{"name", "reserved", func(c *Config) { c.Name = "_x" }},
		{"device", "not set", func(c *Config) { c.Device = "" }},
		{"device", "absolute", func(c *Config) { c.Device = "dev/x" }},
		{"device", "zero byte", func(c *Config) { c.Device = "x\x00" }},
		{"baud", "4800, 9600", func(c *Config) { c.Baud = 9601 }},
		{"data_bits", "5 to 8", func(c *Config) { c.DataBits = 9 }},
		{"parity", `"even"`, func(c *Config) { c.Parity = "mark" }},
		{"stop_bits", "1 or 2", func(c *Config) { c.StopBits = 3 }},
		{"framing", `"silence"`, func(c *Config) { c.Framing = "lines" }},
		{"delimiter", "0 bytes", func(c *Config) { c.Framing = FramingDelimiter }},
		{"delimiter", "unknown escape", func(c *Config) { c.Framing, c.Delimiter = FramingDelimiter, `\q` }},
		{"delimiter", "17 bytes", func(c *Config) { c.Framing, c.Delimiter = FramingDelimiter, strings.Repeat("x", 17) }},
		{"length", "is 0", func(c *Config) { c.Framing = FramingLength }},
		{"length", "max_frame", func(c *Config) { c.Framing, c.Length = FramingLength, 5000 }},
		{"silence", "want 20ms", func(c *Config) { c.Silence = 19 * time.Millisecond }},
		{"silence", "two characters", func(c *Config) { c.Framing, c.Baud = FramingSilence, 50 }},
		{"max_frame", "1048576", func(c *Config) { c.MaxFrame = 1<<20 + 1 }},
		{"max_frame", "want 1", func(c *Config) { c.MaxFrame = 0 }},
	} {
		found := faultsOf(framing(FramingLine, test.change))
		if !strings.Contains(found[test.key], test.want) || len(found) != 1 {
			t.Errorf("%s: want only a fault with %q, got %v", test.key, test.want, found)
		}
	}
}

func TestConfig_unescapesDelimiter(t *testing.T) {
	for in, want := range map[string]string{`\x03`: "\x03", `\r\n`: "\r\n", "\x03": "\x03", `"'`: `"'`, `\xff`: "\xff", "°": "°"} {
		if got, err := unescape(in); err != nil || string(got) != want {
			t.Errorf("unescape(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestDevicePath_findsBareNames(t *testing.T) {
	for in, want := range map[string]string{
		"/dev/ttyUSB0":        "/dev/ttyUSB0",
		"usb-FTDI_x-if00":     "/dev/serial/by-id/usb-FTDI_x-if00",
		"ttyACM0":             "/dev/ttyACM0",
		"/dev/serial/by-id/y": "/dev/serial/by-id/y",
	} {
		if got := devicePath(in); got != want {
			t.Errorf("devicePath(%q) = %q, want %q", in, got, want)
		}
	}
}

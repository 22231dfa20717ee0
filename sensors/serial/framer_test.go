package serial

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
)

// piece is a frame as tests compare it.
type piece struct {
	Payload string
	Size    int
	Fault   sensors.Reason
	First   int64 // seconds
}

// idleMark stands for a silence in a list of chunks, endMark for the line's end.
const (
	idleMark = "<idle>"
	endMark  = "<end>"
)

// run feeds chunks, one a second.
func run(f *framer, chunks ...string) []piece {
	var out []piece
	emit := func(fr frame) {
		p := piece{Payload: string(fr.payload), Size: fr.size, First: fr.first.time.Unix()}
		if fr.fault != nil {
			p.Fault = fr.fault.Reason
			if len(fr.payload) > 20 {
				p.Payload = string(fr.payload[:20])
			}
		}
		out = append(out, p)
	}
	for i, chunk := range chunks {
		switch chunk {
		case idleMark:
			f.idle(emit)
		case endMark:
			f.end(emit)
		default:
			f.feed([]byte(chunk), stamp{time: time.Unix(int64(i), 0)}, emit)
		}
	}
	return out
}

func framing(kind string, change func(*Config)) Config {
	c := DefaultConfig()
	c.Name, c.Device, c.Framing = "s", "/dev/ttyS0", kind
	if change != nil {
		change(&c)
	}
	return c
}

func TestFramer_cuts(t *testing.T) {
	small := func(c *Config) { c.MaxFrame = 4 }
	etx := func(c *Config) { c.Delimiter = `\x03` }
	aab := func(c *Config) { c.Delimiter = "aab"; c.MaxFrame = 4 }
	three := func(c *Config) { c.Length = 3 }
	for _, test := range []struct {
		name   string
		config Config
		chunks []string
		want   []piece
	}{
		{"lines", framing(FramingLine, nil), []string{"a=1\r\nb=2\n"}, []piece{{"a=1", 5, "", 0}, {"b=2", 4, "", 0}}},
		{"line in parts has its first byte's time", framing(FramingLine, nil), []string{"a", "=", "1\r", "\n"}, []piece{{"a=1", 5, "", 0}}},
		{"carriage return first", framing(FramingLine, nil), []string{"a\n\rb\n\r"}, []piece{{"a", 2, "", 0}, {"b", 3, "", 0}}},
		{"empty lines", framing(FramingLine, nil), []string{"\n\r\n"}, []piece{{"", 1, "", 0}, {"", 2, "", 0}}},
		{"half a line at the end", framing(FramingLine, nil), []string{"a\nb", endMark, "c\n"}, []piece{{"a", 2, "", 0}, {"b", 1, sensors.ReasonNoise, 0}, {"c", 2, "", 2}}},
		{"end between lines", framing(FramingLine, nil), []string{"a\n", endMark}, []piece{{"a", 2, "", 0}}},
		{"a line that stopped in its middle", framing(FramingLine, nil), []string{"a=2", idleMark, "a=3\nb\n"}, []piece{{"a=2a=3\n", 7, sensors.ReasonNoise, 0}, {"b", 2, "", 2}}},
		{"silence between lines", framing(FramingLine, nil), []string{"a\n", idleMark, "b\n"}, []piece{{"a", 2, "", 0}, {"b", 2, "", 2}}},
		{"longest line", framing(FramingLine, small), []string{"\r1234\r\n1234\n"}, []piece{{"1234", 7, "", 0}, {"1234", 5, "", 0}}},
		{"line one too long", framing(FramingLine, small), []string{"12345\nok\n"}, []piece{{"12345", 6, sensors.ReasonTooLong, 0}, {"ok", 3, "", 0}}},
		{"line much too long", framing(FramingLine, small), []string{"1234", "567890", "abc\nok\n"}, []piece{{"1234567", 14, sensors.ReasonTooLong, 0}, {"ok", 3, "", 2}}},
		{"delimiter", framing(FramingDelimiter, etx), []string{"a\n\x03b\x03"}, []piece{{"a\n", 3, "", 0}, {"b", 2, "", 0}}},
		{"delimiter over chunks, overlapping itself", framing(FramingDelimiter, aab), []string{"xa", "aa", "b1aab"}, []piece{{"xa", 5, "", 0}, {"1", 4, "", 2}}},
		{"delimiter after too long a frame", framing(FramingDelimiter, aab), []string{"123456789a", "ab", "2aab"}, []piece{{"1234567", 12, sensors.ReasonTooLong, 0}, {"2", 4, "", 2}}},
		{"length", framing(FramingLength, three), []string{"abcd", "ef"}, []piece{{"abc", 3, "", 0}, {"def", 3, "", 0}}},
		{"length begins anew after a silence", framing(FramingLength, three), []string{"abcd", idleMark, "efg"}, []piece{{"abc", 3, "", 0}, {"d", 1, sensors.ReasonNoise, 0}, {"efg", 3, "", 2}}},
		{"silence", framing(FramingSilence, nil), []string{"ab", "c", idleMark, idleMark, "d", idleMark}, []piece{{"abc", 3, "", 0}, {"d", 1, "", 4}}},
		{"silence, cut off", framing(FramingSilence, nil), []string{"ab", endMark}, []piece{{"ab", 2, sensors.ReasonNoise, 0}}},
		{"silence, too long", framing(FramingSilence, small), []string{"12345", idleMark, "ok", idleMark}, []piece{{"1234", 5, sensors.ReasonTooLong, 0}, {"ok", 2, "", 2}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, run(newFramer(test.config), test.chunks...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFramer_skipsRestOfFrameBeforeOpening(t *testing.T) {
	for _, test := range []struct {
		config Config
		chunks []string
		want   []piece
	}{
		{framing(FramingLine, nil), []string{"p=21\n", "temp=22\n"}, []piece{{"p=21\n", 5, sensors.ReasonNoise, 0}, {"temp=22", 8, "", 1}}},
		{framing(FramingSilence, nil), []string{"p=21", idleMark, "temp", idleMark}, []piece{{"p=21", 4, sensors.ReasonNoise, 0}, {"temp", 4, "", 2}}},
		{framing(FramingLength, func(c *Config) { c.Length = 3 }), []string{"bcabcabc", idleMark, "abc"}, []piece{{"bcabcabc", 8, sensors.ReasonNoise, 0}, {"abc", 3, "", 2}}},
	} {
		f := newFramer(test.config)
		f.start(false)
		if diff := cmp.Diff(test.want, run(f, test.chunks...)); diff != "" {
			t.Errorf("%s: %s", test.config.Framing, diff)
		}
	}
}

func TestFramer_boundsWhatItHolds(t *testing.T) {
	for _, kind := range []string{FramingLine, FramingDelimiter, FramingSilence} {
		f := newFramer(framing(kind, func(c *Config) { c.Delimiter = "\n" }))
		chunk := strings.Repeat("x", 4096)
		var total int
		for range 10 << 20 / len(chunk) {
			for _, p := range run(f, chunk) {
				if total += p.Size; p.Fault != sensors.ReasonTooLong {
					t.Fatalf("%s: %+v", kind, p)
				}
			}
			if cap(f.buf) > 3*4096 {
				t.Fatalf("%s: holds %d bytes", kind, cap(f.buf))
			}
		}
		for _, p := range run(f, endMark) {
			total += p.Size
		}
		if total != 10<<20 {
			t.Errorf("%s: %d bytes counted, want %d", kind, total, 10<<20)
		}
	}
}

func TestFramer_countsOneMebibyteWithoutNewlineOnce(t *testing.T) {
	f := newFramer(framing(FramingLine, nil))
	got := run(f, strings.Repeat("x", 1<<20), "\nok\n")
	want := []piece{{strings.Repeat("x", 20), 1<<20 + 1, sensors.ReasonTooLong, 0}, {"ok", 3, "", 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzFramer checks that bytes fed in one piece or in several give the same frames, that no byte is
// counted twice or not at all, and that no frame is longer than allowed.
func FuzzFramer(f *testing.F) {
	f.Add(uint8(0), uint64(1), uint16(16), "\n", []byte("temp=1 hum=2\r\ntemp=3\n\n\r\nhalf"))
	f.Add(uint8(1), uint64(2), uint16(4), "aab", []byte("aaaabaabxxxxxxxxxaab1aab"))
	f.Add(uint8(2), uint64(3), uint16(5), "x", []byte("abcdefghijk"))
	f.Add(uint8(3), uint64(4), uint16(3), "x", []byte("abcdefghijk"))
	f.Fuzz(func(t *testing.T, kind uint8, seed uint64, size uint16, delim string, input []byte) {
		config := framing([]string{FramingLine, FramingDelimiter, FramingLength, FramingSilence}[kind%4], func(c *Config) {
			c.MaxFrame = max(1, int(size))
			c.Length, c.Delimiter = c.MaxFrame, delim
		})
		faults := 0
		config.Validate(func(_, _, _ string) { faults++ })
		if faults > 0 {
			t.Skip()
		}
		whole := run(newFramer(config), string(input), endMark)
		rng := rand.New(rand.NewPCG(seed, 0))
		parted := newFramer(config)
		var parts []piece
		for rest := input; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			parts = append(parts, run(parted, string(rest[:n]))...)
			rest = rest[n:]
		}
		parts = append(parts, run(parted, endMark)...)
		if !slices.Equal(whole, parts) {
			t.Fatalf("bytes in one piece and in several give other frames: %s", cmp.Diff(whole, parts))
		}
		total := 0
		for _, p := range whole {
			total += p.Size
			if p.Fault == "" && len(p.Payload) > config.MaxFrame {
				t.Fatalf("a frame of %d bytes, want at most %d", len(p.Payload), config.MaxFrame)
			}
			if end := parted.delim; p.Fault == "" && len(end) > 0 && bytes.Contains([]byte(p.Payload), end) {
				t.Fatalf("frame %q has the delimiter %q in it", p.Payload, end)
			}
		}
		if total != len(input) {
			t.Fatalf("%d bytes counted of %d", total, len(input))
		}
	})
}

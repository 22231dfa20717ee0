package serial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/serial/serialtest"
)

// on returns the configuration for a port.
func on(port *serialtest.Port, kind string, change func(*Config)) Config {
	c := framing(kind, change)
	c.Device = port.Path
	return c
}

func TestSource_readsLines(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	s := start(t, on(port, FramingLine, nil), nil)
	before := time.Now()
	port.Write("temp=21.5 hum=40\r\n22\n")
	b := s.next()
	if b.Source != "s" || b.Collection != "climate" || b.Origin != nil || len(b.Readings) != 2 || cap(b.Readings) != 2 {
		t.Errorf("got %+v", b)
	}
	if r := b.Readings[1]; r.Series.Name != "hum" || r.Float() != 40 || r.Quality != sensors.QualityUnsynced {
		t.Errorf("got %+v of %+v", r, r.Series)
	}
	if at := time.Unix(0, b.Readings[0].Time); at.Before(before) || at.After(time.Now()) {
		t.Errorf("arrived at %v, want after %v", at, before)
	}
	s.want(22)
	st := s.Status()
	if st.State != stateConnected || st.Kind != "serial" || st.Decoded != 2 || st.Readings != 3 || st.Bytes != 21 {
		t.Errorf("status %+v", st)
	}
	checkSums(t, st)
}

func TestSource_takesTheTimeOfTheFirstByte(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	reads := make(chan time.Time, 100)
	s := start(t, on(port, FramingLine, nil), func(s *Source) {
		s.clock = func() (time.Time, sensors.Quality) {
			now := time.Now()
			select {
			case reads <- now:
			default:
			}
			return now, 0
		}
	})
	s.untilState(stateConnected)
	for len(reads) > 0 {
		<-reads
	}
	port.Write("2")
	first := <-reads
	port.Write("1.5\n")
	if b := s.want(21.5); b.Readings[0].Time != first.UnixNano() {
		t.Errorf("arrived at %d, want %d", b.Readings[0].Time, first.UnixNano())
	}
}

func TestSource_waitsForPortThatIsNotThere(t *testing.T) {
	port := serialtest.New(t)
	s := start(t, on(port, FramingLine, nil), nil)
	st := s.until("waiting with a text", func(st sensors.SourceStatus) bool { return st.Text != "" })
	if st.State != stateWaiting || !strings.Contains(st.Text, "is not there") || st.Hint == "" {
		t.Errorf("status %+v", st)
	}
	port.Plug()
	port.Write("1\n")
	s.want(1)
	if st = s.Status(); st.State != stateConnected || st.Text != "" || st.Hint != "" {
		t.Errorf("status %+v", st)
	}
}

func TestSource_survivesUnplugAndReplug(t *testing.T) {
	port := serialtest.New(t)
	s := start(t, on(port, FramingLine, nil), nil)
	for i := range 5 {
		port.Plug()
		port.Write(fmt.Sprintf("%d\n99", i))
		s.want(float64(i))
		port.Unplug()
		s.until("waiting", func(st sensors.SourceStatus) bool { return st.State == stateWaiting && st.Text != "" })
	}
	st := s.Status()
	if st.Decoded != 5 || st.Rejected[sensors.ReasonNoise] > 5 {
		t.Errorf("status %+v", st)
	}
	checkSums(t, st)
}

func TestSource_countsHalfALineBeforeUnplug(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	s := start(t, on(port, FramingLine, nil), nil)
	port.Write("1\n2")
	s.want(1) // both were written at once and are read at once
	port.Unplug()
	st := s.until("half a line counted", func(st sensors.SourceStatus) bool { return st.Offered == 2 })
	if st.Rejected[sensors.ReasonNoise] != 1 || st.Decoded != 1 || len(st.Samples) != 1 || st.Samples[0].Bytes != "2" || st.Bytes != 3 {
		t.Errorf("status %+v", st)
	}
}

func TestSource_readsTheDeviceBehindThePathNow(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	s := start(t, on(port, FramingLine, nil), nil)
	port.Write("1\n")
	s.want(1)
	port.Plug() // the first one stays open and says no more
	port.Write("2\n")
	s.want(2)
}

func TestSource_readsOnAfterNoise(t *testing.T) {
	const seed = 20260101
	rng := rand.New(rand.NewPCG(seed, 1))
	port := serialtest.New(t)
	port.Plug()
	s := start(t, on(port, FramingLine, func(c *Config) { c.MaxFrame = 64 }), nil)
	written, good := 0, 0
	for i := range 200 {
		noise := make([]byte, rng.IntN(200))
		for j := range noise {
			noise[j] = byte(rng.Uint32())
		}
		text := fmt.Sprintf("%s\nvalue=%d\n", noise, 1000+i)
		written += len(text)
		port.Write(text)
		good++
	}
	for good > 0 {
		for _, r := range s.next().Readings {
			if r.Series.Name == "value" && r.Float() >= 1000 {
				good--
			}
		}
	}
	st := s.until("all bytes", func(st sensors.SourceStatus) bool { return st.Bytes == uint64(written) })
	if st.Rejected[sensors.ReasonTooLong] == 0 || st.Rejected[sensors.ReasonSyntax] == 0 || st.State != stateConnected {
		t.Errorf("seed %d: status %+v", seed, st)
	}
	checkSums(t, st)
}

func TestSource_skipsOneMebibyteWithoutNewline(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	s := start(t, on(port, FramingLine, nil), nil)
	for range 256 {
		port.Write(strings.Repeat("\x55", 4096))
	}
	port.Write("\n7\n")
	s.want(7)
	s.stop()
	st := s.Status()
	if st.Rejected[sensors.ReasonTooLong] != 1 || st.Offered != 2 || st.Bytes != 1<<20+3 || cap(s.framer.buf) > 3*4096 {
		t.Errorf("status %+v", st)
	}
	if sample := st.Samples[0]; len(sample.Bytes) != sensors.SampleBytes {
		t.Errorf("sample of %d bytes", len(sample.Bytes))
	}
}

func TestSource_cutsBySilence(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	s := start(t, on(port, FramingSilence, func(c *Config) { c.Silence = 20 * time.Millisecond }), nil)
	for i := range 10 {
		port.Write(fmt.Sprintf("%d", 100+i))
		s.want(float64(100 + i)) // the frame ended, so the line was silent
	}
	checkSums(t, s.Status())
}

func TestSource_waitsForSilence(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	s := start(t, on(port, FramingSilence, func(c *Config) { c.Silence = 2 * time.Second }), nil)
	for _, part := range []string{"2", "1", ".", "5"} {
		port.Write(part)
	}
	began := time.Now()
	s.want(21.5)
	if took := time.Since(began); took < 1900*time.Millisecond {
		t.Errorf("the frame ended after %v, want 2s", took)
	}
}

func TestSource_beginsFixedLengthsAnewAfterSilence(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	s := start(t, on(port, FramingLength, func(c *Config) { c.Length, c.Silence = 3, 100*time.Millisecond }), nil)
	port.Write("10120299") // two frames, and one that lost a byte
	s.want(101)
	s.want(202)
	s.until("the short frame counted", func(st sensors.SourceStatus) bool { return st.Rejected[sensors.ReasonNoise] == 1 })
	port.Write("303")
	s.want(303)
}

func TestSource_cutsByDelimiter(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	s := start(t, on(port, FramingDelimiter, func(c *Config) { c.Delimiter = `\x03\x04` }), nil)
	port.Write("1\x03\x042\x03")
	port.Write("\x043\x03\x04")
	s.want(1)
	s.want(2)
	s.want(3)
}

func TestSource_stopsAtOnceAndCountsHalfALine(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	s := start(t, on(port, FramingLine, nil), nil)
	port.Write("1\n2")
	s.want(1)
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > time.Second {
		t.Errorf("Run took %v to return", took)
	}
	if st := s.Status(); st.Rejected[sensors.ReasonNoise] != 1 || st.Decoded != 1 {
		t.Errorf("status %+v", st)
	}
	checkSums(t, s.Status())
}

func TestSource_opensAgainAfterStop(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	first := start(t, on(port, FramingLine, nil), nil)
	port.Write("1\n")
	first.want(1)
	first.stop()
	port.Write("2\n") // kept by the pseudo-terminal
	second := start(t, on(port, FramingLine, nil), nil)
	second.want(2)
}

func TestSource_doubtsItsSettings(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	s := start(t, on(port, FramingLine, nil), nil)
	port.Write(strings.Repeat("x?\n", doubtAfter))
	st := s.until("doubtful", func(st sensors.SourceStatus) bool { return st.Text != "" })
	if st.State != stateConnected || !strings.Contains(st.Hint, "baud") {
		t.Errorf("status %+v", st)
	}
	port.Write("1\n")
	s.want(1)
	if st = s.Status(); st.Text != "" {
		t.Errorf("status %+v", st)
	}
}

func TestSource_refusesFaultyConfiguration(t *testing.T) {
	s := New(Config{Name: "s"}, "c", nil, nil, func() (time.Time, sensors.Quality) { return time.Now(), 0 }, discard())
	if err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "baud") || !strings.Contains(err.Error(), "device") {
		t.Errorf("Run: %v", err)
	}
}

// scripted is a real device's line as far as ptys cannot be one: what was sent before it was opened is lost.
type scripted struct {
	reads  chan string // "" is silence
	closed chan struct{}
}

func (l *scripted) read(buf []byte, _ time.Duration) (int, error) {
	select {
	case text := <-l.reads:
		if text == "" {
			return 0, errIdle
		}
		return copy(buf, text), nil
	case <-l.closed:
		return 0, errInterrupted
	}
}
func (l *scripted) keeps() bool       { return false }
func (l *scripted) moved(string) bool { return false }
func (l *scripted) interrupt() error  { close(l.closed); return nil }
func (l *scripted) close() error      { return nil }

func TestSource_skipsTheFrameThatItOpenedIn(t *testing.T) {
	for _, test := range []struct {
		reads []string
		noise uint64
	}{
		{[]string{"1.5\n", "7\n"}, 1},
		{[]string{"", "7\n"}, 0},
	} {
		l := &scripted{reads: make(chan string, len(test.reads)), closed: make(chan struct{})}
		for _, r := range test.reads {
			l.reads <- r
		}
		s := start(t, framing(FramingLine, nil), func(s *Source) {
			s.open = func(string, Config) (line, error) { return l, nil }
		})
		s.want(7)
		if st := s.Status(); st.Rejected[sensors.ReasonNoise] != test.noise || st.Decoded != 1 {
			t.Errorf("reads %q: status %+v", test.reads, st)
		}
	}
}

func TestSource_countsErrorsThatAreNoDecodeError(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	s := start(t, on(port, FramingLine, nil), func(s *Source) { s.decoder = failing{errors.New("no")} })
	port.Write("1\n")
	s.until("rejected", func(st sensors.SourceStatus) bool { return st.Rejected[sensors.ReasonSyntax] == 1 })
}

type failing struct{ err error }

func (f failing) Decode(dst []sensors.Reading, _ sensors.Raw) ([]sensors.Reading, error) {
	return dst, f.err
}

// What is right but of no use, such as AIS beside a GPS, is counted: no doubt about the baud rate, no line in the log.
func TestSource_countsTheUnsupportedInSilence(t *testing.T) {
	port := serialtest.New(t)
	port.Plug()
	var logged bytes.Buffer
	s := start(t, on(port, FramingLine, nil), func(s *Source) {
		s.decoder = failing{&sensors.DecodeError{Reason: sensors.ReasonUnsupported}}
		s.log = slog.New(slog.NewTextHandler(&logged, nil))
	})
	port.Write(strings.Repeat("x\n", 2*doubtAfter))
	st := s.until("rejected", func(st sensors.SourceStatus) bool { return st.Rejected[sensors.ReasonUnsupported] == 2*doubtAfter })
	if st.Text != "" {
		t.Errorf("status %+v", st)
	}
	s.stop()
	if strings.Contains(logged.String(), "rejected") {
		t.Errorf("logged %s", logged.String())
	}
}

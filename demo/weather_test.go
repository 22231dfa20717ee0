package demo

import (
	"bufio"
	"context"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skerry-edge/skerry/sensors/pty"
)

const deadline = 20 * time.Second

// start runs sensors; the function ends them and returns what Run did.
func start(t *testing.T, c Config) (*Sensors, func() error) {
	t.Helper()
	c.Log = slog.New(slog.DiscardHandler)
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return s, func() error {
		cancel()
		return <-ended
	}
}

func TestWeather_isTheSameForASeed(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	one, two, other := newWeather(1), newWeather(1), newWeather(2)
	differ := false
	for i := range 100 {
		at := now.Add(time.Duration(i) * time.Second)
		a, b, c := one.next(at), two.next(at), other.next(at)
		if a != b {
			t.Fatalf("second %d: %+v and %+v", i, a, b)
		}
		differ = differ || a != c
	}
	if !differ {
		t.Error("another seed gives the same weather")
	}
}

func TestWeather_staysPlausible(t *testing.T) {
	w := newWeather(7)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var night, day float64
	for range 60 * 24 * 60 {
		c := w.next(now)
		if c.temp < 0 || c.temp > 40 || c.hum < 15 || c.hum > 100 || c.pressure < 970 || c.pressure > 1060 || c.wind < 0 || c.wind > 20 {
			t.Fatalf("%v: %+v", now, c)
		}
		switch now.Hour() {
		case 3:
			night += c.temp
		case 15:
			day += c.temp
		}
		now = now.Add(time.Minute)
	}
	if hours := 60.0 * 60; (day-night)/hours < 8 {
		t.Errorf("days are %.1f °C warmer than nights, want at least 8", (day-night)/hours)
	}
}

// lines matches what the station writes.
var weatherLine = regexp.MustCompile(`^temp=-?\d+\.\d\d hum=\d+\.\d pressure=\d+\.\d wind=\d+\.\d\r\n$`)

func TestWeatherStation_writesLines(t *testing.T) {
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pair.Close() }()
	port, err := os.OpenFile(pair.Path, os.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = port.Close() }()
	s, stop := start(t, Config{Device: pair.Far, Rate: 200, Seed: 3})
	if err := port.SetReadDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(port)
	for range 20 {
		if line, err := in.ReadString('\n'); err != nil || !weatherLine.MatchString(line) {
			t.Fatalf("line %q, %v", line, err)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n := s.Counts().Lines; n < 20 {
		t.Errorf("%d lines counted, want at least 20", n)
	}
}

func TestWeatherStation_neverCutsALine(t *testing.T) {
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pair.Close() }()
	station := &WeatherStation{device: pair.Far, clock: time.Now, model: newWeather(1)}
	for station.skipped.Load() == 0 { // nobody reads: the line fills up
		if err := station.write(); err != nil {
			t.Fatal(err)
		}
	}
	port, err := os.OpenFile(pair.Path, os.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = port.Close() }()
	if err := port.SetReadDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(port)
	for read := range station.lines.Load() {
		line, err := in.ReadString('\n')
		if err != nil || !weatherLine.MatchString(line) {
			t.Fatalf("line %d: %q, %v", read, line, err)
		}
		if len(station.rest) > 0 {
			if err := station.write(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestWeatherStation_endsWhenTheLineBreaks(t *testing.T) {
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pair.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Device: pair.Far, Rate: 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "weather station") {
		t.Errorf("Run: %v", err)
	}
}

func TestNew_refusesFaultyConfiguration(t *testing.T) {
	for _, c := range []Config{{}, {Rate: -1}, {Rate: 1e6}, {Rate: 1, Meters: -1}, {Rate: 1, Meters: 1e6}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

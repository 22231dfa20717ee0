// Package serial receives frames from a serial line and survives whatever happens to it.
package serial

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// States of a source.
const (
	stateConnected = "connected"
	stateWaiting   = "waiting"  // the port is not there
	stateRetrying  = "retrying" // it is there and cannot be used
)

const (
	readBytes    = 4096
	checkEvery   = 2 * time.Second       // how often a silent line's path is looked at
	quietTime    = 50 * time.Millisecond // a line this silent after opening is between two frames
	pendingAfter = 2 * time.Second       // after which those who tap see bytes that are no frame yet
	staleAfter   = 10 * time.Second      // a line that stopped in its middle for so long does not go on
	doubtAfter   = 8                     // rejected frames in a row that make the settings doubtful
	logEvery     = 30 * time.Second      // for one trouble
	longTime     = 5 * time.Second       // of a connection that deserves a quick retry
)

// Source reads one serial port. It opens the port itself and again whenever it was lost, and holds
// it for this process alone. Each frame becomes one Raw whose Arrived is when the frame's first byte
// was read. A frame without its end (unplugged, stopped) is counted and not decoded.
type Source struct {
	// constant after New
	cfg        Config
	path       string
	collection string
	decoder    sensors.Decoder
	sink       sensors.Sink
	clock      func() (time.Time, sensors.Quality)
	log        *slog.Logger
	tally      *sensors.Tally
	open       func(path string, c Config) (line, error)

	// owned by Run
	framer  *framer
	scratch []sensors.Reading
	doubt   int       // frames rejected in a row
	shown   time.Time // when something was shown to those who tap
	trouble sparse
	reject  sparse
}

// line is an open port: see port for what the methods promise.
type line interface {
	read(buf []byte, wait time.Duration) (int, error)
	keeps() bool
	moved(path string) bool
	interrupt() error
	close() error
}

// New returns the source for a configuration in which Validate finds no fault. The decoder belongs
// to the source; clock tells the gateway's time and its quality.
func New(c Config, collection string, decoder sensors.Decoder, sink sensors.Sink,
	clock func() (time.Time, sensors.Quality), log *slog.Logger,
) *Source {
	now, _ := clock()
	return &Source{
		cfg: c, path: devicePath(c.Device), collection: collection, decoder: decoder, sink: sink, clock: clock,
		log:    log.With("source", c.Name, "path", devicePath(c.Device)),
		tally:  sensors.NewTally("serial", c.Name, now),
		open:   func(path string, c Config) (line, error) { return openLine(path, c) },
		framer: newFramer(c),
	}
}

// Status says how the source is. Safe for concurrent use.
func (s *Source) Status() sensors.SourceStatus { return s.tally.Status() }

// Tap shows what arrives from now on: see sensors.Tap.
func (s *Source) Tap() *sensors.Tap { return s.tally.Tap() }

// Run reads the port until ctx ends, then returns nil within about 100 ms. Ports that are missing,
// denied, lost or replaced are tried again, at once when the device's node changes and else after
// 250 ms to 10 s. An error is a fault of the configuration.
func (s *Source) Run(ctx context.Context) error {
	if err := s.check(); err != nil {
		return err
	}
	s.log.InfoContext(ctx, "serial source starts", "baud", s.cfg.Baud, "framing", s.cfg.Framing)
	delay := firstDelay
	for ctx.Err() == nil {
		seen := lookAt(s.path)
		if s.attempt(ctx) {
			delay = firstDelay
		}
		pause(ctx, s.path, seen, jitter(delay))
		delay = min(2*delay, lastDelay)
	}
	now, _ := s.clock()
	s.tally.State(now, stateWaiting, "stopped", "")
	s.log.InfoContext(ctx, "serial source stopped")
	return nil
}

// attempt reads the port for as long as that goes and shows why it ended. It reports whether the port worked.
func (s *Source) attempt(ctx context.Context) bool {
	began, bytes := time.Now(), s.tally.Status().Bytes
	err := s.session(ctx)
	if ctx.Err() == nil {
		s.report(ctx, err)
	}
	return s.tally.Status().Bytes > bytes || time.Since(began) > longTime
}

// check returns all faults of the configuration as one error.
func (s *Source) check() error {
	var faults []string
	s.cfg.Validate(func(key, what, _ string) { faults = append(faults, key+": "+what) })
	if faults == nil {
		return nil
	}
	return fmt.Errorf("configure serial source %q: %s", s.cfg.Name, strings.Join(faults, "; "))
}

// report shows why the port is not being read.
func (s *Source) report(ctx context.Context, err error) {
	state, text, hint := explain(err, s.path)
	now, _ := s.clock()
	s.tally.State(now, state, text, hint)
	if n, ok := s.trouble.allow(time.Now(), text); ok {
		s.log.WarnContext(ctx, "serial port is not available", "err", err, "hint", hint, "unlogged", n)
	}
}

// session opens the port and reads it until it is lost or ctx ends.
func (s *Source) session(ctx context.Context) (err error) {
	port, err := s.open(s.path, s.cfg)
	if err != nil {
		return err
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		if err := port.interrupt(); err != nil {
			s.log.WarnContext(ctx, "serial port was not interrupted", "err", err)
		}
	})
	defer func() {
		if !stop() {
			<-done
		}
		s.framer.end(s.take)
		if closeErr := port.close(); closeErr != nil && err == nil {
			err = closeErr
		}
	}()
	if err := s.begin(port); err != nil {
		return err
	}
	s.settle()
	s.log.InfoContext(ctx, "serial port opened")
	return s.listen(port)
}

// begin finds out whether the first byte begins a frame: when the line is silent first, or when the
// port keeps what was written before it was opened.
func (s *Source) begin(port line) error {
	if port.keeps() {
		s.framer.start(true)
		return nil
	}
	buf := make([]byte, readBytes)
	n, err := port.read(buf, max(quietTime, 3*s.cfg.character()))
	s.framer.start(n == 0)
	s.feed(buf[:n])
	if errors.Is(err, errIdle) {
		return nil
	}
	return err
}

// feed takes bytes that were just read.
func (s *Source) feed(chunk []byte) {
	if len(chunk) == 0 {
		return
	}
	var at stamp
	at.time, at.quality = s.clock()
	s.framer.feed(chunk, at, s.take)
	s.showPending()
}

// showPending shows those who tap the bytes that have been waiting for the end of their frame: at a wrong rate, or with a wrong
// delimiter, there would be nothing to see for long.
func (s *Source) showPending() {
	if s.framer.size > 0 && s.tally.Tapped() && time.Since(s.shown) >= pendingAfter {
		s.shown = time.Now()
		s.tally.ShowPending(s.framer.buf, s.framer.size)
	}
}

// settle shows that the port is read.
func (s *Source) settle() {
	now, _ := s.clock()
	s.doubt = 0
	s.tally.State(now, stateConnected, "", "")
}

// listen reads the open port until it is lost or interrupted.
func (s *Source) listen(port line) error {
	buf := make([]byte, readBytes)
	checked, last := time.Now(), time.Now()
	for {
		wait, forSilence := s.patience()
		n, err := port.read(buf, wait)
		if n > 0 {
			last = time.Now()
			s.feed(buf[:n])
		}
		switch {
		case errors.Is(err, errIdle):
			if forSilence || time.Since(last) >= staleAfter {
				s.framer.idle(s.take)
			}
		case err != nil:
			return err
		}
		if time.Since(checked) >= checkEvery {
			if checked = time.Now(); port.moved(s.path) {
				return errMoved
			}
		}
	}
}

// patience is how long the next byte may take until something is to be done, and whether that is the
// end of a frame by silence. Otherwise it is time to look at the path.
func (s *Source) patience() (wait time.Duration, forSilence bool) {
	bySilence := s.cfg.Framing == FramingSilence || s.cfg.Framing == FramingLength
	if bySilence && s.framer.pending() {
		return s.cfg.Silence, true
	}
	return checkEvery, false
}

// take hands one piece of the line on: a frame to the decoder, whatever is none to the tally.
func (s *Source) take(f frame) {
	if f.fault != nil {
		s.refuse(f.fault, f)
		return
	}
	raw := sensors.Raw{Source: s.cfg.Name, Payload: f.payload, Arrived: f.first.time, Quality: f.first.quality}
	readings, err := s.decoder.Decode(s.scratch[:0], raw)
	s.scratch = readings
	if err != nil {
		var fault *sensors.DecodeError
		if !errors.As(err, &fault) {
			fault = &sensors.DecodeError{Reason: sensors.ReasonSyntax, What: err.Error()}
		}
		s.refuse(fault, f)
		return
	}
	if s.doubt >= doubtAfter {
		s.settle()
	}
	s.doubt = 0
	s.tally.Decoded(f.size, len(readings))
	s.shown = time.Now()
	s.tally.Show("", f.payload, f.size, readings, nil)
	if len(readings) == 0 {
		return
	}
	own := make([]sensors.Reading, len(readings)) // the batch keeps them; the scratch is larger
	copy(own, readings)
	clear(readings)
	s.sink.Offer(sensors.Batch{Source: s.cfg.Name, Collection: s.collection, Readings: own}, nil)
}

// refuse counts a piece that gave no reading.
func (s *Source) refuse(fault *sensors.DecodeError, f frame) {
	now, _ := s.clock()
	s.tally.Reject(now, fault, f.payload, f.size)
	s.shown = time.Now()
	s.tally.Show("", f.payload, f.size, nil, fault)
	if fault.Reason == sensors.ReasonUnsupported { // what arrives is right
		if s.doubt >= doubtAfter {
			s.settle()
		}
		s.doubt = 0
		return
	}
	if s.doubt++; s.doubt == doubtAfter {
		s.tally.State(now, stateConnected, "what arrives is rejected: "+fault.Error(),
			"check baud, parity, framing and format against the sensor's manual")
	}
	if n, ok := s.reject.allow(time.Now(), string(fault.Reason)); ok {
		s.log.Warn("serial input rejected", "reason", string(fault.Reason), "err", fault, "bytes", f.size, "unlogged", n)
	}
}

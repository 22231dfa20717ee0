// Package modbus polls the registers of Modbus slaves, on a serial bus or over TCP, whatever happens to the bus.
package modbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/grid-x/modbus"

	"github.com/skerry-edge/skerry/sensors"
)

const (
	firstDelay  = 250 * time.Millisecond // before the link is opened again
	lastDelay   = 30 * time.Second
	silentLimit = 3 // requests in a row without any byte, after which a connection is made anew
	dropLimit   = 2 // links lost by one request, after which it has failed
	logEvery    = 30 * time.Second
)

// Options say what a source is made of.
type Options struct {
	Config     Config
	Line       Line
	Collection string
	Precision  sensors.Precision // of the readings' times
	Table      *sensors.Table
	Sink       sensors.Sink
	Clock      func() (time.Time, sensors.Quality)
	Log        *slog.Logger
}

// Source polls one bus. It opens the link itself and again whenever it was lost. Each request is an input; an answer becomes one
// batch of readings, whose time is when the answer was whole. A value that cannot be a reading is counted as one more input,
// rejected, and does not spoil those beside it.
type Source struct {
	// constant after New
	o     Options
	tcp   bool
	tally *sensors.Tally
	log   *slog.Logger

	// owned by Run
	schedule schedule
	logged   string // the trouble of the link that was logged last
	loggedAt time.Time
	unlogged uint64
}

// New returns the source. The error is a fault of the configuration.
func New(o Options) (*Source, error) {
	if err := o.Config.faults(); err != nil {
		return nil, err
	}
	now, _ := o.Clock()
	c := o.Config
	s := &Source{o: o, tcp: c.Address != "", tally: sensors.NewTally("modbus", c.Name, now), log: o.Log.With("source", c.Name)}
	s.schedule = schedule{retries: c.Retries, timeout: c.Timeout, skipped: s.skipped}
	for _, sc := range c.Slaves {
		sl := &slave{cfg: sc, unit: byte(*sc.UnitID)} //nolint:gosec // 0 to 255 by Validate
		values := make([]*value, 0, len(sc.Registers))
		for _, r := range sc.Registers {
			v, err := newValue(c, sc, r, o.Table)
			if err != nil {
				return nil, fmt.Errorf("source %q: slave %q: register %q: %w", c.Name, sc.Name, r.Name, err)
			}
			values = append(values, v)
		}
		sl.polls = plan(sl, values, c.MaxGap, c.Interval)
		s.schedule.slaves = append(s.schedule.slaves, sl)
	}
	return s, nil
}

// Status says how the source is. Safe for concurrent use.
func (s *Source) Status() sensors.SourceStatus { return s.tally.Status() }

// Tap shows what the slaves answer from now on: see sensors.Tap.
func (s *Source) Tap() *sensors.Tap { return s.tally.Tap() }

// reject counts an input that gave no reading, and shows it to those who tap. fault says of which slave it is.
func (s *Source) reject(now time.Time, fault *sensors.DecodeError, bytes []byte, size int) {
	s.tally.Reject(now, fault, bytes, size)
	if s.tally.Tapped() {
		s.tally.Show("", fmt.Appendf(nil, "% x", bytes), size, nil, fault)
	}
}

// Run polls until ctx ends, then returns nil. A link that cannot be opened, or is lost, is tried again after 250 ms to 30 s,
// a serial port at once when its node changes.
func (s *Source) Run(ctx context.Context) error {
	s.log.InfoContext(ctx, "modbus source starts", "slaves", len(s.schedule.slaves))
	s.schedule.start(time.Now())
	delay := firstDelay
	for ctx.Err() == nil {
		heard, err := s.session(ctx)
		if ctx.Err() != nil {
			break
		}
		s.report(ctx, err)
		if heard {
			delay = firstDelay
		}
		s.o.Line.Pause(ctx, delay)
		delay = min(2*delay, lastDelay)
	}
	now, _ := s.o.Clock()
	s.tally.State(now, stateWaiting, "stopped", "")
	s.log.InfoContext(ctx, "modbus source stopped")
	return nil //nolint:nilerr // what ended the last session is told, or is that ctx ended
}

// report shows why there is no link.
func (s *Source) report(ctx context.Context, err error) {
	state, text, hint := s.o.Line.Explain(err)
	now, _ := s.o.Clock()
	s.tally.State(now, state, text, hint)
	if text == s.logged && time.Since(s.loggedAt) < logEvery {
		s.unlogged++
		return
	}
	s.log.WarnContext(ctx, "bus is not available", "err", err, "hint", hint, "unlogged", s.unlogged)
	s.logged, s.loggedAt, s.unlogged = text, time.Now(), 0
}

// session opens the link and polls through it until it is lost or ctx ends. heard says that anything arrived.
func (s *Source) session(ctx context.Context) (heard bool, err error) {
	link, err := s.o.Line.Open(ctx)
	if err != nil {
		return false, err
	}
	closed := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { closed <- link.Close() })
	defer func() {
		if stop() {
			closed <- link.Close()
		}
		if closeErr := <-closed; err == nil {
			err = closeErr
		}
	}()
	now, _ := s.o.Clock()
	s.tally.State(now, stateConnected, "", "")
	s.log.InfoContext(ctx, "bus opened")
	m := newMaster(link, s.o.Config, s.o.Line.Character, s.stray)
	err = s.polls(ctx, m)
	return m.heard() > 0, err
}

// polls asks one slave after the other until the link is lost or ctx ends.
func (s *Source) polls(ctx context.Context, m *master) error {
	silent := 0
	for ctx.Err() == nil {
		p, at := s.schedule.next(time.Now())
		if p == nil {
			if !sleep(ctx, time.Until(at)) {
				return nil
			}
			continue
		}
		before := m.heard()
		bytes, err := m.read(p.slave.unit, p.block)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the link was closed because ctx ended
		}
		heard := m.heard() - before
		if lost := s.settle(ctx, p, bytes, heard, err); lost != nil {
			return lost
		}
		if silent++; heard > 0 {
			silent = 0
		}
		if s.tcp && silent >= silentLimit && s.schedule.allMute() {
			return errSilent
		}
	}
	return nil
}

// settle counts what a request came to and tells the schedule. It returns why the link is of no more use, or nil.
func (s *Source) settle(ctx context.Context, p *poll, bytes []byte, heard uint64, err error) error {
	now, _ := s.o.Clock()
	size := int(heard) //nolint:gosec // of one request
	var exception *modbus.Error
	var answer *answerError
	var link *linkError
	switch {
	case err == nil:
		s.take(p, bytes, size)
		p.fault, p.hint = "", ""
		s.schedule.answered(p)
	case errors.As(err, &exception):
		s.refused(ctx, p, exception, size)
	case errors.As(err, &answer):
		s.reject(now, &sensors.DecodeError{Reason: answer.reason, What: s.named(p, answer.what)}, answer.bytes, size)
		p.slave.silent, p.slave.hint = answer.what, answer.hint
		late := !strings.HasPrefix(s.o.Config.Address, schemeTCP) && answer.reason != sensors.ReasonCRC
		s.schedule.failed(p, time.Now(), late, !quick(answer.reason))
	case errors.As(err, &link):
		what := fmt.Sprintf("the link was lost before unit %d answered", p.slave.unit)
		s.reject(now, &sensors.DecodeError{Reason: sensors.ReasonTimeout, What: s.named(p, what)}, nil, size)
		if p.drops++; p.drops >= dropLimit {
			p.drops = 0
			p.slave.silent, p.slave.hint = what, "some devices close the connection when asked for a unit id that they do not know"
			s.schedule.failed(p, time.Now(), false, true)
		}
		s.trouble(ctx, p.slave)
		return link.err
	}
	s.trouble(ctx, p.slave)
	return nil
}

// quick reports whether something had arrived, so that the others did not lose a time-out.
func quick(reason sensors.Reason) bool {
	return reason == sensors.ReasonCRC || reason == sensors.ReasonWrongUnit || reason == sensors.ReasonLate || reason == sensors.ReasonSyntax
}

// named returns what with whom it is about.
func (s *Source) named(p *poll, what string) string {
	return fmt.Sprintf("slave %s, %s: %s", p.slave.cfg.Name, p.block, what)
}

// refused handles an exception. A block of several values of which one may be the cause is asked for in two parts from then on,
// until what is refused stands alone.
func (s *Source) refused(ctx context.Context, p *poll, exception *modbus.Error, size int) {
	now, _ := s.o.Clock()
	r := explainException(exception, p.block)
	s.reject(now, &sensors.DecodeError{Reason: sensors.ReasonException, What: "slave " + p.slave.cfg.Name + ", " + r.text}, nil, size)
	switch {
	case r.absent:
		p.slave.silent, p.slave.hint = r.text, r.hint
		s.schedule.failed(p, time.Now(), false, true)
	case r.again:
		s.schedule.failed(p, time.Now(), false, false)
		if p.tries == 0 {
			p.fault, p.hint = r.text, r.hint
		}
	case r.oneOf && s.schedule.split(p):
		s.log.InfoContext(ctx, "request is split", "slave", p.slave.cfg.Name, "reason", r.text)
	default:
		p.fault, p.hint = r.text, r.hint
		s.schedule.answered(p)
	}
}

// trouble shows what lasts with a slave, and logs when that begins and ends.
func (s *Source) trouble(ctx context.Context, sl *slave) {
	now, _ := s.o.Clock()
	text, hint := sl.trouble()
	s.tally.Trouble(now, sl.cfg.Name, text, hint)
	switch text {
	case sl.shown:
		return
	case "":
		s.log.InfoContext(ctx, "slave is well again", "slave", sl.cfg.Name)
	default:
		s.log.WarnContext(ctx, "slave has a trouble", "slave", sl.cfg.Name, "reason", text, "hint", hint)
	}
	sl.shown = text
}

// take makes readings of an answer.
func (s *Source) take(p *poll, bytes []byte, size int) {
	now, quality := s.o.Clock()
	at := s.o.Precision.Round(now.UnixNano())
	readings := make([]sensors.Reading, 0, len(p.block.values))
	for _, v := range p.block.values {
		r := sensors.Reading{Series: v.series, Time: at, Quality: quality | sensors.QualityArrival}
		ok, fault := v.read(&r, bytes, p.block.from)
		if fault != nil {
			fault.What = fmt.Sprintf("slave %s, %s", p.slave.cfg.Name, fault.What)
			first := v.from - p.block.from
			if !v.cfg.ofBits() {
				s.reject(now, fault, bytes[2*first:2*(v.to-p.block.from)], 0)
			}
			continue
		}
		if ok {
			readings = append(readings, r)
		}
	}
	s.tally.Decoded(size, len(readings))
	if s.tally.Tapped() {
		s.tally.Show(p.slave.cfg.Name+", "+p.block.String(), fmt.Appendf(nil, "% x", bytes), size, readings, nil)
	}
	if len(readings) > 0 {
		s.o.Sink.Offer(sensors.Batch{Source: s.o.Config.Name, Collection: s.o.Collection, Readings: readings}, nil)
	}
}

// stray counts what arrived and answers no request.
func (s *Source) stray(reason sensors.Reason, what string, bytes []byte) {
	now, _ := s.o.Clock()
	s.reject(now, &sensors.DecodeError{Reason: reason, What: what}, bytes, 0)
}

// skipped counts polls whose time passed.
func (s *Source) skipped(p *poll, times uint64) {
	now, _ := s.o.Clock()
	s.tally.Missed(now, &sensors.DecodeError{
		Reason: sensors.ReasonSkipped, What: s.named(p, fmt.Sprintf("its turn came later than its interval of %v", p.interval)),
	}, times)
}

// sleep waits for d and reports whether ctx has not ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// faults returns all faults of the configuration as one error, or nil.
func (c Config) faults() error {
	device := ""
	if c.Address == "" {
		device = "checked elsewhere"
	}
	var faults []string
	c.Validate(device, func(key, what, _ string) { faults = append(faults, key+": "+what) }, func(string, string, string) {},
		func(string, []string) string { return "" })
	if faults == nil {
		return nil
	}
	return fmt.Errorf("configure modbus source %q: %s", c.Name, strings.Join(faults, "; "))
}

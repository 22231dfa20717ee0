package modbus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/modbus/modbustest"
)

// sink keeps what a source offers.
type sink struct {
	mu       sync.Mutex
	readings []sensors.Reading
}

func (s *sink) Add(context.Context, sensors.Batch, func(error)) error {
	return errors.New("a source that polls offers")
}

func (s *sink) Offer(b sensors.Batch, _ func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readings = append(s.readings, b.Readings...)
}

// of returns the values of a series, as "value@milliseconds since start".
func (s *sink) of(name, slave string) []sensors.Reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []sensors.Reading
	for _, r := range s.readings {
		if have, _ := r.Series.Tag("slave"); r.Series.Name == name && (slave == "" || have == slave) {
			out = append(out, r)
		}
	}
	return out
}

func register(name string, address int, change ...func(*RegisterConfig)) RegisterConfig {
	r := DefaultRegisterConfig()
	r.Name, r.Address = name, new(address)
	for _, c := range change {
		c(&r)
	}
	return r
}

func slaveOf(name string, unit int, registers ...RegisterConfig) SlaveConfig {
	s := DefaultSlaveConfig()
	s.Name, s.UnitID, s.Registers = name, new(unit), registers
	return s
}

// rig is a source and its simulated slaves, joined by pipes.
type rig struct {
	bus    *modbustest.Bus
	sink   *sink
	source *Source

	mu     sync.Mutex
	far    net.Conn // of the latest link
	opens  []time.Time
	refuse error // of Open
}

// run runs the source for d of the bubble's time. It must be called in a bubble.
func (r *rig) run(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := r.source.Run(ctx); err != nil {
		t.Error(err)
	}
	sleep(t.Context(), time.Minute) // answers under way find the link closed
	synctest.Wait()
	s := r.source.Status()
	sum := s.Decoded + s.Repeats
	for _, n := range s.Rejected {
		sum += n
	}
	if s.Offered != sum {
		t.Errorf("offered %d, decoded and rejected %d", s.Offered, sum)
	}
}

// newRig returns a source that is joined to the slaves by RTU frames, or by TCP frames when c.Address says so.
func newRig(t *testing.T, c Config, character time.Duration) *rig {
	t.Helper()
	r := &rig{bus: modbustest.NewBus(), sink: &sink{}}
	line := Line{
		Open: func(context.Context) (Link, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.opens = append(r.opens, time.Now())
			if r.refuse != nil {
				return nil, r.refuse
			}
			near, far := net.Pipe()
			r.far = far
			if strings.HasPrefix(c.Address, schemeTCP) {
				go func() { _ = r.bus.ServeTCP(far) }()
			} else {
				go func() { _ = r.bus.ServeRTU(far) }()
			}
			return near, nil
		},
		Explain: func(err error) (state, text, hint string) { return explainTCP(err, "bus") }, Pause: pause, Character: character,
	}
	var err error
	r.source, err = New(Options{
		Config: c, Line: line, Collection: "c", Precision: sensors.Milliseconds, Table: sensors.NewTable(), Sink: r.sink,
		Clock: func() (time.Time, sensors.Quality) { return time.Now(), 0 }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func config(slaves ...SlaveConfig) Config {
	c := DefaultConfig()
	c.Name, c.Interval, c.Slaves = "bus", time.Second, slaves
	return c
}

const at9600 = 11 * time.Second / 9600

// Readings come at the phase of the interval, whatever the answers took, with the answer's time.
func TestSource_keepsItsPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config(slaveOf("meter", 1, register("power", 7))), at9600)
		r.bus.Slave(1).Set(modbustest.ReadHolding, 7, 42)
		r.bus.Slave(1).Next(modbustest.Fault{}, modbustest.Fault{After: 300 * time.Millisecond}, modbustest.Fault{After: 700 * time.Millisecond})
		start := time.Now()
		r.run(t, 5*time.Second+500*time.Millisecond)
		requests := r.bus.Slave(1).Requests()
		if len(requests) != 6 {
			t.Fatalf("%d requests in 5.5 s, want 6", len(requests))
		}
		for i, q := range requests {
			// Before each request come 200 µs in which the line is looked at; at the first 4 ms of silence are known.
			if late := q.At.Sub(start) - time.Duration(i)*time.Second; late < 0 || late > 5*time.Millisecond {
				t.Errorf("request %d came %v after its phase", i, late)
			}
		}
		got := r.sink.of("power", "meter")
		if len(got) != 6 || got[2].Int() != 42 || got[2].Series.Type != sensors.Int {
			t.Fatalf("got %d readings, %+v", len(got), got)
		}
		if when := time.Unix(0, got[2].Time).Sub(start); when < 2700*time.Millisecond || when > 2710*time.Millisecond {
			t.Errorf("the third reading is of %v after the start, want that of the answer, 2.7 s", when)
		}
		if got[2].Quality != sensors.QualityArrival {
			t.Errorf("quality %v, want arrival", got[2].Quality)
		}
	})
}

// A poll that came late to its turn is asked once, and then at its phase again; what passed meanwhile is counted.
func TestSource_skipsAndKeepsItsPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(slaveOf("meter", 1, register("power", 7)))
		c.Timeout = 5 * time.Second
		r := newRig(t, c, at9600)
		r.bus.Slave(1).Set(modbustest.ReadHolding, 7, 42)
		r.bus.Slave(1).Next(modbustest.Fault{}, modbustest.Fault{After: 3300 * time.Millisecond})
		start := time.Now()
		r.run(t, 7500*time.Millisecond)
		var got []int64
		for _, q := range r.bus.Slave(1).Requests() {
			got = append(got, q.At.Sub(start).Milliseconds()/100*100)
		}
		want := []int64{0, 1000, 4300, 5000, 6000, 7000} // the poll of 4 s is late, those of 2 and 3 s are skipped
		if !slices.Equal(got, want) {
			t.Errorf("requests at %v ms, want %v", got, want)
		}
		if s := r.source.Status(); s.Rejected[sensors.ReasonSkipped] != 2 || s.Decoded != 6 {
			t.Errorf("rejected %v, decoded %d; want 2 skipped and 6", s.Rejected, s.Decoded)
		}
	})
}

// With one slave dead the other loses only the moments in which its turn waits for a time-out.
func TestSource_deadSlaveDoesNotStallTheOther(t *testing.T) {
	for _, address := range []string{"", "tcp://10.0.0.9:502"} {
		synctest.Test(t, func(t *testing.T) {
			c := config(slaveOf("dead", 9, register("x", 0), register("y", 500), register("z", 1000)), slaveOf("alive", 1, register("power", 7)))
			c.Interval, c.Timeout, c.Retries, c.Address = 100*time.Millisecond, 500*time.Millisecond, 2, address
			r := newRig(t, c, at9600)
			r.bus.Slave(1).Set(modbustest.ReadHolding, 7, 42)
			const span = 10 * time.Minute
			r.run(t, span)
			// The dead slave costs its first 3 tries, then one try a rest of 1, 2, 4, 8, 16 and from then on 30 s.
			tries := 3 + 5 + int(span/(30*time.Second))
			lost := tries*int(c.Timeout/c.Interval) + tries // the phase may cost one more each
			want := int(span/c.Interval) - lost
			if got := len(r.sink.of("power", "alive")); got < want || got > int(span/c.Interval) {
				t.Errorf("%q: the living slave gave %d readings in %v, want %d to %d", address, got, span, want, int(span/c.Interval))
			}
			s := r.source.Status()
			if n := int(s.Rejected[sensors.ReasonTimeout]); n > tries+1 || n < tries-3 {
				t.Errorf("%q: %d time-outs, want about %d", address, n, tries)
			}
			if s.State != stateWaiting || len(r.opens) != 1 {
				t.Errorf("%q: state %q, opened %d times, want once", address, s.State, len(r.opens))
			}
			if len(s.Troubles) != 1 || s.Troubles[0].Name != "bus.dead" || !strings.Contains(s.Troubles[0].Text, "did not answer") {
				t.Errorf("%q: troubles %+v, want one of the dead slave", address, s.Troubles)
			}
			if s.Rejected[sensors.ReasonSkipped] == 0 {
				t.Errorf("%q: no poll was counted as skipped", address)
			}
		})
	}
}

// Between two tries of a silent slave the others have their turn.
func TestSource_retriesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(slaveOf("a", 1, register("x", 0)), slaveOf("b", 2, register("x", 0)))
		c.Interval, c.Timeout, c.Retries = 100*time.Millisecond, 300*time.Millisecond, 3
		r := newRig(t, c, at9600)
		r.bus.Slave(1).Set(modbustest.ReadHolding, 0, 1)
		r.bus.Slave(2).Set(modbustest.ReadHolding, 0, 2)
		r.bus.Slave(1).Next(modbustest.Fault{Silent: true}, modbustest.Fault{Silent: true}, modbustest.Fault{Silent: true})
		r.run(t, 2*time.Second)
		a, b := r.bus.Slave(1).Requests(), r.bus.Slave(2).Requests()
		for i := range 3 {
			if !slices.ContainsFunc(b, func(q modbustest.Request) bool { return q.At.After(a[i].At) && q.At.Before(a[i+1].At) }) {
				t.Errorf("between tries %d and %d of a, b had no turn", i, i+1)
			}
		}
		if len(r.sink.of("x", "a")) == 0 {
			t.Error("the slave that spoke at last gave no reading")
		}
	})
}

// An answer that comes after its time-out is never taken for that of another request.
func TestSource_lateAnswersAreNotMistaken(t *testing.T) {
	for _, address := range []string{"", "tcp://10.0.0.9:502", "rtuovertcp://10.0.0.9:8899"} {
		for _, delay := range []time.Duration{350 * time.Millisecond, 501 * time.Millisecond, 650 * time.Millisecond, 950 * time.Millisecond, 1400 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				var registers []RegisterConfig
				for i := range 10 {
					registers = append(registers, register(fmt.Sprint("r", i), i*1000, func(r *RegisterConfig) { r.Interval = time.Duration(3+i%2) * 100 * time.Millisecond }))
				}
				c := config(slaveOf("slow", 1, registers...), slaveOf("other", 2, registers...))
				c.Timeout, c.Retries, c.Address = 500*time.Millisecond, 1, address
				r := newRig(t, c, at9600)
				for i := range 10 {
					r.bus.Slave(1).Set(modbustest.ReadHolding, i*1000, uint16(100+i))
					r.bus.Slave(2).Set(modbustest.ReadHolding, i*1000, uint16(200+i))
				}
				r.bus.Slave(1).Next(modbustest.Fault{}, modbustest.Fault{After: delay}, modbustest.Fault{}, modbustest.Fault{},
					modbustest.Fault{After: delay}, modbustest.Fault{After: delay})
				r.run(t, 20*time.Second)
				for i := range 10 {
					for slave, want := range map[string]int64{"slow": int64(100 + i), "other": int64(200 + i)} {
						got := r.sink.of(fmt.Sprint("r", i), slave)
						if len(got) == 0 {
							t.Errorf("%q, %v: no reading of r%d of %s", address, delay, i, slave)
						}
						for _, reading := range got {
							if reading.Int() != want {
								t.Fatalf("%q, %v: r%d of %s is %d, want %d", address, delay, i, slave, reading.Int(), want)
							}
						}
					}
				}
			})
		}
	}
}

// What a bus does to frames is counted by reason, and the next answer is right again.
func TestSource_faultsAreCounted(t *testing.T) {
	for name, c := range map[string]struct {
		fault  modbustest.Fault
		reason sensors.Reason
		lost   bool // the poll needs its retry
	}{
		"silence":        {modbustest.Fault{Silent: true}, sensors.ReasonTimeout, true},
		"wrong CRC":      {modbustest.Fault{BadCRC: true}, sensors.ReasonCRC, true},
		"half a frame":   {modbustest.Fault{Half: true}, sensors.ReasonShort, true},
		"other unit":     {modbustest.Fault{AsUnit: 7}, sensors.ReasonWrongUnit, true},
		"noise before":   {modbustest.Fault{Noise: []byte{0xff, 0, 1, 3}}, sensors.ReasonNoise, false},
		"only noise":     {modbustest.Fault{Noise: []byte("\x80\x90"), Half: true, AsUnit: 0x55}, sensors.ReasonNoise, true},
		"device's fault": {modbustest.Fault{Exception: 4}, sensors.ReasonException, false},
		"busy":           {modbustest.Fault{Exception: 6}, sensors.ReasonException, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config(slaveOf("meter", 1, register("a", 0), register("b", 1), register("c", 2)))
				cfg.Timeout = 300 * time.Millisecond
				r := newRig(t, cfg, at9600)
				r.bus.Slave(1).Set(modbustest.ReadHolding, 0, 1, 2, 3)
				r.bus.Slave(1).Next(modbustest.Fault{}, c.fault)
				r.run(t, 4500*time.Millisecond)
				s := r.source.Status()
				if s.Rejected[c.reason] != 1 || len(s.Rejected) != 1 {
					t.Errorf("rejected %v, want one for %s", s.Rejected, c.reason)
				}
				want := 5
				if c.fault.Exception == 4 {
					want = 4 // no retry helps against it
				}
				if got := len(r.sink.of("b", "")); got != want {
					t.Errorf("%d readings, want %d", got, want)
				}
				if len(s.Troubles) != 0 {
					t.Errorf("troubles %+v after it was well again", s.Troubles)
				}
				if len(s.Samples) != 1 || c.reason != sensors.ReasonNoise && !strings.Contains(s.Samples[0].What, "slave meter, registers a … c") {
					t.Errorf("samples %+v do not name slave and registers", s.Samples)
				}
			})
		})
	}
}

// An adapter that hears what it sends itself is no trouble.
func TestSource_hearsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config(slaveOf("meter", 1, register("a", 0))), at9600)
		r.bus.Slave(1).Set(modbustest.ReadHolding, 0, 1)
		request := []byte{1, 3, 0, 0, 0, 1}
		crc := modbustest.CRC(request)
		r.bus.Slave(1).Always(modbustest.Fault{Noise: append(request, byte(crc), byte(crc>>8))})
		r.run(t, 4500*time.Millisecond)
		if s := r.source.Status(); s.Decoded != 5 || len(s.Rejected) != 0 {
			t.Errorf("decoded %d, rejected %v; want 5 and none", s.Decoded, s.Rejected)
		}
	})
}

// One register that is not there costs only itself.
func TestSource_splitsWhatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var registers []RegisterConfig
		for i := range 20 {
			registers = append(registers, register(fmt.Sprint("r", i), i))
		}
		r := newRig(t, config(slaveOf("meter", 1, registers...)), at9600)
		for i := range 20 {
			if i != 13 {
				r.bus.Slave(1).Set(modbustest.ReadHolding, i, uint16(i))
			}
		}
		r.run(t, 9500*time.Millisecond)
		for i := range 20 {
			got := r.sink.of(fmt.Sprint("r", i), "")
			if want := 10; i != 13 && len(got) != want || i == 13 && len(got) != 0 {
				t.Errorf("r%d has %d readings, want %d", i, len(got), want)
			}
		}
		s := r.source.Status()
		want := "register r13: illegal data address (exception 2)"
		if len(s.Troubles) != 1 || s.Troubles[0].Text != want || !strings.Contains(s.Troubles[0].Hint, "40001") {
			t.Errorf("troubles %+v, want %q", s.Troubles, want)
		}
	})
}

// The line is silent for 3.5 characters and the turn-around before each request.
func TestSource_keepsSilence(t *testing.T) {
	for name, c := range map[string]struct {
		character, turnaround, want time.Duration
	}{
		"9600":            {at9600, 0, at9600 * 7 / 2},
		"115200":          {11 * time.Second / 115200, 0, 1750 * time.Microsecond},
		"with turnaround": {at9600, 30 * time.Millisecond, at9600*7/2 + 30*time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config(slaveOf("a", 1, register("x", 0)), slaveOf("b", 2, register("x", 0)))
				cfg.Turnaround = c.turnaround
				r := newRig(t, cfg, c.character)
				r.bus.Slave(1).Set(modbustest.ReadHolding, 0, 1)
				r.bus.Slave(2).Set(modbustest.ReadHolding, 0, 1)
				r.run(t, 500*time.Millisecond)
				gap := r.bus.Slave(2).Requests()[0].At.Sub(r.bus.Slave(1).Requests()[0].At)
				if gap < c.want || gap > c.want+time.Millisecond {
					t.Errorf("the second request came %v after the answer to the first, want %v", gap, c.want)
				}
			})
		})
	}
}

// A link that is lost is opened again, and polling goes on at the same phase.
func TestSource_opensAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config(slaveOf("meter", 1, register("a", 0))), at9600)
		r.bus.Slave(1).Set(modbustest.ReadHolding, 0, 1)
		time.AfterFunc(2500*time.Millisecond, func() {
			r.mu.Lock()
			r.refuse = io.EOF
			r.mu.Unlock()
			_ = r.far.Close()
		})
		time.AfterFunc(2600*time.Millisecond, func() {
			if s := r.source.Status(); s.State != stateConnected {
				t.Errorf("state %q: nobody can know yet", s.State)
			}
		})
		time.AfterFunc(5100*time.Millisecond, func() {
			if s := r.source.Status(); s.State != stateRetrying || s.Text == "" {
				t.Errorf("state %q, text %q, want retrying", s.State, s.Text)
			}
			r.mu.Lock()
			r.refuse = nil
			r.mu.Unlock()
		})
		r.run(t, 20500*time.Millisecond)
		got := r.sink.of("a", "")
		if len(got) < 15 || len(got) > 19 {
			t.Errorf("%d readings in 20 s with 2.6 s of pause and the wait for the next try", len(got))
		}
		s := r.source.Status()
		if s.Rejected[sensors.ReasonTimeout] != 1 || s.Rejected[sensors.ReasonSkipped]+s.Decoded < 20 {
			t.Errorf("rejected %v, decoded %d: a poll is missing", s.Rejected, s.Decoded)
		}
	})
}

// The waits between tries to connect grow to 30 s and no further.
func TestSource_retriesWithin30s(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config(slaveOf("meter", 1, register("a", 0))), 0)
		r.refuse = io.EOF
		r.run(t, 5*time.Minute)
		longest := time.Duration(0)
		for i := 1; i < len(r.opens); i++ {
			longest = max(longest, r.opens[i].Sub(r.opens[i-1]))
		}
		if first := r.opens[1].Sub(r.opens[0]); first > 250*time.Millisecond || longest > 30*time.Second || longest < 20*time.Second {
			t.Errorf("first wait %v, longest %v; want at most 250 ms and 30 s", first, longest)
		}
	})
}

// A connection that takes requests and gives nothing is made anew; one with a slave that answers is not.
func TestSource_leavesSilentConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(slaveOf("meter", 1, register("a", 0)))
		c.Address, c.Timeout = "tcp://10.0.0.9:502", 200*time.Millisecond
		r := newRig(t, c, 0)
		r.bus.Slave(1).Always(modbustest.Fault{Silent: true})
		r.run(t, time.Minute)
		if len(r.opens) < 3 {
			t.Errorf("opened %d times", len(r.opens))
		}
	})
}

// A slave that makes its gateway close the connection does not keep the others from their turn.
func TestSource_dropsDoNotStarve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(slaveOf("bad", 9, register("a", 0)), slaveOf("good", 1, register("a", 0)))
		c.Address = "tcp://10.0.0.9:502"
		r := newRig(t, c, 0)
		r.bus.Slave(9).Always(modbustest.Fault{Drop: true})
		r.bus.Slave(1).Set(modbustest.ReadHolding, 0, 1)
		r.run(t, 2*time.Minute)
		if got := len(r.sink.of("a", "good")); got < 90 {
			t.Errorf("%d readings of the good slave in 120 s", got)
		}
	})
}

// A value that cannot be a reading is counted and does not spoil those beside it.
func TestSource_badValueIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config(slaveOf("meter", 1, register("a", 0), register("huge", 1, func(r *RegisterConfig) { r.Type = TypeUint64 }))), at9600)
		r.bus.Slave(1).Set(modbustest.ReadHolding, 0, 7, 0x8000, 0, 0, 1)
		r.run(t, 500*time.Millisecond)
		s := r.source.Status()
		if s.Decoded != 1 || s.Readings != 1 || s.Rejected[sensors.ReasonValue] != 1 || len(r.sink.of("a", "")) != 1 {
			t.Errorf("status %+v", s)
		}
		if !strings.Contains(s.Samples[0].What, "register huge: 9223372036854775809 is beyond 63 bits") {
			t.Errorf("sample %q", s.Samples[0].What)
		}
	})
}

// A line on which somebody talks all the time is noise, and does not hold Run.
func TestSource_babble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config(slaveOf("meter", 1, register("a", 0))), at9600)
		ctx, cancel := context.WithCancel(t.Context())
		var babble sync.WaitGroup
		babble.Go(func() {
			for sleep(ctx, time.Millisecond) {
				r.mu.Lock()
				far := r.far
				r.mu.Unlock()
				_ = far.SetWriteDeadline(time.Now().Add(time.Second))
				_, _ = far.Write([]byte("\x55\xaa"))
			}
		})
		r.run(t, 30*time.Second)
		cancel()
		babble.Wait()
		if s := r.source.Status(); s.Rejected[sensors.ReasonNoise] < 3 || s.Decoded != 0 {
			t.Errorf("rejected %v", s.Rejected)
		}
	})
}

// A slave whose answers are damaged does not rest: it costs nobody a time-out.
func TestSource_damagedAnswersDoNotRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config(slaveOf("meter", 1, register("a", 0), register("b", 500))), at9600)
		r.bus.Slave(1).Set(modbustest.ReadHolding, 0, 1)
		r.bus.Slave(1).Set(modbustest.ReadHolding, 500, 1)
		damaged := slices.Repeat([]modbustest.Fault{{BadCRC: true}}, 6) // two tries each of a, b and a again
		r.bus.Slave(1).Next(damaged...)
		time.AfterFunc(1500*time.Millisecond, func() {
			if s := r.source.Status(); len(s.Troubles) != 1 || !strings.Contains(s.Troubles[0].Text, "damaged") {
				t.Errorf("troubles %+v, want one", s.Troubles)
			}
		})
		r.bus.Slave(1).Next(modbustest.Fault{BadCRC: true}, modbustest.Fault{BadCRC: true})
		r.run(t, 4500*time.Millisecond)
		if a, b := len(r.sink.of("a", "")), len(r.sink.of("b", "")); a != 3 || b != 3 {
			t.Errorf("%d and %d readings in the 3 s after the damage, want 3 each", a, b)
		}
		if s := r.source.Status(); s.Rejected[sensors.ReasonCRC] != 8 || len(s.Troubles) != 0 {
			t.Errorf("rejected %v, troubles %+v", s.Rejected, s.Troubles)
		}
	})
}

// The time-out is until the answer begins: what a long answer takes on a slow line is added.
func TestSource_longAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(slaveOf("meter", 1, register("text", 0, func(r *RegisterConfig) { r.Type, r.Length = TypeString, 125 })))
		c.Interval, c.Timeout = 10*time.Second, 200*time.Millisecond
		near, far := net.Pipe()
		t.Cleanup(func() { _ = far.Close() })
		go func() { // 1200 baud: 255 characters take 2.3 s
			request := make([]byte, 64)
			_, _ = far.Read(request)
			answer := append([]byte{1, 3, 250}, strings.Repeat("ab", 125)...)
			crc := modbustest.CRC(answer)
			answer = append(answer, byte(crc), byte(crc>>8))
			<-time.After(190 * time.Millisecond)
			for _, c := range answer {
				_, _ = far.Write([]byte{c})
				<-time.After(11 * time.Second / 1200)
			}
		}()
		r := newRig(t, c, 11*time.Second/1200)
		r.source.o.Line.Open = func(context.Context) (Link, error) { return near, nil }
		r.run(t, 5*time.Second)
		if got := r.sink.of("text", ""); len(got) != 1 || got[0].Str != strings.Repeat("ab", 125) {
			t.Errorf("%d readings, rejected %v", len(got), r.source.Status().Rejected)
		}
	})
}

// In a slave that cannot keep up all polls come to their turn.
func TestSource_overloadIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var registers []RegisterConfig
		for i := range 5 {
			registers = append(registers, register(fmt.Sprint("r", i), 1000*i))
		}
		c := config(slaveOf("slow", 1, registers...))
		c.Interval = 100 * time.Millisecond
		r := newRig(t, c, at9600)
		for i := range 5 {
			r.bus.Slave(1).Set(modbustest.ReadHolding, 1000*i, 1)
		}
		r.bus.Slave(1).Always(modbustest.Fault{After: 150 * time.Millisecond})
		r.run(t, 15*time.Second)
		for i := range 5 {
			if n := len(r.sink.of(fmt.Sprint("r", i), "")); n < 17 || n > 21 {
				t.Errorf("r%d has %d readings of about 95, want a fifth", i, n)
			}
		}
	})
}

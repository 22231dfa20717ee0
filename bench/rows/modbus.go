package rows

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/skerry-edge/skerry/bench/child"
	"github.com/skerry-edge/skerry/bench/report"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/modbus"
)

// What is polled: each slave has a block of values, as fast as a source may.
const (
	modbusSlaves = 100
	modbusValues = 20 // float32
)

type modbusTask struct {
	TCP bool
	For time.Duration
}

type modbusAnswer struct {
	Rate   float64 // readings a second of CPU
	Allocs float64 // a reading
}

// modbus measures a source that polls slaves which answer at once, in the same process.
func (b *Bench) modbus(ctx context.Context) error {
	for _, tcp := range []bool{false, true} {
		task := modbusTask{TCP: tcp, For: pick(b, 3*time.Second, 100*time.Millisecond)}
		name := "RTU source"
		if tcp {
			name = "TCP source"
		}
		a, err := child.Work[modbusAnswer](ctx, "modbus", task, "GOMAXPROCS=1")
		if err != nil {
			return err
		}
		b.add(report.Row{
			Group: "modbus", Name: name, How: "20 float32 a request, link in memory, by CPU time", Figure: a.Rate, Unit: "readings/s",
		}, report.Row{
			Group: "modbus", Name: name, How: "heap", Figure: a.Allocs, Unit: "allocations a reading",
		})
	}
	return nil
}

// modbusChild does a modbusTask.
func modbusChild(ctx context.Context, t modbusTask) (a modbusAnswer, err error) {
	c := modbus.DefaultConfig()
	c.Name, c.Interval = "bench", modbus.MinInterval
	if t.TCP {
		c.Address = "tcp://bench:502"
	}
	for unit := 1; unit <= modbusSlaves; unit++ {
		s := modbus.DefaultSlaveConfig()
		s.Name, s.UnitID = fmt.Sprint("slave", unit), new(unit)
		for i := range modbusValues {
			r := modbus.DefaultRegisterConfig()
			r.Name, r.Address, r.Type = fmt.Sprint("r", i), new(2*i), modbus.TypeFloat32
			s.Registers = append(s.Registers, r)
		}
		c.Slaves = append(c.Slaves, s)
	}
	sink := &countSink{}
	source, err := modbus.New(modbus.Options{
		Config: c, Collection: "bench", Precision: sensors.Milliseconds, Table: sensors.NewTable(), Sink: sink,
		Line: modbus.Line{
			Open:    func(context.Context) (modbus.Link, error) { return newEcho(t.TCP), nil },
			Explain: func(err error) (state, text, hint string) { return "retrying", err.Error(), "" },
			Pause:   func(context.Context, time.Duration) {},
		},
		Clock: func() (time.Time, sensors.Quality) { return time.Now(), 0 }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return a, err
	}
	ctx, cancel := context.WithTimeout(ctx, t.For)
	defer cancel()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, err := cpuTime()
	if err != nil {
		return a, err
	}
	if err = source.Run(ctx); err != nil {
		return a, err
	}
	ended, err := cpuTime()
	runtime.ReadMemStats(&after)
	readings := float64(sink.readings.Load())
	a.Rate = readings / (ended - began).Seconds()
	a.Allocs = float64(after.Mallocs-before.Mallocs) / readings
	return a, err
}

// cpuTime returns what this process has used.
func cpuTime() (time.Duration, error) {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		return 0, fmt.Errorf("ask for the CPU time: %w", err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano()), nil
}

// countSink counts readings and drops them.
type countSink struct{ readings atomic.Uint64 }

func (s *countSink) Add(context.Context, sensors.Batch, func(error)) error { return nil }

func (s *countSink) Offer(b sensors.Batch, _ func(error)) { s.readings.Add(uint64(len(b.Readings))) }

// echo is a link whose slaves answer at once with zeros.
type echo struct {
	tcp     bool
	answers map[byte][]byte // RTU, by unit
	answer  []byte
}

func newEcho(tcp bool) *echo {
	e := &echo{tcp: tcp, answers: map[byte][]byte{}}
	for unit := 1; unit <= modbusSlaves; unit++ {
		frame := make([]byte, 3+4*modbusValues)
		frame[0], frame[1], frame[2] = byte(unit), 3, 4*modbusValues
		crc := uint16(0xFFFF)
		for _, b := range frame {
			crc ^= uint16(b)
			for range 8 {
				crc = crc>>1 ^ 0xA001&-(crc&1)
			}
		}
		e.answers[byte(unit)] = binary.LittleEndian.AppendUint16(frame, crc)
	}
	return e
}

func (e *echo) Write(b []byte) (int, error) {
	if !e.tcp {
		e.answer = e.answers[b[0]]
		return len(b), nil
	}
	frame := e.answers[b[6]]
	e.answer = append(append(e.answer[:0], b[0], b[1], 0, 0, 0, byte(len(frame)-2)), frame[:len(frame)-2]...) //nolint:gosec // short
	return len(b), nil
}

func (e *echo) Read(b []byte) (int, error) {
	if len(e.answer) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(b, e.answer)
	e.answer = e.answer[n:]
	return n, nil
}

func (e *echo) Close() error                     { return nil }
func (e *echo) SetReadDeadline(time.Time) error  { return nil }
func (e *echo) SetWriteDeadline(time.Time) error { return nil }

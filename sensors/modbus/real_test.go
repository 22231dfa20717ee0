package modbus_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/modbus"
	"github.com/skerry-edge/skerry/sensors/modbus/modbustest"
	"github.com/skerry-edge/skerry/sensors/pty"
	"github.com/skerry-edge/skerry/sensors/serial"
)

// received is a sink that tells of each batch.
type received chan sensors.Batch

func (r received) Add(context.Context, sensors.Batch, func(error)) error {
	return errors.New("a source that polls offers")
}
func (r received) Offer(b sensors.Batch, _ func(error)) { r <- b }

const patience = 30 * time.Second // of a test that would fail

func (r received) next(t *testing.T) sensors.Batch {
	t.Helper()
	select {
	case b := <-r:
		return b
	case <-time.After(patience):
		t.Fatal("no batch")
		return sensors.Batch{}
	}
}

// start runs a source with one slave of one register until the test ends.
func start(t *testing.T, c modbus.Config, line modbus.Line) (*modbus.Source, received) {
	t.Helper()
	sink := make(received, 1024)
	slave, register := modbus.DefaultSlaveConfig(), modbus.DefaultRegisterConfig()
	register.Name, register.Address, register.Table, register.Type = "power", new(52), modbus.TableInput, modbus.TypeFloat32
	slave.Name, slave.UnitID, slave.Registers = "meter", new(1), []modbus.RegisterConfig{register}
	c.Name, c.Slaves = "bus", []modbus.SlaveConfig{slave}
	s, err := modbus.New(modbus.Options{
		Config: c, Line: line, Collection: "c", Precision: sensors.Milliseconds, Table: sensors.NewTable(), Sink: sink,
		Clock: func() (time.Time, sensors.Quality) { return time.Now(), 0 }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return s, sink
}

func serialLine(c serial.LineConfig) modbus.Line {
	return modbus.Line{
		Open: func(context.Context) (modbus.Link, error) {
			bus, err := c.Open()
			if err != nil {
				return nil, err
			}
			return bus, nil
		},
		Explain: c.Explain, Pause: c.Pause, Character: c.Character(),
	}
}

func waitFor(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !met(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// A slave behind a real terminal is polled, and again after the adapter was unplugged and plugged in elsewhere.
func TestSource_pseudoTerminal(t *testing.T) {
	bus := modbustest.NewBus()
	bus.Slave(1).Set(modbustest.ReadInput, 52, 0x4366, 0x3334)
	device := filepath.Join(t.TempDir(), "adapter")
	plug := func() *pty.Pair {
		pair, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		if err := pair.Link(device); err != nil {
			t.Fatal(err)
		}
		go func() { _ = bus.ServeRTU(pair.Far) }()
		return pair
	}
	first := plug()
	line := serial.DefaultLineConfig()
	line.Device, line.Baud, line.Parity = device, 19200, serial.ParityEven
	c := modbus.DefaultConfig()
	c.Interval, c.Timeout = 50*time.Millisecond, 2*time.Second
	s, sink := start(t, c, serialLine(line))
	if b := sink.next(t); b.Readings[0].Float() != 230.20001220703125 || b.Collection != "c" || b.Source != "bus" {
		t.Errorf("batch %+v", b)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the source sees that the adapter is gone", func() bool { return s.Status().State != "connected" })
	for len(sink) > 0 {
		<-sink
	}
	second := plug()
	t.Cleanup(func() { _ = second.Close() })
	sink.next(t)
	waitFor(t, "the source is connected", func() bool { return s.Status().State == "connected" })
}

// The device refuses, then is there, closes the connection, and is there again.
func TestSource_overTCP(t *testing.T) {
	for _, scheme := range []string{"tcp://", "rtuovertcp://"} {
		bus := modbustest.NewBus()
		bus.Slave(1).Set(modbustest.ReadInput, 52, 0x4366, 0x3334)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		_ = l.Close()
		c := modbus.DefaultConfig()
		c.Interval, c.Timeout, c.Address = 50*time.Millisecond, 2*time.Second, scheme+address
		s, sink := start(t, c, modbus.TCP(c.Address))
		waitFor(t, "refused", func() bool { return s.Status().Text == address+": connection refused" })
		if l, err = net.Listen("tcp", address); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		serve := bus.ServeTCP
		if scheme != "tcp://" {
			serve = bus.ServeRTU
		}
		go func() { _ = bus.Listen(l, serve) }()
		if b := sink.next(t); b.Readings[0].Float() != 230.20001220703125 {
			t.Errorf("%s: %+v", scheme, b)
		}
		bus.Slave(1).Next(modbustest.Fault{Drop: true})
		waitFor(t, "dropped", func() bool { return s.Status().Rejected[sensors.ReasonTimeout] > 0 })
		for len(sink) > 0 {
			<-sink
		}
		sink.next(t)
	}
}

// What a port cannot do, and a device that is none, are told with a hint.
func TestSource_explainsTheLine(t *testing.T) {
	pair, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pair.Close() })
	for name, c := range map[string]struct {
		line  serial.LineConfig
		state string
	}{
		"no RS-485": {serial.LineConfig{Device: pair.Path, Baud: 9600, Parity: serial.ParityNone, StopBits: 1, RS485: true}, "retrying"},
		"no device": {serial.LineConfig{Device: "/dev/serial/by-id/none", Baud: 9600, Parity: serial.ParityNone, StopBits: 1}, "waiting"},
	} {
		s, _ := start(t, modbus.DefaultConfig(), serialLine(c.line))
		waitFor(t, name, func() bool {
			have := s.Status()
			return have.State == c.state && have.Text != "" && have.Hint != ""
		})
	}
}

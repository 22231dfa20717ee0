package modbus

import (
	"context"
	"encoding/binary"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// canned is a link that answers each request at once, with as many bytes as it asks for.
type canned struct {
	tcp    bool
	answer []byte
}

func (c *canned) Write(b []byte) (int, error) {
	pdu := b
	c.answer = c.answer[:0]
	if c.tcp {
		pdu = b[6:]
		c.answer = append(c.answer, b[0], b[1], 0, 0, 0, byte(3+2*binary.BigEndian.Uint16(pdu[4:])))
	}
	n := 2 * int(binary.BigEndian.Uint16(pdu[4:]))
	from := len(c.answer)
	c.answer = append(c.answer, pdu[0], pdu[1], byte(n))
	for i := range n {
		c.answer = append(c.answer, byte(i))
	}
	if !c.tcp {
		c.answer = binary.LittleEndian.AppendUint16(c.answer, crcOf(c.answer[from:]))
	}
	return len(b), nil
}

func (c *canned) Read(b []byte) (int, error) {
	if len(c.answer) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(b, c.answer)
	c.answer = c.answer[n:]
	return n, nil
}

func (c *canned) Close() error                     { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

type nowhere struct{}

func (nowhere) Add(context.Context, sensors.Batch, func(error)) error { return nil }
func (nowhere) Offer(sensors.Batch, func(error))                      {}

func benchmark(b *testing.B, address string) {
	b.Helper()
	var registers []RegisterConfig
	for i := range 20 {
		registers = append(registers, register("r"+string(rune('a'+i)), 2*i, func(r *RegisterConfig) { r.Type, r.Table = TypeFloat32, TableInput }))
	}
	c := config(slaveOf("meter", 1, registers...))
	c.Address = address
	s, err := New(Options{
		Config: c, Precision: sensors.Milliseconds, Table: sensors.NewTable(), Sink: nowhere{},
		Clock: func() (time.Time, sensors.Quality) { return time.Now(), 0 }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	m := newMaster(&canned{tcp: address != ""}, c, 0, s.stray)
	s.schedule.start(time.Now())
	b.ReportAllocs()
	now := time.Now()
	for b.Loop() {
		p, _ := s.schedule.next(now)
		bytes, err := m.read(p.slave.unit, p.block)
		if err != nil {
			b.Fatal(err)
		}
		if lost := s.settle(b.Context(), p, bytes, 45, nil); lost != nil {
			b.Fatal(lost)
		}
		now = now.Add(c.Interval)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/20, "ns/reading")
}

func BenchmarkAnswer_rtu(b *testing.B) { benchmark(b, "") }
func BenchmarkAnswer_tcp(b *testing.B) { benchmark(b, "tcp://x:1") }

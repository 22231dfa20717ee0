package modbus

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/modbus/modbustest"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The frames are those of Eastron's SDM630 protocol sheet (voltage of phase 1: 230.2 V) and of the Modbus specification.
func TestCRC_published(t *testing.T) {
	for _, frame := range []string{"01 04 00 00 00 02 71 CB", "01 04 04 43 66 33 34 1B 38", "02 07 41 12", "01 83 02 C0 F1"} {
		if b := unhex(t, frame); !crcRight(b) {
			t.Errorf("%s: CRC %04x", frame, crcOf(b[:len(b)-2]))
		}
	}
}

func TestFindAnswer(t *testing.T) {
	request := unhex(t, "01 04 00 00 00 02 71 CB")
	answer := unhex(t, "01 04 04 43 66 33 34 1B 38")
	exception := []byte{1, 0x84, 2}
	crc := crcOf(exception)
	exception = append(exception, byte(crc), byte(crc>>8))
	for name, c := range map[string]struct {
		bytes, want []byte
		before      int
	}{
		"whole":               {answer, answer, 0},
		"not whole":           {answer[:8], nil, 0},
		"behind noise":        {append([]byte{0, 1, 4, 4, 0xff}, answer...), answer, 5},
		"behind own request":  {slices.Concat(request, answer), answer, 8},
		"before noise":        {append(slices.Clone(answer), 1, 2, 3), answer, 0},
		"exception":           {exception, exception, 0},
		"damaged":             {append(slices.Clone(answer[:8]), 0), nil, 0},
		"damaged, then whole": {slices.Concat(answer[:8], []byte{0}, answer), answer, 9},
	} {
		got, before := findAnswer(c.bytes, request)
		if !bytes.Equal(got, c.want) || before != c.before {
			t.Errorf("%s: % x after %d, want % x after %d", name, got, before, c.want, c.before)
		}
	}
}

// askTCP sends one request and lets the far side answer with the bytes that answers makes of it.
func askTCP(t *testing.T, answers func(request []byte) [][]byte) (data []byte, strays []sensors.Reason, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer func() { _ = near.Close() }()
		go func() {
			defer func() { _ = far.Close() }()
			request := make([]byte, 64)
			n, _ := far.Read(request)
			for _, a := range answers(request[:n]) {
				_, _ = far.Write(a)
			}
			_, _ = far.Read(request)
		}()
		c := DefaultConfig()
		c.Address = "tcp://x:1"
		m := newMaster(near, c, 0, func(reason sensors.Reason, _ string, _ []byte) { strays = append(strays, reason) })
		data, err = m.read(1, block{table: TableInput, from: 0, to: 2})
		data = slices.Clone(data)
	})
	return data, strays, err
}

func TestMBAP_answers(t *testing.T) {
	good := func(q []byte) []byte { return append(slices.Clone(q[:2]), 0, 0, 0, 7, 1, 4, 4, 1, 2, 3, 4) }
	with := func(change func(a []byte)) func([]byte) [][]byte {
		return func(q []byte) [][]byte {
			a := good(q)
			change(a)
			return [][]byte{a}
		}
	}
	for name, c := range map[string]struct {
		answers func(q []byte) [][]byte
		want    string // of the error; "" = the data
		strays  int
	}{
		"whole":        {func(q []byte) [][]byte { return [][]byte{good(q)} }, "", 0},
		"byte by byte": {func(q []byte) [][]byte { return slices.Collect(slices.Chunk(good(q), 1)) }, "", 0},
		"after a late one": {func(q []byte) [][]byte {
			late := good(q)
			late[1]--
			return [][]byte{append(late, good(q)...)}
		}, "", 1},
		"late one only":  {with(func(a []byte) { a[0]++ }), "timeout: unit 1 did not answer", 1},
		"other unit":     {with(func(a []byte) { a[6] = 255 }), "wrong_unit: unit 255 answered", 0},
		"other function": {with(func(a []byte) { a[7] = 3 }), "syntax: ", 0},
		"wrong count":    {with(func(a []byte) { a[8] = 3 }), "syntax: ", 0},
		"half":           {func(q []byte) [][]byte { return [][]byte{good(q)[:9]} }, "short: ", 0},
		"no header":      {with(func(a []byte) { a[2] = 1 }), "out of step", 0},
		"length 0":       {with(func(a []byte) { a[5] = 0 }), "out of step", 0},
		"length 999":     {with(func(a []byte) { a[4] = 9 }), "out of step", 0},
		"HTTP":           {func([]byte) [][]byte { return [][]byte{[]byte("HTTP/1.1 400 Bad Request\r\n")} }, "out of step", 0},
		"closed":         {func([]byte) [][]byte { return nil }, "timeout", 0},
		"exception": {func(q []byte) [][]byte {
			return [][]byte{append(slices.Clone(q[:2]), 0, 0, 0, 3, 1, 0x84, 2)}
		}, "illegal data address", 0},
	} {
		data, strays, err := askTCP(t, c.answers)
		switch {
		case len(strays) != c.strays:
			t.Errorf("%s: %d strays, want %d", name, len(strays), c.strays)
		case c.want == "" && (err != nil || !bytes.Equal(data, []byte{1, 2, 3, 4})):
			t.Errorf("%s: % x, %v", name, data, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: % x, %v; want %q", name, data, err, c.want)
		}
	}
}

// FuzzRTU: whatever arrives, an answer is taken only when its frame is whole and right, and nothing panics.
func FuzzRTU(f *testing.F) {
	f.Add([]byte{1, 4, 4, 0x43, 0x66, 0x33, 0x34, 0x1b, 0x38}, byte(4), uint16(2))
	f.Add([]byte{1, 0x81, 2, 0xc1, 0x91}, byte(1), uint16(2000))
	f.Fuzz(func(t *testing.T, bytes []byte, function byte, quantity uint16) {
		function, quantity = function%4+1, quantity%2000+1
		if function > 2 {
			quantity = quantity%125 + 1
		}
		request := []byte{1, function, 0, 0, byte(quantity >> 8), byte(quantity), 0, 0}
		bytes = bytes[:min(len(bytes), rtuBuffer)]
		frame, before := findAnswer(bytes, request)
		if frame == nil {
			if e := classify(bytes, request, time.Second); e.reason == "" || e.what == "" {
				t.Fatalf("classified as %+v", e)
			}
			return
		}
		if before+len(frame) > len(bytes) || modbustest.CRC(frame[:len(frame)-2]) != uint16(frame[len(frame)-2])|uint16(frame[len(frame)-1])<<8 {
			t.Fatalf("took % x after %d of % x", frame, before, bytes)
		}
		if frame[1] == function && len(frame) != answerBytes(request) {
			t.Fatalf("took an answer of %d bytes, want %d", len(frame), answerBytes(request))
		}
	})
}

// scripted is a link on which bytes have arrived already; then it is silent or lost.
type scripted struct {
	arrived []byte
	chunk   int
	wrote   int
}

func (s *scripted) Read(b []byte) (int, error) {
	if len(s.arrived) == 0 || s.wrote == 0 {
		return 0, timedOutError{}
	}
	n := copy(b[:min(len(b), s.chunk)], s.arrived)
	s.arrived = s.arrived[n:]
	return n, nil
}

func (s *scripted) Write(b []byte) (int, error)      { s.wrote++; return len(b), nil }
func (s *scripted) Close() error                     { return nil }
func (s *scripted) SetReadDeadline(time.Time) error  { return nil }
func (s *scripted) SetWriteDeadline(time.Time) error { return nil }

type timedOutError struct{}

func (timedOutError) Error() string   { return "timed out" }
func (timedOutError) Timeout() bool   { return true }
func (timedOutError) Is(e error) bool { return e.Error() == "i/o timeout" }

// FuzzAnswer: whatever a slave sends, a request ends, and what it gives has the length that was asked for.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0, 7, 1, 4, 4, 1, 2, 3, 4}, byte(5), true, byte(1), uint16(2))
	f.Add([]byte{1, 4, 4, 0x43, 0x66, 0x33, 0x34, 0x1b, 0x38}, byte(2), false, byte(1), uint16(2))
	f.Add([]byte{1, 1, 1, 3, 0x11, 0x89}, byte(2), false, byte(2), uint16(2))
	f.Fuzz(func(t *testing.T, bytes []byte, chunk byte, overTCP bool, table byte, quantity uint16) {
		name := tables()[int(table)%len(tables())]
		n := int(quantity)%maxRead(name) + 1
		c := DefaultConfig()
		c.Timeout = time.Microsecond
		if overTCP {
			c.Address = "tcp://x:1"
		}
		link := &scripted{arrived: bytes, chunk: int(chunk) + 1}
		m := newMaster(link, c, 0, func(sensors.Reason, string, []byte) {})
		data, err := m.read(1, block{table: name, from: 0, to: n})
		switch want := countOf(m.function(name), n); {
		case err == nil && len(data) != want:
			t.Fatalf("%d bytes, want %d", len(data), want)
		case err != nil && errors.Is(err, errBabble):
			t.Fatal("babble in a microsecond")
		}
	})
}

func (m *master) function(table string) byte {
	switch table {
	case TableCoil:
		return 1
	case TableDiscrete:
		return 2
	}
	return 3
}

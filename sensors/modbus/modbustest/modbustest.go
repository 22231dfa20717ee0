// Package modbustest simulates Modbus slaves, with the faults that slaves, cables and converters have.
package modbustest

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// The functions that slaves know.
const (
	ReadCoils    = 1
	ReadDiscrete = 2
	ReadHolding  = 3
	ReadInput    = 4
)

// Exceptions that slaves answer by themselves.
const (
	IllegalFunction = 1
	IllegalAddress  = 2
)

// Fault is what goes wrong with one answer. The zero value is no fault.
type Fault struct {
	Silent    bool          // no answer
	After     time.Duration // the answer comes so late
	Exception byte          // instead of an answer
	BadCRC    bool          // RTU
	Half      bool          // only the first half of the frame comes
	Noise     []byte        // before the frame
	AsUnit    byte          // 0: the unit that was asked
	Drop      bool          // the connection is closed instead
}

// Request is what a slave was asked.
type Request struct {
	At                time.Time
	Unit, Function    byte
	Address, Quantity int
}

// Slave holds the tables of one unit. Addresses that are not in a table are illegal.
type Slave struct {
	mu       sync.Mutex
	tables   map[byte]map[int]uint16 // by function; bits are 0 or 1
	script   []Fault
	always   Fault
	requests []Request
}

// NewSlave returns a slave without registers.
func NewSlave() *Slave { return &Slave{tables: map[byte]map[int]uint16{}} }

// Set sets registers, or bits, from address on.
func (s *Slave) Set(function byte, address int, values ...uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tables[function] == nil {
		s.tables[function] = map[int]uint16{}
	}
	for i, v := range values {
		s.tables[function][address+i] = v
	}
}

// Next adds faults of the next answers, one each.
func (s *Slave) Next(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, faults...)
}

// Always sets the fault of all answers that no Next is for.
func (s *Slave) Always(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = f
}

// Requests returns what the slave was asked so far.
func (s *Slave) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// answer returns unit, function and data of the answer, and its fault.
func (s *Slave) answer(r Request) ([]byte, Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	fault := s.always
	if len(s.script) > 0 {
		fault, s.script = s.script[0], s.script[1:]
	}
	unit := r.Unit
	if fault.AsUnit != 0 {
		unit = fault.AsUnit
	}
	refuse := func(code byte) []byte { return []byte{unit, r.Function | 0x80, code} }
	if fault.Exception != 0 {
		return refuse(fault.Exception), fault
	}
	table, ok := s.tables[r.Function]
	if !ok {
		return refuse(IllegalFunction), fault
	}
	var data []byte
	for i := range r.Quantity {
		v, ok := table[r.Address+i]
		if !ok {
			return refuse(IllegalAddress), fault
		}
		switch {
		case r.Function == ReadHolding || r.Function == ReadInput:
			data = binary.BigEndian.AppendUint16(data, v)
		case i%8 == 0:
			data = append(data, byte(v&1))
		default:
			data[i/8] |= byte(v&1) << (i % 8)
		}
	}
	return append([]byte{unit, r.Function, byte(len(data))}, data...), fault //nolint:gosec // a request asks for at most 250 bytes
}

// Bus is a set of slaves that one link leads to.
type Bus struct {
	mu     sync.Mutex
	slaves map[byte]*Slave
}

// NewBus returns a bus without slaves.
func NewBus() *Bus { return &Bus{slaves: map[byte]*Slave{}} }

// Slave returns the slave of a unit id, which is added when it is new.
func (b *Bus) Slave(unit byte) *Slave {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.slaves[unit] == nil {
		b.slaves[unit] = NewSlave()
	}
	return b.slaves[unit]
}

// find returns the slave of a unit id, or nil.
func (b *Bus) find(unit byte) *Slave {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.slaves[unit]
}

// a framing takes requests off a stream and puts answers into frames.
type framing interface {
	// next returns the first request of bytes and how many bytes to drop with it; false: it is not whole yet.
	next(bytes []byte) (r Request, tag uint16, used int, ok bool)
	frame(tag uint16, pdu []byte, f Fault) []byte
}

// ServeRTU answers requests of RTU frames until the link ends, and returns why.
func (b *Bus) ServeRTU(link io.ReadWriteCloser) error { return b.serve(link, rtu{}) }

// ServeTCP answers requests of Modbus TCP until the link ends, and returns why.
func (b *Bus) ServeTCP(link io.ReadWriteCloser) error { return b.serve(link, tcp{}) }

// Listen serves connections one after the other and beside each other until the listener is closed.
func (b *Bus) Listen(l net.Listener, serve func(io.ReadWriteCloser) error) error {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		all.Go(func() { _ = serve(conn) })
	}
}

func (b *Bus) serve(link io.ReadWriteCloser, f framing) error {
	var answers sync.WaitGroup
	var writing sync.Mutex
	defer answers.Wait()
	defer link.Close()
	buf, have := make([]byte, 4096), 0
	for {
		n, err := link.Read(buf[have:])
		if err != nil {
			return err
		}
		have += n
		for {
			r, tag, used, ok := f.next(buf[:have])
			have = copy(buf, buf[used:have])
			if !ok {
				break
			}
			r.At = time.Now()
			slave := b.find(r.Unit)
			if slave == nil {
				continue
			}
			pdu, fault := slave.answer(r)
			if fault.Drop {
				return errors.New("dropped, as the script says")
			}
			if fault.Silent {
				continue
			}
			answers.Go(func() {
				if fault.After > 0 {
					<-time.After(fault.After)
				}
				writing.Lock()
				defer writing.Unlock()
				_, _ = link.Write(f.frame(tag, pdu, fault)) // the other end may be gone
			})
		}
		if have == len(buf) {
			have = 0
		}
	}
}

type rtu struct{}

func (rtu) next(bytes []byte) (r Request, tag uint16, used int, ok bool) {
	for i := 0; i+8 <= len(bytes); i++ {
		frame := bytes[i : i+8]
		if binary.LittleEndian.Uint16(frame[6:]) == CRC(frame[:6]) {
			return parse(frame[0], frame[1:6]), 0, i + 8, true
		}
	}
	return r, 0, 0, false
}

func (rtu) frame(_ uint16, pdu []byte, f Fault) []byte {
	crc := CRC(pdu)
	if f.BadCRC {
		crc ^= 0x0100
	}
	frame := binary.LittleEndian.AppendUint16(append([]byte(nil), pdu...), crc)
	return spoil(frame, f)
}

type tcp struct{}

func (tcp) next(bytes []byte) (r Request, tag uint16, used int, ok bool) {
	if len(bytes) < 12 {
		return r, 0, 0, false
	}
	return parse(bytes[6], bytes[7:12]), binary.BigEndian.Uint16(bytes), 12, true
}

func (tcp) frame(tag uint16, pdu []byte, f Fault) []byte {
	frame := binary.BigEndian.AppendUint16(nil, tag)
	frame = append(frame, 0, 0)
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(pdu))) //nolint:gosec // at most 253
	return spoil(append(frame, pdu...), f)
}

func spoil(frame []byte, f Fault) []byte {
	if f.Half {
		frame = frame[:len(frame)/2]
	}
	return append(append([]byte(nil), f.Noise...), frame...)
}

func parse(unit byte, pdu []byte) Request {
	return Request{
		Unit: unit, Function: pdu[0],
		Address: int(binary.BigEndian.Uint16(pdu[1:])), Quantity: int(binary.BigEndian.Uint16(pdu[3:])),
	}
}

// CRC returns the checksum of an RTU frame, bit by bit as the specification tells it.
func CRC(bytes []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, b := range bytes {
		crc ^= uint16(b)
		for range 8 {
			odd := crc&1 == 1
			crc >>= 1
			if odd {
				crc ^= 0xA001
			}
		}
	}
	return crc
}

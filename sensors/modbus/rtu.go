package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// A frame on a serial line, and through rtuovertcp (Modbus over Serial Line 1.02, 2.5.1):
//
//	request    unit  function  address (2, high first)  quantity (2)         CRC (2, low first)
//	answer     unit  function  count  count bytes                            CRC
//	exception  unit  function|0x80  code                                     CRC
const (
	crcBytes       = 2
	answerHead     = 3
	exceptionBytes = answerHead + crcBytes
	requestBytes   = 6 + crcBytes
	maxFrame       = 256
)

const (
	rtuBuffer   = 2 * maxFrame
	shortest    = 1750 * time.Microsecond // of the silence between frames, above 19200 baud
	stale       = 200 * time.Microsecond  // to find bytes that are there already
	afterFault  = 20 * time.Millisecond   // of silence: USB adapters hand on what they have every 16 ms
	frameGap    = 50 * time.Millisecond   // of silence that ends a damaged answer
	babbleLimit = 2 * time.Second         // of bytes that nobody asked for, before a request
)

// rtu sends requests as RTU frames, one at a time, and finds their answers among whatever else arrives.
type rtu struct {
	// constant
	link      Link
	timeout   time.Duration
	character time.Duration // 0: unknown
	silence   time.Duration // before a request
	stray     stray

	buf    [rtuBuffer]byte
	last   time.Time // when the line was last in use, as far as is known
	unsure bool      // the last request failed: more may come
	heard  uint64    // bytes
}

func newRTU(link Link, c Config, character time.Duration, stray stray) *rtu {
	silence := max(character*7/2, shortest) + c.Turnaround
	return &rtu{link: link, timeout: c.Timeout, character: character, silence: silence, stray: stray}
}

// Send implements modbus.Transporter. The answer is valid until the next Send; it is of the unit, function and length that
// were asked for, or an exception, and its CRC is right. The error is a *linkError or an *answerError.
func (t *rtu) Send(request []byte) ([]byte, error) {
	if err := t.settle(); err != nil {
		return nil, err
	}
	if err := t.link.SetWriteDeadline(time.Now().Add(t.timeout)); err != nil {
		return nil, &linkError{err}
	}
	if _, err := t.link.Write(request); err != nil {
		return nil, &linkError{err}
	}
	t.last = time.Now().Add(time.Duration(len(request)) * t.character)
	t.unsure = true
	return t.receive(request)
}

// receive waits for the answer to request, which begins within the time-out, and then takes what it takes on the line.
func (t *rtu) receive(request []byte) ([]byte, error) {
	want := answerBytes(request)
	begin := t.last.Add(t.timeout)
	last := begin.Add(2*time.Duration(want)*t.character + frameGap)
	deadline, have := begin, 0
	for {
		until := deadline
		if have >= want { // it could be whole, and is not: silence ends it
			until = earlier(deadline, t.last.Add(frameGap))
		}
		if err := t.link.SetReadDeadline(until); err != nil {
			return nil, &linkError{err}
		}
		n, err := t.link.Read(t.buf[have:])
		if n > 0 {
			have, t.last = have+n, time.Now()
			t.heard += uint64(n)
			if frame, before := findAnswer(t.buf[:have], request); frame != nil {
				t.unsure = have > before+len(frame)
				t.reportNoise(t.buf[:before], request)
				return frame, nil
			}
			if have == len(t.buf) {
				have = copy(t.buf[:], t.buf[maxFrame:]) // no answer begins there
			}
			rest := time.Duration(max(want-have, 0)) * t.character
			deadline = later(begin, earlier(last, t.last.Add(rest*3/2+frameGap)))
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, classify(t.buf[:have], request, t.timeout)
		case err != nil:
			return nil, &linkError{err}
		case !time.Now().Before(deadline):
			return nil, classify(t.buf[:have], request, t.timeout) // bytes came all the time
		}
	}
}

// settle waits until the line was silent for long enough, and throws away what arrived meanwhile.
func (t *rtu) settle() error {
	quiet := t.silence
	if t.unsure {
		quiet = max(quiet, afterFault)
	}
	began, have := time.Now(), 0
	for {
		until := t.last.Add(quiet)
		if soon := time.Now().Add(stale); until.Before(soon) {
			until = soon
		}
		if err := t.link.SetReadDeadline(until); err != nil {
			return &linkError{err}
		}
		n, err := t.link.Read(t.buf[have:])
		if n > 0 {
			t.last = time.Now()
			t.heard += uint64(n)
			if have += n; have == len(t.buf) {
				have = maxFrame // what arrived first says most
			}
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.reportStray(t.buf[:have])
			return nil
		case err != nil:
			return &linkError{err}
		case time.Since(began) > babbleLimit:
			t.reportStray(t.buf[:have])
			return &answerError{
				reason: sensors.ReasonNoise, what: errBabble.Error(), bytes: t.buf[:have],
				hint: "another master on this bus, wrong baud or parity, or a line without termination or bias",
			}
		}
	}
}

// reportNoise tells of the bytes before an answer, unless they are the request: some adapters hear themselves.
func (t *rtu) reportNoise(before, request []byte) {
	if len(before) > 0 && string(before) != string(request) {
		t.stray(sensors.ReasonNoise, "bytes before an answer", before)
	}
}

// reportStray tells of bytes that arrived while nothing was asked.
func (t *rtu) reportStray(bytes []byte) {
	if len(bytes) == 0 {
		return
	}
	if unit, ok := wholeAnswer(bytes); ok {
		t.stray(sensors.ReasonLate, fmt.Sprintf("an answer of unit %d, after its request was given up", unit), bytes)
		return
	}
	t.stray(sensors.ReasonNoise, "bytes between two requests", bytes)
}

// answerBytes returns how long the whole answer to a request is.
func answerBytes(request []byte) int {
	quantity := int(binary.BigEndian.Uint16(request[4:]))
	return answerHead + countOf(request[1], quantity) + crcBytes
}

// countOf returns the count of bytes that the answer to a function with a quantity has.
func countOf(function byte, quantity int) int {
	if function == functionCoils || function == functionDiscrete {
		return (quantity + 7) / 8
	}
	return 2 * quantity
}

// findAnswer returns the answer to request, or the exception, that lies somewhere in bytes, and how many bytes are before it.
// It returns nil when there is none, or none yet.
func findAnswer(bytes, request []byte) (frame []byte, before int) {
	want := answerBytes(request)
	for i := 0; i+exceptionBytes <= len(bytes); i++ {
		rest := bytes[i:]
		if rest[0] != request[0] {
			continue
		}
		length := 0
		switch {
		case rest[1] == request[1] && int(rest[2]) == want-answerHead-crcBytes:
			length = want
		case rest[1] == request[1]|exceptionBit:
			length = exceptionBytes
		}
		if length > 0 && length <= len(rest) && crcRight(rest[:length]) {
			return rest[:length], i
		}
	}
	return nil, 0
}

// wholeAnswer returns the unit of an answer of any unit that lies in bytes.
func wholeAnswer(bytes []byte) (unit byte, ok bool) {
	for i := 0; i+exceptionBytes <= len(bytes); i++ {
		rest := bytes[i:]
		length := exceptionBytes
		if rest[1]&exceptionBit == 0 {
			length = answerHead + int(rest[2]) + crcBytes
		}
		if length <= len(rest) && rest[0] != 0 && crcRight(rest[:length]) {
			return rest[0], true
		}
	}
	return 0, false
}

// classify says what was wrong with bytes, in which there is no answer to request.
func classify(bytes, request []byte, timeout time.Duration) *answerError {
	unit, want := request[0], answerBytes(request)
	if len(bytes) == 0 || string(bytes) == string(request) {
		return &answerError{reason: sensors.ReasonTimeout, what: fmt.Sprintf("unit %d did not answer within %v", unit, timeout), hint: noAnswerHint}
	}
	if other, ok := wholeAnswer(bytes); ok && other != unit {
		return &answerError{
			reason: sensors.ReasonWrongUnit, what: fmt.Sprintf("unit %d answered, and unit %d was asked", other, unit), bytes: bytes,
			hint: "raise timeout if that slave is slow; else two masters share the bus",
		}
	} else if ok {
		return &answerError{
			reason: sensors.ReasonLate, what: fmt.Sprintf("unit %d answered another request", unit), bytes: bytes,
			hint: "the slave is slower than timeout: raise it",
		}
	}
	for i := 0; i+answerHead <= len(bytes); i++ {
		rest := bytes[i:]
		if rest[0] != unit || rest[1] != request[1] || int(rest[2]) != want-answerHead-crcBytes {
			continue
		}
		if len(rest) >= want {
			return &answerError{
				reason: sensors.ReasonCRC, what: fmt.Sprintf("the answer of unit %d is damaged", unit), bytes: bytes,
				hint: "check termination, bias, shield and length of the cable, and that no two slaves have one unit id",
			}
		}
		return &answerError{
			reason: sensors.ReasonShort, what: fmt.Sprintf("the answer of unit %d has %d bytes, want %d", unit, len(rest), want), bytes: bytes,
			hint: "check the cable; raise timeout if the slave pauses while it answers",
		}
	}
	return &answerError{
		reason: sensors.ReasonNoise, what: fmt.Sprintf("unit %d was asked, and what arrived is no answer", unit), bytes: bytes,
		hint: "check baud, parity and stop_bits against the slave's manual",
	}
}

const noAnswerHint = "check power, wiring (A and B swapped?), unit_id, baud and parity"

// crcRight reports whether a frame ends with its CRC.
func crcRight(frame []byte) bool {
	n := len(frame) - crcBytes
	return binary.LittleEndian.Uint16(frame[n:]) == crcOf(frame[:n])
}

// crcOf returns the CRC of Modbus over Serial Line 1.02, 6.2.2: CRC-16 with the polynomial 0xA001, reflected.
func crcOf(bytes []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, b := range bytes {
		crc ^= uint16(b)
		for range 8 {
			crc = crc>>1 ^ 0xA001&-(crc&1)
		}
	}
	return crc
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

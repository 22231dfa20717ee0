package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// A frame of Modbus TCP (Messaging on TCP/IP 1.0b, 3.1.3), numbers high byte first:
//
//	transaction (2)  protocol: 0 (2)  bytes that follow (2)  unit  function  data
const (
	mbapBytes   = 7
	maxTCPFrame = 260
)

// mbap sends requests as Modbus TCP, one at a time. Answers of earlier ones are told by their transaction.
type mbap struct {
	// constant
	link    Link
	timeout time.Duration
	stray   stray

	buf   [maxTCPFrame]byte
	have  int    // bytes of buf that arrived and were not used
	used  int    // bytes of buf that the last answer lies in
	heard uint64 // bytes
}

func newMBAP(link Link, c Config, stray stray) *mbap {
	return &mbap{link: link, timeout: c.Timeout, stray: stray}
}

// Send implements modbus.Transporter, as rtu.Send does.
func (t *mbap) Send(request []byte) ([]byte, error) {
	deadline := time.Now().Add(t.timeout)
	if err := errors.Join(t.link.SetWriteDeadline(deadline), t.link.SetReadDeadline(deadline)); err != nil {
		return nil, &linkError{err}
	}
	if _, err := t.link.Write(request); err != nil {
		return nil, &linkError{err}
	}
	for {
		frame, err := t.frame()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, t.missed(request)
		}
		if err != nil {
			return nil, &linkError{err}
		}
		if frame[0] != request[0] || frame[1] != request[1] {
			t.stray(sensors.ReasonLate, fmt.Sprintf("an answer of unit %d, after its request was given up", frame[6]), frame)
			continue
		}
		return checkTCP(frame, request)
	}
}

// missed says why there is no answer to request.
func (t *mbap) missed(request []byte) error {
	if t.have > 0 {
		return &answerError{
			reason: sensors.ReasonShort, what: fmt.Sprintf("of the answer of unit %d only %d bytes arrived within %v", request[6], t.have, t.timeout),
			bytes: t.buf[:t.have], hint: "raise timeout",
		}
	}
	return &answerError{
		reason: sensors.ReasonTimeout, what: fmt.Sprintf("unit %d did not answer within %v", request[6], t.timeout),
		hint: "check unit_id, and behind a gateway power and wiring of the slave",
	}
}

// frame reads the next frame, which is valid until the call after. A frame that arrived in part is gone on with.
func (t *mbap) frame() ([]byte, error) {
	t.have, t.used = copy(t.buf[:], t.buf[t.used:t.used+t.have]), 0
	for {
		n, err := mbapFrame(t.buf[:t.have])
		if err != nil {
			return nil, err
		}
		if n > 0 {
			t.used, t.have = n, t.have-n
			return t.buf[:n], nil
		}
		n, err = t.link.Read(t.buf[t.have:])
		t.have += n
		t.heard += uint64(max(n, 0))
		if err != nil && n == 0 {
			return nil, err
		}
	}
}

// mbapFrame returns the length of the frame that bytes begin with, 0 when it is not whole yet. The error says that no frame
// begins there, and that nobody knows where the next one does.
func mbapFrame(bytes []byte) (int, error) {
	if len(bytes) < mbapBytes {
		return 0, nil
	}
	n := mbapBytes - 1 + int(binary.BigEndian.Uint16(bytes[4:]))
	if binary.BigEndian.Uint16(bytes[2:]) != 0 || n < mbapBytes+2 || n > maxTCPFrame {
		return 0, fmt.Errorf("%w: % x is no header", errOutOfStep, bytes[:mbapBytes])
	}
	if len(bytes) < n {
		return 0, nil
	}
	return n, nil
}

// checkTCP returns the frame if it is of the unit, function and length that were asked for, or an exception.
func checkTCP(frame, request []byte) ([]byte, error) {
	if frame[6] != request[6] {
		return nil, &answerError{
			reason: sensors.ReasonWrongUnit, what: fmt.Sprintf("unit %d answered, and unit %d was asked", frame[6], request[6]), bytes: frame,
			hint: fmt.Sprintf("if that is the device, write unit_id = %d", frame[6]),
		}
	}
	function, count := request[7], countOf(request[7], int(binary.BigEndian.Uint16(request[10:])))
	switch {
	case frame[7] == function|exceptionBit && len(frame) == mbapBytes+2:
		return frame, nil
	case frame[7] == function && int(frame[8]) == count && len(frame) == mbapBytes+2+count:
		return frame, nil
	}
	return nil, &answerError{
		reason: sensors.ReasonSyntax, what: fmt.Sprintf("the answer of unit %d has not the length or function that was asked for", frame[6]),
		bytes: frame, hint: "this device does not keep to the protocol",
	}
}

package modbus

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/grid-x/modbus"

	"github.com/skerry-edge/skerry/sensors"
)

// The functions that are used, and the bit that marks an exception.
const (
	functionCoils    = modbus.FuncCodeReadCoils
	functionDiscrete = modbus.FuncCodeReadDiscreteInputs
	exceptionBit     = 0x80
)

// A master asks slaves through one link. The library makes requests of calls and takes answers apart; what is sent and
// what arrives goes through our transports (docs/decisions/0010).
type master struct {
	client   modbus.Client
	packager modbus.Packager
	heard    func() uint64
}

// newMaster returns the master of a link just opened.
func newMaster(link Link, c Config, character time.Duration, stray stray) *master {
	if strings.HasPrefix(c.Address, schemeTCP) {
		handler, transport := modbus.NewTCPClientHandler(""), newMBAP(link, c, stray)
		return &master{modbus.NewClient2(handler, transport), handler, func() uint64 { return transport.heard }}
	}
	handler, transport := modbus.NewRTUClientHandler(""), newRTU(link, c, character, stray)
	return &master{modbus.NewClient2(handler, transport), handler, func() uint64 { return transport.heard }}
}

// read asks the unit for a block. The bytes are valid until the next call. The error is a *linkError or an *answerError, or
// a *modbus.Error: the exception that the slave answered.
func (m *master) read(unit byte, b block) (bytes []byte, err error) {
	m.packager.SetSlave(unit)
	from, n := uint16(b.from), uint16(b.to-b.from) //nolint:gosec // within the bounds of addresses and requests
	switch b.table {
	case TableCoil:
		bytes, err = m.client.ReadCoils(from, n)
	case TableDiscrete:
		bytes, err = m.client.ReadDiscreteInputs(from, n)
	case TableInput:
		bytes, err = m.client.ReadInputRegisters(from, n)
	default:
		bytes, err = m.client.ReadHoldingRegisters(from, n)
	}
	if err == nil {
		return bytes, nil
	}
	var link *linkError
	var answer *answerError
	var exception *modbus.Error
	if errors.As(err, &link) || errors.As(err, &answer) || errors.As(err, &exception) {
		return nil, err
	}
	return nil, &answerError{reason: sensors.ReasonSyntax, what: err.Error()} // the library found what our transports do not
}

// refusal is what an exception means.
type refusal struct {
	text, hint string
	absent     bool // as if the slave had not answered
	again      bool // it may answer when asked again
	oneOf      bool // one register of several may be the cause
}

// explainException says what an exception means for the block that was asked for.
func explainException(e *modbus.Error, b block) refusal {
	var r refusal
	switch e.ExceptionCode {
	case modbus.ExceptionCodeIllegalFunction:
		r = refusal{text: "illegal function", hint: fmt.Sprintf("the slave has no table %q: try another one", b.table)}
	case modbus.ExceptionCodeIllegalDataAddress:
		r = refusal{
			text: "illegal data address", oneOf: true,
			hint: "addresses here count from 0; manuals often count from 1, or write 30001 and 40001: then it is one less; and look at table",
		}
	case modbus.ExceptionCodeIllegalDataValue:
		r = refusal{text: "illegal data value", oneOf: true, hint: "the slave does not give these registers together, or so many at once: set max_gap = 0"}
	case modbus.ExceptionCodeServerDeviceFailure:
		r = refusal{text: "device failure", hint: "the slave has a fault of its own: see its display or manual"}
	case modbus.ExceptionCodeAcknowledge, modbus.ExceptionCodeServerDeviceBusy:
		r = refusal{text: "busy", hint: "raise interval", again: true}
	case modbus.ExceptionCodeMemoryParityError:
		r = refusal{text: "memory parity error", hint: "the slave has a fault of its own"}
	case modbus.ExceptionCodeGatewayPathUnavailable:
		r = refusal{text: "gateway path unavailable", hint: "the gateway does not know this unit id", absent: true}
	case modbus.ExceptionCodeGatewayTargetDeviceFailedToRespond:
		r = refusal{text: "the gateway has no answer of the slave", hint: noAnswerHint, absent: true}
	default:
		r = refusal{text: "unknown"}
	}
	r.text = fmt.Sprintf("%s: %s (exception %d)", b, r.text, e.ExceptionCode)
	return r
}

package decode

import (
	"math"

	"github.com/skerry-edge/skerry/sensors"
)

// The datatypes of Sparkplug B that are read. The others (DataSet 16, Bytes 17, File 18, Template 19, PropertySet 20 and 21,
// arrays from 22) hold no single value.
const (
	kindInt8     = 1
	kindInt16    = 2
	kindInt32    = 3
	kindInt64    = 4
	kindUInt8    = 5
	kindUInt16   = 6
	kindUInt32   = 7
	kindUInt64   = 8
	kindFloat    = 9
	kindDouble   = 10
	kindBoolean  = 11
	kindString   = 12
	kindDateTime = 13
	kindText     = 14
	kindUUID     = 15
)

// typed appends the value of a metric with this datatype, and reports whether it is one that is read.
func (d *sparkplugDecoder) typed(fd *field, datatype uint64, m *wireMetric) (read bool, err error) {
	if m.holds == holdsOther && datatype <= kindUUID {
		return true, misfit(fd, datatype)
	}
	switch datatype {
	case kindInt8, kindInt16, kindInt32, kindInt64, kindUInt8, kindUInt16, kindUInt32, kindUInt64, kindDateTime:
		v, ok := wholeOf(datatype, m)
		if !ok {
			return true, misfit(fd, datatype)
		}
		return true, d.number(fd, nil, wholeNumber, v)
	case kindFloat, kindDouble:
		switch m.holds {
		case holdsFloat:
			return true, d.float(fd, float64(math.Float32frombits(uint32(m.value)))) //nolint:gosec // 32 bits were read
		case holdsDouble:
			return true, d.float(fd, math.Float64frombits(m.value))
		}
		return true, misfit(fd, datatype)
	case kindBoolean:
		if m.holds != holdsBool {
			return true, misfit(fd, datatype)
		}
		return true, d.bool(fd, m.value != 0)
	case kindString, kindText, kindUUID:
		if m.holds != holdsString {
			return true, misfit(fd, datatype)
		}
		if done, err := d.word(fd, m.text); done {
			return true, err
		}
		return true, d.string(fd, m.text)
	}
	return false, nil
}

func misfit(fd *field, datatype uint64) error {
	return reject(sensors.ReasonValue, "metric %.64q: its value is not one of datatype %d", fd.name, datatype)
}

// wholeOf returns the integer that a metric holds. int_value has 32 bits and long_value 64, both without a sign: negative
// numbers are two's complement, which edge nodes write as wide as the datatype, or as the field, or as 64 bits. Which of
// the two fields holds a UInt32 differs too. A value that the datatype cannot have, or that is beyond int64, is none.
func wholeOf(datatype uint64, m *wireMetric) (v int64, ok bool) {
	bits := m.value
	switch m.holds {
	case holdsInt:
		bits &= math.MaxUint32
	case holdsLong:
	default:
		return 0, false
	}
	switch datatype {
	case kindInt8:
		return signed(bits, 8)
	case kindInt16:
		return signed(bits, 16)
	case kindInt32:
		return signed(bits, 32)
	case kindInt64:
		if m.holds == holdsInt { // a short number, in the wrong field
			return signed(bits, 32)
		}
		return int64(bits), true // two's complement by definition
	case kindUInt8:
		return int64(bits & math.MaxUint8), bits <= math.MaxUint8
	case kindUInt16:
		return int64(bits & math.MaxUint16), bits <= math.MaxUint16
	case kindUInt32:
		return int64(bits & math.MaxUint32), bits <= math.MaxUint32
	}
	return int64(bits), bits <= math.MaxInt64 // within range if ok
}

// signed returns the number of so many bits in two's complement.
func signed(bits uint64, width uint) (v int64, ok bool) {
	low := bits & (1<<width - 1)
	v = int64(low<<(64-width)) >> (64 - width) //nolint:gosec // two's complement by definition
	wide := uint64(v)                          //nolint:gosec // likewise
	return v, bits == low || bits == wide || bits == wide&math.MaxUint32
}

// Package sparkplugtest writes payloads of Sparkplug B as edge nodes do, for tests.
package sparkplugtest

import (
	"encoding/binary"
	"math"
)

// The datatypes of Sparkplug B.
const (
	Int8 uint32 = iota + 1
	Int16
	Int32
	Int64
	UInt8
	UInt16
	UInt32
	UInt64
	Float
	Double
	Boolean
	String
	DateTime
	Text
	UUID
	DataSet
	Bytes
	File
	Template
)

// Payload is a message of Protocol Buffers.
type Payload struct {
	Time    uint64 // in ms; 0: none
	Metrics []Metric
	Seq     int // -1: none
	UUID    string
	Body    []byte
}

// Metric is one metric. What is zero is left out, but for Alias if Aliased is set.
type Metric struct {
	Name       string
	Alias      uint64
	Aliased    bool
	Time       uint64 // in ms
	Type       uint32
	Historical bool
	Transient  bool
	Null       bool
	Unit       string // the property engUnit, beside others
	Value      Value
}

// Value is a value in the field that an edge node puts it into.
type Value []byte

// Append appends the payload's bytes.
func (p Payload) Append(dst []byte) []byte {
	dst = appendNumber(dst, 1, p.Time)
	for _, m := range p.Metrics {
		dst = appendBytes(dst, 2, m.append(nil))
	}
	if p.Seq >= 0 {
		dst = append(dst, 3<<3)
		dst = binary.AppendUvarint(dst, uint64(p.Seq))
	}
	if p.UUID != "" {
		dst = appendBytes(dst, 4, []byte(p.UUID))
	}
	if p.Body != nil {
		dst = appendBytes(dst, 5, p.Body)
	}
	return dst
}

func (m Metric) append(dst []byte) []byte {
	if m.Name != "" {
		dst = appendBytes(dst, 1, []byte(m.Name))
	}
	if m.Aliased {
		dst = append(dst, 2<<3)
		dst = binary.AppendUvarint(dst, m.Alias)
	}
	dst = appendNumber(dst, 3, m.Time)
	dst = appendNumber(dst, 4, uint64(m.Type))
	dst = appendFlag(dst, 5, m.Historical)
	dst = appendFlag(dst, 6, m.Transient)
	dst = appendFlag(dst, 7, m.Null)
	if m.Unit != "" {
		dst = appendBytes(dst, 9, properties(m.Unit))
	}
	return append(dst, m.Value...)
}

// properties are those that Ignition gives a tag: all keys first, then all values.
func properties(unit string) []byte {
	var set []byte
	for _, key := range []string{"readOnly", "engUnit", "Quality"} {
		set = appendBytes(set, 1, []byte(key))
	}
	set = appendBytes(set, 2, appendFlag(appendNumber(nil, 1, uint64(Boolean)), 7, true))
	set = appendBytes(set, 2, appendBytes(appendNumber(nil, 1, uint64(String)), 8, []byte(unit)))
	return appendBytes(set, 2, appendNumber(appendNumber(nil, 1, uint64(Int32)), 3, 192))
}

// OfInt is an int_value: 32 bits of two's complement.
func OfInt(v int64) Value {
	return binary.AppendUvarint([]byte{10 << 3}, uint64(uint32(v))) //nolint:gosec // as edge nodes do
}

// OfLong is a long_value.
func OfLong(v uint64) Value { return binary.AppendUvarint([]byte{11 << 3}, v) }

// OfFloat is a float_value.
func OfFloat(v float32) Value {
	return binary.LittleEndian.AppendUint32([]byte{12<<3 | 5}, math.Float32bits(v))
}

// OfDouble is a double_value.
func OfDouble(v float64) Value {
	return binary.LittleEndian.AppendUint64([]byte{13<<3 | 1}, math.Float64bits(v))
}

// OfBool is a boolean_value.
func OfBool(v bool) Value {
	if v {
		return Value{14 << 3, 1}
	}
	return Value{14 << 3, 0}
}

// OfString is a string_value.
func OfString(v string) Value { return appendBytes(nil, 15, []byte(v)) }

// OfBytes is a bytes_value, which arrays are in too.
func OfBytes(v []byte) Value { return appendBytes(nil, 16, v) }

// OfTemplate is a template_value with a metric in it.
func OfTemplate(m Metric) Value {
	return appendBytes(nil, 18, appendBytes(appendBytes(nil, 1, []byte("v1")), 2, m.append(nil)))
}

func appendNumber(dst []byte, field byte, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return binary.AppendUvarint(append(dst, field<<3), v)
}

func appendFlag(dst []byte, field byte, v bool) []byte {
	if !v {
		return dst
	}
	return append(dst, field<<3, 1)
}

func appendBytes(dst []byte, field uint64, v []byte) []byte {
	dst = binary.AppendUvarint(dst, field<<3|2)
	dst = binary.AppendUvarint(dst, uint64(len(v)))
	return append(dst, v...)
}

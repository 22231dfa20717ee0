package decode

import (
	"encoding/binary"
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/skerry-edge/skerry/sensors"
)

// A payload of Sparkplug B is one message of Protocol Buffers (sparkplug_b.proto of Eclipse Tahu). What is read of it:
//
//	Payload       1 timestamp  2 metrics (Metric, repeated)  3 seq  4 uuid
//	Metric        1 name  2 alias  3 timestamp  4 datatype  7 is_null  9 properties (PropertySet)
//	              10 int_value  11 long_value  12 float_value  13 double_value  14 boolean_value  15 string_value
//	              16 and more: values that are not read
//	PropertySet   1 keys (string, repeated)  2 values (PropertyValue, repeated)
//	PropertyValue 8 string_value
//
// Nothing is allocated for what is read, templates and data sets are passed over, and nothing is nested deeper than these
// three: there is no recursion. As protocol buffers have it, the last of several values counts, and unknown fields are skipped.

// maxMetrics bounds the metrics of one message of format sparkplug.
const maxMetrics = 16_384

var (
	errWireShort = errors.New("it ends in the middle of a field")
	errWireKind  = errors.New("a field has a wire type that Sparkplug B does not have")
	errWireText  = errors.New("a text is not UTF-8, or has zero bytes")
)

// The wire types of protocol buffers.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// wireField is one field: its number and wire type, and what it holds. bytes is part of the input.
type wireField struct {
	number uint64
	kind   byte
	value  uint64 // of wireVarint, wireFixed64, wireFixed32
	bytes  []byte // of wireBytes
}

// nextField reads the first field of rest, which is not empty, and returns what follows it.
func nextField(rest []byte) (f wireField, after []byte, err error) {
	tag, n := binary.Uvarint(rest)
	if n <= 0 {
		return f, nil, errWireShort
	}
	rest = rest[n:]
	f.number, f.kind = tag>>3, byte(tag&7)
	if f.number == 0 {
		return f, nil, errWireKind
	}
	switch f.kind {
	case wireVarint:
		if f.value, n = binary.Uvarint(rest); n <= 0 {
			return f, nil, errWireShort
		}
		return f, rest[n:], nil
	case wireFixed64:
		if len(rest) < 8 {
			return f, nil, errWireShort
		}
		f.value = binary.LittleEndian.Uint64(rest)
		return f, rest[8:], nil
	case wireFixed32:
		if len(rest) < 4 {
			return f, nil, errWireShort
		}
		f.value = uint64(binary.LittleEndian.Uint32(rest))
		return f, rest[4:], nil
	case wireBytes:
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) { //nolint:gosec // not negative
			return f, nil, errWireShort
		}
		end := n + int(size) //nolint:gosec // not more than len(rest)
		f.bytes = rest[n:end]
		return f, rest[end:], nil
	}
	return f, nil, errWireKind
}

// wirePayload is a payload without its metrics.
type wirePayload struct {
	stamp, seq uint64 // 0 where it has none
	stamped    bool
	compressed bool
	metrics    int
}

// readPayload reads a payload whole, and its metrics only from outside.
func readPayload(payload []byte) (p wirePayload, err error) {
	for rest := payload; len(rest) > 0; {
		var f wireField
		if f, rest, err = nextField(rest); err != nil {
			return p, reject(sensors.ReasonSyntax, "payload: %v", err)
		}
		want := byte(wireVarint)
		switch f.number {
		case 1:
			p.stamp, p.stamped = f.value, f.value != 0
		case 2:
			want = wireBytes
			p.metrics++
		case 3:
			p.seq = f.value
		case 4:
			want = wireBytes
			p.compressed = string(f.bytes) == "SPBV1.0_COMPRESSED"
		default:
			continue
		}
		if f.kind != want {
			return p, reject(sensors.ReasonSyntax, "payload: %v", errWireKind)
		}
	}
	switch {
	case p.metrics > maxMetrics:
		return p, reject(sensors.ReasonTooLong, "%d metrics, want at most %d", p.metrics, maxMetrics)
	case p.seq > 255:
		return p, reject(sensors.ReasonSyntax, "seq %d, want at most 255", p.seq)
	case p.compressed:
		return p, reject(sensors.ReasonUnsupported, "the payload is compressed; switch compression off at the edge node")
	}
	return p, nil
}

// wireMetric is one metric. Its bytes are part of the payload.
type wireMetric struct {
	name       []byte
	properties []byte
	alias      uint64
	stamp      uint64 // 0: none
	value      uint64 // as its wire type holds it
	text       []byte // of string_value
	datatype   uint64 // 0: none
	holds      byte   // the number of the field that holds the value; 0: none
	aliased    bool
	null       bool
}

// The fields that hold values.
const (
	holdsInt    = 10
	holdsLong   = 11
	holdsFloat  = 12
	holdsDouble = 13
	holdsBool   = 14
	holdsString = 15
	holdsOther  = 16 // and more
)

// wireTypeOf returns the wire type that a field of a metric has, if it is one that is read.
func wireTypeOf(number uint64) byte {
	switch number {
	case 1, 9, holdsString:
		return wireBytes
	case holdsFloat:
		return wireFixed32
	case holdsDouble:
		return wireFixed64
	}
	return wireVarint
}

// readMetric reads one metric.
func readMetric(rest []byte) (m wireMetric, err error) {
	for len(rest) > 0 {
		var f wireField
		if f, rest, err = nextField(rest); err != nil {
			return m, err
		}
		if f.number >= holdsOther {
			if f.number < 20 { // bytes, data set, template, extension
				m.holds = holdsOther
			}
			continue
		}
		if f.kind != wireTypeOf(f.number) {
			if f.number == 8 { // metadata
				continue
			}
			return m, errWireKind
		}
		switch f.number {
		case 1:
			m.name = f.bytes
		case 2:
			m.alias, m.aliased = f.value, true
		case 3:
			m.stamp = f.value
		case 4:
			m.datatype = f.value & 0xffffffff
		case 7:
			m.null = f.value != 0
		case 9:
			m.properties = f.bytes
		case holdsInt, holdsLong, holdsFloat, holdsDouble, holdsBool:
			m.holds, m.value = byte(f.number), f.value
		case holdsString:
			m.holds, m.text = holdsString, f.bytes
		}
	}
	if !utf8.Valid(m.name) || !utf8.Valid(m.text) || slices.Contains(m.name, 0) {
		return m, errWireText
	}
	return m, nil
}

// unitOf returns the string property engUnit of a set of properties; "" if there is none that can be a unit.
func unitOf(properties []byte) (string, error) {
	const keys, values = 1, 2
	at, seen := -1, 0
	for rest := properties; len(rest) > 0; {
		var f wireField
		var err error
		if f, rest, err = nextField(rest); err != nil {
			return "", err
		}
		if f.number == keys {
			if string(f.bytes) == "engUnit" {
				at = seen
			}
			seen++
		}
	}
	for rest := properties; len(rest) > 0 && at >= 0; {
		f, after, err := nextField(rest)
		if err != nil {
			return "", err
		}
		rest = after
		if f.number != values {
			continue
		}
		if at == 0 {
			return textOf(f.bytes)
		}
		at--
	}
	return "", nil
}

// textOf returns the string_value of a property's value.
func textOf(rest []byte) (text string, err error) {
	for len(rest) > 0 {
		var f wireField
		if f, rest, err = nextField(rest); err != nil {
			return "", err
		}
		if f.number == 8 && f.kind == wireBytes {
			text = ""
			if unit := (sensors.Series{Name: "x", Unit: string(f.bytes), Type: sensors.Float}); unit.Check() == nil {
				text = unit.Unit
			}
		}
	}
	return text, nil
}

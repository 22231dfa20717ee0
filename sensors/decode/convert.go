package decode

import (
	"bytes"
	"math"

	"github.com/skerry-edge/skerry/sensors"
)

// TypeOf returns the type that configuration names, and whether there is one of that name.
func TypeOf(name string) (sensors.Type, bool) {
	for _, t := range []sensors.Type{sensors.Float, sensors.Int, sensors.Bool, sensors.String} {
		if name == t.String() {
			return t, true
		}
	}
	return 0, false
}

// read appends a text as the type that its series is to have, which is not String. What a text says as a number is
// scaled like any other number.
func (m *message) read(fd *field, text []byte) error {
	trimmed := bytes.TrimSpace(text)
	if len(trimmed) == 0 {
		return nil
	}
	if v, ok := boolean(trimmed); ok {
		return m.bool(fd, v)
	}
	if v, ok := onOff(trimmed); ok && fd.want == sensors.Bool {
		return m.bool(fd, v)
	}
	if kind, whole := classify(trimmed); kind != notNumber {
		return m.number(fd, trimmed, kind, whole)
	}
	if v, ok := special(trimmed); ok {
		return m.float(fd, v)
	}
	return fd.unfit(string(trimmed))
}

// convert appends a value of type t as the type that its series is to have: the same value exactly, or not at all.
func (m *message) convert(fd *field, t sensors.Type, num uint64, str string) error {
	r := sensors.Reading{Series: &sensors.Series{Type: t}, Num: num, Str: str}
	to := r
	ok := false
	switch fd.want {
	case sensors.Float:
		to.Num, ok = asFloat(&r)
	case sensors.Int:
		to.Num, ok = asInt(&r)
	case sensors.Bool:
		to.Num, ok = asBool(&r)
	case sensors.String:
		m.scratch = r.AppendValue(m.scratch[:0])
		return m.string(fd, m.scratch)
	}
	if !ok {
		return fd.unfit(string(r.AppendValue(nil)))
	}
	return m.append(fd, fd.want, to.Num, "")
}

func (fd *field) unfit(text string) error {
	return reject(sensors.ReasonValue, "field %.64q: %.64q is not exactly of type %s", fd.name, text, fd.want)
}

// asFloat takes integers of which a float64 holds the value, and booleans as 0 and 1.
func asFloat(r *sensors.Reading) (uint64, bool) {
	v := float64(r.Num)
	if r.Series.Type == sensors.Int {
		v = float64(r.Int())
		if v >= 1<<63 || int64(v) != r.Int() {
			return 0, false
		}
	}
	return math.Float64bits(v), r.Series.Type != sensors.String
}

// asInt takes floats that are whole and small enough that no other number is rounded to them.
func asInt(r *sensors.Reading) (uint64, bool) {
	if r.Series.Type == sensors.Bool {
		return r.Num, true
	}
	v := r.Float()
	if r.Series.Type != sensors.Float || v != math.Trunc(v) || math.Abs(v) >= exactInt {
		return 0, false
	}
	return uint64(int64(v)), true //nolint:gosec // two's complement by definition
}

// asBool takes 0 and 1.
func asBool(r *sensors.Reading) (uint64, bool) {
	switch {
	case r.Series.Type == sensors.Int:
		return r.Num, r.Num <= 1
	case r.Series.Type == sensors.Float && r.Float() == 0:
		return 0, true
	case r.Series.Type == sensors.Float:
		return 1, r.Float() == 1
	}
	return 0, false
}

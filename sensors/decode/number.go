package decode

import (
	"bytes"
	"math"
	"strconv"

	"github.com/skerry-edge/skerry/sensors"
)

// exactInt bounds the integers of which a float64 holds every one.
const exactInt = 1 << 53

type numberKind uint8

const (
	notNumber numberKind = iota
	wholeNumber
	realNumber
	hugeNumber // an integer literal beyond int64
)

// classify says what the literal is: digits with at most a sign, a point and an exponent. That is
// JSON's grammar and a little more: a leading +, leading zeros, a point without digits on one side.
// For wholeNumber it returns the value; -0 is 0.
func classify(lit []byte) (numberKind, int64) {
	i := 0
	negative := false
	if i < len(lit) && (lit[i] == '-' || lit[i] == '+') {
		negative = lit[i] == '-'
		i++
	}
	digits := 0
	var sum uint64
	huge := false
	for ; i < len(lit) && isDigit(lit[i]); i++ {
		if sum > (math.MaxUint64-9)/10 {
			huge = true
		}
		sum = sum*10 + uint64(lit[i]-'0')
		digits++
	}
	if i == len(lit) && digits > 0 {
		switch {
		case huge || sum > 1<<63 || sum == 1<<63 && !negative:
			return hugeNumber, 0
		case negative:
			return wholeNumber, int64(-sum) //nolint:gosec // within range by the case above; two's complement
		}
		return wholeNumber, int64(sum)
	}
	if i < len(lit) && lit[i] == '.' {
		i++
		for ; i < len(lit) && isDigit(lit[i]); i++ {
			digits++
		}
	}
	if digits == 0 {
		return notNumber, 0
	}
	if i < len(lit) && (lit[i] == 'e' || lit[i] == 'E') {
		i++
		if i < len(lit) && (lit[i] == '-' || lit[i] == '+') {
			i++
		}
		if i == len(lit) || !isDigit(lit[i]) {
			return notNumber, 0
		}
		for i < len(lit) && isDigit(lit[i]) {
			i++
		}
	}
	if i != len(lit) {
		return notNumber, 0
	}
	return realNumber, 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// special returns NaN or an infinity for the words that printf writes, in any case.
func special(word []byte) (float64, bool) {
	if len(word) < 3 || len(word) > len("+infinity") {
		return 0, false
	}
	sign := 1
	rest := word
	if rest[0] == '-' || rest[0] == '+' {
		if rest[0] == '-' {
			sign = -1
		}
		rest = rest[1:]
	}
	switch {
	case bytes.EqualFold(rest, []byte("nan")):
		return math.NaN(), true
	case bytes.EqualFold(rest, []byte("inf")), bytes.EqualFold(rest, []byte("infinity")):
		return math.Inf(sign), true
	}
	return 0, false
}

// scaling is value*scale+offset. A scale such as 0.1 that is one part of a whole number divides by
// it, since that gives the nearest float: 3*0.1 is 0.30000000000000004, 3/10 is 0.3.
type scaling struct {
	factor, divisor, offset float64 // divisor 0: multiply
}

func newScaling(scale, offset float64) scaling {
	s := scaling{factor: scale, offset: offset}
	if whole := math.Round(1 / scale); math.Abs(whole) > 1 && math.Abs(whole) <= exactInt && 1/whole == scale {
		s.divisor = whole
	}
	return s
}

func (s scaling) of(v float64) float64 {
	if s.divisor != 0 {
		return float64(v/s.divisor) + s.offset
	}
	return float64(v*s.factor) + s.offset // the conversion forbids fusing, which would differ between CPUs
}

// number appends the value of a literal that classify knows as kind and whole.
func (m *message) number(fd *field, lit []byte, kind numberKind, whole int64) error {
	switch {
	case kind == wholeNumber && !fd.scaled:
		return m.integer(fd, whole)
	case kind == wholeNumber:
		return m.float(fd, float64(whole))
	case kind == hugeNumber && !fd.scaled:
		return reject(sensors.ReasonValue, "field %.64q: integer %.40q is beyond 64 bits", fd.name, lit)
	}
	v, err := strconv.ParseFloat(string(lit), 64)
	if err != nil {
		return reject(sensors.ReasonValue, "field %.64q: number %.40q is out of range", fd.name, lit)
	}
	return m.float(fd, v)
}

// integer appends v as an Int, or as a Float if the series is one and that loses nothing.
func (m *message) integer(fd *field, v int64) error {
	if -exactInt <= v && v <= exactInt && fd.entry.has(sensors.Float) {
		return m.put(fd, sensors.Float, math.Float64bits(float64(v)), "")
	}
	return m.put(fd, sensors.Int, uint64(v), "") //nolint:gosec // two's complement by definition
}

// float appends v, scaled.
func (m *message) float(fd *field, v float64) error {
	if fd.scaled {
		scaled := fd.scale.of(v)
		if math.IsInf(scaled, 0) && !math.IsInf(v, 0) {
			return reject(sensors.ReasonValue, "field %.64q: %g is out of range once scaled", fd.name, v)
		}
		v = scaled
	}
	return m.put(fd, sensors.Float, math.Float64bits(v), "")
}

package modbus

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/skerry-edge/skerry/sensors"
)

// A value is one register's way from an answer's bytes to a reading. Immutable.
type value struct {
	cfg      RegisterConfig
	series   *sensors.Series
	from, to int // addresses that a request must have
	swap     bool
	lowFirst bool
	noValue  []noValue
	divisor  float64 // 0: multiply by cfg.Scale
}

// noValue is a pattern that means: no value.
type noValue struct {
	bits uint64
	nan  bool // any NaN
}

// parseNoValue reads "0x8000", "-32768" or "nan" for a type.
func parseNoValue(text, kind string) (noValue, error) {
	bits := bitsOf(kind)
	switch {
	case bits == 0:
		return noValue{}, fmt.Errorf("%s has no such values", kind)
	case strings.EqualFold(text, "nan"):
		if kind != TypeFloat32 && kind != TypeFloat64 {
			return noValue{}, fmt.Errorf("%q is of floats, and the type is %s", text, kind)
		}
		return noValue{nan: true}, nil
	case strings.HasPrefix(text, "0x"), strings.HasPrefix(text, "0X"):
		n, err := strconv.ParseUint(text[2:], 16, bits)
		if err != nil {
			return noValue{}, fmt.Errorf("%q is no pattern of %d bits", text, bits)
		}
		return noValue{bits: n}, nil
	}
	return parseNoNumber(text, kind, bits)
}

func parseNoNumber(text, kind string, bits int) (noValue, error) {
	var n uint64
	var err error
	switch kind {
	case TypeFloat32, TypeFloat64:
		var f float64
		f, err = strconv.ParseFloat(text, bits)
		n = math.Float64bits(f)
		if kind == TypeFloat32 {
			n = uint64(math.Float32bits(float32(f)))
		}
	case TypeInt16, TypeInt32, TypeInt64:
		var i int64
		i, err = strconv.ParseInt(text, 10, bits)
		n = uint64(i) & (math.MaxUint64 >> (64 - bits)) //nolint:gosec // two's complement
	default:
		n, err = strconv.ParseUint(text, 10, bits)
	}
	if err != nil {
		return noValue{}, fmt.Errorf("%q is no value of %s", text, kind)
	}
	return noValue{bits: n}, nil
}

// bitsOf returns the width of a type of numbers, and of the register that a bool is a bit of; 0 for strings.
func bitsOf(kind string) int {
	switch kind {
	case TypeInt16, TypeUint16, TypeBool:
		return 16
	case TypeInt32, TypeUint32, TypeFloat32:
		return 32
	case TypeInt64, TypeUint64, TypeFloat64:
		return 64
	}
	return 0
}

// The tags of every reading, besides the slave's own.
const (
	tagSource = "source"
	tagSlave  = "slave"
)

// seriesTags returns the tags of a slave's readings.
func seriesTags(source string, s SlaveConfig, tagged bool) []sensors.Tag {
	tags := []sensors.Tag{{Key: tagSlave, Value: s.Name}}
	for key, text := range s.Tags {
		tags = append(tags, sensors.Tag{Key: key, Value: text})
	}
	if tagged {
		tags = append(tags, sensors.Tag{Key: tagSource, Value: source})
	}
	return tags
}

// newValue returns the value of a register in which Validate finds no fault.
func newValue(c Config, s SlaveConfig, r RegisterConfig, table *sensors.Table) (*value, error) {
	v := &value{cfg: r, swap: order(r.ByteOrder, s.ByteOrder) == OrderLittle, lowFirst: order(r.WordOrder, s.WordOrder) == OrderLittle}
	v.from, v.to = r.span()
	for _, text := range r.NoValue {
		n, err := parseNoValue(text, r.kind())
		if err != nil {
			return nil, err
		}
		v.noValue = append(v.noValue, n)
	}
	if whole := math.Round(1 / r.Scale); math.Abs(whole) > 1 && math.Abs(whole) <= 1<<53 && 1/whole == r.Scale {
		v.divisor = whole // 3/10 is 0.3, and 3*0.1 is not
	}
	series := sensors.Series{Name: r.Name, Tags: seriesTags(c.Name, s, c.TagSource), Unit: r.Unit, Type: r.seriesType()}
	var err error
	v.series, err = table.Intern(series)
	return v, err
}

func order(own, slave string) string {
	if own != "" {
		return own
	}
	return slave
}

// seriesType returns the type of the readings: whole numbers that are not scaled stay whole.
func (c RegisterConfig) seriesType() sensors.Type {
	switch kind := c.kind(); {
	case kind == TypeBool:
		return sensors.Bool
	case kind == TypeString:
		return sensors.String
	case c.scaled(), kind == TypeFloat32, kind == TypeFloat64:
		return sensors.Float
	}
	return sensors.Int
}

// read sets r's Num or Str from the bytes of an answer, which begin with the address first. ok is false when the slave says
// that there is no value.
func (v *value) read(r *sensors.Reading, data []byte, first int) (ok bool, fault *sensors.DecodeError) {
	at := *v.cfg.Address - first
	if v.cfg.ofBits() {
		r.Num = uint64(data[at/8]>>(at%8)) & 1
		return true, nil
	}
	raw := data[2*at : 2*(at+v.cfg.width())]
	if v.cfg.kind() == TypeString {
		return v.text(r, raw)
	}
	bits := v.bits(raw)
	for _, n := range v.noValue {
		if n.nan && v.isNaN(bits) || !n.nan && n.bits == bits {
			return false, nil
		}
	}
	if v.cfg.Bit != nil {
		r.Num = bits >> *v.cfg.Bit & 1
		return true, nil
	}
	power := 0
	if v.cfg.ScaleAddress != nil {
		power = int(int16(binary.BigEndian.Uint16(v.word(data[2*(*v.cfg.ScaleAddress-first):])))) //nolint:gosec // two's complement
		switch {
		case power == math.MinInt16:
			return false, nil // how SunSpec marks a value that the device does not have
		case power < -maxPower || power > maxPower:
			return false, v.reject("the power of ten at %d is %d, want -%d to %d", *v.cfg.ScaleAddress, power, maxPower, maxPower)
		}
	}
	return v.number(r, bits, power)
}

// maxPower bounds what a slave's scale may be.
const maxPower = 18

// word returns the two bytes of the register that raw begins with, the high one first.
func (v *value) word(raw []byte) []byte {
	if v.swap {
		return []byte{raw[1], raw[0]}
	}
	return raw[:2]
}

// bits returns one, two or four registers as one number, whatever their order is.
func (v *value) bits(raw []byte) uint64 {
	var bits uint64
	for i := 0; i < len(raw); i += 2 {
		at := i
		if v.lowFirst {
			at = len(raw) - 2 - i
		}
		high, low := raw[at], raw[at+1]
		if v.swap {
			high, low = low, high
		}
		bits = bits<<16 | uint64(high)<<8 | uint64(low)
	}
	return bits
}

func (v *value) isNaN(bits uint64) bool {
	if v.cfg.kind() == TypeFloat32 {
		return math.IsNaN(float64(math.Float32frombits(uint32(bits)))) //nolint:gosec // 32 bits were read
	}
	return math.IsNaN(math.Float64frombits(bits))
}

// number sets r.Num.
func (v *value) number(r *sensors.Reading, bits uint64, power int) (ok bool, fault *sensors.DecodeError) {
	var whole int64
	var float float64
	isReal := false
	switch v.cfg.kind() {
	case TypeFloat32:
		float, isReal = float64(math.Float32frombits(uint32(bits))), true //nolint:gosec // 32 bits were read
	case TypeFloat64:
		float, isReal = math.Float64frombits(bits), true
	case TypeInt16:
		whole = int64(int16(bits)) //nolint:gosec // two's complement
	case TypeInt32:
		whole = int64(int32(bits)) //nolint:gosec // two's complement
	default:
		whole = int64(bits) //nolint:gosec // uint64 is checked below
	}
	switch {
	case v.series.Type == sensors.Int && v.cfg.kind() == TypeUint64 && bits > math.MaxInt64:
		return false, v.reject("%d is beyond 63 bits", bits)
	case v.series.Type == sensors.Int:
		r.Num = uint64(whole)
		return true, nil
	case isReal:
	case v.cfg.kind() == TypeUint64:
		float = float64(bits)
	default:
		float = float64(whole)
	}
	scaled := v.scale(float, power)
	if math.IsInf(scaled, 0) && !math.IsInf(float, 0) {
		return false, v.reject("%g is out of range once scaled", float)
	}
	r.Num = math.Float64bits(scaled)
	return true, nil
}

// scale returns n times the power of ten and the scale, and the offset added.
func (v *value) scale(n float64, power int) float64 {
	if !v.cfg.scaled() {
		return n
	}
	if power < 0 {
		n /= math.Pow10(-power)
	} else {
		n *= math.Pow10(power)
	}
	if v.divisor != 0 {
		return float64(n/v.divisor) + v.cfg.Offset
	}
	return float64(n*v.cfg.Scale) + v.cfg.Offset // the conversion forbids fusing, which would differ between CPUs
}

// text sets r.Str: two characters a register, ended by a zero byte or spaces. Nothing is no value.
func (v *value) text(r *sensors.Reading, raw []byte) (ok bool, fault *sensors.DecodeError) {
	chars := make([]byte, len(raw))
	copy(chars, raw)
	if v.swap {
		for i := 0; i+1 < len(chars); i += 2 {
			chars[i], chars[i+1] = chars[i+1], chars[i]
		}
	}
	text, _, _ := strings.Cut(string(chars), "\x00")
	if text = strings.TrimRight(text, " "); text == "" {
		return false, nil
	}
	if !utf8.ValidString(text) {
		return false, v.reject("the string %.40q is not UTF-8", text)
	}
	r.Str = text
	return true, nil
}

func (v *value) reject(format string, args ...any) *sensors.DecodeError {
	return &sensors.DecodeError{Reason: sensors.ReasonValue, What: fmt.Sprintf("register %s: ", v.cfg.Name) + fmt.Sprintf(format, args...)}
}

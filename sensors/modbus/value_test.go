package modbus

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
)

// words returns registers as an answer has them.
func words(registers ...uint16) []byte {
	var out []byte
	for _, r := range registers {
		out = binary.BigEndian.AppendUint16(out, r)
	}
	return out
}

func readValue(t *testing.T, r RegisterConfig, data []byte, first int) (any, error) {
	t.Helper()
	r.Name = "r"
	if r.Address == nil {
		r.Address = new(0)
	}
	v, err := newValue(config(), slaveOf("m", 1), r, sensors.NewTable())
	if err != nil {
		t.Fatal(err)
	}
	reading := sensors.Reading{Series: v.series}
	ok, fault := v.read(&reading, data, first)
	switch {
	case fault != nil:
		return nil, fault
	case !ok:
		return nil, nil
	}
	return reading.Value(), nil
}

func TestValue_read(t *testing.T) {
	type change = func(*RegisterConfig)
	typed := func(kind string, more ...change) RegisterConfig {
		r := DefaultRegisterConfig()
		r.Type = kind
		for _, m := range more {
			m(&r)
		}
		return r
	}
	swapWords := func(r *RegisterConfig) { r.WordOrder = OrderLittle }
	swapBytes := func(r *RegisterConfig) { r.ByteOrder = OrderLittle }
	scale := func(by, offset float64) change { return func(r *RegisterConfig) { r.Scale, r.Offset = by, offset } }
	none := func(texts ...string) change { return func(r *RegisterConfig) { r.NoValue = texts } }
	bit := func(n int) change { return func(r *RegisterConfig) { r.Bit = new(n) } }
	power := func(address int) change { return func(r *RegisterConfig) { r.ScaleAddress = new(address) } }
	long := func(n int) change { return func(r *RegisterConfig) { r.Length = n } }
	for name, c := range map[string]struct {
		r    RegisterConfig
		data []byte
		want any
	}{
		"uint16":                {typed(""), words(65535), int64(65535)},
		"int16":                 {typed(TypeInt16), words(0xfffe), int64(-2)},
		"uint32":                {typed(TypeUint32), words(0x1234, 0x5678), int64(0x12345678)},
		"uint32 CDAB":           {typed(TypeUint32, swapWords), words(0x5678, 0x1234), int64(0x12345678)},
		"uint32 BADC":           {typed(TypeUint32, swapBytes), words(0x3412, 0x7856), int64(0x12345678)},
		"uint32 DCBA":           {typed(TypeUint32, swapBytes, swapWords), words(0x7856, 0x3412), int64(0x12345678)},
		"int32":                 {typed(TypeInt32), words(0xffff, 0xffff), int64(-1)},
		"int64":                 {typed(TypeInt64), words(0x8000, 0, 0, 1), int64(math.MinInt64 + 1)},
		"int64 low first":       {typed(TypeInt64, swapWords), words(1, 0, 0, 0x8000), int64(math.MinInt64 + 1)},
		"uint64, exact":         {typed(TypeUint64), words(0x0020, 0, 0, 1), int64(1<<53 + 1)},
		"uint64 scaled":         {typed(TypeUint64, scale(1, 1)), words(0xffff, 0xffff, 0xffff, 0xffff), float64(math.MaxUint64) + 1},
		"float32":               {typed(TypeFloat32), words(0x4366, 0x3334), 230.20001220703125},
		"float32 CDAB":          {typed(TypeFloat32, swapWords), words(0x3334, 0x4366), 230.20001220703125},
		"float64":               {typed(TypeFloat64), words(0x3ff8, 0, 0, 0), 1.5},
		"a tenth":               {typed("", scale(0.1, 0)), words(3), 0.3},
		"scale and offset":      {typed(TypeInt16, scale(0.5, -40)), words(0xffff), -40.5},
		"bit 15":                {typed("", bit(15)), words(0x8000), true},
		"bit 0":                 {typed("", bit(0)), words(0x8000), false},
		"no value":              {typed(TypeInt16, none("0x8000")), words(0x8000), nil},
		"no value as a number":  {typed(TypeInt16, none("-32768", "7")), words(0x8000), nil},
		"no value of bits":      {typed("", bit(0), none("0xFFFF")), words(0xffff), nil},
		"no NaN":                {typed(TypeFloat32, none("nan")), words(0x7fc0, 1), nil},
		"no value of 64 bits":   {typed(TypeUint64, none("0xFFFFFFFFFFFFFFFF")), words(0xffff, 0xffff, 0xffff, 0xffff), nil},
		"no value before scale": {typed(TypeUint16, scale(0.1, 0), none("65535")), words(65535), nil},
		"other value":           {typed(TypeInt16, none("0x8000")), words(0x8001), int64(-32767)},
		"scale of the slave":    {typed(TypeInt16, power(2)), words(2345, 0, 0xfffe), 23.45},
		"scale up":              {typed(TypeInt16, power(1)), words(23, 2), 2300.0},
		"no scale":              {typed(TypeInt16, power(1)), words(23, 0x8000), nil},
		"string":                {typed(TypeString, long(3)), []byte("SDM6\x00x"), "SDM6"},
		"string, swapped":       {typed(TypeString, long(2), swapBytes), []byte("DS6M"), "SDM6"},
		"string of spaces":      {typed(TypeString, long(2)), []byte("    "), nil},
	} {
		got, err := readValue(t, c.r, c.data, 0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got, err := readValue(t, typed(TypeFloat32), words(0x7fc0, 0), 0); err != nil || !math.IsNaN(asFloat(got)) {
		t.Errorf("NaN without no_value is %v, %v; want NaN", got, err)
	}
	for name, c := range map[string]struct {
		r    RegisterConfig
		data []byte
	}{
		"uint64 beyond int64": {typed(TypeUint64), words(0x8000, 0, 0, 0)},
		"scale of 10^99":      {typed(TypeInt16, power(1)), words(1, 99)},
		"not UTF-8":           {typed(TypeString, long(1)), []byte{0xff, 0xfe}},
		"overflow":            {typed(TypeFloat64, scale(10, 0)), words(0x7fef, 0xffff, 0xffff, 0xffff)},
	} {
		if got, err := readValue(t, c.r, c.data, 0); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
}

func asFloat(v any) float64 {
	f, _ := v.(float64)
	return f
}

func TestValue_readsBits(t *testing.T) {
	data := []byte{0b0000_0100, 0b1000_0000}
	for address, want := range map[int]bool{100: false, 102: true, 107: false, 115: true} {
		r := DefaultRegisterConfig()
		r.Table, r.Address = TableCoil, new(address)
		if got, err := readValue(t, r, data, 100); err != nil || got != want {
			t.Errorf("coil %d is %v, %v; want %v", address, got, err, want)
		}
	}
}

func TestJoin(t *testing.T) {
	build := func(table string, spans ...[2]int) []*value {
		var values []*value
		for i, s := range spans {
			values = append(values, &value{cfg: RegisterConfig{Name: fmt.Sprint(i), Table: table}, from: s[0], to: s[1]})
		}
		return values
	}
	for name, c := range map[string]struct {
		table string
		spans [][2]int
		gap   int
		want  [][2]int
	}{
		"adjacent, in any order": {TableInput, [][2]int{{2, 4}, {0, 2}}, 0, [][2]int{{0, 4}}},
		"gap":                    {TableInput, [][2]int{{0, 2}, {10, 12}, {21, 22}}, 8, [][2]int{{0, 12}, {21, 22}}},
		"overlap":                {TableInput, [][2]int{{0, 4}, {1, 2}, {4, 5}}, 0, [][2]int{{0, 5}}},
		"125 registers":          {TableInput, [][2]int{{0, 2}, {123, 125}, {125, 126}}, 125, [][2]int{{0, 125}, {125, 126}}},
		"2000 bits":              {TableCoil, [][2]int{{0, 1}, {1999, 2000}, {2000, 2001}}, 125, [][2]int{{0, 2000}, {2000, 2001}}},
		"bits' gap":              {TableCoil, [][2]int{{0, 1}, {17, 18}, {35, 36}}, 1, [][2]int{{0, 18}, {35, 36}}},
	} {
		var got [][2]int
		for _, b := range join(c.table, build(c.table, c.spans...), c.gap) {
			got = append(got, [2]int{b.from, b.to})
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	low, high, ok := join(TableInput, build(TableInput, [2]int{0, 1}, [2]int{1, 2}, [2]int{7, 8}, [2]int{10, 11}), 8)[0].split()
	if !ok || low.from != 0 || low.to != 2 || high.from != 7 || high.to != 11 {
		t.Errorf("split at %d-%d and %d-%d, want at the widest gap", low.from, low.to, high.from, high.to)
	}
}

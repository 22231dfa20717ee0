package decode_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/decode"
)

// typed returns a decoder whose series v have a type.
func typed(t *testing.T, want sensors.Type, c decode.Config) sensors.Decoder {
	t.Helper()
	c.Types = map[string]sensors.Type{"v*": want}
	f, err := decode.New(c, "line", nil, sensors.Milliseconds, sensors.NewTable())
	if err != nil {
		t.Fatal(err)
	}
	return f.Decoder()
}

// TestTypes: a value becomes the same value of the wanted type, or the message is rejected.
func TestTypes(t *testing.T) {
	const f, i, b, s = sensors.Float, sensors.Int, sensors.Bool, sensors.String
	const rejected = "rejected"
	scaled := map[string]float64{"v": 0.1}
	for _, c := range []struct {
		input string
		want  sensors.Type
		scale map[string]float64
		value any
	}{
		{`12`, i, nil, int64(12)},
		{`12.0`, i, nil, int64(12)},
		{`"12"`, i, nil, int64(12)},
		{`" 12.0 "`, i, nil, int64(12)},
		{`1.2e1`, i, nil, int64(12)},
		{`12.5`, i, nil, rejected},
		{`"12.5"`, i, nil, rejected},
		{`true`, i, nil, int64(1)},
		{`"on"`, i, nil, rejected},
		{`"nan"`, i, nil, rejected},
		{`"inf"`, i, nil, rejected},
		{`"12 °C"`, i, nil, rejected},
		{`120`, i, scaled, int64(12)},
		{`"120"`, i, scaled, int64(12)},
		{`125`, i, scaled, rejected},
		{`9007199254740993`, i, nil, int64(9007199254740993)},
		{`9007199254740993.0`, i, nil, rejected}, // a double cannot tell it from …992
		{`-9007199254740991.0`, i, nil, int64(-9007199254740991)},
		{`1e300`, i, nil, rejected},
		{`-0.0`, i, nil, int64(0)},
		{`21`, f, nil, 21.0},
		{`"21.5"`, f, nil, 21.5},
		{`"215"`, f, scaled, 21.5},
		{`9007199254740993`, f, nil, rejected},
		{`9007199254740992`, f, nil, 9007199254740992.0},
		{`9223372036854775807`, f, nil, rejected},
		{`-9223372036854775808`, f, nil, -9223372036854775808.0},
		{`18446744073709551616`, f, nil, rejected},
		{`false`, f, nil, 0.0},
		{`true`, f, scaled, 0.1},
		{`"off"`, f, nil, rejected},
		{`"on"`, b, nil, true},
		{`"OFF"`, b, nil, false},
		{`"True"`, b, nil, true},
		{`"1"`, b, nil, true},
		{`0`, b, nil, false},
		{`1.0`, b, nil, true},
		{`-0.0`, b, nil, false},
		{`2`, b, nil, rejected},
		{`-1`, b, nil, rejected},
		{`0.5`, b, nil, rejected},
		{`"open"`, b, nil, rejected},
		{`10`, b, scaled, true},
		{`12`, s, nil, "12"},
		{`12.50`, s, nil, "12.5"},
		{`1e21`, s, nil, "1e+21"},
		{`0.0000001`, s, nil, "1e-7"},
		{`true`, s, nil, "true"},
		{`"on"`, s, nil, "on"},
		{`""`, i, nil, nil},
		{`"  "`, i, nil, nil},
		{`null`, i, nil, nil},
	} {
		t.Run(fmt.Sprintf("%s as %s", c.input, c.want), func(t *testing.T) {
			config := decode.Config{Format: "json", Scale: c.scale}
			d := typed(t, c.want, config)
			rs, err := d.Decode(nil, sensors.Raw{Payload: []byte(`{"other":1,"v":` + c.input + `}`), Arrived: time.Unix(1, 0)})
			var fault *sensors.DecodeError
			switch {
			case c.value == rejected:
				if !errors.As(err, &fault) || fault.Reason != sensors.ReasonValue || len(rs) > 0 {
					t.Fatalf("%v, %v, want a rejection for value and no reading", rs, err)
				}
			case err != nil:
				t.Fatal(err)
			case c.value == nil:
				if len(rs) != 1 {
					t.Fatalf("%d readings, want only the other", len(rs))
				}
			case len(rs) != 2 || rs[1].Value() != c.value:
				t.Fatalf("%v, want %v", rs[1].Value(), c.value)
			}
		})
	}
}

// TestTypes_everyFormat: the same rule holds whatever the format reads a text as.
func TestTypes_everyFormat(t *testing.T) {
	for format, input := range map[string]string{"json": `{"v":"on"}`, "keyvalue": "v=on", "csv": "on", "value": "on"} {
		c := decode.Config{Format: format}
		name := "v"
		switch format {
		case "csv":
			c.Columns = []string{"v"}
		case "value":
			name = "line"
		}
		c.Types = map[string]sensors.Type{name: sensors.Bool}
		f, err := decode.New(c, "line", nil, sensors.Milliseconds, sensors.NewTable())
		if err != nil {
			t.Fatal(err)
		}
		rs, err := f.Decoder().Decode(nil, sensors.Raw{Payload: []byte(input), Arrived: time.Unix(1, 0)})
		if err != nil || len(rs) != 1 || rs[0].Value() != true {
			t.Errorf("%s: %v, %v", format, rs, err)
		}
	}
}

// Conversions between numbers allocate nothing.
func TestTypes_allocations(t *testing.T) {
	for _, want := range []sensors.Type{sensors.Float, sensors.Int, sensors.Bool} {
		d := typed(t, want, decode.Config{Format: "keyvalue"})
		raw := sensors.Raw{Payload: []byte("v1=1 v2=1.0 v3=true"), Arrived: time.Unix(1, 0)}
		var space []sensors.Reading
		decodeOnce := func() {
			rs, err := d.Decode(space[:0], raw)
			if err != nil {
				t.Fatal(err)
			}
			space = rs
		}
		decodeOnce()
		if n := testing.AllocsPerRun(100, decodeOnce); n > 0 {
			t.Errorf("%s: %v allocations", want, n)
		}
	}
}

// FuzzTypes: what is taken has the wanted type, and says the same as without one.
func FuzzTypes(f *testing.F) {
	for _, seed := range []string{`12.0`, `"12"`, `"on"`, `true`, `1e300`, `9007199254740993`, `" 1"`, `"nan"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		payload := []byte(`{"v":` + value + `}`)
		plain, err := decode.New(decode.Config{Format: "json"}, "line", nil, sensors.Milliseconds, sensors.NewTable())
		if err != nil {
			t.Fatal(err)
		}
		raw := sensors.Raw{Payload: payload, Arrived: time.Unix(1, 0)}
		before, plainErr := plain.Decoder().Decode(nil, raw)
		for _, want := range []sensors.Type{sensors.Float, sensors.Int, sensors.Bool, sensors.String} {
			rs, err := typed(t, want, decode.Config{Format: "json"}).Decode(nil, raw)
			if err != nil {
				continue
			}
			if plainErr != nil {
				t.Fatalf("%q is taken as %s and rejected without a type: %v", payload, want, plainErr)
			}
			for i := range rs {
				if name := rs[i].Series.Name; name[0] == 'v' && rs[i].Series.Type != want {
					t.Fatalf("%q became %s, want %s", payload, rs[i].Series.Type, want)
				}
				if len(rs) != len(before) || rs[i].Series.Name[0] != 'v' {
					continue
				}
				if before[i].Series.Type == sensors.Float && want == sensors.Int && float64(rs[i].Int()) != before[i].Float() ||
					before[i].Series.Type == sensors.Int && want == sensors.Float && int64(rs[i].Float()) != before[i].Int() {
					t.Fatalf("%q: %v became %v", payload, before[i].Value(), rs[i].Value())
				}
			}
		}
	})
}

func TestMayName(t *testing.T) {
	for _, c := range []struct {
		config decode.Config
		topics []string
		glob   string
		want   bool
	}{
		{decode.Config{Format: "json"}, nil, "temp*", true},
		{decode.Config{Format: "json", Rename: map[string]string{"t": "temp"}}, nil, "t", false},
		{decode.Config{Format: "json", Rename: map[string]string{"t": "temp"}}, nil, "temp", true},
		{decode.Config{Format: "json", Rename: map[string]string{"t": "temp", "x": "t"}}, nil, "t", true},
		{decode.Config{Format: "json", Include: []string{"hum*"}}, nil, "temp*", false},
		{decode.Config{Format: "json", Include: []string{"hum*"}, Rename: map[string]string{"hum1": "temp"}}, nil, "temp*", true},
		{decode.Config{Format: "json", Exclude: []string{"temp"}}, nil, "temp", false},
		{decode.Config{Format: "json", Time: "ts", TimeUnit: "s"}, nil, "ts", false},
		{decode.Config{Format: "json", Series: "{sensor}.{field}"}, []string{"{sensor}"}, "temp*", true},
		{decode.Config{Format: "json", Series: "plant.{field}"}, nil, "temp*", false},
		{decode.Config{Format: "json", Series: "plant.{field}"}, nil, "plant.temp", true},
		{decode.Config{Format: "json", Series: "plant"}, nil, "plan?", false},
		{decode.Config{Format: "csv", Columns: []string{"ts", "temp", "", "hum"}, Time: "ts", TimeUnit: "s"}, nil, "temp", true},
		{decode.Config{Format: "csv", Columns: []string{"ts", "temp", "", "hum"}, Time: "ts", TimeUnit: "s"}, nil, "wind", false},
		{decode.Config{Format: "csv", Columns: []string{"temp"}, Rename: map[string]string{"temp": "air"}}, nil, "temp", false},
		{decode.Config{Format: "value"}, nil, "line", true},
		{decode.Config{Format: "value"}, nil, "temp", false},
		{decode.Config{Format: "value"}, []string{"a/temp", "b/+"}, "temp", true},
		{decode.Config{Format: "value"}, []string{"a/temp"}, "hum", false},
		{decode.Config{Format: "value"}, []string{"a/{x}"}, "hum", true},
	} {
		if got := c.config.MayName("line", c.topics, c.glob); got != c.want {
			t.Errorf("%+v: %q: %v, want %v", c.config, c.glob, got, c.want)
		}
	}
}

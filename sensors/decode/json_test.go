package decode

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
)

func TestJSON(t *testing.T) {
	timed := Config{Time: "ts", TimeUnit: unitMillis}
	runCases(t, formatJSON, []decodeCase{
		{name: "types", payload: `{"a":21.5,"b":-7,"c":true,"d":false,"e":"on"}`, want: []string{"a float 21.5", "b int -7", "c bool true", "d bool false", "e string on"}},
		{name: "nested", payload: `{"a":{"b":{"c":1}},"d":2}`, want: []string{"a.b.c int 1", "d int 2"}},
		{name: "arrays", payload: `{"a":[1,[2,3],{"x":4}],"b":5}`, want: []string{"a.0 int 1", "a.1.0 int 2", "a.1.1 int 3", "a.2.x int 4", "b int 5"}},
		{name: "null and empty", payload: `{"a":null,"b":"","c":{},"d":[],"e":[null],"f":1}`, want: []string{"f int 1"}},
		{name: "white space", payload: " {\n\t\"a\" : 1 }\r\n", want: []string{"a int 1"}},
		{name: "escapes", payload: `{"a\u0062\"c":"x\ny\ud83d\ude00"}`, want: []string{"ab\"c string x\ny😀"}},
		{name: "int64", payload: `{"a":9223372036854775807,"b":-9223372036854775808}`, want: []string{"a int 9223372036854775807", "b int -9223372036854775808"}},
		{name: "beyond 2^53", payload: `{"a":9007199254740993}`, want: []string{"a int 9007199254740993"}},
		{name: "beyond int64", payload: `{"b":1,"a":9223372036854775808}`, reason: sensors.ReasonValue, what: `"a"`},
		{name: "beyond int64 excluded", config: Config{Exclude: []string{"a"}}, payload: `{"b":1,"a":9223372036854775808}`, want: []string{"b int 1"}},
		{name: "fraction and exponent", payload: `{"a":1.0,"b":1e3,"c":-0.0,"d":-0}`, want: []string{"a float 1", "b float 1000", "c float -0", "d int 0"}},
		{name: "out of range", payload: `{"b":1,"a":1e999}`, reason: sensors.ReasonValue, what: `"a"`},
		{name: "tiny", payload: `{"a":1e-999}`, want: []string{"a float 0"}},
		{name: "words are strings", payload: `{"a":"NaN","b":"21.5","c":"true"}`, want: []string{"a string NaN", "b string 21.5", "c string true"}},
		{name: "NaN literal", payload: `{"a":NaN}`, reason: sensors.ReasonSyntax},
		{name: "bare number", topic: "x/y/power", payload: `21.5`, want: []string{"power{one=x} float 21.5"}},
		{name: "bare bool on serial", payload: `true`, want: []string{"src bool true"}},
		{name: "bare string", topic: "x/y", payload: `"on"`, want: []string{"y{one=x} string on"}},
		{name: "records", payload: `[{"a":1},{"a":2,"b":3},{}]`, want: []string{"a int 1", "a int 2", "b int 3"}},
		{name: "bare elements", topic: "x/y", payload: `[1,{"a":2},[3]]`, want: []string{"y.0{one=x} int 1", "a{one=x} int 2", "y.2.0{one=x} int 3"}},
		{name: "rename, scale, offset, unit", config: Config{
			Rename: map[string]string{"t": "temp"}, Scale: map[string]float64{"t": 0.1, "raw.*": 2}, Offset: map[string]float64{"t": -4, "h": 1},
			Unit: map[string]string{"t": "°C", "*": "x"},
		}, payload: `{"t":243,"h":2,"raw":{"a":1.5},"s":"y","b":true}`, want: []string{"temp[°C] float 20.3", "h[x] float 3", "raw.a[x] float 3", "s[x] string y", "b[x] bool true"}},
		{name: "scaled beyond int64", config: Config{Scale: map[string]float64{"a": 0.5}}, payload: `{"a":36893488147419103232}`, want: []string{"a float 1.8446744073709552e+19"}},
		{name: "scaled out of range", config: Config{Scale: map[string]float64{"a": 1e300}}, payload: `{"a":1e300}`, reason: sensors.ReasonValue, what: `"a"`},
		{name: "include", config: Config{Include: []string{"temp*", "x.*.y"}}, payload: `{"temp":1,"temp2":2,"hum":3,"x":{"a":{"y":4,"z":5}}}`, want: []string{"temp int 1", "temp2 int 2", "x.a.y int 4"}},
		{name: "exclude wins", config: Config{Include: []string{"t*"}, Exclude: []string{"*p"}, Rename: map[string]string{"t": "p"}}, payload: `{"temp":1,"t":2}`, want: []string{"p int 2"}},
		{name: "all excluded", config: Config{Exclude: []string{"*"}}, payload: `{"temp":1}`},
		{name: "all excluded needs no time", config: Config{Exclude: []string{"*"}, Time: "ts", TimeUnit: unitMillis}, payload: `{"temp":1}`},
		{name: "time is not excluded", config: Config{Include: []string{"a"}, Time: "ts", TimeUnit: unitMillis}, payload: `{"a":1,"ts":5,"b":2}`, want: []string{"a int 1"}},
		{name: "time", config: timed, payload: `{"ts":1700000000000,"a":1}`, want: []string{"a int 1"}},
		{name: "time as text", config: timed, payload: `{"a":1,"ts":"1700000000000"}`, want: []string{"a int 1"}},
		{name: "time missing", config: timed, payload: `{"a":1}`, reason: sensors.ReasonTime, what: `"ts"`},
		{name: "time null", config: timed, payload: `{"a":1,"ts":null}`, reason: sensors.ReasonTime, what: `"ts"`},
		{name: "time bool", config: timed, payload: `{"a":1,"ts":true}`, reason: sensors.ReasonTime, what: `"ts"`},
		{name: "time of words", config: timed, payload: `{"a":1,"ts":"noon"}`, reason: sensors.ReasonTime, what: `noon`},
		{name: "time before 1970", config: timed, payload: `{"a":1,"ts":-1}`, reason: sensors.ReasonTime, what: `1970`},
		{name: "time after 2262", config: timed, payload: `{"a":1,"ts":9223372036855}`, reason: sensors.ReasonTime, what: `2262`},
		{name: "time alone", config: timed, payload: `{"ts":1}`, reason: sensors.ReasonEmpty},
		{name: "time twice", config: Config{Time: "a.b", TimeUnit: unitMillis}, payload: `{"a.b":1,"a":{"b":2},"c":3}`, reason: sensors.ReasonTime, what: "twice"},
		{name: "time of a bare value", config: timed, payload: `1`, reason: sensors.ReasonTime},
		{name: "one record without time", config: timed, payload: `[{"ts":1,"a":1},{"a":2}]`, reason: sensors.ReasonTime},
		{name: "nothing", payload: ``, reason: sensors.ReasonEmpty},
		{name: "blanks", payload: " \n", reason: sensors.ReasonEmpty},
		{name: "empty object", payload: `{}`, reason: sensors.ReasonEmpty},
		{name: "empty array", payload: `[]`, reason: sensors.ReasonEmpty},
		{name: "null", payload: `null`, reason: sensors.ReasonEmpty},
		{name: "cut", payload: `{"a":1,"b`, reason: sensors.ReasonSyntax},
		{name: "cut after colon", payload: `{"a":`, reason: sensors.ReasonSyntax},
		{name: "cut array", payload: `[{"a":1},`, reason: sensors.ReasonSyntax},
		{name: "two texts", payload: `{"a":1} {"a":2}`, reason: sensors.ReasonSyntax},
		{name: "junk behind", payload: `{"a":1}x`, reason: sensors.ReasonSyntax},
		{name: "no JSON", payload: `temp=21.5`, reason: sensors.ReasonSyntax},
		{name: "name twice", payload: `{"a":1,"a":2}`, reason: sensors.ReasonSyntax, what: "duplicate"},
		{name: "name twice, escaped", payload: `{"a":1,"\u0061":2}`, reason: sensors.ReasonSyntax, what: "duplicate"},
		{name: "not UTF-8", payload: "{\"a\":\"\xff\"}", reason: sensors.ReasonSyntax},
		{name: "lone surrogate", payload: `{"a":"\ud800"}`, reason: sensors.ReasonSyntax},
		{name: "leading underscore", payload: `{"b":1,"_a":1}`, reason: sensors.ReasonName, what: `"_a"`},
		{name: "control character", payload: `{"a\u0007":1}`, reason: sensors.ReasonName, what: `\a`},
		{name: "empty name", payload: `{"":1}`, reason: sensors.ReasonName},
		{name: "empty name outside", payload: `{"":{"a":1},"a":2}`, want: []string{".a int 1", "a int 2"}},
		{name: "bad name excluded", config: Config{Exclude: []string{"_*"}}, payload: `{"_a":1,"b":2}`, want: []string{"b int 2"}},
		{name: "bad name renamed", config: Config{Rename: map[string]string{"_a": "a"}}, payload: `{"_a":1}`, want: []string{"a int 1"}},
		{name: "bad name of null", payload: `{"_a":null,"b":2}`, want: []string{"b int 2"}},
		{name: "long name", payload: `{"` + strings.Repeat("n", 257) + `":1}`, reason: sensors.ReasonName},
		{name: "longest name", payload: `{"` + strings.Repeat("n", 256) + `":1}`, want: []string{strings.Repeat("n", 256) + " int 1"}},
		{name: "very long name", payload: `{"` + strings.Repeat("n", 2000) + `":1}`, reason: sensors.ReasonTooLong},
		{name: "long string", payload: `{"a":"` + strings.Repeat("x", MaxStringBytes+1) + `"}`, reason: sensors.ReasonTooLong, what: `"a"`},
		{name: "longest string", payload: `{"a":"` + strings.Repeat("x", MaxStringBytes) + `"}`, want: []string{"a string " + strings.Repeat("x", MaxStringBytes)}},
		{name: "depth 16", payload: strings.Repeat(`{"a":`, 16) + "1" + strings.Repeat("}", 16), want: []string{strings.Repeat("a.", 15) + "a int 1"}},
		{name: "depth 17", payload: strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17), reason: sensors.ReasonTooLong},
		{name: "depth 17 in arrays", payload: strings.Repeat(`[`, 17) + "1" + strings.Repeat("]", 17), reason: sensors.ReasonTooLong},
		{name: "4096 fields", config: Config{Exclude: []string{"*"}}, payload: "[" + strings.Repeat("1,", 4095) + "1]"},
		{name: "4097 fields", config: Config{Exclude: []string{"*"}}, payload: "[" + strings.Repeat("1,", 4096) + "1]", reason: sensors.ReasonTooLong},
	})
}

func TestJSON_recordsHaveTheirOwnTime(t *testing.T) {
	d := newFormat(t, Config{Format: formatJSON, Time: "ts", TimeUnit: unitSeconds}).Decoder()
	got, err := d.Decode(nil, arrived("", `[{"a":1,"ts":10},{"ts":1700000000.1239,"a":2,"b":3},{"ts":"2e1","a":4}]`))
	if err != nil {
		t.Fatal(err)
	}
	var times []int64
	for _, r := range got {
		times = append(times, r.Time)
	}
	if diff := cmp.Diff([]int64{10e9, 1_700_000_000_123_000_000, 1_700_000_000_123_000_000, 20e9}, times); diff != "" {
		t.Error(diff)
	}
}

// After an error the decoder goes on as if nothing had been.
func TestJSON_afterError(t *testing.T) {
	d := newFormat(t, Config{Format: formatJSON}).Decoder()
	for _, bad := range []string{`{"a":{"b":[1,`, `{"a":1e999}`, ``, strings.Repeat("[", 100), `{"x":1}{`} {
		if got, err := d.Decode(nil, arrived("", bad)); err == nil || len(got) != 0 {
			t.Errorf("%s: got %v, %v", bad, got, err)
		}
		got, err := d.Decode(nil, arrived("", `{"c":1}`))
		if err != nil || cmp.Diff([]string{"c int 1"}, show(got)) != "" {
			t.Errorf("after %s: got %v, %v", bad, show(got), err)
		}
	}
}

func TestScaling(t *testing.T) {
	celsius := -273.15 // a variable: constants are added exactly
	for _, c := range []struct{ value, scale, offset, want float64 }{
		{3, 0.1, 0, 0.3},
		{2153, 0.01, 0, 21.53},
		{2731, 0.1, -273.15, 273.1 + celsius},
		{7, 2, 1, 15},
		{7, -1, 0, -7},
		{7, 1, 0.5, 7.5},
		{7, -0.1, 0, -0.7},
		{10, 1.5, 0, 15},
		{10, 1e-300, 0, 1e-299},
		{math.Inf(1), 0.1, 0, math.Inf(1)},
	} {
		if got := newScaling(c.scale, c.offset).of(c.value); got != c.want {
			t.Errorf("%v*%v+%v = %v, want %v", c.value, c.scale, c.offset, got, c.want)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		benchJSON, `[{"ts":1,"a":1},{"ts":"2","a":[1.5,"x",null]}]`, `{"a":{"b\u0041":-0.0},"ts":1e3}`, `21`, `"on"`, `{"a":1,"a":2}`,
		`{"a":9223372036854775808,"ts":1}`, `{"":{"":1},"ts":0}`, "{\"\xff\":1}", `{"ts":9223372036854.775807,"x":1e999}`, strings.Repeat(`{"a":[`, 9),
	} {
		f.Add([]byte(seed), "a/b", false)
		f.Add([]byte(seed), "", true)
	}
	f.Fuzz(func(t *testing.T, payload []byte, topic string, timed bool) {
		c := Config{Format: formatJSON, MaxSeries: 50, Series: "{x}{field}", Tags: map[string]string{"x": "{topic}"}, Scale: map[string]float64{"a*": 0.1}}
		if timed {
			c.Time, c.TimeUnit = "ts", unitMillis
		}
		raw := arrived(topic, "")
		raw.Payload = payload
		checkOutcome(t, newFormat(t, c, "#").Decoder(), raw)
		fuzzOne(t, Config{
			Format: formatJSON, MaxSeries: 50, Root: "a", Time: "ts", TimeUnit: unitISO8601, TimeZone: "Europe/Berlin",
			TrueValues: []string{"ON", "1"}, NullValues: []string{"unknown"},
		}, payload, topic)
	})
}

func ExampleFormat_Decoder() {
	pattern, err := sensors.ParseTopicPattern("site/{site}/{sensor}")
	if err != nil {
		fmt.Println(err)
		return
	}
	config := Config{Format: "json", Time: "ts", TimeUnit: "ms", Series: "{sensor}.{field}", Unit: map[string]string{"temp": "°C"}}
	format, err := New(config, "meters", []sensors.TopicPattern{pattern}, sensors.Milliseconds, sensors.NewTable())
	if err != nil {
		fmt.Println(err)
		return
	}
	decoder := format.Decoder() // one for each goroutine
	readings, err := decoder.Decode(nil, sensors.Raw{Topic: "site/north/pump1", Payload: []byte(`{"ts":1700000000000,"temp":21.5,"on":true}`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range readings {
		fmt.Println(r.Time, r.Series.Name, r.Series.Tags, r.Value(), r.Series.Unit)
	}
	// Output:
	// 1700000000000000000 pump1.temp [{sensor pump1} {site north} {source meters}] 21.5 °C
	// 1700000000000000000 pump1.on [{sensor pump1} {site north} {source meters}] true
}

func ExampleConfig_Validate() {
	config := Config{Format: "jsn", Time: "ts", TimeUnit: "sec"}
	config.Validate(func(key, what, hint string) { fmt.Printf("%s: %s; %s\n", key, what, hint) })
	// Output:
	// format: unknown value "jsn"; did you mean "json"?
	// time_unit: unknown value "sec"; one of s, ms, us, ns, rfc3339, iso8601
}

package decode

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
)

func TestKeyValue(t *testing.T) {
	timed := Config{Time: "ts", TimeUnit: unitSeconds}
	runCases(t, formatKeyValue, []decodeCase{
		{name: "spaces", payload: "temp=21.5 hum=40", want: []string{"temp float 21.5", "hum int 40"}},
		{name: "commas and semicolons", payload: "a=1,b=2;c=3, d=4;; e=5;\r\n", want: []string{"a int 1", "b int 2", "c int 3", "d int 4", "e int 5"}},
		{name: "lines", payload: "a=1\nb=2\r\n", want: []string{"a int 1", "b int 2"}},
		{name: "types", payload: "a=+5 b=-.5 c=5. d=1e3 e=true f=FALSE g=on h=007 i=0x10 j=1_0", want: []string{
			"a int 5", "b float -0.5", "c float 5", "d float 1000", "e bool true", "f bool false", "g string on", "h int 7", "i string 0x10", "j string 1_0",
		}},
		{name: "nan and inf", payload: "a=nan b=NaN c=inf d=-Inf e=+INFINITY f=info", want: []string{"a float NaN", "b float NaN", "c float +Inf", "d float -Inf", "e float +Inf", "f string info"}},
		{name: "unit glued", payload: "a=21.5C", want: []string{"a string 21.5C"}},
		{name: "quoted", payload: `a="on fire, now; x=1" b="21.5" c="q\"\\\n\t" d=""`, want: []string{"a string on fire, now; x=1", "b string 21.5", "c string q\"\\\n\t"}},
		{name: "quote inside", payload: `a=5"x b=1`, want: []string{`a string 5"x`, "b int 1"}},
		{name: "equals in value", payload: `a=b=c`, want: []string{"a string b=c"}},
		{name: "no value", payload: "a= b=1", want: []string{"b int 1"}},
		{name: "only no value", payload: "a=", reason: sensors.ReasonEmpty},
		{name: "separator", config: Config{Separator: "|"}, payload: "inner temp = 21.5 | state = a b; c,d|q = \"x|y\" |\nz=1", want: []string{"inner temp float 21.5", "state string a b; c,d", "q string x|y", "z int 1"}},
		{name: "space as separator", config: Config{Separator: " "}, payload: "a=1  b=\"x\" c=d,e", want: []string{"a int 1", "b string x", "c string d,e"}},
		{name: "time", config: timed, payload: "a=1 ts=1700000000.5", want: []string{"a int 1"}},
		{name: "time quoted", config: timed, payload: "ts=\"1700000000.5\" a=1", want: []string{"a int 1"}},
		{name: "time missing", config: timed, payload: "a=1 ts=", reason: sensors.ReasonTime, what: `"ts"`},
		{name: "time twice", config: timed, payload: "ts=1 a=1 ts=2 a=2", reason: sensors.ReasonTime, what: "twice"},
		{name: "filters", config: Config{Exclude: []string{"b"}, Scale: map[string]float64{"a": 0.01}, Unit: map[string]string{"a": "V"}}, payload: "a=2153 b=1e999 c=\"x\"", want: []string{"a[V] float 21.53", "c string x"}},
		{name: "topic", topic: "house/x", payload: "a=1", want: []string{"a{one=house} int 1"}},
		{name: "nothing", payload: " ,;\n", reason: sensors.ReasonEmpty},
		{name: "no pair", payload: "a=1 hello b=2", reason: sensors.ReasonSyntax, what: "hello"},
		{name: "spaces around equals", payload: "a = 1", reason: sensors.ReasonSyntax},
		{name: "no key", payload: "a=1 =2", reason: sensors.ReasonSyntax},
		{name: "open quote", payload: `a="x`, reason: sensors.ReasonSyntax, what: `"a"`},
		{name: "open escape", payload: `a="x\`, reason: sensors.ReasonSyntax},
		{name: "unknown escape", payload: `a="\x"`, reason: sensors.ReasonSyntax},
		{name: "junk after quote", payload: `a="x"y b=1`, reason: sensors.ReasonSyntax},
		{name: "not UTF-8", payload: "a=1 b=\xff", reason: sensors.ReasonSyntax},
		{name: "out of range", payload: "b=1 a=1e999", reason: sensors.ReasonValue, what: `"a"`},
		{name: "beyond int64", payload: "a=-9223372036854775809", reason: sensors.ReasonValue},
		{name: "name", payload: "b=1 _a=1", reason: sensors.ReasonName, what: `"_a"`},
		{name: "control character", payload: "a\x00=1", reason: sensors.ReasonName},
		{name: "long string", payload: "a=" + strings.Repeat("x", MaxStringBytes+1), reason: sensors.ReasonTooLong},
		{name: "4096 fields", payload: strings.Repeat("a= ", 4095) + "b=1", want: []string{"b int 1"}},
		{name: "4097 fields", payload: strings.Repeat("a= ", 4096) + "b=1", reason: sensors.ReasonTooLong},
	})
}

func TestCSV(t *testing.T) {
	three := Config{Columns: []string{"a", " b ", "c"}}
	headed := Config{Header: true}
	runCases(t, formatCSV, []decodeCase{
		{name: "row", config: three, payload: "21.5,40,on", want: []string{"a float 21.5", "b int 40", "c string on"}},
		{name: "blanks", config: three, payload: " 21.5 ,\t40 , on fire \r\n", want: []string{"a float 21.5", "b int 40", "c string on fire"}},
		{name: "rows", config: three, payload: "1,2,3\n\n4,5,6\r\n", want: []string{"a int 1", "b int 2", "c int 3", "a int 4", "b int 5", "c int 6"}},
		{name: "empty cells", config: three, payload: ",2,\"\"", want: []string{"b int 2"}},
		{name: "all empty", config: three, payload: ",,", reason: sensors.ReasonEmpty},
		{name: "empty cells behind", config: three, payload: "1,2,3,,", want: []string{"a int 1", "b int 2", "c int 3"}},
		{name: "quoted", config: three, payload: `"1" , "x, ""y""` + "\n" + `z",true`, want: []string{"a int 1", "b string x, \"y\"\nz", "c bool true"}},
		{name: "separator", config: Config{Columns: []string{"a", "b"}, Separator: ";"}, payload: "1,5;2", want: []string{"a string 1,5", "b int 2"}},
		{name: "tab", config: Config{Columns: []string{"a", "b", "c"}, Separator: "\t"}, payload: "1\t\t\"3\"", want: []string{"a int 1", "c int 3"}},
		{name: "skipped column", config: Config{Columns: []string{"a", "", "c"}}, payload: "1,1e999,3", want: []string{"a int 1", "c int 3"}},
		{name: "time", config: Config{Columns: []string{"ts", "a"}, Time: "ts", TimeUnit: unitRFC3339}, payload: "2026-01-02T03:04:05Z,1", want: []string{"a int 1"}},
		{name: "time missing", config: Config{Columns: []string{"ts", "a"}, Time: "ts", TimeUnit: unitRFC3339}, payload: ",1", reason: sensors.ReasonTime},
		{name: "time after 2262", config: Config{Columns: []string{"ts", "a"}, Time: "ts", TimeUnit: unitRFC3339}, payload: "2262-04-11T23:47:17Z,1", reason: sensors.ReasonTime},
		{name: "header", config: headed, payload: "temp,\"hum\"\n21.5,40\nx,y", want: []string{"temp float 21.5", "hum int 40", "temp string x", "hum string y"}},
		{name: "header on MQTT", topic: "h/x", config: headed, payload: "\ntemp,hum\n21.5,40", want: []string{"temp{one=h} float 21.5", "hum{one=h} int 40"}},
		{name: "header alone", topic: "h/x", config: headed, payload: "temp,hum\n"},
		{name: "header missing", topic: "h/x", config: headed, payload: "1,2", reason: sensors.ReasonSyntax, what: "header"},
		{name: "columns and header", config: Config{Header: true, Columns: []string{"a", "b"}}, payload: "temp,hum\n21.5,40", want: []string{"a float 21.5", "b int 40"}},
		{name: "columns without header", config: Config{Header: true, Columns: []string{"a", "b"}}, payload: "21.5,40", want: []string{"a float 21.5", "b int 40"}},
		{name: "no header wanted", config: Config{Columns: []string{"a", "b"}}, payload: "temp,hum", want: []string{"a string temp", "b string hum"}},
		{name: "nothing", config: three, payload: "", reason: sensors.ReasonEmpty},
		{name: "blank", config: three, payload: "\r\n \n", reason: sensors.ReasonEmpty},
		{name: "short row", config: three, payload: "1,2", reason: sensors.ReasonSyntax, what: "2 cells"},
		{name: "long row", config: three, payload: "1,2,3,4", reason: sensors.ReasonSyntax, what: "4 cells"},
		{name: "short second row", config: three, payload: "1,2,3\n1,2", reason: sensors.ReasonSyntax},
		{name: "open quote", config: three, payload: `1,2,"x`, reason: sensors.ReasonSyntax},
		{name: "junk after quote", config: three, payload: `1,"2"x,3`, reason: sensors.ReasonSyntax},
		{name: "not UTF-8", config: three, payload: "1,2,\xff", reason: sensors.ReasonSyntax},
		{name: "out of range", config: three, payload: "1,1e999,3", reason: sensors.ReasonValue, what: `"b"`},
		{name: "bad header", config: headed, payload: "a,_b\n1,2", reason: sensors.ReasonName, what: `"_b"`},
		{name: "nan", config: headed, payload: "a,b\nnan,-inf", want: []string{"a float NaN", "b float -Inf"}},
		{name: "wide", config: Config{Columns: []string{"a"}}, payload: strings.Repeat(",", MaxFields), reason: sensors.ReasonTooLong},
		{name: "many rows", config: Config{Columns: []string{"a"}, Exclude: []string{"a"}}, payload: strings.Repeat("1\n", MaxFields)},
		{name: "too many rows", config: Config{Columns: []string{"a"}, Exclude: []string{"a"}}, payload: strings.Repeat("1\n", MaxFields+1), reason: sensors.ReasonTooLong},
	})
}

// On a serial line a frame is a row, and the header is a frame of its own that may come again.
func TestCSV_headerOnSerialLine(t *testing.T) {
	f := newFormat(t, Config{Format: formatCSV, Header: true})
	d := f.Decoder()
	for i, c := range []struct {
		line   string
		want   []string
		reason sensors.Reason
	}{
		{"21.5,40", []string{}, sensors.ReasonSyntax},
		{"temp,hum", []string{}, ""},
		{"21.5,40", []string{"temp float 21.5", "hum int 40"}, ""},
		{"temp,hum", []string{}, ""},
		{"22.5", []string{}, sensors.ReasonSyntax},
		{"22.5,", []string{"temp float 22.5"}, ""},
		{"hum,temp,p", []string{}, ""},
		{"1,2.5,3", []string{"hum int 1", "temp float 2.5", "p int 3"}, ""},
	} {
		got, err := d.Decode(nil, arrived("", c.line))
		if r := reason(t, err); r != c.reason {
			t.Errorf("line %d: error %v, want reason %q", i, err, c.reason)
		}
		if diff := cmp.Diff(c.want, show(got)); diff != "" {
			t.Errorf("line %d (-want +got):\n%s", i, diff)
		}
	}
}

// What one topic's header says must not name another topic's cells.
func TestCSV_headerOfOneMessage(t *testing.T) {
	d := newFormat(t, Config{Format: formatCSV, Header: true}, "#").Decoder()
	if _, err := d.Decode(nil, arrived("x", "a,b\n1,2")); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Decode(nil, arrived("y", "1,2")); reason(t, err) != sensors.ReasonSyntax {
		t.Errorf("got %v, %v", show(got), err)
	}
}

func TestValue(t *testing.T) {
	typed := func(name string) Config { return Config{Type: name} }
	runCases(t, formatValue, []decodeCase{
		{name: "topic", topic: "site/x/power", payload: "21.5", want: []string{"power{one=site} float 21.5"}},
		{name: "serial", payload: " 40\r\n", want: []string{"src int 40"}},
		{name: "bool", payload: "true", want: []string{"src bool true"}},
		{name: "nan", payload: "NaN", want: []string{"src float NaN"}},
		{name: "string", payload: "on fire", want: []string{"src string on fire"}},
		{name: "unit glued", payload: "21.5 C", want: []string{"src string 21.5 C"}},
		{name: "JSON is a string", payload: `{"a":1}`, want: []string{`src string {"a":1}`}},
		{name: "float", config: typed(typeFloat), payload: "21", want: []string{"src float 21"}},
		{name: "float of huge", config: typed(typeFloat), payload: "36893488147419103232", want: []string{"src float 3.6893488147419103e+19"}},
		{name: "float inf", config: typed(typeFloat), payload: "-inf", want: []string{"src float -Inf"}},
		{name: "float of words", config: typed(typeFloat), payload: "21.5C", reason: sensors.ReasonValue},
		{name: "int", config: typed(typeInt), payload: "-21", want: []string{"src int -21"}},
		{name: "int of fraction", config: typed(typeInt), payload: "21.5", reason: sensors.ReasonValue},
		{name: "int of huge", config: typed(typeInt), payload: "9223372036854775808", reason: sensors.ReasonValue},
		{name: "bool on", config: typed(typeBool), payload: "ON", want: []string{"src bool true"}},
		{name: "bool 0", config: typed(typeBool), payload: "0", want: []string{"src bool false"}},
		{name: "bool of words", config: typed(typeBool), payload: "maybe", reason: sensors.ReasonValue},
		{name: "string of number", config: typed(typeString), payload: "21.5", want: []string{"src string 21.5"}},
		{name: "rename, scale, unit", topic: "site/x/t", config: Config{Rename: map[string]string{"t": "temp"}, Scale: map[string]float64{"t": 0.1}, Unit: map[string]string{"t": "°C"}}, payload: "215", want: []string{"temp{one=site}[°C] float 21.5"}},
		{name: "series", topic: "site/x/t", config: Config{Series: "{topic.2}.{field}"}, payload: "1", want: []string{"x.t{one=site} int 1"}},
		{name: "excluded", topic: "site/x/t", config: Config{Include: []string{"u"}}, payload: "1"},
		{name: "empty", payload: " \n", reason: sensors.ReasonEmpty},
		{name: "empty level", topic: "site/x/", payload: "1", reason: sensors.ReasonName},
		{name: "level with underscore", topic: "site/x/_t", payload: "1", reason: sensors.ReasonName},
		{name: "not UTF-8", payload: "\xff", reason: sensors.ReasonSyntax},
		{name: "topic not UTF-8", topic: "site/x/\xff", payload: "1", reason: sensors.ReasonName},
		{name: "out of range", payload: "1e999", reason: sensors.ReasonValue},
		{name: "long", payload: strings.Repeat("x", MaxStringBytes+1), reason: sensors.ReasonTooLong},
		{name: "long topic", topic: strings.Repeat("x", 2000), payload: "1", reason: sensors.ReasonTooLong},
	})
}

func FuzzKeyValue(f *testing.F) {
	for _, seed := range []string{
		"temp=21.5 hum=40", `ts=1700000000,a="x \"y\"";b=nan`, "a=1|b = c |", "_a=1", "a=", "=1", "a=\xff", `a="\`, "a=1e999 ts=-1", "é=-9223372036854775808\nts=9e9",
	} {
		f.Add([]byte(seed), "", false)
		f.Add([]byte(seed), "|", true)
	}
	f.Fuzz(func(t *testing.T, payload []byte, separator string, timed bool) {
		c := Config{Format: formatKeyValue, MaxSeries: 50, Separator: separator}
		if timed {
			c.Time, c.TimeUnit = "ts", unitSeconds
		}
		fuzzOne(t, c, payload, "")
	})
}

func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"21.5,40,on", "a,b\n1,2\n", "\"x\"\"y\n\",\"\",3", ";;;\n1;2;3;4", "1,\"2", "ts,x,_y\n1,2,3", "1e999,1,-inf\r\n\r\n", "\xff,1,2", "2026-01-02T15:04:05+02:00,1,2",
	} {
		f.Add([]byte(seed), ",", "", false)
		f.Add([]byte(seed), ";", "a/b", true)
	}
	f.Fuzz(func(t *testing.T, payload []byte, separator, topic string, header bool) {
		c := Config{Format: formatCSV, MaxSeries: 50, Separator: separator, Header: header, Time: "ts", TimeUnit: unitRFC3339}
		if !header {
			c.Columns = []string{"ts", "", "c"}
		}
		fuzzOne(t, c, payload, topic)
		c.Time, c.TimeUnit = "", ""
		fuzzOne(t, c, payload, topic)
	})
}

func FuzzValue(f *testing.F) {
	for _, seed := range []string{"21.5", "-0", "+inf", "true", "ON", "x y", " ", "9223372036854775808", "1e999", "\xff"} {
		for _, name := range valueTypes() {
			f.Add([]byte(seed), "a/b", name)
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte, topic, name string) {
		fuzzOne(t, Config{Format: formatValue, MaxSeries: 50, Type: name, Offset: map[string]float64{"s*": 1}}, payload, topic)
	})
}

// fuzzOne checks the outcome if c is a valid configuration.
func fuzzOne(t *testing.T, c Config, payload []byte, topic string) {
	t.Helper()
	f, err := New(c, "src", parsePatterns(t, "#"), sensors.Milliseconds, sensors.NewTable())
	if err != nil {
		return
	}
	raw := arrived(topic, "")
	raw.Payload = payload
	checkOutcome(t, f.Decoder(), raw)
}

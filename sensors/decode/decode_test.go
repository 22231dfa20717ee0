package decode

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
)

const arrivedNanos = 1_700_000_000_123_456_789

// arrived is a Raw as sources hand it over.
func arrived(topic, payload string) sensors.Raw {
	return sensors.Raw{Source: "src", Topic: topic, Payload: []byte(payload), Arrived: time.Unix(0, arrivedNanos)}
}

func parsePatterns(tb testing.TB, texts ...string) []sensors.TopicPattern {
	tb.Helper()
	var out []sensors.TopicPattern
	for _, text := range texts {
		p, err := sensors.ParseTopicPattern(text)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func newFormat(tb testing.TB, c Config, topics ...string) *Format {
	tb.Helper()
	f, err := New(c, "src", parsePatterns(tb, topics...), sensors.Milliseconds, sensors.NewTable())
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// show writes readings as text: name{tags} unit type=value, without the tag source and times.
func show(readings []sensors.Reading) []string {
	out := []string{}
	for _, r := range readings {
		var tags []string
		for _, tag := range r.Series.Tags {
			if tag.Key != "source" {
				tags = append(tags, tag.Key+"="+tag.Value)
			}
		}
		name := r.Series.Name
		if len(tags) > 0 {
			name += "{" + strings.Join(tags, ",") + "}"
		}
		if r.Series.Unit != "" {
			name += "[" + r.Series.Unit + "]"
		}
		out = append(out, fmt.Sprintf("%s %s %v", name, r.Series.Type, r.Value()))
	}
	return out
}

// reason returns the reason of a decoder's error, "" for nil.
func reason(tb testing.TB, err error) sensors.Reason {
	tb.Helper()
	var rejected *sensors.DecodeError
	if err != nil && !errors.As(err, &rejected) {
		tb.Fatalf("error %v is no *sensors.DecodeError", err)
	}
	if err == nil {
		return ""
	}
	if rejected.What == "" || len(rejected.What) > maxWhat+len("…") {
		tb.Errorf("error says %q", rejected.What)
	}
	return rejected.Reason
}

// decodeCase is one payload and what it becomes.
type decodeCase struct {
	name    string
	config  Config // without Format
	topic   string // topics a/b/c match the pattern {one}/+/#
	payload string
	want    []string
	reason  sensors.Reason
	what    string // part of the error
}

func runCases(t *testing.T, format string, cases []decodeCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.config.Format = format
			var topics []string
			if c.topic != "" {
				topics = []string{"{one}/+/#"}
			}
			d := newFormat(t, c.config, topics...).Decoder()
			raw := arrived(c.topic, c.payload)
			dst := []sensors.Reading{{Num: 77}}
			for round := range 2 { // the second comes from the cache
				got, err := d.Decode(dst, raw)
				if len(got) == 0 || got[0].Num != 77 {
					t.Fatalf("round %d: what was in dst is gone", round)
				}
				got = got[1:]
				if r := reason(t, err); r != c.reason {
					t.Fatalf("round %d: error %v, want reason %q", round, err, c.reason)
				}
				if err != nil && !strings.Contains(err.Error(), c.what) {
					t.Errorf("round %d: error %q does not say %q", round, err, c.what)
				}
				if c.want == nil {
					c.want = []string{}
				}
				if diff := cmp.Diff(c.want, show(got)); diff != "" {
					t.Errorf("round %d: readings (-want +got):\n%s", round, diff)
				}
				if string(raw.Payload) != c.payload {
					t.Errorf("round %d: the payload was changed to %q", round, raw.Payload)
				}
			}
		})
	}
}

func TestDecoder_tags(t *testing.T) {
	no := false
	for _, c := range []struct {
		name   string
		config Config
		topic  string
		want   string
	}{
		{"from the topic", Config{}, "garden/x/y", "v [{one garden} {source src}]"},
		{"no source", Config{TagSource: &no}, "garden/x/y", "v [{one garden}]"},
		{"fixed", Config{Tags: map[string]string{"room": "kitchen"}}, "g/x", "v [{one g} {room kitchen} {source src}]"},
		{"fixed wins", Config{Tags: map[string]string{"one": "two"}}, "g/x", "v [{one two} {source src}]"},
		{"template", Config{Tags: map[string]string{"a": "{topic.2}-{one}", "b": "{topic}", "c": "{source}"}}, "g/x", "v [{a x-g} {b g/x} {c src} {one g} {source src}]"},
		{"own source", Config{TagSource: &no, Tags: map[string]string{"source": "{topic.1}"}}, "g/x", "v [{one g} {source g}]"},
		{"name", Config{Series: "{one}.{topic.3}.{field}@{source}"}, "g/x/y", "g.y.v@src [{one g} {source src}]"},
		{"name of own tag", Config{Series: "{room}.{field}", Tags: map[string]string{"room": "r{topic.2}"}}, "g/x/y", "rx.v [{one g} {room rx} {source src}]"},
		{"no match", Config{}, "alone", "v [{source src}]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.Format = formatJSON
			d := newFormat(t, c.config, "{one}/+/#").Decoder()
			got, err := d.Decode(nil, arrived(c.topic, `{"v":1}`))
			if err != nil || len(got) != 1 {
				t.Fatalf("got %v, %v", got, err)
			}
			if s := fmt.Sprint(got[0].Series.Name, " ", got[0].Series.Tags); s != c.want {
				t.Errorf("series %s, want %s", s, c.want)
			}
		})
	}
}

func TestDecoder_missingTopicPart(t *testing.T) {
	for _, c := range []Config{
		{Format: formatJSON, Series: "{topic.3}.{field}"},
		{Format: formatJSON, Series: "{sensor}.{field}"},
		{Format: formatJSON, Tags: map[string]string{"x": "{topic.3}"}},
	} {
		d := newFormat(t, c, "short/+", "long/{sensor}/#").Decoder()
		if got, err := d.Decode(nil, arrived("short/x", `{"v":1}`)); reason(t, err) != sensors.ReasonName || len(got) != 0 {
			t.Errorf("%+v: got %v, %v", c, got, err)
		}
		if got, err := d.Decode(nil, arrived("long/x/y", `{"v":1}`)); err != nil || len(got) != 1 {
			t.Errorf("%+v: got %v, %v", c, got, err)
		}
	}
}

func TestDecoder_arrivalTime(t *testing.T) {
	for _, c := range []struct {
		precision sensors.Precision
		want      int64
	}{
		{sensors.Milliseconds, 1_700_000_000_123_000_000},
		{sensors.Microseconds, 1_700_000_000_123_456_000},
		{sensors.Nanoseconds, arrivedNanos},
	} {
		f, err := New(Config{Format: formatValue}, "src", nil, c.precision, sensors.NewTable())
		if err != nil {
			t.Fatal(err)
		}
		for _, quality := range []sensors.Quality{0, sensors.QualityUnsynced} {
			raw := arrived("", "1")
			raw.Quality = quality
			got, err := f.Decoder().Decode(nil, raw)
			if err != nil || len(got) != 1 {
				t.Fatalf("got %v, %v", got, err)
			}
			if got[0].Time != c.want || got[0].Quality != quality|sensors.QualityArrival {
				t.Errorf("precision %d: time %d quality %d, want %d, %d", c.precision, got[0].Time, got[0].Quality, c.want, quality|sensors.QualityArrival)
			}
		}
	}
}

func TestDecoder_sensorTime(t *testing.T) {
	d := newFormat(t, Config{Format: formatJSON, Time: "meta.ts", TimeUnit: unitMicros}).Decoder()
	raw := arrived("", `{"a":1,"meta":{"ts":1700000000123456,"b":2},"c":3}`)
	raw.Quality = sensors.QualityUnsynced
	got, err := d.Decode(nil, raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a int 1", "meta.b int 2", "c int 3"}, show(got)); diff != "" {
		t.Error(diff)
	}
	for _, r := range got {
		if r.Time != 1_700_000_000_123_000_000 || r.Quality != 0 {
			t.Errorf("%s: time %d quality %d", r.Series.Name, r.Time, r.Quality)
		}
	}
}

// A series that changes between 21 and 21.5 is one Float series, and loses no digit.
func TestDecoder_typesDoNotFlap(t *testing.T) {
	d := newFormat(t, Config{Format: formatKeyValue}).Decoder()
	var got []string
	for _, text := range []string{"21", "21.5", "21", "9007199254740992", "-9007199254740993", "9007199254740993", "0"} {
		readings, err := d.Decode(nil, arrived("", "v="+text+" w=5"))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, show(readings)...)
	}
	want := []string{
		"v int 21", "w int 5", "v float 21.5", "w int 5", "v float 21", "w int 5", "v float 9.007199254740992e+15", "w int 5",
		"v int -9007199254740993", "w int 5", "v int 9007199254740993", "w int 5", "v float 0", "w int 5",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecoder_copiesStrings(t *testing.T) {
	for _, c := range []struct{ format, payload string }{
		{formatJSON, `{"v":"state one"}`},
		{formatJSON, `{"v":"state \u0041"}`},
		{formatKeyValue, `v="state one"`},
		{formatKeyValue, `v=one`},
		{formatCSV, `state one`},
		{formatCSV, `"state ""one"""`},
		{formatValue, `state one`},
		{formatInflux, `m,host=a v="state one"`},
		{formatInflux, `m,host=a v="state \"one"`},
		{formatRegex, `v: state one`},
	} {
		config := Config{Format: c.format}
		if c.format == formatCSV {
			config.Columns = []string{"v"}
		}
		if c.format == formatRegex {
			config.Pattern = "v: (?P<v>.*)"
		}
		d := newFormat(t, config).Decoder()
		raw := arrived("", c.payload)
		got, err := d.Decode(nil, raw)
		if err != nil || len(got) != 1 {
			t.Fatalf("got %v, %v", got, err)
		}
		before := strings.Clone(got[0].Str)
		for i := range raw.Payload {
			raw.Payload[i] = '#'
		}
		if _, err := d.Decode(nil, arrived("", c.payload)); err != nil {
			t.Fatal(err)
		}
		if got[0].Str != before {
			t.Errorf("%s: string changed from %q to %q with the payload", c.payload, before, got[0].Str)
		}
	}
}

func TestDecoder_allocatesNothing(t *testing.T) {
	for _, c := range []struct {
		config  Config
		payload string
	}{
		{Config{Format: formatJSON, Time: "ts", TimeUnit: unitMillis}, benchJSON},
		{Config{Format: formatJSON, Time: "ts", TimeUnit: unitRFC3339}, `{"ts":"2026-01-02T15:04:05.5-07:00","a":[1,{"b":"on"}],"c":true,"d\u0065":1}`},
		{Config{Format: formatKeyValue}, "temp=21.53, state=idle, s=\"a b\""},
		{Config{Format: formatCSV, Header: true}, "temp,hum\n21.53,40\n22,\"41\""},
		{Config{Format: formatValue}, "21.53"},
		{Config{Format: formatValue, NullValues: []string{"unknown"}, TrueValues: []string{"ON"}}, "ON"},
		{Config{Format: formatJSON, Root: "p", Time: "t", TimeUnit: unitISO8601, TimeZone: "Europe/Berlin"}, `{"t":"2026-01-02T15:04:05","p":{"a":1}}`},
		{Config{Format: formatNMEA}, "$GPRMC,220516,A,5133.82,N,00042.24,W,173.8,231.8,130694,004.2,W*70\r\n$IIXDR,C,19.5,C,AIR*07"},
		{Config{Format: formatNMEA, Time: "utc"}, "$GPRMC,220516,A,5133.82,N,00042.24,W,173.8,231.8,130694,004.2,W*70"},
	} {
		d := newFormat(t, c.config, "a/{b}").Decoder()
		dst := make([]sensors.Reading, 0, 16)
		raw := arrived("a/x", c.payload)
		decode := func() {
			if got, err := d.Decode(dst, raw); err != nil || len(got) == 0 {
				t.Errorf("%s: got %d readings, %v", c.payload, len(got), err)
			}
		}
		for range 10 {
			decode()
		}
		// Many messages a run, as the number of allocations is rounded down.
		if n := testing.AllocsPerRun(10, func() {
			for range 100 {
				decode()
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations in 100 messages, want none", c.payload, n)
		}
	}
}

// checkOutcome checks what every decoder promises of every input.
func checkOutcome(t *testing.T, d sensors.Decoder, raw sensors.Raw) {
	t.Helper()
	before := bytes.Clone(raw.Payload)
	kept := sensors.Reading{Num: 77}
	got, err := d.Decode([]sensors.Reading{kept}, raw)
	if len(got) == 0 || got[0] != kept {
		t.Fatal("what was in dst is gone")
	}
	if !bytes.Equal(before, raw.Payload) {
		t.Fatal("the payload was changed")
	}
	if r := reason(t, err); err != nil {
		known := []sensors.Reason{sensors.ReasonSyntax, sensors.ReasonEmpty, sensors.ReasonTime, sensors.ReasonValue, sensors.ReasonName, sensors.ReasonTooLong, sensors.ReasonSeries, sensors.ReasonChecksum, sensors.ReasonUnsupported}
		if len(got) != 1 || !slices.Contains(known, r) {
			t.Fatalf("%d readings and error %v", len(got)-1, err)
		}
		return
	}
	for _, r := range got[1:] {
		if err := r.Series.Check(); err != nil {
			t.Error(err)
		}
		if r.Time < 0 || r.Time%1_000_000 != 0 {
			t.Errorf("time %d", r.Time)
		}
		if r.Series.Type == sensors.Bool && r.Num > 1 || r.Series.Type != sensors.String && r.Str != "" || len(r.Str) > MaxStringBytes {
			t.Errorf("value %+v", r)
		}
	}
	again, err := d.Decode(nil, raw)
	if err != nil || len(again) != len(got)-1 {
		t.Fatalf("a second time: %d readings, %v; first %d", len(again), err, len(got)-1)
	}
	for i := range again {
		a, b := again[i], got[i+1]
		if a.Series.Name != b.Series.Name || a.Time != b.Time || a.Str != b.Str || number(a) != number(b) && !math.IsNaN(number(a)) {
			t.Errorf("a second time: %v, first %v", a, b)
		}
	}
}

func number(r sensors.Reading) float64 {
	if r.Series.Type == sensors.Int {
		return float64(r.Int())
	}
	return r.Float()
}

package decode

import (
	"strings"
	"testing"

	"github.com/skerry-edge/skerry/sensors"
)

func TestRegex(t *testing.T) {
	const scale = `^\s*(?P<state>ST|US),(?P<kind>GS|NT),\s*(?P<weight>[-+]?[0-9.]+)\s*(?P<unit>kg|g)?`
	runCases(t, formatRegex, []decodeCase{
		{name: "a scale", config: Config{Pattern: scale}, payload: "ST,GS,+0012.345kg\r\n", want: []string{"state string ST", "kind string GS", "weight float 12.345", "unit string kg"}},
		{name: "a group without a part", config: Config{Pattern: scale}, payload: "US,NT, 7", want: []string{"state string US", "kind string NT", "weight int 7"}},
		{name: "types", config: Config{Pattern: `(?P<a>\S+) (?P<b>\S+) (?P<c>\S+) (?P<d>\S+) (?P<e>.+)`}, payload: "-9223372036854775808 1.50 TRUE nan  a b ", want: []string{
			"a int -9223372036854775808", "b float 1.5", "c bool true", "d float NaN", "e string a b",
		}},
		{name: "no match", config: Config{Pattern: scale}, payload: "OL", reason: sensors.ReasonSyntax, what: `not in "OL"`},
		{name: "groups without a name", config: Config{Pattern: `(\d+) (?:x) (?P<v>\d+)`}, payload: "1 x 2", want: []string{"v int 2"}},
		{name: "several matches", config: Config{Pattern: `T(?P<n>\d)=(?P<v>[-0-9.]+)`}, payload: "T1=20.5;T2=21;;T3=-4 end", want: []string{
			"n int 1", "v float 20.5", "n int 2", "v float 21", "n int 3", "v float -4",
		}},
		{name: "lines", config: Config{Pattern: `(?m)^v=(?P<v>\d+)$`}, payload: "v=1\nw=2\nxv=3\nv=4\n\n", want: []string{"v int 1", "v int 4"}},
		{name: "the end is the end", config: Config{Pattern: `^(?P<v>\d+)$`}, payload: "42\r\n", want: []string{"v int 42"}},
		{name: "the second match is bad", config: Config{Pattern: `v=(?P<v>\S+)`}, payload: "v=1 v=9223372036854775808 ", reason: sensors.ReasonValue},
		{name: "time", config: Config{Pattern: `(?P<at>\d+):(?P<v>\d+)`, Time: "at", TimeUnit: "s"}, payload: "1700000000:5", want: []string{"v int 5"}},
		{name: "time without a part", config: Config{Pattern: `(?P<at>\d+)?:(?P<v>\d+)`, Time: "at", TimeUnit: "s"}, payload: ":5", reason: sensors.ReasonTime},
		{name: "empty groups", config: Config{Pattern: `(?P<v>\d*)`}, payload: "abc", reason: sensors.ReasonEmpty},
		{name: "empty", config: Config{Pattern: `(?P<v>\d+)`}, payload: "\r\n", reason: sensors.ReasonEmpty},
		{name: "an empty match", config: Config{Pattern: `(?P<v>\d*)`}, payload: "a12b3", want: []string{"v int 12", "v int 3"}},
		{name: "Latin-1 around", config: Config{Pattern: `(?P<temp>[-0-9.]+) .C`}, payload: "25.1 \xb0C", want: []string{"temp float 25.1"}},
		{name: "Latin-1 in a group", config: Config{Pattern: `(?P<temp>.*)`}, payload: "25.1 \xb0C", reason: sensors.ReasonSyntax, what: "not UTF-8"},
		{name: "rules", config: Config{
			Pattern: `(?P<a>\d+),(?P<b>\d+),(?P<c>\d+)`, Exclude: []string{"b"}, Rename: map[string]string{"a": "x"},
			Scale: map[string]float64{"c": 0.1}, Unit: map[string]string{"a": "V"}, NullValues: []string{"0"},
		}, payload: "7,8,3", want: []string{"x[V] int 7", "c float 0.3"}},
		{name: "words", config: Config{Pattern: `(?P<a>\w+)`, TrueValues: []string{"OPEN"}, FalseValues: []string{"SHUT"}, NullValues: []string{"OL"}}, payload: "OPEN SHUT OL", want: []string{"a bool true", "a bool false"}},
		{name: "only null", config: Config{Pattern: `(?P<a>\w+)`, NullValues: []string{"OL"}}, payload: "OL"},
		{name: "many matches", config: Config{Pattern: `(?P<a>x)`, Exclude: []string{"a"}}, payload: strings.Repeat("x", MaxFields+1), reason: sensors.ReasonTooLong},
		{name: "long string", config: Config{Pattern: `(?s)(?P<a>.*)`}, payload: strings.Repeat("x", MaxStringBytes+1), reason: sensors.ReasonTooLong},
	})
}

// Each match has its own time.
func TestRegex_times(t *testing.T) {
	d := newFormat(t, Config{Format: formatRegex, Pattern: `(?P<at>\d+):(?P<v>\d+)`, Time: "at", TimeUnit: "s"}).Decoder()
	got, err := d.Decode(nil, arrived("", "1700000000:5 1700000060:6"))
	if err != nil || len(got) != 2 || got[0].Time != 1_700_000_000_000_000_000 || got[1].Time != 1_700_000_060_000_000_000 {
		t.Errorf("got %v, %v", got, err)
	}
}

// A frame with one match costs the library's one allocation.
func TestRegex_allocates(t *testing.T) {
	d := newFormat(t, Config{Format: formatRegex, Pattern: `^(?P<s>ST|US),(?P<w>[0-9.]+)kg$`}).Decoder()
	raw := arrived("", "ST,12.5kg\r\n")
	dst := make([]sensors.Reading, 0, 16)
	decode := func() {
		if got, err := d.Decode(dst, raw); err != nil || len(got) != 2 {
			t.Errorf("got %d readings, %v", len(got), err)
		}
	}
	for range 10 {
		decode()
	}
	if n := testing.AllocsPerRun(100, decode); n > 1 {
		t.Errorf("%v allocations a frame, want 1", n)
	}
}

func FuzzRegex(f *testing.F) {
	for _, seed := range []string{"ST,GS,+0012.345kg\r\n", "T1=20.5;T2=21", "\xb0\xff", "", "1:2 3:4"} {
		for _, pattern := range []string{`(?P<a>\d+)[:=](?P<b>\S*)`, `(?m)^(?P<a>.*)$`, `(?P<a>x*)`} {
			f.Add([]byte(seed), pattern, "a/b")
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte, pattern, topic string) {
		if len(pattern) > 64 {
			return
		}
		c := Config{Format: formatRegex, MaxSeries: 50, Pattern: pattern, NullValues: []string{"0"}}
		fuzzOne(t, c, payload, topic)
		c.Time, c.TimeUnit = "a", unitSeconds
		fuzzOne(t, c, payload, topic)
	})
}

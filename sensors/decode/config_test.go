package decode

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"

	"github.com/skerry-edge/skerry/sensors"
)

func TestConfig_Validate(t *testing.T) {
	no := false
	for _, c := range []struct {
		name   string
		config Config
		want   []string // key: what; hint
	}{
		{"json", Config{Format: formatJSON}, nil},
		{"default", DefaultConfig(), []string{"format: is missing; one of json, keyvalue, csv, value, influx, nmea, regex, sparkplug"}},
		{"format", Config{Format: "keyvalu"}, []string{`format: unknown value "keyvalu"; did you mean "keyvalue"?`}},
		{"time", Config{Format: formatJSON, Time: "ts", TimeUnit: unitMillis}, nil},
		{"time without unit", Config{Format: formatJSON, Time: "ts"}, []string{"time_unit: is missing; one of s, ms, us, ns, rfc3339, iso8601"}},
		{"unit of time", Config{Format: formatJSON, Time: "ts", TimeUnit: "RFC339"}, []string{`time_unit: unknown value "RFC339"; did you mean "rfc3339"?`}},
		{"unit without time", Config{Format: formatJSON, TimeUnit: "ms"}, []string{`time_unit: there is no time; name the field that holds it: time = "ts"`}},
		{"time of value", Config{Format: formatValue, Time: "ts", TimeUnit: "ms"}, []string{"time: format value has no fields; without time it is the time of arrival"}},
		{"series", Config{Format: formatJSON, Series: "{a"}, []string{`series: "{a": { and } do not match; `}},
		{"series level", Config{Format: formatJSON, Series: "{topic.0}"}, []string{`series: "{topic.0}": {topic.0}: want a level's number, from 1; `}},
		{"series tag", Config{Format: formatJSON, Series: "{_a}"}, []string{`series: "{_a}": {_a}: name "_a" starts with _, which is reserved; `}},
		{"tags", Config{Format: formatJSON, Tags: map[string]string{"a": "{field}", "source": "x", "_b": "y", "c": "}"}}, []string{
			`tags._b: name "_b" starts with _, which is reserved; `, "tags.a: a tag cannot use {field}; {field} belongs into series",
			`tags.c: "}": { and } do not match; `, "tags.source: every reading carries this tag already; set tag_source = false to set it here",
		}},
		{"own source", Config{Format: formatJSON, TagSource: &no, Tags: map[string]string{"source": "x"}}, nil},
		{"rename", Config{Format: formatJSON, Rename: map[string]string{"a": "", "b": "_x"}}, []string{
			`rename.a: name is empty; exclude = ["a"] leaves the field out`, `rename.b: name "_x" starts with _, which is reserved; `,
		}},
		{"rename into a template", Config{Format: formatJSON, Series: "x{field}", Rename: map[string]string{"b": "_x"}}, nil},
		{"scale", Config{Format: formatJSON, Scale: map[string]float64{"a": 0, "b": math.Inf(1), "c": -1}, Offset: map[string]float64{"d": math.NaN()}}, []string{
			"scale.a: cannot scale by 0; ", "scale.b: cannot scale by +Inf; ", "offset.d: cannot add NaN; ",
		}},
		{"unit", Config{Format: formatJSON, Unit: map[string]string{"a": strings.Repeat("x", 65)}}, []string{
			"unit.a: unit \"" + strings.Repeat("x", 65) + "\": want at most 64 bytes of UTF-8; ",
		}},
		{"foreign keys", Config{Format: formatJSON, Columns: []string{"a"}, Header: true, Separator: ",", Type: "int"}, []string{
			"type: only format value has a type; ", "columns: only format csv has columns; ", "header: only format csv has a header; ",
			"separator: only formats csv and keyvalue have a separator; ",
		}},
		{"type", Config{Format: formatValue, Type: "integer"}, []string{`type: unknown value "integer"; one of auto, float, int, bool, string`}},
		{"csv", Config{Format: formatCSV}, []string{`columns: nothing names the cells; columns = ["temp", "hum"], or header = true`}},
		{"columns", Config{Format: formatCSV, Columns: []string{"temp", "", "temp", ""}, Time: "b", TimeUnit: "s"}, []string{
			`columns: column 3: "temp" is there twice; `, `time: there is no column "b"; one of temp, temp`,
		}},
		{"skipped columns", Config{Format: formatCSV, Columns: []string{"", ""}}, []string{"columns: all columns are skipped; "}},
		{"separators", Config{Format: formatKeyValue, Separator: "|"}, nil},
		{"tab", Config{Format: formatCSV, Header: true, Separator: "\t"}, nil},
		{"bad separator", Config{Format: formatKeyValue, Separator: "="}, []string{`separator: "=" cannot separate; want one ASCII character that is part of no name or number, such as ";" or "\t"`}},
		{"long separator", Config{Format: formatCSV, Header: true, Separator: "||"}, []string{`separator: "||" cannot separate; want one ASCII character that is part of no name or number, such as ";" or "\t"`}},
		{"influx", Config{Format: formatInflux, TimeUnit: unitMillis, Series: "{host}.{measurement}.{key}", Tags: map[string]string{"m": "{measurement}"}}, nil},
		{"time of influx", Config{Format: formatInflux, Time: "ts", TimeUnit: "rfc3339"}, []string{
			`time: lines of format influx hold their time themselves; leave it out; time_unit = "ms" says what it counts where that is not "ns"`,
			`time_unit: unknown value "rfc3339"; one of s, ms, us, ns`,
		}},
		{"nmea", Config{Format: formatNMEA, Time: "utc", Sentences: []string{"RMC", "XDR"}, Checksum: "optional", Series: "{talker}.{sentence}.{field}"}, nil},
		{"bad nmea", Config{Format: formatNMEA, Time: "ts", TimeUnit: "s", Sentences: []string{"GSV"}, Checksum: "none"}, []string{
			`time: format nmea has no field "ts"; time = "utc" takes the time that sentences hold; without it, it is that of arrival`,
			"time_unit: format nmea has none; leave it out",
			`sentences: unknown type "GSV"; some of RMC, GGA, GNS, GLL, VTG, ZDA, VHW, HDT, HDM, HDG, ROT, DBT, DBS, DBK, DPT, MWV, MWD, VWR, VWT, MTW, MTA, MMB, MDA, XDR`,
			`checksum: unknown value "none"; one of required, optional`,
		}},
		{"regex", Config{Format: formatRegex, Pattern: `(?P<t>\d+) (?P<v>\S+)`, Time: "t", TimeUnit: "s"}, nil},
		{"no pattern", Config{Format: formatRegex}, []string{`pattern: is missing; name its groups: pattern = '(?P<weight>[0-9.]+) kg'`}},
		{"pattern", Config{Format: formatRegex, Pattern: `(?P<v>a`}, []string{"pattern: missing closing ): `(?P<v>a`; it is an RE2 expression, which has no look-around and no back-references; in single quotes TOML leaves \\ alone"}},
		{"look-ahead", Config{Format: formatRegex, Pattern: `(?=a)(?P<v>a)`}, []string{"pattern: invalid or unsupported Perl syntax: `(?=`; it is an RE2 expression, which has no look-around and no back-references; in single quotes TOML leaves \\ alone"}},
		{"no groups", Config{Format: formatRegex, Pattern: `(\d+)`}, []string{`pattern: no group has a name; name its groups: pattern = '(?P<weight>[0-9.]+) kg'`}},
		{"long pattern", Config{Format: formatRegex, Pattern: strings.Repeat("x", 5000)}, []string{"pattern: 5000 bytes; want at most 4096"}},
		{"group names", Config{Format: formatRegex, Pattern: `(?P<_v>\d+)`, Time: "_w", TimeUnit: "s"}, []string{
			`pattern: group: name "_v" starts with _, which is reserved; `, `time: the pattern has no group "_w"; did you mean "_v"?`,
		}},
		{"root", Config{Format: formatJSON, Root: "params.", Time: "ts", TimeUnit: unitISO8601}, []string{
			`time_zone: is missing; "UTC", "Local" for this machine's, or a name such as "Europe/Berlin"`,
			`root: "params." is no path; such as root = "params" or "data.values"`,
		}},
		{"zone", Config{Format: formatJSON, Time: "ts", TimeUnit: unitISO8601, TimeZone: "Europe/Berlim"}, []string{
			`time_zone: unknown zone "Europe/Berlim"; "UTC", "Local" for this machine's, or a name such as "Europe/Berlin"`,
		}},
		{"zone of a number", Config{Format: formatJSON, Time: "ts", TimeUnit: "s", TimeZone: "UTC"}, []string{"time_zone: only time_unit iso8601 has a zone; "}},
		{"keys of other formats", Config{Format: formatValue, Root: "a", Pattern: "b", Sentences: []string{"RMC"}, Checksum: "optional"}, []string{
			"root: only format json has a root; ", "pattern: only format regex has a pattern; ",
			"sentences: only format nmea has sentences; ", "checksum: only format nmea has a checksum; ",
		}},
		{"words", Config{Format: formatJSON, TrueValues: []string{"ON", "ON"}, FalseValues: []string{"ON"}, NullValues: []string{""}}, []string{
			`false_values: "ON" is in true_values too; `, "null_values: a text is empty; an empty text is no reading anyway",
		}},
		{"max_series", Config{Format: formatJSON, MaxSeries: -1}, []string{"max_series: -1 is out of range; want 1 to 1000000"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			c.config.Validate(func(key, what, hint string) { got = append(got, key+": "+what+"; "+hint) })
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			_, err := New(c.config, "src", parsePatterns(t, "#"), sensors.Milliseconds, sensors.NewTable())
			if (err != nil) != (len(c.want) > 0) {
				t.Errorf("New: %v", err)
			}
		})
	}
}

func TestNew_topics(t *testing.T) {
	no := false
	for _, c := range []struct {
		name   string
		config Config
		topics []string
		want   string
	}{
		{"known tag", Config{Series: "{sensor}.{field}"}, []string{"a/{sensor}"}, ""},
		{"tag of one topic", Config{Series: "{sensor}.{field}"}, []string{"a/+", "b/{sensor}/#"}, ""},
		{"unknown tag", Config{Series: "{senso}.{field}"}, []string{"a/{sensor}"}, `did you mean "sensor"?`},
		{"no tag", Config{Series: "{sensor}"}, []string{"a/+"}, "nothing gives the tag {sensor}"},
		{"own tag", Config{Series: "{room}", Tags: map[string]string{"room": "x"}}, nil, ""},
		{"tag of a tag", Config{Tags: map[string]string{"room": "x", "y": "{room}"}}, nil, "tags.y"},
		{"topic on serial", Config{Tags: map[string]string{"y": "{topic.1}"}}, nil, "no topic on a serial line"},
		{"source twice", Config{}, []string{"a/{source}"}, "tag_source = false"},
		{"source of the topic", Config{TagSource: &no}, []string{"a/{source}"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.Format = formatJSON
			_, err := New(c.config, "src", parsePatterns(t, c.topics...), sensors.Milliseconds, sensors.NewTable())
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("New: %v, want %q", err, c.want)
			}
		})
	}
	if _, err := New(Config{Format: formatJSON}, "src", nil, sensors.Milliseconds, nil); err == nil {
		t.Error("New takes no table")
	}
}

func TestUsesTopic(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   bool
	}{
		{Config{}, false},
		{Config{Series: "{sensor}.{field}"}, false},
		{Config{Series: "{topic.2}.{field}"}, true},
		{Config{Tags: map[string]string{"a": "b", "c": "{topic}"}}, true},
		{Config{Series: "{topic"}, false},
		{Config{Format: formatInflux}, true},
	} {
		if got := UsesTopic(c.config); got != c.want {
			t.Errorf("%+v: %v, want %v", c.config, got, c.want)
		}
	}
}

// A source's section embeds Config; every key is known to the TOML reader.
func TestConfig_TOML(t *testing.T) {
	var section struct {
		Name string `toml:"name"`
		Config
	}
	const text = `
name = "meters"
format = "csv"
time = "ts"
time_unit = "ms"
series = "{sensor}.{field}"
tag_source = false
tags = { room = "kitchen", x = "{topic.2}" }
include = ["*"]
exclude = ["debug*"]
rename = { t = "temp" }
scale = { t = 0.1 }
offset = { t = -40.0 }
unit = { t = "°C" }
columns = ["ts", "t"]
header = true
separator = ";"
type = ""
max_series = 500
time_zone = "UTC"
root = "a"
pattern = '(?P<v>\d)'
sentences = ["RMC"]
checksum = "optional"
true_values = ["ON"]
false_values = ["OFF"]
null_values = ["-"]
`
	if err := toml.NewDecoder(strings.NewReader(text)).DisallowUnknownFields().Decode(&section); err != nil {
		t.Fatal(err)
	}
	no := false
	want := Config{
		Format: "csv", Time: "ts", TimeUnit: "ms", Series: "{sensor}.{field}", TagSource: &no,
		Tags: map[string]string{"room": "kitchen", "x": "{topic.2}"}, Include: []string{"*"}, Exclude: []string{"debug*"},
		Rename: map[string]string{"t": "temp"}, Scale: map[string]float64{"t": 0.1}, Offset: map[string]float64{"t": -40}, Unit: map[string]string{"t": "°C"},
		Columns: []string{"ts", "t"}, Header: true, Separator: ";", MaxSeries: 500,
		TimeZone: "UTC", Root: "a", Pattern: `(?P<v>\d)`, Sentences: []string{"RMC"}, Checksum: "optional",
		TrueValues: []string{"ON"}, FalseValues: []string{"OFF"}, NullValues: []string{"-"},
	}
	if diff := cmp.Diff(want, section.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

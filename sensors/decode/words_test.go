package decode

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
)

func TestWords(t *testing.T) {
	words := Config{TrueValues: []string{"ON", "online"}, FalseValues: []string{"OFF"}, NullValues: []string{"unknown", "-999", "nan"}}
	for _, c := range []struct {
		format  string
		config  Config
		payload string
		want    []string
	}{
		{formatJSON, Config{}, `{"a":"ON","b":"OFF","c":"on","d":"unknown","e":-999,"f":-999.0,"g":true,"h":"-999","i":"O\u004e"}`, []string{
			"a bool true", "b bool false", "c string on", "f float -999", "g bool true", "i bool true",
		}},
		{formatJSON, Config{}, `{"d":"unknown","e":-999}`, []string{}},
		{formatJSON, Config{}, `"ON"`, []string{"src bool true"}},
		{formatJSON, Config{Scale: map[string]float64{"*": 2}}, `{"a":"ON","e":-999,"f":3}`, []string{"a bool true", "f float 6"}},
		{formatKeyValue, Config{}, `a=ON b="OFF" c=unknown d="unknown" e=-999 f=1`, []string{"a bool true", "b bool false", "f int 1"}},
		{formatCSV, Config{Columns: []string{"a", "b", "c"}}, `ON,"nan",nan`, []string{"a bool true"}},
		{formatValue, Config{}, "ON", []string{"src bool true"}},
		{formatValue, Config{}, "nan", []string{}},
		{formatValue, Config{Type: typeFloat}, "unknown", []string{}},
		{formatValue, Config{Type: typeFloat}, "2", []string{"src float 2"}},
		{formatValue, Config{Type: typeBool}, "online\n", []string{"src bool true"}},
	} {
		c.config.Format, c.config.TrueValues, c.config.FalseValues, c.config.NullValues = c.format, words.TrueValues, words.FalseValues, words.NullValues
		got, err := newFormat(t, c.config).Decoder().Decode(nil, arrived("", c.payload))
		if err != nil {
			t.Errorf("%s %s: %v", c.format, c.payload, err)
			continue
		}
		if diff := cmp.Diff(c.want, show(got)); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.format, c.payload, diff)
		}
	}
}

// A time is never a word.
func TestWords_notOfTimes(t *testing.T) {
	d := newFormat(t, Config{Format: formatJSON, Time: "ts", TimeUnit: unitSeconds, NullValues: []string{"0"}}).Decoder()
	got, err := d.Decode(nil, arrived("", `{"ts":0,"a":0,"b":1}`))
	if err != nil || len(got) != 1 || got[0].Time != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestJSON_root(t *testing.T) {
	runCases(t, formatJSON, []decodeCase{
		{name: "object", config: Config{Root: "params"}, payload: `{"src":"x","params":{"ts":1.5,"a":{"b":2}},"z":9}`, want: []string{"ts float 1.5", "a.b int 2"}},
		{name: "deep", config: Config{Root: "a.b"}, payload: `{"a":{"b":{"v":1},"c":2,"b.v":7}}`, want: []string{"v int 1", "v int 7"}},
		{name: "like it", config: Config{Root: "param"}, payload: `{"params":{"a":1},"param":2}`},
		{name: "not there", config: Config{Root: "params"}, payload: `{}`, reason: sensors.ReasonEmpty},
		{name: "time outside", config: Config{Root: "data", Time: "ts", TimeUnit: "s"}, payload: `{"ts":5,"data":{"v":1}}`, want: []string{"v int 1"}},
		{name: "time inside", config: Config{Root: "data", Time: "data.ts", TimeUnit: "s"}, payload: `{"data":{"v":1,"ts":5}}`, want: []string{"v int 1"}},
		{name: "rules go by the rest", config: Config{Root: "data", Rename: map[string]string{"v": "w"}, Exclude: []string{"x"}, Scale: map[string]float64{"v": 2}}, payload: `{"data":{"v":1,"x":2}}`, want: []string{"w float 2"}},
		{name: "array", config: Config{Root: "d"}, payload: `[{"d":{"v":1}},{"d":{"v":2}}]`, want: []string{"v int 1", "v int 2"}},
		{name: "element", config: Config{Root: "d.1"}, payload: `{"d":[{"v":1},{"v":2}]}`, want: []string{"v int 2"}},
	})
}

func TestParseISO8601(t *testing.T) {
	const bad = -1
	arrived := func(text string) time.Time {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	winter := arrived("2026-01-02T12:00:00Z")
	for _, c := range []struct {
		text, zone string
		arrived    time.Time
		want       string // "": bad
	}{
		{"2026-01-02T15:04:05", "UTC", winter, "2026-01-02T15:04:05Z"},
		{"2026-01-02 15:04:05.25", "Europe/Berlin", winter, "2026-01-02T14:04:05.25Z"},
		{"2026-07-02T15:04:05", "Europe/Berlin", winter, "2026-07-02T13:04:05Z"},
		{"2026-07-02T15:04:05", "America/St_Johns", winter, "2026-07-02T17:34:05Z"},
		{"2026-01-02T15:04:05Z", "Europe/Berlin", winter, "2026-01-02T15:04:05Z"},
		{"2026-01-02T15:04:05z", "Europe/Berlin", winter, "2026-01-02T15:04:05Z"},
		{"2026-01-02T15:04:05+02:00", "UTC", winter, "2026-01-02T13:04:05Z"},
		{"2026-01-02T15:04:05-0730", "UTC", winter, "2026-01-02T22:34:05Z"},
		{"2026-01-02T15:04:05.5+02", "UTC", winter, "2026-01-02T13:04:05.5Z"},
		// The hour that comes twice, and the one that never comes.
		{"2026-10-25T02:30:00", "Europe/Berlin", arrived("2026-10-25T00:30:01Z"), "2026-10-25T00:30:00Z"},
		{"2026-10-25T02:30:00", "Europe/Berlin", arrived("2026-10-25T01:30:01Z"), "2026-10-25T01:30:00Z"},
		{"2026-10-25T01:59:59", "Europe/Berlin", arrived("2026-10-25T01:30:01Z"), "2026-10-24T23:59:59Z"},
		{"2026-10-25T03:00:00", "Europe/Berlin", arrived("2026-10-25T00:30:01Z"), "2026-10-25T02:00:00Z"},
		{"2026-03-29T02:30:00", "Europe/Berlin", winter, "2026-03-29T01:30:00Z"},
		{"2026-03-29T03:00:00", "Europe/Berlin", winter, "2026-03-29T01:00:00Z"},
		{"2026-04-05T01:45:00", "Australia/Lord_Howe", arrived("2026-04-04T14:45:00Z"), "2026-04-04T14:45:00Z"},
		{"2026-04-05T01:45:00", "Australia/Lord_Howe", arrived("2026-04-04T15:15:00Z"), "2026-04-04T15:15:00Z"},
		{"1970-01-01T00:30:00", "Europe/Berlin", winter, ""},
		{"2026-01-02T15:04", "UTC", winter, ""},
		{"2026-02-30T15:04:05", "UTC", winter, ""},
		{"2026-01-02T15:04:05.", "UTC", winter, ""},
		{"2026-01-02T15:04:05 CET", "UTC", winter, ""},
		{"2026-01-02T15:04:05+2", "UTC", winter, ""},
		{"2026-01-02T15:04:05abcde", "UTC", winter, ""},
		{"20260102T150405000000", "UTC", winter, ""},
		{"1767366245", "UTC", winter, ""},
		{"", "UTC", winter, ""},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseISO8601([]byte(c.text), zone, c.arrived)
		want := int64(bad)
		if c.want != "" {
			want = arrived(c.want).UnixNano()
		}
		if err != nil {
			got = bad
		}
		if got != want {
			t.Errorf("%q in %s: %s (%v), want %s", c.text, c.zone, time.Unix(0, got).UTC().Format(time.RFC3339Nano), err, c.want)
		}
	}
}

func FuzzISO8601(f *testing.F) {
	f.Add("2026-10-25T02:30:00.5", "Europe/Berlin", int64(1792888200))
	f.Add("2026-01-02T15:04:05+0200", "America/St_Johns", int64(0))
	f.Fuzz(func(t *testing.T, text, zone string, seconds int64) {
		location, err := time.LoadLocation(zone)
		if err != nil {
			return
		}
		got, err := parseISO8601([]byte(text), location, time.Unix(seconds%(1<<33), 0))
		if err != nil {
			return
		}
		if got < 0 {
			t.Errorf("%q: %d", text, got)
		}
		// A clock in the zone shows the text again, unless it skipped it.
		want, err := time.ParseInLocation("2006-01-02T15:04:05", text, location)
		if err == nil && want.Format("2006-01-02T15:04:05") == text[:19] {
			if shows := time.Unix(0, got).In(location).Format("2006-01-02T15:04:05"); shows != text[:19] {
				t.Errorf("%q in %s: %s", text, zone, shows)
			}
		}
	})
}

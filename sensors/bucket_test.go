package sensors

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBucketStart(t *testing.T) {
	at := func(text string) int64 {
		when, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return when.UnixNano()
	}
	const day = 24 * time.Hour
	for _, test := range []struct {
		time  string
		every time.Duration
		want  string
	}{
		{"2026-08-20T12:34:56.789Z", time.Millisecond, "2026-08-20T12:34:56.789Z"},
		{"2026-08-20T12:34:56.789Z", 7 * time.Second, "2026-08-20T12:34:50Z"},
		{"2026-08-20T12:34:56.789Z", time.Hour, "2026-08-20T12:00:00Z"},
		{"2026-08-20T23:59:59.999Z", day, "2026-08-20T00:00:00Z"},
		{"2026-08-20T00:00:00Z", day, "2026-08-20T00:00:00Z"},
		{"2026-08-20T12:00:00Z", 7 * day, "2026-08-17T00:00:00Z"},
		{"2026-08-16T23:59:59Z", 7 * day, "2026-08-10T00:00:00Z"},
		{"1970-01-01T00:00:00Z", 7 * day, "1969-12-29T00:00:00Z"},
		{"1969-12-31T23:00:00Z", day, "1969-12-31T00:00:00Z"},
		{"2026-08-20T12:00:00Z", MaxEvery, "1970-01-01T00:00:00Z"},
	} {
		if got := BucketStart(at(test.time), test.every); got != at(test.want) {
			t.Errorf("%s in %v: got %s, want %s", test.time, test.every, time.Unix(0, got).UTC(), test.want)
		}
	}
}

func TestParseAggregates(t *testing.T) {
	list, err := ParseAggregates("max,count,stddev")
	if err != nil || !slices.Equal(list, []Aggregate{AggMax, AggCount, AggStdDev}) || JoinAggregates(list) != "max,count,stddev" {
		t.Errorf("got %v, %v", list, err)
	}
	for _, bad := range []string{"", "avg", "mean,", "mean,mean", "mean max", "Mean", ",mean"} {
		if list, err := ParseAggregates(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, list)
		}
	}
}

func TestParseBucket_keepsTheValues(t *testing.T) {
	table := NewTable()
	for _, test := range []struct {
		kind   Type
		values []Value
	}{
		{Float, []Value{IntValue(3), FloatValue(1e300), FloatValue(math.NaN()), FloatValue(math.Inf(-1)), FloatValue(21), FloatValue(-0.5), FloatValue(7), FloatValue(0.1)}},
		{Int, []Value{IntValue(3), IntValue(math.MinInt64), FloatValue(0.5), IntValue(1<<53 + 1), IntValue(5), IntValue(-1), IntValue(0), FloatValue(math.NaN())}},
		{Int, []Value{IntValue(1), FloatValue(3e19), {}, {}, {}, {}, {}, {}}},
		{Bool, []Value{IntValue(2), {}, {}, {}, {}, {Type: Bool, Num: 1}, {Type: Bool}, {}}},
		{String, []Value{IntValue(2), {}, {}, {}, {}, {Type: String, Str: "NaN"}, {Type: String, Str: "a\"\n"}, {}}},
	} {
		series, err := table.Intern(Series{Name: "s\"", Unit: "°C", Type: test.kind, Tags: []Tag{{"a", "1"}, {"b", "\\"}}})
		if err != nil {
			t.Fatal(err)
		}
		b := Bucket{Series: series, Time: 1_787_227_200_123_000_000, Values: test.values}
		line := b.AppendTypedJSON(nil, Milliseconds, Aggregates())
		back, err := ParseBucket(line, table, Aggregates())
		if err != nil || back.Series != series || back.Time != b.Time {
			t.Fatalf("%s: %+v, %v", line, back, err)
		}
		if diff := cmp.Diff(test.values, back.Values); diff != "" {
			t.Errorf("%s: -want +got\n%s", line, diff)
		}
	}
}

func FuzzParseBucket(f *testing.F) {
	f.Add([]byte(`{"time":"2026-08-20T12:00:00.000Z","series":"temp","tags":{"room":"1"},"unit":"C","count":2,"sum":43,"mean":21.5,"min":"NaN","max":"+Inf","first":21,"last":22,"stddev":0.1,"type":"float"}`))
	f.Add([]byte(`{"time":"2026-08-20T12:00:00.000Z","series":"say","tags":{},"unit":"","count":2,"first":"a","last":"b","type":"string"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		table := NewTable()
		b, err := ParseBucket(line, table, Aggregates())
		if err != nil {
			return
		}
		once := b.AppendTypedJSON(nil, Nanoseconds, Aggregates())
		again, err := ParseBucket(once, table, Aggregates())
		if err != nil || again.Series != b.Series || !json.Valid(once) {
			t.Fatalf("%s: %v", once, err)
		}
		if diff := cmp.Diff(string(once), string(again.AppendTypedJSON(nil, Nanoseconds, Aggregates()))); diff != "" {
			t.Fatal(diff)
		}
	})
}

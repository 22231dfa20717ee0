package apitest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/sensors"
)

// buckets returns what a division gives.
func (s Subject) buckets(t *testing.T, q api.Query, d api.Division) []sensors.Bucket {
	t.Helper()
	buckets, err := s.Backend.Buckets(t.Context(), q, d)
	if err != nil {
		t.Fatal(err)
	}
	if buckets.Precision != sensors.Milliseconds {
		t.Errorf("got precision %d, want 3", buckets.Precision)
	}
	var all []sensors.Bucket
	for b, err := range buckets.Seq {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

func checkBuckets(t *testing.T, s Subject) {
	t.Helper()
	base := time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano() // a Thursday
	temp, power := sensors.Series{Name: "temp", Unit: "°C", Tags: []sensors.Tag{{Key: "room", Value: "1"}}}, sensors.Series{Name: "power", Unit: "W"}
	s.add(
		t,
		s.reading(t, temp, base, 1.5),
		s.reading(t, temp, base+999e6, 2.5),
		s.reading(t, temp, base+1000e6, math.NaN()),
		s.reading(t, temp, base+3000e6, math.Inf(1)),
		s.reading(t, temp, base+3500e6, math.NaN()),
		s.reading(t, power, base+500e6, int64(math.MaxInt64)),
		s.reading(t, power, base+600e6, int64(1)),
		s.reading(t, power, base+3000e6, int64(-7)),
		s.reading(t, power, base+3001e6, 0.5),
		s.reading(t, sensors.Series{Name: "door"}, base+100e6, true),
		s.reading(t, sensors.Series{Name: "door"}, base+200e6, false),
		s.reading(t, sensors.Series{Name: "say"}, base+3999e6, "a\"b"),
	)
	show := func(q api.Query, every time.Duration, list ...sensors.Aggregate) []string {
		t.Helper()
		q.Collection = s.Collection
		var lines []string
		for _, b := range s.buckets(t, q, api.Division{Every: every, Aggregates: list}) {
			lines = append(lines, string(b.AppendJSON(nil, sensors.Milliseconds, list)))
		}
		return lines
	}
	for _, test := range []struct {
		name string
		got  []string
		want []string
	}{
		{"all", show(api.Query{}, time.Second, sensors.AggCount, sensors.AggFirst, sensors.AggLast, sensors.AggSum, sensors.AggMin), []string{
			`{"time":"2026-08-20T12:00:00.000Z","series":"door","tags":{},"unit":"","count":2,"first":true,"last":false}`,
			`{"time":"2026-08-20T12:00:00.000Z","series":"power","tags":{},"unit":"W","count":2,"first":9223372036854775807,"last":1,"sum":9223372036854776000,"min":1}`,
			`{"time":"2026-08-20T12:00:00.000Z","series":"temp","tags":{"room":"1"},"unit":"°C","count":2,"first":1.5,"last":2.5,"sum":4,"min":1.5}`,
			`{"time":"2026-08-20T12:00:01.000Z","series":"temp","tags":{"room":"1"},"unit":"°C","count":1,"first":"NaN","last":"NaN","sum":"NaN","min":"NaN"}`,
			`{"time":"2026-08-20T12:00:03.000Z","series":"power","tags":{},"unit":"W","count":2,"first":-7,"last":0.5,"sum":-6.5,"min":-7}`,
			`{"time":"2026-08-20T12:00:03.000Z","series":"say","tags":{},"unit":"","count":1,"first":"a\"b","last":"a\"b"}`,
			`{"time":"2026-08-20T12:00:03.000Z","series":"temp","tags":{"room":"1"},"unit":"°C","count":2,"first":"+Inf","last":"NaN","sum":"+Inf","min":"+Inf"}`,
		}},
		{"numbers only", show(api.Query{From: base + 600e6}, time.Second, sensors.AggMean, sensors.AggStdDev), []string{
			`{"time":"2026-08-20T12:00:00.000Z","series":"power","tags":{},"unit":"W","mean":1,"stddev":"NaN"}`,
			`{"time":"2026-08-20T12:00:00.000Z","series":"temp","tags":{"room":"1"},"unit":"°C","mean":2.5,"stddev":"NaN"}`,
			`{"time":"2026-08-20T12:00:01.000Z","series":"temp","tags":{"room":"1"},"unit":"°C","mean":"NaN","stddev":"NaN"}`,
			`{"time":"2026-08-20T12:00:03.000Z","series":"power","tags":{},"unit":"W","mean":-3.25,"stddev":5.303300858899107}`,
			`{"time":"2026-08-20T12:00:03.000Z","series":"temp","tags":{"room":"1"},"unit":"°C","mean":"+Inf","stddev":"NaN"}`,
		}},
		{"newest", show(api.Query{Newest: true, Limit: 2, Series: "temp"}, time.Second, sensors.AggFirst), []string{
			`{"time":"2026-08-20T12:00:03.000Z","series":"temp","tags":{"room":"1"},"unit":"°C","first":"+Inf"}`,
			`{"time":"2026-08-20T12:00:01.000Z","series":"temp","tags":{"room":"1"},"unit":"°C","first":"NaN"}`,
		}},
		{"a day", show(api.Query{Series: "door"}, 24*time.Hour, sensors.AggMax, sensors.AggCount), []string{
			`{"time":"2026-08-20T00:00:00.000Z","series":"door","tags":{},"unit":"","count":2}`,
		}},
		{"a week", show(api.Query{Series: "door"}, 7*24*time.Hour, sensors.AggLast), []string{
			`{"time":"2026-08-17T00:00:00.000Z","series":"door","tags":{},"unit":"","last":false}`,
		}},
		{"none of them", show(api.Query{Series: "say"}, time.Second, sensors.AggMean), nil},
		{"nothing", show(api.Query{Series: "nothing"}, time.Second, sensors.AggCount), nil},
	} {
		if diff := gocmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s: -want +got\n%s", test.name, diff)
		}
	}
	if got := s.buckets(t, api.Query{Collection: s.Empty}, api.Division{Every: time.Hour, Aggregates: sensors.Aggregates()}); len(got) != 0 {
		t.Errorf("%s: got %v, want no buckets", s.Empty, got)
	}
	if _, err := s.Backend.Buckets(t.Context(), api.Query{Collection: s.Collection, Author: "nobody"},
		api.Division{Every: time.Hour, Aggregates: sensors.Aggregates()}); !errors.Is(err, api.ErrNoAuthor) {
		t.Errorf("author nobody: %v, want ErrNoAuthor", err)
	}
}

func checkBucketsRandom(t *testing.T, s Subject) {
	t.Helper()
	seed := rand.Uint64() //nolint:gosec // a test's input
	if text := os.Getenv("SKERRY_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SKERRY_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // a test's input
	base := time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	values := []func() any{
		func() any { return float64(random.IntN(1000))/10 + 1e6 },
		func() any { return random.Int64() },
		func() any {
			return []any{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 5e-324}[random.IntN(5)]
		},
		func() any { return random.IntN(2) == 0 },
		func() any { return fmt.Sprint("v", random.IntN(3)) },
	}
	var readings []sensors.Reading
	for i := range int64(1500) {
		kind := min(random.IntN(12), len(values)-1)
		if random.IntN(2) == 0 {
			kind = 0
		}
		series := sensors.Series{Name: fmt.Sprint("s", random.IntN(5)), Unit: fmt.Sprint("u", random.IntN(2))}
		if random.IntN(2) == 0 {
			series.Tags = []sensors.Tag{{Key: "k", Value: fmt.Sprint("v", random.IntN(2))}}
		}
		readings = append(readings, s.reading(t, series, base+i*random.Int64N(3)*1e6+i*1e6, values[kind]()))
	}
	for _, part := range chunks(random, readings) {
		s.add(t, part...)
	}
	rows, err := s.Backend.Query(t.Context(), api.Query{Collection: s.Collection})
	if err != nil {
		t.Fatal(err)
	}
	var all []sensors.Row
	for row, err := range rows.Seq {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	spans := []time.Duration{time.Millisecond, 7 * time.Millisecond, 100 * time.Millisecond, time.Second, time.Hour, 24 * time.Hour, 14 * 24 * time.Hour, 36_525 * 24 * time.Hour}
	for range 60 {
		list := slices.Clone(sensors.Aggregates())
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		d := api.Division{Every: spans[random.IntN(len(spans))], Aggregates: list[:1+random.IntN(len(list))]}
		q := api.Query{Collection: s.Collection, Newest: random.IntN(2) == 0, Series: []string{"", "s1", "s*"}[random.IntN(3)]}
		if random.IntN(2) == 0 {
			q.From = base + random.Int64N(3000)*1e6
		}
		if random.IntN(2) == 0 {
			q.To = base + random.Int64N(6000)*1e6
		}
		if random.IntN(2) == 0 {
			q.Limit = 1 + random.Int64N(50)
		}
		chosen := slices.DeleteFunc(slices.Clone(all), func(row sensors.Row) bool { return !selects(q, row) })
		compareBuckets(t, divide(chosen, d, q.Newest, q.Limit), s.buckets(t, q, d), d.Aggregates, fmt.Sprintf("%+v %v %v", q, d.Every, d.Aggregates))
	}
}

func compareBuckets(t *testing.T, want, got []sensors.Bucket, list []sensors.Aggregate, what string) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%s: got %d buckets, want %d", what, len(got), len(want))
	}
	for i := range want {
		if text := differ(want[i], got[i], list); text != "" {
			t.Fatalf("%s: bucket %d: %s", what, i, text)
		}
	}
}

func checkBucketsMany(t *testing.T, s Subject) {
	t.Helper()
	base := time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	readings := make([]sensors.Reading, 0, 20_000)
	for i := range int64(20_000) {
		readings = append(readings, s.reading(t, sensors.Series{Name: fmt.Sprint("s", i%7)}, base+i*1e6, float64(i)/4))
	}
	for part := range slices.Chunk(readings, 1000) {
		s.add(t, part...)
	}
	var rows []sensors.Row
	for _, r := range readings {
		rows = append(rows, sensors.Row{Reading: r})
	}
	d := api.Division{Every: time.Second, Aggregates: sensors.Aggregates()}
	compareBuckets(t, divide(rows, d, false, 0), s.buckets(t, api.Query{Collection: s.Collection}, d), d.Aggregates, "all")
	compareBuckets(t, divide(rows, d, true, 10), s.buckets(t, api.Query{Collection: s.Collection, Newest: true, Limit: 10}, d), d.Aggregates, "newest")
}

func checkTailSelects(t *testing.T, s Subject) {
	t.Helper()
	base := time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	id, err := s.Backend.ID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Backend.Tail(t.Context(), api.Query{Collection: s.Collection, Author: "nobody"}); !errors.Is(err, api.ErrNoAuthor) {
		t.Errorf("author nobody: %v, want ErrNoAuthor", err)
	}
	room := func(name, room string) sensors.Reading {
		return s.reading(t, sensors.Series{Name: name, Tags: []sensors.Tag{{Key: "room", Value: room}}}, base, 0.5)
	}
	for _, test := range []struct {
		q    api.Query
		want []string // and nothing between
	}{
		{api.Query{Series: "temp*"}, []string{"temp 1", "temp 2", "temp.in 1"}},
		{api.Query{Tags: []sensors.Tag{{Key: "room", Value: "2"}}}, []string{"hum 2", "temp 2"}},
		{api.Query{Series: "temp", Tags: []sensors.Tag{{Key: "room", Value: "2"}}, Author: id.Name}, []string{"temp 2"}},
		{api.Query{Author: id.Peer}, []string{"hum 2", "temp 1", "temp 2", "temp.in 1"}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), tailPatience)
		test.q.Collection = s.Collection
		rows, err := s.Backend.Tail(ctx, test.q)
		if err != nil {
			t.Fatal(err)
		}
		s.add(t, room("hum", "2"), room("temp", "1"), room("temp", "2"), room("temp.in", "1"))
		var got []string
		for row, err := range rows.Seq {
			if err != nil {
				t.Errorf("%+v: after %q: %v", test.q, got, err)
				break
			}
			value, _ := row.Series.Tag("room")
			if got = append(got, row.Series.Name+" "+value); len(got) == len(test.want) {
				break
			}
		}
		cancel()
		if diff := gocmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v: -want +got\n%s", test.q, diff)
		}
	}
}

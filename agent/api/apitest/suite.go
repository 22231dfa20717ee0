package apitest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/sensors"
)

// Subject is a backend under test. It starts without rows.
type Subject struct {
	Backend api.Backend
	// Collection is the name of a configured collection of kind events with a precision of milliseconds.
	Collection string
	// Empty is the name of another one, to which nothing is added.
	Empty string
	// Table is where the series of added readings come from.
	Table *sensors.Table
	// Add stores readings in a collection; they are durable when it returns.
	Add func(ctx context.Context, collection string, readings []sensors.Reading) error
}

// tailPatience is how long a row may take until a tail shows it.
const tailPatience = 30 * time.Second

// Run checks that the backend that start makes keeps the promises of api.Backend. Each subtest starts its own.
func Run(t *testing.T, start func(t *testing.T) Subject) {
	t.Helper()
	for _, test := range []struct {
		name  string
		check func(*testing.T, Subject)
	}{
		{"identity", checkIdentity},
		{"collections", checkCollections},
		{"queryOrder", checkQueryOrder},
		{"queryRandom", checkQueryRandom},
		{"queryValues", checkQueryValues},
		{"queryMany", checkQueryMany},
		{"queryConcurrent", checkQueryConcurrent},
		{"queryStops", checkQueryStops},
		{"queryUnknown", checkUnknown},
		{"tail", checkTail},
		{"verify", checkVerify},
	} {
		t.Run(test.name, func(t *testing.T) { test.check(t, start(t)) })
	}
}

// reading makes a reading; value is a float64, int64, bool or string.
func (s Subject) reading(t *testing.T, series sensors.Series, ns int64, value any) sensors.Reading {
	t.Helper()
	r := sensors.Reading{Time: ns}
	switch v := value.(type) {
	case float64:
		series.Type, r.Num = sensors.Float, math.Float64bits(v)
	case int64:
		series.Type, r.Num = sensors.Int, uint64(v) //nolint:gosec // two's complement by definition
	case bool:
		series.Type = sensors.Bool
		if v {
			r.Num = 1
		}
	case string:
		series.Type, r.Str = sensors.String, v
	default:
		t.Fatalf("no reading has a value like %v", value)
	}
	var err error
	if r.Series, err = s.Table.Intern(series); err != nil {
		t.Fatal(err)
	}
	return r
}

func (s Subject) add(t *testing.T, readings ...sensors.Reading) {
	t.Helper()
	if err := s.Add(t.Context(), s.Collection, readings); err != nil {
		t.Fatal(err)
	}
}

// lines returns what a query gives, as JSON lines.
func (s Subject) lines(t *testing.T, q api.Query) []string {
	t.Helper()
	rows, err := s.Backend.Query(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if rows.Precision != sensors.Milliseconds {
		t.Errorf("got precision %d, want 3", rows.Precision)
	}
	var lines []string
	for row, err := range rows.Seq {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(row.AppendJSON(nil, rows.Precision)))
	}
	return lines
}

// want returns the lines that a query should give of readings, which are in order.
func (s Subject) want(t *testing.T, q api.Query, readings []sensors.Reading) []string {
	t.Helper()
	id, err := s.Backend.ID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, reading := range readings {
		if row := (sensors.Row{Reading: reading, Author: id.Peer}); selects(q, row) {
			lines = append(lines, string(row.AppendJSON(nil, sensors.Milliseconds)))
		}
	}
	if q.Newest {
		slices.Reverse(lines)
	}
	if q.Limit > 0 && int64(len(lines)) > q.Limit {
		lines = lines[:q.Limit]
	}
	return lines
}

func checkIdentity(t *testing.T, s Subject) {
	id, err := s.Backend.ID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if id.Name == "" || id.Peer == "" || id.Fingerprint == "" {
		t.Errorf("id: got %+v, want no empty field", id)
	}
	status, err := s.Backend.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.Name != id.Name || status.Peer != id.Peer {
		t.Errorf("status is of %s %s, id of %s %s", status.Name, status.Peer, id.Name, id.Peer)
	}
}

func checkCollections(t *testing.T, s Subject) {
	at := time.Date(2026, 8, 20, 12, 0, 0, 5e6, time.UTC)
	s.add(t, s.reading(t, sensors.Series{Name: "a"}, at.UnixNano(), 1.5), s.reading(t, sensors.Series{Name: "b"}, at.Add(time.Hour).UnixNano(), 2.5))
	all, err := s.Backend.Collections(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(all, func(a, b api.Collection) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("not in name order: %v", all)
	}
	seen := map[string]api.Collection{}
	for _, c := range all {
		seen[c.Name] = c
	}
	full, ok := seen[s.Collection]
	if !ok || full.Kind != "events" || full.Readings != 2 || full.First == nil || !full.First.Equal(at) || full.Last == nil || !full.Last.Equal(at.Add(time.Hour)) {
		t.Errorf("%s: got %+v", s.Collection, full)
	}
	empty, ok := seen[s.Empty]
	if !ok || empty.Kind != "events" || empty.Readings != 0 || empty.First != nil || empty.Last != nil {
		t.Errorf("%s: got %+v", s.Empty, empty)
	}
}

func checkQueryOrder(t *testing.T, s Subject) {
	base := time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	inOrder := []sensors.Reading{
		s.reading(t, sensors.Series{Name: "b"}, base, 1.5),
		s.reading(t, sensors.Series{Name: "a"}, base+1e6, 2.5),
		s.reading(t, sensors.Series{Name: "b"}, base+1e6, 3.5),
		s.reading(t, sensors.Series{Name: "c"}, base+1e6, 4.5),
		s.reading(t, sensors.Series{Name: "a"}, base+2e6, 5.5),
	}
	s.add(t, inOrder[4], inOrder[2])
	s.add(t, inOrder[3])
	s.add(t, inOrder[1], inOrder[0])
	for _, q := range []api.Query{
		{},
		{From: base + 1e6},
		{From: base + 1e6, To: base + 2e6},
		{To: base + 1e6},
		{From: base + 1e6 + 1, To: base + 1e6 + 2},
		{Limit: 2},
		{Limit: 5},
		{Series: "a"},
		{Series: "*"},
		{From: base + 3e6},
	} {
		q.Collection = s.Collection
		if diff := gocmp.Diff(s.want(t, q, inOrder), s.lines(t, q)); diff != "" {
			t.Errorf("%+v: -want +got\n%s", q, diff)
		}
	}
	if got := s.lines(t, api.Query{Collection: s.Empty}); len(got) != 0 {
		t.Errorf("%s: got %v, want no rows", s.Empty, got)
	}
}

func checkQueryRandom(t *testing.T, s Subject) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test's input
	base := time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	names := []string{"temp", "temp.in", "hum", "a*b", "température"}
	var readings []sensors.Reading
	for i := range int64(400) {
		series := sensors.Series{Name: names[random.IntN(len(names))], Unit: "°C"}
		for k := range random.IntN(3) {
			series.Tags = append(series.Tags, sensors.Tag{Key: fmt.Sprint("k", k), Value: fmt.Sprint("v=", random.IntN(2))})
		}
		readings = append(readings, s.reading(t, series, base+i*1e6, float64(random.IntN(1000))/10+0.05))
	}
	for _, part := range chunks(random, readings) {
		s.add(t, part...)
	}
	globs := []string{"", "*", "temp", "temp*", "*m*", "*.in", "t*p*", "a*b", "nothing", "*é*", "temp**"}
	for range 60 {
		q := api.Query{Collection: s.Collection, Series: globs[random.IntN(len(globs))], Newest: random.IntN(2) == 0}
		if random.IntN(2) == 0 {
			q.From = base + random.Int64N(400)*1e6
		}
		if random.IntN(2) == 0 {
			q.To = base + random.Int64N(400)*1e6
		}
		if random.IntN(2) == 0 {
			q.Limit = 1 + random.Int64N(50)
		}
		if random.IntN(3) == 0 {
			q.Tags = []sensors.Tag{{Key: fmt.Sprint("k", random.IntN(2)), Value: fmt.Sprint("v=", random.IntN(2))}}
		}
		if diff := gocmp.Diff(s.want(t, q, readings), s.lines(t, q)); diff != "" {
			t.Fatalf("%+v: -want +got\n%s", q, diff)
		}
	}
}

// chunks cuts readings into parts, in random order.
func chunks(random *rand.Rand, readings []sensors.Reading) [][]sensors.Reading {
	parts := slices.Collect(slices.Chunk(readings, 37))
	random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return parts
}

func checkQueryValues(t *testing.T, s Subject) {
	base := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	var readings []sensors.Reading
	for i, value := range []any{
		math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0.1, 1e300, 5e-324, 21.0,
		int64(math.MaxInt64), int64(math.MinInt64), int64(1<<53 + 1), true, false, "", "a\n\"b\"\\\x00\u2028é", "true",
	} {
		series := sensors.Series{Name: fmt.Sprint("s", i), Unit: `"%`, Tags: []sensors.Tag{{Key: "k k", Value: "a=b;c\"d"}, {Key: "e", Value: ""}}}
		readings = append(readings, s.reading(t, series, base+int64(i)*1e6, value))
	}
	s.add(t, readings...)
	q := api.Query{Collection: s.Collection}
	if diff := gocmp.Diff(s.want(t, q, readings), s.lines(t, q)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	q.Tags = []sensors.Tag{{Key: "k k", Value: "a=b;c\"d"}, {Key: "e", Value: ""}}
	if got := s.lines(t, q); len(got) != len(readings) {
		t.Errorf("by tags: got %d rows, want %d", len(got), len(readings))
	}
}

func checkQueryMany(t *testing.T, s Subject) {
	base := time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	readings := make([]sensors.Reading, 0, 20_000)
	for i := range int64(20_000) {
		readings = append(readings, s.reading(t, sensors.Series{Name: fmt.Sprint("s", i%7)}, base+i*1e6, float64(i)/4))
	}
	for part := range slices.Chunk(readings, 1000) {
		s.add(t, part...)
	}
	q := api.Query{Collection: s.Collection}
	if diff := gocmp.Diff(s.want(t, q, readings), s.lines(t, q)); diff != "" {
		t.Errorf("-want +got\n%.2000s", diff)
	}
	q = api.Query{Collection: s.Collection, Newest: true, Limit: 100}
	if diff := gocmp.Diff(s.want(t, q, readings), s.lines(t, q)); diff != "" {
		t.Errorf("newest: -want +got\n%.2000s", diff)
	}
}

func checkQueryConcurrent(t *testing.T, s Subject) {
	base := time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	s.add(t, s.reading(t, sensors.Series{Name: "first"}, base, 0.5))
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 10 {
				rows, err := s.Backend.Query(t.Context(), api.Query{Collection: s.Collection})
				if err != nil {
					t.Error(err)
					return
				}
				last, count := int64(math.MinInt64), 0
				for row, err := range rows.Seq {
					if err != nil || row.Time < last {
						t.Errorf("row at %d after %d, err %v", row.Time, last, err)
					}
					last = row.Time
					count++
				}
				if count == 0 {
					t.Error("got no rows, want at least the first")
				}
			}
		})
	}
	for i := range int64(50) {
		s.add(t, s.reading(t, sensors.Series{Name: "more"}, base+i*1e6+1e6, float64(i)))
	}
	readers.Wait()
}

func checkQueryStops(t *testing.T, s Subject) {
	base := time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	readings := make([]sensors.Reading, 0, 10_000)
	for i := range int64(10_000) {
		readings = append(readings, s.reading(t, sensors.Series{Name: strings.Repeat("long", 20)}, base+i*1e6, float64(i)))
	}
	s.add(t, readings...)
	for range 40 { // more often than streams may be open
		rows, err := s.Backend.Query(t.Context(), api.Query{Collection: s.Collection})
		for errors.Is(err, api.ErrBusy) { // the one before is still ending
			rows, err = s.Backend.Query(t.Context(), api.Query{Collection: s.Collection})
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range rows.Seq {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rows, err := s.Backend.Query(ctx, api.Query{Collection: s.Collection})
	if err != nil {
		t.Fatal(err)
	}
	var last error
	count := 0
	for _, last = range rows.Seq {
		if count++; count == 1 {
			cancel()
		}
	}
	if count < len(readings) && !errors.Is(last, context.Canceled) {
		t.Errorf("canceled after %d of %d rows: got %v, want an error that says so", count, len(readings), last)
	}
}

func checkUnknown(t *testing.T, s Subject) {
	const name = "no such thing"
	_, err := s.Backend.Query(t.Context(), api.Query{Collection: name})
	_, tailErr := s.Backend.Tail(t.Context(), name)
	for _, err := range []error{err, tailErr} {
		missing, ok := errors.AsType[*api.NoCollectionError](err)
		if !ok || !errors.Is(err, api.ErrNoCollection) {
			t.Fatalf("got %v, want a NoCollectionError", err)
		}
		if missing.Name != name || !slices.Contains(missing.Known, s.Empty) || !slices.Contains(missing.Known, s.Collection) {
			t.Errorf("got %+v, want the name and those that are there", missing)
		}
	}
}

func checkTail(t *testing.T, s Subject) {
	base := time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	s.add(t, s.reading(t, sensors.Series{Name: "before"}, base, 0.5))
	ctx, cancel := context.WithTimeout(t.Context(), tailPatience)
	defer cancel()
	rows, err := s.Backend.Tail(ctx, s.Collection)
	if err != nil {
		t.Fatal(err)
	}
	var readings []sensors.Reading
	for i := range int64(5) {
		readings = append(readings, s.reading(t, sensors.Series{Name: "after"}, base-i*1e9, float64(i)+0.5))
	}
	for _, reading := range readings {
		s.add(t, reading)
	}
	want := s.want(t, api.Query{}, readings)
	var got []string
	for row, err := range rows.Seq {
		if err != nil {
			if len(got) < len(want) || !errors.Is(err, context.Canceled) {
				t.Fatalf("after %d rows: %v", len(got), err)
			}
			continue
		}
		if got = append(got, string(row.AppendJSON(nil, rows.Precision))); len(got) == len(want) {
			cancel() // the stream ends
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func checkVerify(t *testing.T, s Subject) {
	base := time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	s.add(t, s.reading(t, sensors.Series{Name: "a"}, base, 0.5))
	v, err := s.Backend.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !v.OK || len(v.Damage) != 0 {
		t.Errorf("got %+v, want no damage", v)
	}
	i := slices.IndexFunc(v.Collections, func(c api.VerifiedCollection) bool { return c.Name == s.Collection })
	if i < 0 || v.Collections[i].Digest == "" {
		t.Errorf("got %+v, want %s among them", v.Collections, s.Collection)
	}
}

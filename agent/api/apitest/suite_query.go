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
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/sensors"
)

func checkQueryOrder(t *testing.T, s Subject) {
	t.Helper()
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
	t.Helper()
	seed := rand.Uint64() //nolint:gosec // a test's input
	if text := os.Getenv("SKERRY_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SKERRY_SEED=%d", seed)
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

func checkQueryAuthor(t *testing.T, s Subject) {
	t.Helper()
	id, err := s.Backend.ID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.add(t, s.reading(t, sensors.Series{Name: "temp"}, time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano(), 1.5))
	const other = "12D3KooWEimjYo2D9tz8vm2oHz2URerudrDEfH7rLHmpR9pV3iff"
	for author, want := range map[string]int{"": 1, id.Peer: 1, id.Name: 1, other: 0} {
		if got := s.lines(t, api.Query{Collection: s.Collection, Author: author}); len(got) != want {
			t.Errorf("author %q: %d rows, want %d", author, len(got), want)
		}
	}
	if _, err := s.Backend.Query(t.Context(), api.Query{Collection: s.Collection, Author: "nobody"}); !errors.Is(err, api.ErrNoAuthor) {
		t.Errorf("author nobody: %v, want ErrNoAuthor", err)
	}
}

// chunks cuts readings into parts, in random order.
func chunks(random *rand.Rand, readings []sensors.Reading) [][]sensors.Reading {
	parts := slices.Collect(slices.Chunk(readings, 37))
	random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return parts
}

func checkQueryValues(t *testing.T, s Subject) {
	t.Helper()
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
	t.Helper()
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
	t.Helper()
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
	t.Helper()
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

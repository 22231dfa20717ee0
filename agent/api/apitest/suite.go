package apitest

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/sensors"
)

// Subject is a backend under test. It starts without rows.
type Subject struct {
	Backend api.Backend
	// Collection is the name of a configured collection of kind events with a precision of milliseconds, which seals soon.
	Collection string
	// Empty is the name of another one, to which nothing is added.
	Empty string
	// Table is where the series of added readings come from.
	Table *sensors.Table
	// Source is the name of the only source, and Tally is what it tells of itself and shows to its taps.
	Source string
	Tally  *sensors.Tally
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
		{"queryTypes", checkQueryTypes},
		{"queryAuthor", checkQueryAuthor},
		{"queryMany", checkQueryMany},
		{"queryConcurrent", checkQueryConcurrent},
		{"queryStops", checkQueryStops},
		{"queryUnknown", checkUnknown},
		{"buckets", checkBuckets},
		{"bucketsRandom", checkBucketsRandom},
		{"bucketsMany", checkBucketsMany},
		{"tail", checkTail},
		{"tailSelects", checkTailSelects},
		{"tap", checkTap},
		{"tapSlow", checkTapSlow},
		{"tapUnknown", checkTapUnknown},
		{"blocks", checkBlocks},
		{"blocksOfNone", checkBlocksOfNone},
		{"verify", checkVerify},
		{"verifyProgress", checkProgress},
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
	t.Helper()
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
	t.Helper()
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

func checkUnknown(t *testing.T, s Subject) {
	t.Helper()
	const name = "no such thing"
	_, err := s.Backend.Query(t.Context(), api.Query{Collection: name})
	_, tailErr := s.Backend.Tail(t.Context(), api.Query{Collection: name})
	_, bucketsErr := s.Backend.Buckets(t.Context(), api.Query{Collection: name}, api.Division{Every: time.Hour, Aggregates: sensors.Aggregates()})
	for _, err := range []error{err, tailErr, bucketsErr} {
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
	t.Helper()
	base := time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	s.add(t, s.reading(t, sensors.Series{Name: "before"}, base, 0.5))
	ctx, cancel := context.WithTimeout(t.Context(), tailPatience)
	defer cancel()
	rows, err := s.Backend.Tail(ctx, api.Query{Collection: s.Collection, From: base + 1e18, Limit: 1, Newest: true})
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
	t.Helper()
	base := time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	s.add(t, s.reading(t, sensors.Series{Name: "a"}, base, 0.5))
	v, err := s.Backend.Verify(t.Context(), nil)
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

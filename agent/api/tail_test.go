package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/sensors"
)

// event is one that a reader of a stream dispatches.
type event struct{ kind, data, id string }

// readEvent reads as the standard says that EventSource does (WHATWG HTML, 9.2.6), written from there. Comments are given to comment.
func readEvent(r *bufio.Reader, lastID *string, comment func(string)) (event, error) {
	kind, data := "message", []string(nil)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return event{}, err
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			if data == nil {
				kind = "message"
				continue
			}
			return event{kind, strings.Join(data, "\n"), *lastID}, nil
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "":
			comment(value)
		case "event":
			kind = value
		case "data":
			data = append(data, value)
		case "id":
			*lastID = value
		case "retry":
			comment("retry=" + value)
		}
	}
}

// events opens a stream of events.
func events(t *testing.T, socket, query, lastID string) func() event {
	t.Helper()
	headers := []string{"Accept", "text/event-stream", "Cache-Control", "no-cache"}
	if lastID != "" {
		headers = append(headers, "Last-Event-ID", lastID)
	}
	response := open(t, socket, "http://skerry/v1/tail?"+query, headers...) //nolint:bodyclose // open closes it when the test ends
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" || response.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("status %d, headers %v", response.StatusCode, response.Header)
	}
	reader := bufio.NewReader(response.Body)
	return func() event {
		t.Helper()
		e, err := readEvent(reader, &lastID, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
}

func TestTail_eventsAndResuming(t *testing.T) {
	m := newMemory()
	socket, stop := serve(t, m, api.Options{})
	series := &sensors.Series{Name: "say", Type: sensors.String}
	other := &sensors.Series{Name: "other", Type: sensors.String}
	at := time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC)
	add := func(s *sensors.Series, when time.Time, text string) {
		t.Helper()
		if err := m.Add(t.Context(), "climate", []sensors.Reading{{Series: s, Time: when.UnixNano(), Str: text}}); err != nil {
			t.Fatal(err)
		}
	}
	next := events(t, socket, "collection=climate&series=say", "")
	value := func(e event) string {
		t.Helper()
		var row struct{ Value string }
		if err := json.Unmarshal([]byte(e.data), &row); err != nil || e.kind != "row" {
			t.Fatalf("event %+v: %v", e, err)
		}
		return row.Value
	}
	add(series, at, "one\nline\r\nand more\u2028")
	add(other, at, "not selected")
	add(series, at.Add(-time.Hour), "late")
	add(series, time.Now().Add(1000*time.Hour), "from the future")
	first, late, future := next(), next(), next()
	if value(first) != "one\nline\r\nand more\u2028" || value(late) != "late" || value(future) != "from the future" {
		t.Errorf("got %q, %q, %q", first, late, future)
	}
	if first.id != "2026-08-20T12:00:00.000Z" || late.id != first.id {
		t.Errorf("ids %q, %q: want the latest time so far", first.id, late.id)
	}
	if now, err := time.Parse(time.RFC3339Nano, future.id); err != nil || time.Since(now) < 0 || time.Since(now) > time.Minute {
		t.Errorf("id %q of a row from the future: want now", future.id)
	}

	add(series, at, "same time, nobody listens")
	add(series, at.Add(time.Second), "missed")
	again := events(t, socket, "collection=climate&series=say", first.id)
	var got []string
	for range 4 {
		got = append(got, value(again()))
	}
	add(series, at.Add(2*time.Second), "live")
	got = append(got, value(again()))
	if diff := cmp.Diff([]string{"one\nline\r\nand more\u2028", "same time, nobody listens", "missed", "from the future", "live"}, got); diff != "" {
		t.Errorf("after resuming: -want +got\n%s", diff)
	}
	stop()
	if e := again(); e.kind != "error" || e.data != `{"error":"agent is stopping","code":"stopping"}` {
		t.Errorf("at the end: got %+v", e)
	}
}

func TestTail_eventsRefused(t *testing.T) {
	socket, _ := serve(t, newMemory(), api.Options{})
	for query, want := range map[string]int{
		"collection=climate": 400, "collection=nothing": 404, "collection=climate&tag=x": 400, "collection=climate&author=nobody": 404,
	} {
		id := ""
		if want == 400 {
			id = "17"
		}
		response := open(t, socket, "http://skerry/v1/tail?"+query, "Accept", "text/event-stream", "Last-Event-ID", id) //nolint:bodyclose // open closes it when the test ends
		if response.StatusCode != want || response.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: status %d, want %d: %v", query, response.StatusCode, want, response.Header)
		}
	}
}

// TestTail_slowEvents lets a tail end as one whose reader does not keep up.
func TestTail_slowEvents(t *testing.T) {
	backend := tailing{seq: func(yield func(sensors.Row, error) bool) {
		if yield(row(t, "x"), nil) {
			yield(sensors.Row{}, fmt.Errorf("deeper: %w", api.ErrSlowReader))
		}
	}}
	socket, _ := serve(t, backend, api.Options{})
	next := events(t, socket, "collection=climate", "")
	if e := next(); e.kind != "row" {
		t.Errorf("got %+v", e)
	}
	if e := next(); e.kind != "error" || !strings.Contains(e.data, `"code":"slow_reader"`) {
		t.Errorf("got %+v", e)
	}
}

// tailing is a backend whose tail is scripted.
type tailing struct {
	api.Backend
	seq func(yield func(sensors.Row, error) bool)
}

func (b tailing) Tail(ctx context.Context, _ api.Query) (api.Rows, error) {
	seq := b.seq
	if seq == nil {
		seq = func(func(sensors.Row, error) bool) { <-ctx.Done() }
	}
	return api.Rows{Precision: sensors.Milliseconds, Seq: seq}, nil
}

func TestTail_beats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for accept, want := range map[string]string{"text/event-stream": "retry: 2000\n\n: alive\n\n: alive\n\n", "*/*": ""} {
			ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/tail?collection=c", http.NoBody)
			request.Header.Set("Accept", accept)
			recorder := httptest.NewRecorder()
			api.NewServer(tailing{}, api.Options{}).ServeHTTP(recorder, request)
			cancel()
			body, err := io.ReadAll(recorder.Body)
			if got, _, _ := strings.Cut(string(body), "event: error"); err != nil || !strings.HasPrefix(string(body), want) || accept != "*/*" && got != want {
				t.Errorf("%s: got %q, %v, want %q", accept, body, err, want)
			}
			if accept == "*/*" && strings.Contains(string(body), "alive") {
				t.Errorf("lines have a comment: %q", body)
			}
		}
	})
}

func TestParseEvery(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1ms": time.Millisecond, "500ms": 500 * time.Millisecond, "90s": 90 * time.Second, "15m": 15 * time.Minute, "1h30m": 90 * time.Minute,
		"1d": 24 * time.Hour, "1w": 7 * 24 * time.Hour, "36525d": 36_525 * 24 * time.Hour, "0h1s": time.Second,
	} {
		if got, err := api.ParseEvery(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0s", "1", "h", "1.5h", "-1h", "1 h", "1H", "1us", "36526d", "9223372036854775807w", "99999999999999999999s", "1h1"} {
		if got, err := api.ParseEvery(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func TestBuckets_badRequests(t *testing.T) {
	socket, _ := serve(t, newMemory(), api.Options{})
	for query, want := range map[string]int{
		"every=1h": 400, "agg=mean": 400, "every=1h&agg=": 400, "every=1h&agg=avg": 400, "every=1h&agg=mean,mean": 400, "every=1h&agg=mean,": 400,
		"every=1y&agg=mean": 400, "every=&agg=mean": 400, "every=1h&agg=mean&limit=-1": 400, "every=1h&agg=mean": 200, "every=1h&agg=stddev,count&types=true&newest=true&limit=2": 200,
	} {
		if got, body := get(t, socket, "http://skerry/v1/query?collection=climate&"+query); got != want {
			t.Errorf("%s: status %d, want %d: %.200s", query, got, want, body)
		}
	}
}

func TestBuckets_tooManySeries(t *testing.T) {
	backend := dividing{}
	socket, _ := serve(t, backend, api.Options{})
	buckets, err := dial(t, socket).Buckets(t.Context(), api.Query{Collection: "c"}, api.Division{Every: time.Hour, Aggregates: sensors.Aggregates()})
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for _, last = range buckets.Seq {
	}
	if !errors.Is(last, api.ErrTooManySeries) || !strings.Contains(last.Error(), "select fewer") {
		t.Errorf("got %v, want ErrTooManySeries in the agent's words", last)
	}
}

type dividing struct{ api.Backend }

func (dividing) Buckets(context.Context, api.Query, api.Division) (api.Buckets, error) {
	return api.Buckets{Precision: 3, Seq: func(yield func(sensors.Bucket, error) bool) {
		series := &sensors.Series{Name: "s", Type: sensors.Float}
		values := make([]sensors.Value, len(sensors.Aggregates()))
		values[1] = sensors.FloatValue(math.Inf(-1))
		if yield(sensors.Bucket{Series: series, Values: values}, nil) {
			yield(sensors.Bucket{}, fmt.Errorf("%w: select fewer", api.ErrTooManySeries))
		}
	}}, nil
}

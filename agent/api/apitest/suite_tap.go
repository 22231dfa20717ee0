package apitest

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/sensors"
)

// tapTime is the time of an input, which no test knows.
var tapTime = regexp.MustCompile(`^\{"time":"20[^"]*Z",`)

// checkTap shows inputs of each kind and reads them back.
func checkTap(t *testing.T, s Subject) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), tailPatience)
	defer cancel()
	at := time.Date(2026, 8, 20, 12, 0, 0, 5e6, time.UTC).UnixNano()
	readings := []sensors.Reading{
		s.reading(t, sensors.Series{Name: "temp", Unit: "°C", Tags: []sensors.Tag{{Key: "room", Value: "1"}}}, at, 21.5),
		s.reading(t, sensors.Series{Name: "state"}, at, "d\"ry\n"),
	}
	many := make([]sensors.Reading, 100)
	for i := range many {
		many[i] = readings[0]
	}
	s.Tally.Show("before", []byte("nobody listens"), 14, readings, nil)
	inputs, err := s.Backend.Tap(ctx, s.Source)
	if err != nil {
		t.Fatal(err)
	}
	s.Tally.Show("a/b", []byte("temp=21.5"), 9, readings, nil)
	s.Tally.Show("", []byte("\xff\x00<\"\\\n°"), 8, nil, &sensors.DecodeError{Reason: sensors.ReasonSyntax, What: "no <pair>"})
	s.Tally.ShowPending([]byte("\x80\x81"), 2)
	s.Tally.Show("many", []byte(strings.Repeat("x", 2000)), 5000, many, nil)
	series := `{"time":"2026-08-20T12:00:00.005Z","series":"temp","tags":{"room":"1"},"value":21.5,"unit":"°C"}`
	want := []string{
		`{"topic":"a/b","raw":"temp=21.5","size":9,"readings":[` + series +
			`,{"time":"2026-08-20T12:00:00.005Z","series":"state","tags":{},"value":"d\"ry\n","unit":""}],"count":2}`,
		`{"raw":"\\xff\\x00<\\\"\\\\\\n°","size":8,"readings":[],"count":0,"reason":"syntax","what":"no <pair>"}`,
		`{"raw":"\\x80\\x81","size":2,"readings":[],"count":0,"pending":true}`,
		`{"topic":"many","raw":"` + strings.Repeat("x", 1024) + `","size":5000,"readings":[` + strings.TrimSuffix(strings.Repeat(series+",", 64), ",") + `],"count":100}`,
	}
	var got []string
	for in, err := range inputs.Seq {
		if err != nil {
			t.Fatal(err)
		}
		line, err := in.AppendJSON(nil, inputs.Precision)
		if err != nil {
			t.Fatal(err)
		}
		if !tapTime.Match(line) {
			t.Errorf("no time in %s", line)
		}
		if got = append(got, tapTime.ReplaceAllString(string(line), "{")); len(got) == len(want) {
			cancel() // the stream ends
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// checkTapSlow: the source does not wait for a reader that does not read, and what that one misses is counted.
func checkTapSlow(t *testing.T, s Subject) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), tailPatience)
	defer cancel()
	inputs, err := s.Backend.Tap(ctx, s.Source)
	if err != nil {
		t.Fatal(err)
	}
	const burst = 20_000 // of 1 KiB: more than sockets and queues hold
	payload := []byte(strings.Repeat("x", 1024))
	for range burst {
		s.Tally.Show("", payload, len(payload), nil, nil)
	}
	shown, seen, missed := uint64(burst), uint64(0), uint64(0)
	for in, err := range inputs.Seq {
		if err != nil {
			t.Fatalf("after %d inputs and %d missed: %v", seen, missed, err)
		}
		seen++
		missed += in.Missed
		if in.Topic == "last" {
			break
		}
		if seen >= 256 && shown < 2*burst { // what was missed is told by the next one that is shown
			s.Tally.Show("last", nil, 0, nil, nil)
			shown++
		}
	}
	if missed == 0 || seen+missed > shown {
		t.Errorf("%d seen, %d missed, of %d shown", seen, missed, shown)
	}
}

// checkTapUnknown: a source that is not there is told with those that are.
func checkTapUnknown(t *testing.T, s Subject) {
	t.Helper()
	_, err := s.Backend.Tap(t.Context(), "nope")
	missing, is := errors.AsType[*api.NoSourceError](err)
	if !is || !errors.Is(err, api.ErrNoSource) {
		t.Fatalf("got %v, want a NoSourceError", err)
	}
	if diff := gocmp.Diff(&api.NoSourceError{Name: "nope", Known: []string{s.Source}}, missing); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

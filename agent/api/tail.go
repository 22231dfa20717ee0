package api

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// Server-sent events, as browsers' EventSource reads them (WHATWG HTML, 9.2): lines "id:", "event:" and "data:" up to an empty
// one; a line that begins with a colon is a comment.
const (
	eventStream = "text/event-stream"
	eventsHead  = "retry: 2000\n\n" // ms until a reader that was cut off asks again
	beatText    = ": alive\n\n"
	beatEvery   = 15 * time.Second // proxies and readers may take longer silence for the end
)

// tail answers with rows as they become durable: as lines, or as events for a reader that asks for them.
func (s *Server) tail(w http.ResponseWriter, r *http.Request) error {
	v, err := parseParams(r.URL.RawQuery, tailParams())
	if err != nil {
		return err
	}
	q, err := parseQuery(v)
	if err != nil {
		return err
	}
	open := func(ctx context.Context) (sensors.Precision, iter.Seq2[sensors.Row, error], error) {
		rows, err := s.backend.Tail(ctx, q)
		return rows.Precision, rows.Seq, err
	}
	if !strings.Contains(r.Header.Get("Accept"), eventStream) {
		return stream(s, w, r, asLines((*sensors.Row).AppendJSON), open)
	}
	if text := r.Header.Get("Last-Event-ID"); text != "" {
		since, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return badRequest("header Last-Event-ID: %.60q is no id of this stream", text)
		}
		if q.From = since.UnixNano(); !time.Unix(0, q.From).Equal(since) {
			return badRequest("header Last-Event-ID: %.60q is before 1678 or after 2261", text)
		}
		open = func(ctx context.Context) (sensors.Precision, iter.Seq2[sensors.Row, error], error) {
			return s.resume(ctx, q)
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	return stream(s, w, r, asEvents(time.Now), open)
}

// asEvents is server-sent events. An event's id is the latest time of a row so far, or now where that is in the future: a wrong
// clock must not make a reader that comes back miss what it did not see.
func asEvents(now func() time.Time) frame[sensors.Row] {
	var latest int64
	return frame[sensors.Row]{
		kind: eventStream, head: eventsHead, beat: beatEvery,
		line: func(row *sensors.Row, dst []byte, p sensors.Precision) []byte {
			latest = max(latest, min(row.Time, p.Round(now().UnixNano())))
			dst = append(dst, "id: "...)
			dst = sensors.AppendTime(dst, latest, p)
			dst = append(dst, "\nevent: row\ndata: "...)
			return append(row.AppendJSON(dst, p), '\n')
		},
		end: func(dst, problem []byte) []byte {
			dst = append(dst, "event: error\ndata: "...)
			return append(append(dst, problem...), '\n')
		},
	}
}

// resume streams the rows from q.From on that are there already, in the order of time, then those that become durable. No row falls
// between; one that becomes durable while the stored ones are looked up may come twice.
func (s *Server) resume(ctx context.Context, q Query) (sensors.Precision, iter.Seq2[sensors.Row, error], error) {
	ctx, cancel := context.WithCancel(ctx)
	live, err := s.backend.Tail(ctx, q) // before the query: what comes meanwhile waits there
	if err != nil {
		cancel()
		return 0, nil, fmt.Errorf("resume tail: %w", err)
	}
	stored, err := s.backend.Query(ctx, q)
	if err != nil {
		cancel()
		return 0, nil, fmt.Errorf("resume tail: %w", err)
	}
	return live.Precision, func(yield func(sensors.Row, error) bool) {
		defer cancel()
		for row, err := range stored.Seq {
			if !yield(row, err) || err != nil {
				return
			}
		}
		live.Seq(yield)
	}, nil
}

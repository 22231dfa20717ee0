package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// PrecisionHeader names the number of digits that a stream's times have: 3, 6 or 9.
const PrecisionHeader = "Skerry-Precision"

const (
	chunkBytes = 32 << 10              // of lines are written at once
	chunkDelay = 20 * time.Millisecond // is how long a line waits for others
)

func (s *Server) query(w http.ResponseWriter, r *http.Request) error {
	v, err := parseParams(r.URL.RawQuery, queryParams())
	if err != nil {
		return err
	}
	q, err := parseQuery(v)
	if err != nil {
		return err
	}
	line := (*sensors.Row).AppendJSON
	switch typed, err := parseBool(v, "types"); {
	case err != nil:
		return err
	case typed:
		line = (*sensors.Row).AppendTypedJSON
	}
	return s.stream(w, r, line, func(ctx context.Context) (Rows, error) { return s.backend.Query(ctx, q) })
}

func (s *Server) tail(w http.ResponseWriter, r *http.Request) error {
	collection, err := parseCollection(r.URL.Query())
	if err != nil {
		return err
	}
	return s.stream(w, r, (*sensors.Row).AppendJSON, func(ctx context.Context) (Rows, error) { return s.backend.Tail(ctx, collection) })
}

// enter takes one of the server's slots for streams, which the caller gives back with leave.
func (s *Server) enter() (leave func(), err error) {
	select {
	case s.streams <- struct{}{}:
	default:
		s.options.Metrics.refused.WithLabelValues(refusedStreams).Inc()
		return nil, &agentError{text: fmt.Sprintf("agent is busy: %d streams are open", maxStreams), kind: ErrBusy}
	}
	s.options.Metrics.streams.Inc()
	return func() {
		s.options.Metrics.streams.Dec()
		<-s.streams
	}, nil
}

// lineOf appends a row as JSON.
type lineOf func(*sensors.Row, []byte, sensors.Precision) []byte

// stream answers with one row a line. An error after the first byte is a last line with the key error.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, line lineOf, open func(context.Context) (Rows, error)) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	rows, err := open(ctx)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set(PrecisionHeader, strconv.Itoa(int(rows.Precision)))
	w.WriteHeader(http.StatusOK)

	lines := &lineWriter{out: w, line: line, control: http.NewResponseController(w), failed: cancel, waiting: make(chan struct{}, 1)}
	var flusher sync.WaitGroup
	flusher.Go(func() { lines.flushLate(ctx) })
	lines.mu.Lock()
	lines.writeLocked() // the header: the reader knows that the stream is open
	lines.mu.Unlock()
	err = s.copyRows(ctx, lines, rows)
	cancel()
	flusher.Wait()
	return lines.end(r.Context(), err)
}

// copyRows writes rows until they end. A row that cannot be written ends it too.
func (s *Server) copyRows(ctx context.Context, lines *lineWriter, rows Rows) error {
	for row, err := range rows.Seq {
		if err != nil {
			return err
		}
		if err := lines.add(&row, rows.Precision); err != nil {
			return err
		}
		s.options.Metrics.rows.Inc()
	}
	return ctx.Err() //nolint:wrapcheck // the reader went away, or the agent stops
}

// lineWriter writes rows in chunks: when one is full, and soon after its first line. A reader that takes nothing makes
// add wait, up to stallTimeout.
type lineWriter struct {
	out     http.ResponseWriter
	line    lineOf
	control *http.ResponseController
	failed  func()        // called when a write failed
	waiting chan struct{} // has one element when buf got its first line

	mu  sync.Mutex // guards what follows, and out
	buf []byte
	err error // of the first write that failed
}

func (l *lineWriter) add(row *sensors.Row, p sensors.Precision) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := len(l.buf) == 0
	l.buf = l.line(row, l.buf, p)
	l.buf = append(l.buf, '\n')
	if len(l.buf) >= chunkBytes {
		l.writeLocked()
	} else if first {
		select {
		case l.waiting <- struct{}{}:
		default:
		}
	}
	return l.err
}

// writeLocked writes and flushes what is buffered.
func (l *lineWriter) writeLocked() {
	if l.err != nil {
		return
	}
	boundWrites(l.out, stallTimeout)
	if _, err := l.out.Write(l.buf); err != nil {
		l.err = err
	} else if err := l.control.Flush(); err != nil {
		l.err = err
	}
	l.buf = l.buf[:0]
	if l.err != nil {
		l.failed()
	}
}

// flushLate writes chunks that do not fill, until ctx ends.
func (l *lineWriter) flushLate(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.waiting:
		}
		timer.Reset(chunkDelay)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		l.mu.Lock()
		if len(l.buf) > 0 {
			l.writeLocked()
		}
		l.mu.Unlock()
	}
}

// end writes the last lines, with err as one of them. It returns err unless the stream ended as it should.
func (l *lineWriter) end(ctx context.Context, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil // the reader went away: nobody to tell, nothing wrong here
	}
	if err != nil {
		p, _ := problemOf(ctx, err)
		line, marshalErr := json.Marshal(p)
		if marshalErr != nil {
			return errors.Join(err, marshalErr)
		}
		l.buf = append(append(l.buf, line...), '\n')
	}
	l.writeLocked()
	if errors.Is(err, context.Canceled) || errors.Is(err, ErrSlowReader) {
		return nil
	}
	return err
}

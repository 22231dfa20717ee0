package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
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
	typed, err := parseBool(v, "types")
	if err != nil {
		return err
	}
	if v.Has("every") || v.Has("agg") {
		return s.buckets(w, r, v, q, typed)
	}
	line := (*sensors.Row).AppendJSON
	if typed {
		line = (*sensors.Row).AppendTypedJSON
	}
	return stream(s, w, r, asLines(line), func(ctx context.Context) (sensors.Precision, iter.Seq2[sensors.Row, error], error) {
		rows, err := s.backend.Query(ctx, q)
		return rows.Precision, rows.Seq, err
	})
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

// frame is how a stream looks.
type frame[V any] struct {
	kind string
	head string                                         // is written at once
	beat time.Duration                                  // how long nothing is written at most; 0 = for ever
	line func(*V, []byte, sensors.Precision) []byte     // appends one element, but for its last line feed
	end  func(line []byte, problem []byte) (all []byte) // appends an error, as line does
}

// asLines is NDJSON.
func asLines[V any](line func(*V, []byte, sensors.Precision) []byte) frame[V] {
	return frame[V]{kind: "application/x-ndjson", line: line, end: func(dst, problem []byte) []byte { return append(dst, problem...) }}
}

// stream answers with one element after the other. An error after the first byte is the last one.
func stream[V any](s *Server, w http.ResponseWriter, r *http.Request, as frame[V],
	open func(context.Context) (sensors.Precision, iter.Seq2[V, error], error),
) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	precision, seq, err := open(ctx)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", as.kind)
	w.Header().Set(PrecisionHeader, strconv.Itoa(int(precision)))
	w.WriteHeader(http.StatusOK)

	lines := &lineWriter{out: w, control: http.NewResponseController(w), failed: cancel, waiting: make(chan struct{}, 1), wrap: as.end, beat: as.beat, buf: []byte(as.head)}
	var flusher sync.WaitGroup
	flusher.Go(func() { lines.flushLate(ctx) })
	lines.mu.Lock()
	lines.writeLocked() // the header: the reader knows that the stream is open
	lines.mu.Unlock()
	err = copyTo(ctx, s, lines, as, precision, seq)
	cancel()
	flusher.Wait()
	return lines.end(r.Context(), err)
}

// copyTo writes elements until they end. One that cannot be written ends it too.
func copyTo[V any](ctx context.Context, s *Server, lines *lineWriter, as frame[V], p sensors.Precision, seq iter.Seq2[V, error]) error {
	var one V
	line := func(dst []byte) []byte { return as.line(&one, dst, p) }
	for v, err := range seq {
		if err != nil {
			return err
		}
		one = v
		if err := lines.add(line); err != nil {
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
	control *http.ResponseController
	failed  func()        // called when a write failed
	waiting chan struct{} // has one element when buf got its first line
	wrap    func(dst, problem []byte) []byte
	beat    time.Duration // how long nothing is written at most; 0 = for ever

	mu  sync.Mutex // guards what follows, and out
	buf []byte
	err error // of the first write that failed
}

func (l *lineWriter) add(line func([]byte) []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := len(l.buf) == 0
	l.buf = append(line(l.buf), '\n')
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

// flushLate writes chunks that do not fill, and a beat where nothing was written for long, until ctx ends.
func (l *lineWriter) flushLate(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var beats <-chan time.Time
	if l.beat > 0 {
		ticker := time.NewTicker(l.beat)
		defer ticker.Stop()
		beats = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-beats:
			l.mu.Lock()
			l.buf = append(l.buf, beatText...)
			l.writeLocked()
			l.mu.Unlock()
			continue
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
		l.buf = append(l.wrap(l.buf, line), '\n')
	}
	l.writeLocked()
	if errors.Is(err, context.Canceled) || errors.Is(err, ErrSlowReader) {
		return nil
	}
	return err
}

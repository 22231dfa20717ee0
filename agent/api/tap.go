package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/skerry-edge/skerry/sensors"
)

// ErrNoSource says that no source has that name. The error is a *NoSourceError.
var ErrNoSource = errors.New("no such source")

// Input is sensors.Input.
type Input = sensors.Input

// Inputs is a stream of what one source takes in, and the precision that the times of its readings have. Seq must be ranged
// over at most once, and is released by ranging over it (or by ctx's end).
type Inputs struct {
	Precision sensors.Precision
	Seq       iter.Seq2[sensors.Input, error]
}

// NoSourceError names the source that is not there, and those that are.
type NoSourceError struct {
	Name  string
	Known []string // in name order
}

// Error names the source and those that are there.
func (e *NoSourceError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("%v: %q; there is none yet", ErrNoSource, e.Name)
	}
	return fmt.Sprintf("%v: %q; known are: %s", ErrNoSource, e.Name, strings.Join(e.Known, ", "))
}

// Unwrap returns ErrNoSource.
func (e *NoSourceError) Unwrap() error { return ErrNoSource }

// tap streams what a source takes in. A reader that is slow makes nothing wait but this stream: the source's tap drops what it
// does not take, and the next line says how much.
func (s *Server) tap(w http.ResponseWriter, r *http.Request) error {
	source := r.URL.Query().Get("source")
	if err := sensors.CheckName(source); err != nil {
		return badRequest("parameter \"source\": %v", err)
	}
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	inputs, err := s.backend.Tap(r.Context(), source)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set(PrecisionHeader, strconv.Itoa(int(inputs.Precision)))
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	if err := out.Flush(); err != nil { // the reader knows that the stream is open
		return nil // it went away
	}
	var line []byte
	for in, err := range inputs.Seq { //nolint:contextcheck // the backend has it
		if err == nil {
			line, err = in.AppendJSON(line[:0], inputs.Precision)
		}
		if err != nil {
			return endTap(r.Context(), w, err)
		}
		boundWrites(w, stallTimeout)
		if _, err := w.Write(append(line, '\n')); err != nil {
			return nil // the reader went away
		}
		if err := out.Flush(); err != nil {
			return nil // the same
		}
	}
	return endTap(r.Context(), w, context.Cause(r.Context()))
}

// endTap writes why the stream ends as its last line. It returns err unless the stream ended as it should.
func endTap(ctx context.Context, w http.ResponseWriter, err error) error {
	if err == nil {
		return nil
	}
	p, _ := problemOf(ctx, err)
	line, marshalErr := json.Marshal(p)
	if marshalErr != nil {
		return errors.Join(err, marshalErr)
	}
	boundWrites(w, answerTimeout)
	_, _ = w.Write(append(line, '\n')) // a reader that went away is nobody to tell
	if errors.Is(err, context.Canceled) || errors.Is(err, ErrStopping) {
		return nil
	}
	return err
}

// Tap streams what a source takes in from now on, from before it returns. What the types of values are is ParseRow's guess;
// their text is exact.
func (c *Client) Tap(ctx context.Context, source string) (Inputs, error) {
	response, err := c.open(ctx, "/v1/tap", url.Values{"source": {source}}) //nolint:bodyclose // whoever ranges over Seq closes it
	if err != nil {
		return Inputs{}, err
	}
	digits, err := strconv.ParseUint(response.Header.Get(PrecisionHeader), 10, 8)
	if err != nil {
		return Inputs{}, errors.Join(fmt.Errorf("ask agent: header %s: %w", PrecisionHeader, err), response.Body.Close())
	}
	return Inputs{
		Precision: sensors.Precision(digits),
		Seq: func(yield func(sensors.Input, error) bool) {
			defer response.Body.Close()
			readInputs(ctx, response.Body, yield)
		},
	}, nil
}

// readInputs yields the inputs of a stream, and how it ended unless because ctx did.
func readInputs(ctx context.Context, body io.Reader, yield func(sensors.Input, error) bool) {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 64<<10), maxLineBytes)
	lines.Split(wholeLines)
	table := sensors.NewTable()
	for lines.Scan() {
		var p problem
		if bytes.HasPrefix(lines.Bytes(), []byte(`{"error":`)) {
			err := json.Unmarshal(lines.Bytes(), &p)
			if err == nil {
				err = p.err()
			}
			yield(sensors.Input{}, err)
			return
		}
		if table.Len() > maxSeriesKept {
			table = sensors.NewTable()
		}
		in, err := sensors.ParseInput(lines.Bytes(), table)
		if !yield(in, err) || err != nil {
			return
		}
	}
	if ctx.Err() != nil {
		return
	}
	err := ErrBrokenOff
	if cause := lines.Err(); cause != nil && !errors.Is(cause, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: %w", ErrBrokenOff, cause)
	}
	yield(sensors.Input{}, err)
}

package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// progressEvery is how often a verification tells how far it is.
const progressEvery = 200 * time.Millisecond

// verify checks everything, for one caller at a time.
func (s *Server) verify(w http.ResponseWriter, r *http.Request) error {
	wanted, err := parseBool(r.URL.Query(), "progress")
	if err != nil {
		return err
	}
	select {
	case s.verifying <- struct{}{}:
		defer func() { <-s.verifying }()
	default:
		return &agentError{text: "agent is busy: a verification is running", kind: ErrBusy}
	}
	if wanted {
		return s.verifyAloud(w, r)
	}
	v, err := s.backend.Verify(r.Context(), nil)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, v)
}

// verifyAloud answers with a line now and then that says how far it is; the last one is the verification, or an error.
func (s *Server) verifyAloud(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	say := func(v any) error {
		line, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		boundWrites(w, answerTimeout)
		if _, err := w.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		return control.Flush() //nolint:wrapcheck // the reader went away, which ends the request
	}
	var told time.Time
	v, err := s.backend.Verify(r.Context(), func(p Progress) {
		if now := time.Now(); now.Sub(told) >= progressEvery {
			told = now
			_ = say(p) // a reader that went away ends the request's context
		}
	})
	if err != nil {
		p, _ := problemOf(r.Context(), err)
		return errors.Join(err, say(p))
	}
	return say(v)
}

// Verify checks every block; it may take minutes.
func (c *Client) Verify(ctx context.Context, progress func(Progress)) (Verification, error) {
	if progress == nil {
		return askLong[Verification](ctx, c, "/v1/verify")
	}
	response, err := c.open(ctx, "/v1/verify", url.Values{"progress": {"true"}})
	if err != nil {
		return Verification{}, err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(make([]byte, 0, 4096), maxAnswerBytes)
	lines.Split(wholeLines)
	for lines.Scan() {
		line := lines.Bytes()
		switch {
		case bytes.HasPrefix(line, []byte(`{"error":`)):
			return Verification{}, readProblem(bytes.NewReader(line))
		case bytes.HasPrefix(line, []byte(`{"ok":`)):
			var v Verification
			if err := json.Unmarshal(line, &v); err != nil {
				return v, fmt.Errorf("read answer: %w", err)
			}
			return v, nil
		}
		var p Progress
		if err := json.Unmarshal(line, &p); err != nil {
			return Verification{}, fmt.Errorf("read answer: %w", err)
		}
		progress(p)
	}
	if ctx.Err() != nil {
		return Verification{}, fmt.Errorf("read answer: %w", ctx.Err())
	}
	return Verification{}, errors.Join(ErrBrokenOff, lines.Err())
}

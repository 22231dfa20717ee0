package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"syscall"
)

// What callers branch on. Each survives the way over the socket.
var (
	// ErrUnreachable: no agent answers at the socket. The error is an *UnreachableError.
	ErrUnreachable = errors.New("agent not reachable")
	// ErrNoCollection: the collection is neither stored nor configured. The error is a *NoCollectionError.
	ErrNoCollection = errors.New("no such collection")
	// ErrNoAuthor: a query names an author that is neither a peer ID nor a name known here.
	ErrNoAuthor = errors.New("no such author")
	// ErrTooManySeries ends buckets of which one has more series, or text, than fit into the agent's memory.
	ErrTooManySeries = errors.New("too many series in one bucket")
	// ErrSlowReader ends a tail whose reader did not keep up.
	ErrSlowReader = errors.New("reader is too slow: rows were skipped")
	// ErrStopping ends what was under way when the agent stopped.
	ErrStopping = errors.New("agent is stopping")
	// ErrBusy: as many streams as the agent serves are open. Trying again later may help.
	ErrBusy = errors.New("agent is busy")
	// ErrForbidden: the caller is neither root, nor the agent's user, nor in the group skerry.
	ErrForbidden = errors.New("not allowed to use this socket")
	// ErrUnauthorized: whoever asks over TCP has no token, or a wrong one.
	ErrUnauthorized = errors.New("the token is wanted: Authorization: Bearer TOKEN")
	// ErrTooManyGuesses: too many wrong tokens came from the caller's address.
	ErrTooManyGuesses = errors.New("too many wrong tokens came from this address: try again later")
	// ErrBrokenOff ends a stream whose agent went away in the middle.
	ErrBrokenOff = errors.New("agent broke off the stream")
)

// UnreachableError says which socket did not answer, and why.
type UnreachableError struct {
	Socket string
	Err    error
}

// Error names the socket and the reason.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%v at %s: %v", ErrUnreachable, e.Socket, e.Err)
}

// Unwrap returns ErrUnreachable and the reason.
func (e *UnreachableError) Unwrap() []error { return []error{ErrUnreachable, e.Err} }

// Hint says what may help.
func (e *UnreachableError) Hint() string {
	switch {
	case errors.Is(e.Err, fs.ErrPermission):
		return "only root, the agent's user and the group " + Group + " may use the socket; join with: sudo usermod -aG " + Group + " $USER, and log in again"
	case errors.Is(e.Err, fs.ErrNotExist), errors.Is(e.Err, syscall.ECONNREFUSED):
		return "is the agent running? start it with: skerry run --config FILE; a folder is read without an agent with --dir DIR"
	}
	return "is the agent running? its log may say more"
}

// NoCollectionError names the collection that is not there, and those that are.
type NoCollectionError struct {
	Name  string
	Known []string // in name order
}

// Error names the collection and those that are there.
func (e *NoCollectionError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("%v: %q; there is none yet", ErrNoCollection, e.Name)
	}
	return fmt.Sprintf("%v: %q; known are: %s", ErrNoCollection, e.Name, strings.Join(e.Known, ", "))
}

// Unwrap returns ErrNoCollection.
func (e *NoCollectionError) Unwrap() error { return ErrNoCollection }

// requestError is a fault of the request.
type requestError struct {
	status int
	text   string
}

func (e *requestError) Error() string { return e.text }

func badRequest(format string, args ...any) error {
	return &requestError{status: http.StatusBadRequest, text: fmt.Sprintf(format, args...)}
}

// problem is an error on the wire: the body of every answer that is not 200, and the last line of a stream that failed.
type problem struct {
	Error      string   `json:"error"`
	Code       string   `json:"code"`
	Collection string   `json:"collection,omitempty"`
	Source     string   `json:"source,omitempty"`
	Known      []string `json:"known,omitempty"`
}

// The codes of a problem. Scripts may rely on them: append only.
const (
	codeBadRequest   = "bad_request"
	codeNoCollection = "no_collection"
	codeNoAuthor     = "no_author"
	codeNoSource     = "no_source"
	codeSlowReader   = "slow_reader"
	codeStopping     = "stopping"
	codeBusy         = "busy"
	codeForbidden    = "forbidden"
	codeNotReady     = "not_ready"
	codeUnauthorized = "unauthorized"
	codeGuesses      = "too_many_guesses"
	codeFailed       = "failed"
	codeTooMany      = "too_many_series"
)

// code is one line of the table that translates between errors and the wire.
type code struct {
	text   string
	status int
	err    error // nil for those that the client does not tell apart
}

func codes() []code {
	return []code{
		{codeNoCollection, http.StatusNotFound, ErrNoCollection},
		{codeNoAuthor, http.StatusNotFound, ErrNoAuthor},
		{codeTooMany, http.StatusBadRequest, ErrTooManySeries},
		{codeNoSource, http.StatusNotFound, ErrNoSource},
		{codeSlowReader, http.StatusServiceUnavailable, ErrSlowReader},
		{codeStopping, http.StatusServiceUnavailable, ErrStopping},
		{codeBusy, http.StatusServiceUnavailable, ErrBusy},
		{codeForbidden, http.StatusForbidden, ErrForbidden},
		{codeUnauthorized, http.StatusUnauthorized, ErrUnauthorized},
		{codeGuesses, http.StatusTooManyRequests, ErrTooManyGuesses},
		{codeNotReady, http.StatusServiceUnavailable, errNotReady},
	}
}

// problemOf translates err for the wire, with its HTTP status.
func problemOf(ctx context.Context, err error) (problem, int) {
	if cause := context.Cause(ctx); errors.Is(cause, ErrStopping) {
		err = ErrStopping
	}
	p := problem{Error: err.Error(), Code: codeFailed}
	if missing, ok := errors.AsType[*NoCollectionError](err); ok {
		p.Collection, p.Known = missing.Name, missing.Known
	}
	if missing, ok := errors.AsType[*NoSourceError](err); ok {
		p.Source, p.Known = missing.Name, missing.Known
	}
	if request, ok := errors.AsType[*requestError](err); ok {
		p.Code = codeBadRequest
		return p, request.status
	}
	codes := codes()
	if i := slices.IndexFunc(codes, func(c code) bool { return errors.Is(err, c.err) }); i >= 0 {
		p.Code = codes[i].text
		return p, codes[i].status
	}
	return p, http.StatusInternalServerError
}

// err translates back, in the client.
func (p problem) err() error {
	if p.Code == codeNoCollection {
		return &NoCollectionError{Name: p.Collection, Known: p.Known}
	}
	if p.Code == codeNoSource {
		return &NoSourceError{Name: p.Source, Known: p.Known}
	}
	for _, c := range codes() {
		if c.text != p.Code {
			continue
		}
		if p.Error == c.err.Error() {
			return c.err
		}
		return &agentError{text: p.Error, kind: c.err}
	}
	return errors.New(p.Error)
}

// agentError is an error with the agent's own words.
type agentError struct {
	text string
	kind error
}

func (e *agentError) Error() string { return e.text }
func (e *agentError) Unwrap() error { return e.kind }

package api

import (
	"context"
	"errors"
	"net/http"
)

// Access says whether a route changes anything.
type Access string

// The two kinds of access. No route writes yet.
const (
	Read  Access = "read"
	Write Access = "write"
)

// Route is one line of the route table.
type Route struct {
	Method string
	Path   string
	Does   string // one sentence
	Access Access
	Params []string // names of the query parameters that it takes
	Stream bool     // answers as long as there is something

	serve func(s *Server, w http.ResponseWriter, r *http.Request) error
}

// Routes returns everything that the server answers. docs/api.md lists the same, which a test checks.
func Routes() []Route {
	collection := []string{"collection"}
	return []Route{
		{http.MethodGet, "/v1/id", "Says who this gateway is.", Read, nil, false, answer(Backend.ID)},
		{http.MethodGet, "/v1/status", "Says how the gateway is.", Read, nil, false, answer(Backend.Status)},
		{http.MethodGet, "/v1/collections", "Lists the collections.", Read, nil, false, answer(listCollections)},
		{http.MethodGet, "/v1/query", "Streams the rows that the parameters select.", Read, queryParams(), true, (*Server).query},
		{http.MethodGet, "/v1/tail", "Streams the rows that become durable from now on.", Read, tailParams(), true, (*Server).tail},
		{http.MethodGet, "/v1/tap", "Streams what a source takes in from now on, and what becomes of it.", Read, []string{"source"}, true, (*Server).tap},
		{http.MethodGet, "/v1/blocks", "Streams the blocks of a collection as a CAR.", Read, collection, true, (*Server).blocks},
		{http.MethodGet, "/v1/verify", "Reads and checks every block.", Read, []string{"progress"}, false, (*Server).verify},
		{http.MethodGet, "/metrics", "Shows the metrics in Prometheus' text format.", Read, nil, false, (*Server).showMetrics},
		{http.MethodGet, "/healthz", "Says that the process answers.", Read, nil, false, (*Server).healthz},
		{http.MethodGet, "/readyz", "Says whether the agent is ready: 200 or 503.", Read, nil, false, (*Server).readyz},
	}
}

func queryParams() []string {
	return []string{"collection", "from", "to", "series", "tag", "author", "limit", "newest", "types", "every", "agg"}
}

func tailParams() []string { return []string{"collection", "series", "tag", "author"} }

// answer makes a handler of a question that has one JSON answer.
func answer[T any](ask func(Backend, context.Context) (T, error)) func(*Server, http.ResponseWriter, *http.Request) error {
	return func(s *Server, w http.ResponseWriter, r *http.Request) error {
		v, err := ask(s.backend, r.Context())
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, v)
	}
}

// listCollections answers [] where there is none, not null.
func listCollections(b Backend, ctx context.Context) ([]Collection, error) { //nolint:revive // the order of a method expression
	all, err := b.Collections(ctx)
	if all == nil {
		all = []Collection{}
	}
	return all, err
}

func (s *Server) showMetrics(w http.ResponseWriter, r *http.Request) error {
	if s.options.Prometheus == nil {
		return &requestError{status: http.StatusNotFound, text: "this agent has no metrics"}
	}
	boundWrites(w, answerTimeout)
	s.options.Prometheus.ServeHTTP(w, r)
	return nil
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, struct {
		OK bool `json:"ok"`
	}{true})
}

var errNotReady = errors.New("agent is not ready")

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	if s.options.Ready != nil {
		if err := s.options.Ready(); err != nil && !trusted(r) {
			return errNotReady // strangers are not told why
		} else if err != nil {
			return &agentError{text: errNotReady.Error() + ": " + err.Error(), kind: errNotReady}
		}
	}
	return writeJSON(w, http.StatusOK, struct {
		Ready bool `json:"ready"`
	}{true})
}

package api

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The server's limits and time-outs. docs/limits.md lists them.
const (
	maxHeaderBytes = 16 << 10         // of a request, its URL included
	maxStreams     = 16               // queries and tails at once
	headerTimeout  = 5 * time.Second  // to send a request
	idleTimeout    = 60 * time.Second // between two requests on a connection
	answerTimeout  = 30 * time.Second // to take an answer that is no stream
	stallTimeout   = 10 * time.Minute // to take the next bytes of a stream
	stopTimeout    = 5 * time.Second  // to end what is under way when the agent stops
)

// Options are the parts of a server that its owner chooses; the zero value works.
type Options struct {
	Prometheus http.Handler // serves /metrics; nil: 404
	Metrics    *Metrics     // nil: counted, but not shown
	Ready      func() error // says why the agent is not ready yet; nil: always ready
	Log        *slog.Logger // nil: nothing is logged
}

// Server answers HTTP requests from a backend. Make it with NewServer; Serve may be called for several listeners.
type Server struct {
	backend   Backend
	options   Options
	mux       *http.ServeMux
	streams   chan struct{} // a slot each
	verifying chan struct{}
}

// NewServer returns a server that shows backend. It does not listen yet.
func NewServer(backend Backend, options Options) *Server {
	if options.Metrics == nil {
		options.Metrics = NewMetrics()
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		backend: backend, options: options, mux: http.NewServeMux(),
		streams: make(chan struct{}, maxStreams), verifying: make(chan struct{}, 1),
	}
	for _, route := range Routes() {
		s.mux.Handle(route.Method+" "+route.Path, s.handler(route))
	}
	s.mux.Handle("/", s.handler(Route{Path: "other", serve: (*Server).unknown}))
	return s
}

// Serve answers on listener, a unix socket, until ctx ends: then it closes listener, ends open streams with an error
// line, waits for what is under way at most 5 s and returns nil. Whoever is neither root, nor this process's user, nor in
// the group skerry gets 403.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	s.options.Log.InfoContext(ctx, "api listens", "socket", listener.Addr().String())
	return s.serve(ctx, newDoor(listener, nil, s.refuse), nil)
}

// ServeTCP is Serve for the TCP door, which decides itself who may ask.
func (s *Server) ServeTCP(ctx context.Context, d *TCPDoor) error {
	s.options.Log.InfoContext(ctx, "api listens", "url", d.URL(), "token_file", d.config.TokenFile)
	return s.serve(ctx, newDoor(d.listener, d, s.refuse), d.tlsConfig())
}

func (s *Server) refuse(reason string) { s.options.Metrics.refused.WithLabelValues(reason).Inc() }

// serve answers those who come through a door until ctx ends.
func (s *Server) serve(ctx context.Context, listener net.Listener, secured *tls.Config) error {
	if secured != nil {
		listener = tls.NewListener(listener, secured)
	}
	base, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	var requests sync.WaitGroup
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			defer requests.Done()
			s.ServeHTTP(w, r)
		}),
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       welcome,
		MaxHeaderBytes:    maxHeaderBytes,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          log.New(&rareLog{log: s.options.Log}, "", 0), //nolint:forbidigo // net/http takes no other
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve api: %w", err)
	case <-ctx.Done():
	}
	stop(ErrStopping)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := server.Shutdown(grace)
	if err != nil {
		err = server.Close()
	}
	<-served
	requests.Wait()
	if err != nil {
		return fmt.Errorf("stop api: %w", err)
	}
	return nil
}

// complainEvery is how often what net/http complains of is logged: strangers cause it.
const complainEvery = 30 * time.Second

// rareLog takes net/http's own complaints, such as of a handshake that failed.
type rareLog struct {
	log *slog.Logger

	mu       sync.Mutex // guards what follows
	last     time.Time
	unlogged int
}

// Write logs one line in a while.
func (l *rareLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.last.IsZero() && time.Since(l.last) < complainEvery {
		l.unlogged++
		return len(line), nil
	}
	l.log.Warn("api connection failed", "err", strings.TrimSpace(string(line)), "unlogged", l.unlogged)
	l.last, l.unlogged = time.Now(), 0
	return len(line), nil
}

// ServeHTTP answers one request. Only requests that came through Serve are checked for who asks.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// Nobody reads a body, and net/http does so before it closes, for as long as the sender likes. Fails only without a connection.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now())
	}
	err := s.admit(w, r)
	switch {
	case err != nil: // before the mux, which answers some requests itself
		s.handler(Route{Path: "refused", serve: func(*Server, http.ResponseWriter, *http.Request) error { return err }}).ServeHTTP(w, r)
	case r.Method == http.MethodConnect:
		s.handler(Route{Path: "other", serve: (*Server).unknown}).ServeHTTP(w, r)
	default:
		s.mux.ServeHTTP(w, r)
	}
}

// handler wraps a route's handler with what all have in common.
func (s *Server) handler(route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		counted := &countedWriter{ResponseWriter: w, status: http.StatusOK}
		err := s.check(route, counted, r)
		if err == nil {
			err = route.serve(s, counted, r)
		}
		if err != nil {
			s.fail(counted, r, err)
		}
		s.options.Metrics.requests.WithLabelValues(route.Path, strconv.Itoa(counted.status)).Inc()
		if errors.Is(err, errAborted) {
			panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's way to cut the connection
		}
	})
}

func (s *Server) check(route Route, w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength != 0 && route.Path != "refused" {
		w.Header().Set("Connection", "close")
		return badRequest("a request has no body")
	}
	if route.Method == "" {
		return nil
	}
	_, err := parseParams(r.URL.RawQuery, route.Params)
	return err
}

// unknown answers what is not in the route table.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) error {
	for _, route := range Routes() {
		if route.Path == r.URL.Path {
			w.Header().Set("Allow", route.Method)
			return &requestError{status: http.StatusMethodNotAllowed, text: "want method " + route.Method}
		}
	}
	return &requestError{status: http.StatusNotFound, text: fmt.Sprintf("no route %.60q", r.URL.Path)}
}

// fail answers with an error, unless an answer has begun: streams end with their own error line.
func (s *Server) fail(w *countedWriter, r *http.Request, err error) {
	p, status := problemOf(r.Context(), err)
	if p.Code == codeFailed && !errors.Is(err, context.Canceled) {
		s.options.Log.WarnContext(r.Context(), "request failed", "route", r.URL.Path, "err", err)
	}
	if w.began {
		return
	}
	if p.Code == codeBusy {
		w.Header().Set("Retry-After", "1")
	}
	if err := writeJSON(w, status, p); err != nil {
		s.options.Log.DebugContext(r.Context(), "request went away", "route", r.URL.Path, "err", err)
	}
}

// writeJSON answers with v.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	boundWrites(w, answerTimeout)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(append(body, '\n')); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// boundWrites bounds how long the reader may take for what is written from now on.
func boundWrites(w http.ResponseWriter, d time.Duration) {
	// Errors only when w is no connection, as in a test: then there is nothing to bound.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d))
}

// countedWriter remembers the answer's status.
type countedWriter struct {
	http.ResponseWriter
	status int
	began  bool
}

// WriteHeader remembers the status.
func (w *countedWriter) WriteHeader(status int) {
	w.status, w.began = status, true
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/skerry-edge/skerry/agent/config"
)

// newLogger returns the logger that the section [log] asks for.
func newLogger(c config.Log, w io.Writer) *slog.Logger { return slog.New(newHandler(c, w)) }

func newHandler(c config.Log, w io.Writer) slog.Handler {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // the configuration was validated
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// logSink is a slog.Handler whose level and format may change while loggers are made of it. Safe for concurrent use.
type logSink struct {
	root *logRoot
	with func(slog.Handler) slog.Handler // what the loggers on the way here have added
}

// logRoot is what all the sinks of one log share.
type logRoot struct {
	out io.Writer // whose writes do not mix
	now atomic.Pointer[slog.Handler]
}

func newLogSink(c config.Log, out io.Writer) *logSink {
	s := &logSink{root: &logRoot{out: &lockedWriter{out: out}}, with: func(h slog.Handler) slog.Handler { return h }}
	s.set(c)
	return s
}

// set takes another level and format, for all loggers.
func (s *logSink) set(c config.Log) {
	h := newHandler(c, s.root.out)
	s.root.now.Store(&h)
}

// Enabled implements slog.Handler.
func (s *logSink) Enabled(ctx context.Context, level slog.Level) bool {
	return (*s.root.now.Load()).Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (s *logSink) Handle(ctx context.Context, r slog.Record) error {
	return s.with(*s.root.now.Load()).Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (s *logSink) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logSink{s.root, func(h slog.Handler) slog.Handler { return s.with(h).WithAttrs(attrs) }}
}

// WithGroup implements slog.Handler.
func (s *logSink) WithGroup(name string) slog.Handler {
	return &logSink{s.root, func(h slog.Handler) slog.Handler { return s.with(h).WithGroup(name) }}
}

// lockedWriter writes one line at a time: the handlers before and after a change do not know of each other.
type lockedWriter struct {
	mu  sync.Mutex
	out io.Writer
}

// Write implements io.Writer.
func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(p)
}

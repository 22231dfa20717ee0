package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/config"
)

// The exit codes that scripts may rely on.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitDamage      = 3  // verify found damage
	exitUnreachable = 4  // no agent answers
	exitConfig      = 78 // the configuration has faults
)

// An exitError ends the program with a code. Commands return one where exitFailure is not meant, or where a hint helps.
type exitError struct {
	code int
	err  error  // nil: everything was said already, print nothing
	hint string // "" = none
}

// Error returns the error's text.
func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

// Unwrap returns the error itself.
func (e *exitError) Unwrap() error { return e.err }

// Hint says what to do about it.
func (e *exitError) Hint() string { return e.hint }

// withHint returns err with something that helps.
func withHint(err error, hint string) error {
	return &exitError{code: exitFailure, err: err, hint: hint}
}

// usageError returns an error that ends with exitUsage.
func usageError(hint, format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...), hint: hint}
}

// exitCode is the only place where an error becomes a code.
func exitCode(err error) int {
	var exit *exitError
	var faults config.Faults
	var file *config.FileError
	switch {
	case err == nil, isClosedPipe(err):
		return exitOK
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &faults), errors.As(err, &file):
		return exitConfig
	case errors.Is(err, api.ErrUnreachable):
		return exitUnreachable
	default:
		return exitFailure
	}
}

// report writes err for people: "error: …" and, where it helps, "hint: …".
func report(w io.Writer, err error) {
	var exit *exitError
	var faults config.Faults
	switch {
	case err == nil, isClosedPipe(err), errors.As(err, &exit) && exit.err == nil:
		return
	case errors.As(err, &faults):
		for _, fault := range faults {
			_, _ = fmt.Fprintln(w, "error:", fault)
		}
		return
	case errors.Is(err, context.Canceled):
		_, _ = fmt.Fprintln(w, "error: interrupted")
		return
	}
	_, _ = fmt.Fprintln(w, "error:", strings.TrimSpace(err.Error()))
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		_, _ = fmt.Fprintln(w, "hint:", hinted.Hint())
	}
}

// isClosedPipe reports whether the reader of our output went away, which is its right. An agent that hangs up is a broken
// pipe, too, but of a socket (*net.OpError), and a failure.
func isClosedPipe(err error) bool {
	written, ok := errors.AsType[*fs.PathError](err)
	return ok && errors.Is(written, syscall.EPIPE)
}

package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/skerry-edge/skerry/agent/api"
)

// ask opens the gateway that p names, lets question ask it, and closes it.
func ask(cmd *cobra.Command, p *place, question func(context.Context, api.Backend) error) error {
	ctx := cmd.Context()
	backend, closeBackend, err := p.backend(ctx, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	err = question(ctx, backend)
	if closeErr := closeBackend(); err == nil {
		err = closeErr
	}
	return err
}

// terminalWidth returns the columns of the terminal that w is, and 0 when it is none: then nothing is cut.
func terminalWidth(w io.Writer) int {
	file, ok := w.(interface{ Fd() uintptr })
	if !ok {
		return 0
	}
	fd := int(file.Fd())
	if !term.IsTerminal(fd) {
		return 0
	}
	width, _, err := term.GetSize(fd)
	if err != nil {
		return 0
	}
	return width
}

// localTime is how people read a time: theirs, with its zone.
func localTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

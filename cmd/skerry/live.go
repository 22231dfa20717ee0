package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/demo"
)

const (
	demoCollection = "demo"
	demoChart      = "power" // the series that the chart shows
	frameEvery     = 500 * time.Millisecond
	lineEvery      = time.Second
)

// show shows what becomes durable until ctx ends: frames on a terminal, lines elsewhere.
func (d *demonstration) show(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	rows, err := d.agent.Tail(ctx, api.Query{Collection: demoCollection})
	if err != nil {
		return err
	}
	arrived := make(chan api.Row, 1024)
	ended := make(chan error, 1)
	go func() {
		defer close(arrived)
		ended <- forward(ctx, rows, arrived)
	}()
	err = d.draw(ctx, arrived)
	stop()              // the reader of the output may be gone, and ctx not at its end
	for range arrived { // lets the stream end
	}
	if streamErr := <-ended; err == nil {
		err = streamErr
	}
	return err
}

func forward(ctx context.Context, rows api.Rows, to chan<- api.Row) error {
	for row, err := range rows.Seq {
		if err != nil {
			return err
		}
		select {
		case to <- row:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// draw draws until ctx ends.
func (d *demonstration) draw(ctx context.Context, arrived <-chan api.Row) error {
	view := demo.NewView(demoChart)
	screen, onTerminal := terminalOf(d.out)
	every := lineEvery
	if onTerminal {
		every = frameEvery
		if _, err := fmt.Fprint(d.out, "\x1b[?25l\x1b[2J"); err != nil {
			return err
		}
		defer fmt.Fprint(d.out, "\x1b[H\x1b[J\x1b[?25h") //nolint:errcheck // the terminal is gone: nothing to put right
	} else if _, err := fmt.Fprintf(d.out, "folder: %s\nbroker: %s\n", d.dir, d.agent.BrokerAddr()); err != nil {
		return err
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case row, open := <-arrived:
			if !open {
				return nil
			}
			view.Add(row)
		case now := <-tick.C:
			text := view.Line(0) + "\n"
			if onTerminal {
				text = d.frame(view, screen, now)
			}
			if _, err := io.WriteString(d.out, text); err != nil {
				return err
			}
		}
	}
}

// frame draws the whole terminal.
func (d *demonstration) frame(view *demo.View, terminal *os.File, now time.Time) string {
	width, height, err := term.GetSize(int(terminal.Fd()))
	if err != nil || width <= 0 || height <= 0 { // a serial console does not know
		width, height = 80, 24
	}
	return "\x1b[H\x1b[J" + view.Frame(demo.Screen{
		Width: width, Height: height,
		Title: fmt.Sprintf("skerry demo: a weather station on a serial line, %d power meters by MQTT at %s", demoMeters, d.agent.BrokerAddr()),
		Foot:  fmt.Sprintf("%d readings are on disk in %s; Ctrl-C stops", view.Rows(), d.dir),
	}, now)
}

// terminalOf returns out as a terminal, and whether it is one.
func terminalOf(out io.Writer) (*os.File, bool) {
	f, is := out.(*os.File)
	if !is || !term.IsTerminal(int(f.Fd())) {
		return nil, false
	}
	return f, true
}

// summary says what was stored, where, and how to look at it.
func summary(out io.Writer, dir string, collections []api.Collection) error {
	for _, c := range collections {
		_, err := fmt.Fprintf(out, "stored: %s in collection %s, %s of %d bytes\n", plural(c.Readings, "reading"), c.Name, plural(c.Blocks, "block"), c.Bytes)
		if err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, `folder: %[1]s
look at it:
  skerry collections --dir %[1]s
  skerry query %[2]s --dir %[1]s --newest --limit 10
  skerry plot %[2]s %[3]s --dir %[1]s
  skerry verify --dir %[1]s
`, dir, demoCollection, demoChart)
	return err
}

// sizeOf returns the columns and lines of a terminal; 0 where it does not know.
func sizeOf(terminal *os.File) (width, height int) {
	width, height, err := term.GetSize(int(terminal.Fd()))
	if err != nil {
		return 0, 0
	}
	return width, height
}

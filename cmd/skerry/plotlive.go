package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
)

// How a live chart is drawn.
const (
	chartEvery = 200 * time.Millisecond // at most so often
	chartIdle  = time.Second            // so often even when nothing arrives: time goes on

	// The terminal's other screen is drawn on, and given back: what stood there before is there again. A frame is shown at
	// once by terminals that know of it (mode 2026).
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[2J"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	beginFrame  = "\x1b[?2026h\x1b[H"
	endFrame    = "\x1b[J\x1b[?2026l"
)

// followOn draws anew as rows arrive, until ctx ends, and leaves the terminal as it was.
func (p *plotting) followOn(ctx context.Context, out io.Writer) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	q := p.q
	q.Series = ""
	if len(p.patterns) == 1 {
		q.Series = p.patterns[0]
	}
	rows, err := p.backend.Tail(ctx, q)
	if err != nil {
		return err
	}
	arrived := make(chan api.Row, 1024)
	ended := make(chan error, 1)
	go func() {
		defer close(arrived)
		ended <- forward(ctx, rows, arrived)
	}()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)

	l := &liveChart{plotting: p, out: out, span: p.now - p.q.From}
	err = l.begin(ctx, time.Now())
	if err == nil {
		err = l.run(ctx, arrived, resized)
	}
	interrupted := ctx.Err() != nil
	stop()
	for range arrived { // lets the stream end
	}
	streamErr := <-ended
	if interrupted && (err == nil || errors.Is(err, context.Canceled)) {
		return nil // Ctrl-C is how it ends
	}
	if err == nil && !errors.Is(streamErr, context.Canceled) {
		err = streamErr
	}
	return err
}

// liveChart is a chart of which the time goes on. Owned by one goroutine.
type liveChart struct {
	*plotting

	out   io.Writer
	span  int64 // of time that is shown
	chart *chart
	began int64 // rows before were asked for, not told
	fresh bool  // nothing was drawn since the last row
}

// begin asks for what is stored, for the terminal as it is.
func (l *liveChart) begin(ctx context.Context, now time.Time) error {
	c := &chart{title: l.q.Collection, zone: time.Local}
	c.width, c.height, c.colours = l.screen(l.out)
	if l.height == 0 {
		if file, is := terminalOf(l.out); is {
			if _, h := sizeOf(file); h > 0 {
				c.height = max(h, leastChartHeight)
			}
		}
	}
	l.began = now.UnixNano()
	if err := l.lay(c, l.began-l.span, l.began); err != nil {
		return err
	}
	_, err := l.fill(ctx, c)
	l.chart, l.fresh = c, true
	return err
}

// run draws until ctx ends or the stream does.
func (l *liveChart) run(ctx context.Context, arrived <-chan api.Row, resized <-chan os.Signal) (err error) {
	if _, err := io.WriteString(l.out, enterScreen); err != nil {
		return err
	}
	defer func() {
		_, leaveErr := io.WriteString(l.out, leaveScreen)
		err = errors.Join(err, leaveErr)
	}()
	tick := time.NewTicker(chartEvery)
	defer tick.Stop()
	var drawn time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-resized:
			if err := l.begin(ctx, time.Now()); err != nil {
				return err
			}
		case row, open := <-arrived:
			if !open {
				return nil
			}
			if err := l.take(&row); err != nil {
				return err
			}
		case now := <-tick.C:
			if !l.fresh && now.Sub(drawn) < chartIdle {
				continue
			}
			l.fresh, drawn = false, now
			if _, err := io.WriteString(l.out, l.frame(now)); err != nil {
				return err
			}
		}
	}
}

// take adds a row. Those from before the chart began came with what was stored, or are few.
func (l *liveChart) take(row *api.Row) error {
	if row.Time < l.began || row.Series.Type == api.String || !slices.ContainsFunc(l.patterns, func(glob string) bool { return api.MatchGlob(glob, row.Series.Name) }) {
		return nil
	}
	s, err := l.chart.of(row.Series)
	if err != nil {
		return err
	}
	if s.label == "" {
		l.chart.labels()
	}
	value := api.ValueOf(&row.Reading)
	number, _ := value.Number()
	s.add(api.BucketStart(row.Time, l.chart.every), row.Time, number)
	l.fresh = true
	return nil
}

// frame draws the whole terminal.
func (l *liveChart) frame(now time.Time) string {
	c := l.chart
	c.to = now.UnixNano()
	c.from = c.to - l.span
	oldest := api.BucketStart(c.from, c.every)
	for _, s := range c.series {
		for at := range s.columns {
			if at < oldest {
				delete(s.columns, at)
			}
		}
	}
	lines := []string{c.title + ": no readings yet of " + strings.Join(l.patterns, ", ")}
	if len(c.series) > 0 {
		lines = c.lines()
	}
	if len(lines) > c.height {
		lines = lines[:c.height]
	}
	return beginFrame + strings.Join(lines, "\x1b[K\r\n") + "\x1b[K" + endFrame
}

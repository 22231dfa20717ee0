package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/skerry-edge/skerry/agent/api"
)

// plotFlags are what the command line says of a plot.
type plotFlags struct {
	selectionFlags

	every         string
	width, height int64
	follow        bool
}

func newPlotCmd(p *place) *cobra.Command {
	var flags plotFlags
	cmd := &cobra.Command{
		Use:   "plot COLLECTION SERIES…",
		Short: "Draw series of a collection over time",
		Long: `Draw series of a collection over time, all on one scale. SERIES may have a *,
which matches any characters.

Each column is the mean of the readings in its span of time, of booleans the last;
min and max below the chart are those of the readings. Where nothing was stored the
line has a gap. Without --from it begins with the first reading and, if --to is not
given either, ends with the last.

Without a terminal, or with NO_COLOR set, series have marks in place of colours.`,
		Example: `  skerry plot climate temp --from -1d
  skerry plot climate 'power*' --tag phase=1 --every 15m
  skerry plot climate temp hum --follow`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usageError("for example: skerry plot climate temp; the names: skerry query climate --newest --limit 20", "want COLLECTION and SERIES")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			plot, err := flags.plot(cmd, args, time.Now())
			if err != nil {
				return err
			}
			return ask(cmd, p, func(ctx context.Context, backend api.Backend) error {
				plot.backend = backend
				if flags.follow {
					return plot.followOn(ctx, cmd.OutOrStdout())
				}
				return plot.once(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr())
			})
		},
		ValidArgsFunction: p.completePlot,
	}
	f := cmd.Flags()
	f.StringVar(&flags.from, "from", "", "first time `T`, inclusive (default: the first reading's; with --follow: -5m)")
	f.StringVar(&flags.to, "to", "", "last time `T`, exclusive (default: now)")
	f.StringArrayVar(&flags.tags, "tag", nil, "only series with the tag `k=v`; may be given several times")
	f.StringVar(&flags.author, "author", "", "only rows written by the gateway with this `NAME|KEY`: its name or peer ID")
	f.StringVar(&flags.every, "every", "", "let a column be a span of `D`: 10s, 15m, 1h, … (default: what the width wants)")
	f.BoolVarP(&flags.follow, "follow", "f", false, "draw anew as rows arrive, until Ctrl-C")
	f.Int64Var(&flags.width, "width", 0, "draw at most `N` characters wide (default: the terminal's width, else 80)")
	f.Int64Var(&flags.height, "height", 0, "draw at most `N` lines high (default: what the terminal has, at most 24)")
	p.addSocketFlags(cmd)
	p.addDirFlag(cmd)
	return cmd
}

// plotting is what a plot needs.
type plotting struct {
	backend       api.Backend
	q             api.Query
	patterns      []string
	every         time.Duration // 0 = what the width wants
	width, height int           // 0 = the terminal's
	fromGiven     bool
	toGiven       bool
	now           int64
}

// plot checks the flags.
func (f *plotFlags) plot(cmd *cobra.Command, args []string, now time.Time) (*plotting, error) {
	p := &plotting{
		q: api.Query{Collection: args[0], To: now.UnixNano()}, patterns: args[1:], now: now.UnixNano(),
		fromGiven: cmd.Flags().Changed("from"), toGiven: cmd.Flags().Changed("to"), width: int(f.width), height: int(f.height),
	}
	for _, size := range []struct {
		name  string
		value int64
		least int64
	}{{"width", f.width, leastChartWidth}, {"height", f.height, leastChartHeight}} {
		if cmd.Flags().Changed(size.name) && (size.value < size.least || size.value > mostChartSize) {
			return nil, usageError("", "--%s %d: want %d to %d", size.name, size.value, size.least, mostChartSize)
		}
	}
	if cmd.Flags().Changed("every") {
		var err error
		if p.every, err = api.ParseEvery(f.every); err != nil {
			return nil, usageError("", "--every: %w", err)
		}
	}
	if f.follow {
		if p.toGiven {
			return nil, usageError("leave one of them out", "--follow goes on: it has no --to")
		}
		if !p.fromGiven {
			p.q.From = now.Add(-5 * time.Minute).UnixNano()
		}
		if !isTerminal(cmd.OutOrStdout()) {
			return nil, usageError("to see rows as they come elsewhere: skerry tail "+args[0], "--follow draws on a terminal only")
		}
	}
	return p, f.fill(cmd, &p.q, now, time.Local)
}

// screen returns the size to draw in, and whether in colours.
func (p *plotting) screen(out io.Writer) (width, height int, colours bool) {
	width, height = 80, 24
	if file, is := terminalOf(out); is {
		colours = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if w, h, err := term.GetSize(int(file.Fd())); err == nil && w > 0 && h > 0 {
			width, height = w, h
		}
	}
	height = min(height-1, 24) // the prompt stands below
	if p.width > 0 {
		width = p.width
	}
	if p.height > 0 {
		height = p.height
	}
	return max(width, leastChartWidth), max(height, leastChartHeight), colours
}

// once draws what is stored.
func (p *plotting) once(ctx context.Context, out, errOut io.Writer) error {
	q, found, err := p.bound(ctx)
	if err != nil {
		return err
	}
	if !found {
		_, err := fmt.Fprintf(errOut, "no readings of %s\n", strings.Join(p.patterns, ", "))
		return err
	}
	c := &chart{title: p.q.Collection, zone: time.Local}
	c.width, c.height, c.colours = p.screen(out)
	if err := p.lay(c, q.From, q.To); err != nil {
		return err
	}
	texts, err := p.fill(ctx, c)
	if err != nil {
		return err
	}
	if len(texts) > 0 {
		if _, err := fmt.Fprintf(errOut, "left out, because it is text: %s\n", strings.Join(texts, ", ")); err != nil {
			return err
		}
	}
	_, err = io.WriteString(out, strings.Join(c.lines(), "\n")+"\n")
	return err
}

// bound finds the first and last reading where the flags do not bound the time. False: there is none.
func (p *plotting) bound(ctx context.Context) (q api.Query, found bool, err error) {
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for _, pattern := range p.patterns {
		for _, newest := range []bool{false, true} {
			q := p.q
			q.Series, q.Newest, q.Limit = pattern, newest, 1
			rows, err := p.backend.Query(ctx, q)
			if err != nil {
				return q, false, err
			}
			for row, err := range rows.Seq {
				if err != nil {
					return q, false, err
				}
				first, last = min(first, row.Time), max(last, row.Time)
			}
		}
	}
	q = p.q
	if !p.fromGiven {
		q.From = first
		if !p.toGiven {
			q.To = min(last, math.MaxInt64-1) + 1
		}
	}
	return q, first <= last, nil
}

// lay chooses what a column is, and the ends of the axis of time.
func (p *plotting) lay(c *chart, from, to int64) error {
	room := int64(c.width - chartMargin - 1)
	c.from, c.to = from, max(to, from+1)
	span := c.to - c.from
	if c.every = p.every; c.every != 0 {
		if columns := span/int64(c.every) + 1; columns > room {
			return usageError(fmt.Sprintf("want at least --every %s", everyText(roundSpan(span/room+1))),
				"--every %s: %d columns, there is room for %d", everyText(c.every), columns, room)
		}
		return nil
	}
	c.every = roundSpan(span/room + 1)
	return nil
}

// roundSpan rounds a span up to two digits of milliseconds, so that it can be said.
func roundSpan(ns int64) time.Duration {
	ms := (ns + 999_999) / 1_000_000
	step := int64(1)
	for ms/step >= 100 {
		step *= 10
	}
	return time.Duration((ms+step-1)/step*step) * time.Millisecond
}

// fill asks for the columns and puts them into c. It returns the names of series that are text and were only matched by a *.
func (p *plotting) fill(ctx context.Context, c *chart) (texts []string, err error) {
	c.series = nil
	d := api.Division{Every: c.every, Aggregates: []api.Aggregate{api.AggCount, api.AggMean, api.AggMin, api.AggMax, api.AggLast}}
	var named []string
	for _, pattern := range p.patterns {
		q := p.q
		q.Series, q.From, q.To = pattern, c.from, c.to
		buckets, err := p.backend.Buckets(ctx, q, d)
		if err != nil {
			return nil, err
		}
		for b, err := range buckets.Seq {
			if err != nil {
				return nil, err
			}
			if b.Series.Type == api.String {
				if list := &texts; !slices.Contains(texts, printable(b.Series.Name)) {
					*list = append(*list, printable(b.Series.Name))
				}
				if !strings.Contains(pattern, "*") && !slices.Contains(named, printable(pattern)) {
					named = append(named, printable(pattern))
				}
				continue
			}
			if err := c.take(&b); err != nil {
				return nil, err
			}
		}
	}
	if len(named) > 0 || len(c.series) == 0 && len(texts) > 0 {
		if len(named) == 0 {
			named = texts
		}
		return nil, withHint(fmt.Errorf("plot: %s: text has no height", strings.Join(named, ", ")), "see it with: skerry query "+p.q.Collection)
	}
	c.labels()
	return texts, nil
}

// take adds a bucket to its series. More series than can be told apart are an error.
func (c *chart) take(b *api.Bucket) error {
	s, err := c.of(b.Series)
	if err != nil {
		return err
	}
	value := func(i int) float64 {
		f, ok := b.Values[i].Number()
		if !ok {
			return math.NaN()
		}
		return f
	}
	last := value(4)
	one := slot{sum: last, count: 1, least: last, most: last, last: last, lastTime: b.Time}
	if b.Series.Type != api.Bool {
		count := value(0)
		one = slot{sum: value(1) * count, count: count, least: value(2), most: value(3), last: last, lastTime: b.Time}
		if math.IsNaN(value(1)) {
			one.sum, one.count = 0, 0
		}
	}
	s.columns[b.Time] = one
	return nil
}

// of finds or makes the series of a chart: one for each name, tags and unit.
func (c *chart) of(s *api.Series) (*plotted, error) {
	for _, p := range c.series {
		if p.series.Name == s.Name && p.series.Unit == s.Unit && slices.Equal(p.series.Tags, s.Tags) {
			return p, nil
		}
	}
	if len(c.series) == mostPlotted {
		var names []string
		for _, p := range c.series {
			if name := printable(p.series.Name); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		return nil, withHint(fmt.Errorf("plot: more than %d series, of the names %s, …", mostPlotted, strings.Join(names, ", ")),
			"choose some of them: by name, or with --tag k=v")
	}
	p := &plotted{series: s, columns: map[int64]slot{}}
	c.series = append(c.series, p)
	return p, nil
}

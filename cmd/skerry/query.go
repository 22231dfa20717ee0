package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/export"
)

// queryFlags are what the command line says of a query.
type queryFlags struct {
	selectionFlags

	format string
	every  string
	agg    string
	limit  int64
	newest bool
}

func newQueryCmd(p *place) *cobra.Command {
	var flags queryFlags
	cmd := &cobra.Command{
		Use:   "query COLLECTION",
		Short: "Print the rows of a collection, or what they come to",
		Long: `Print the rows of a collection, ordered by time, then series, then author.

With --every the rows come together in spans of time: one line for each span and
series that has rows in it, with the aggregates of --agg. Spans are those of UTC:
a day begins at midnight UTC, a week on a Monday. NaN counts, but is no number;
booleans and strings have count, first and last only.

A time T is RFC 3339 (2026-08-20T12:00:00Z), a date (2026-08-20: midnight here),
relative (-90s, -30m, -1h, -7d, -2w, -1d12h), or now.
In GLOB, * matches any characters. Tables show local time; JSON and CSV are UTC.`,
		Example: `  skerry query climate --from -1h
  skerry query climate --series 'temp*' --tag room=cellar --newest --limit 20
  skerry query climate --from -1d --every 1h --agg mean,min,max
  skerry query climate --from 2026-08-01 --to 2026-09-01 --format csv > august.csv`,
		Args: oneCollection,
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := flags.query(cmd, args[0], time.Now(), time.Local)
			if err != nil {
				return err
			}
			division, divided, err := flags.division(cmd)
			if err != nil {
				return err
			}
			return ask(cmd, p, func(ctx context.Context, backend api.Backend) error {
				if divided {
					buckets, err := backend.Buckets(ctx, q, division)
					if err != nil {
						return err
					}
					return writeBuckets(cmd.OutOrStdout(), cmd.ErrOrStderr(), flags.format, division, buckets)
				}
				rows, err := backend.Query(ctx, q)
				if err != nil {
					return err
				}
				return writeRows(cmd.OutOrStdout(), cmd.ErrOrStderr(), flags.format, rows)
			})
		},
		ValidArgsFunction: p.completeCollection,
	}
	f := cmd.Flags()
	flags.add(cmd, "now")
	f.StringVar(&flags.every, "every", "", "bring rows together in spans of `D`: 10s, 15m, 1h, 1d, 1w, …")
	f.StringVar(&flags.agg, "agg", defaultAggregates, "with --every: print the aggregates in `LIST`: "+strings.Join(aggregateNames(), ", "))
	f.Int64Var(&flags.limit, "limit", 0, "at most `N` rows, or spans of a series (default: all)")
	f.BoolVar(&flags.newest, "newest", false, "newest first")
	f.StringVar(&flags.format, "format", "table", "print `FORMAT`: table, json or csv")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats(), cobra.ShellCompDirectiveNoFileComp)) // fails only for a flag that does not exist
	_ = cmd.RegisterFlagCompletionFunc("agg", completeAggregates)                                                       // as above
	_ = cmd.RegisterFlagCompletionFunc("every", cobra.FixedCompletions([]string{"10s", "1m", "15m", "1h", "1d", "1w"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("series", p.completeSeriesFlag)
	p.addSocketFlags(cmd)
	p.addDirFlag(cmd)
	return cmd
}

// defaultAggregates are those that --every has without --agg.
const defaultAggregates = "count,mean,min,max"

// division reads --every and --agg; divided is false without.
func (f *queryFlags) division(cmd *cobra.Command) (d api.Division, divided bool, err error) {
	if !cmd.Flags().Changed("every") {
		if cmd.Flags().Changed("agg") {
			return d, false, usageError("for example: --every 1h --agg "+f.agg, "--agg needs --every")
		}
		return d, false, nil
	}
	if d.Every, err = api.ParseEvery(f.every); err != nil {
		return d, true, usageError("", "--every: %w", err)
	}
	if d.Aggregates, err = api.ParseAggregates(f.agg); err != nil {
		hint := ""
		if strings.Contains(f.agg, "avg") {
			hint = "the average is called mean"
		}
		return d, true, usageError(hint, "--agg: %w", err)
	}
	return d, true, nil
}

func formats() []string { return []string{"table", "json", "csv"} }

// query checks the flags and makes a query of them.
func (f *queryFlags) query(cmd *cobra.Command, collection string, now time.Time, zone *time.Location) (api.Query, error) {
	q := api.Query{Collection: collection, Limit: f.limit, Newest: f.newest, To: now.UnixNano()}
	if f.format != "table" && f.format != "json" && f.format != "csv" {
		return q, usageError("", "--format %q: want table, json or csv", f.format)
	}
	if f.limit < 0 || f.limit == 0 && cmd.Flags().Changed("limit") {
		return q, usageError("leave --limit out for all rows", "--limit %d: want at least 1", f.limit)
	}
	err := f.fill(cmd, &q, now, zone)
	return q, err
}

// writeRows writes rows in a format. That a table has none is said to people.
func writeRows(stdout, stderr io.Writer, format string, rows api.Rows) error {
	switch format {
	case "json":
		_, err := export.Rows(stdout, export.FormatNDJSON, rows.Precision, rows.Seq)
		return err
	case "csv":
		_, err := export.Rows(stdout, export.FormatCSV, rows.Precision, rows.Seq)
		return err
	}
	return writeTableOf(stdout, stderr, func(out io.Writer) (*liveTable, func() (uint64, error)) {
		table := newRowTable(out, time.Local, rows.Precision)
		return table.liveTable, func() (uint64, error) { return addRows(table, rows) }
	})
}

// exportBuckets writes buckets for programs.
func exportBuckets(stdout io.Writer, format string, d api.Division, buckets api.Buckets) error {
	as := export.FormatNDJSON
	if format == "csv" {
		as = export.FormatCSV
	}
	_, err := export.Buckets(stdout, as, buckets.Precision, d.Aggregates, buckets.Seq)
	return err
}

// writeTableOf writes a table that start makes and its second result fills. That it has no rows is said to people.
func writeTableOf(stdout, stderr io.Writer, start func(io.Writer) (*liveTable, func() (uint64, error))) error {
	out := bufio.NewWriterSize(stdout, 64<<10)
	table, fill := start(out)
	table.limit = terminalWidth(stdout)
	count, err := fill()
	if beginErr := table.begin(); err == nil {
		err = beginErr
	}
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	if err == nil && count == 0 {
		_, err = fmt.Fprintln(stderr, "no rows")
	}
	return err
}

// addRows puts rows into a table and returns how many.
func addRows(table *rowTable, rows api.Rows) (count uint64, err error) {
	for row, err := range rows.Seq {
		if err != nil {
			return count, err
		}
		if err := table.addRow(&row); err != nil {
			return count, err
		}
		if count < math.MaxUint64 {
			count++
		}
	}
	return count, nil
}

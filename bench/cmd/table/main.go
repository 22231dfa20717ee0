// Command table measures Skerry and other systems and prints one table.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/skerry-edge/skerry/bench/child"
	"github.com/skerry-edge/skerry/bench/machine"
	"github.com/skerry-edge/skerry/bench/report"
	"github.com/skerry-edge/skerry/bench/rows"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) //nolint:forbidigo // main
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1) //nolint:forbidigo // main
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 2 && args[0] == child.Flag {
		work := rows.Children()[args[1]]
		if work == nil {
			return fmt.Errorf("no child %q", args[1])
		}
		return work(ctx, os.Stdin, os.Stdout)
	}
	return table(ctx, args)
}

// table runs the groups that the arguments ask for.
func table(ctx context.Context, args []string) error {
	b := &rows.Bench{Log: os.Stderr}
	flags := flag.NewFlagSet("table", flag.ContinueOnError)
	flags.BoolVar(&b.Smoke, "smoke", false, "run every row once, small")
	flags.BoolVar(&b.Growth8, "growth8", false, "let growth go on to 10^8 readings")
	flags.StringVar(&b.Program, "skerry", "../bin/skerry", "the program to measure")
	only := flags.String("run", "", "only the groups whose name matches this `regexp`")
	asJSON := flags.Bool("json", false, "print the rows as JSON, one a line")
	doc := flags.String("doc", "", "put the table into this `file`, too, between its two marks")
	parent := flags.String("dir", "", "measure on the disk of this `folder` (default: the user's cache)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	if b.Program, err = filepath.Abs(b.Program); err != nil {
		return err
	}
	if b.Dir, err = workFolder(*parent); err != nil {
		return err
	}
	began := time.Now()
	err = errors.Join(runGroups(ctx, b, wanted), os.RemoveAll(b.Dir))
	if *asJSON {
		return errors.Join(err, report.JSON(os.Stdout, b.Rows))
	}
	var text bytes.Buffer
	err = errors.Join(err, show(&text, b, time.Since(began)))
	if *doc != "" {
		err = errors.Join(err, replaceTable(*doc, text.Bytes()))
	}
	_, printed := os.Stdout.Write(text.Bytes())
	return errors.Join(err, printed)
}

// workFolder makes a fresh folder for the run.
func workFolder(parent string) (string, error) {
	if parent == "" {
		parent = os.TempDir()
		if cache, err := os.UserCacheDir(); err == nil {
			parent = filepath.Join(cache, "skerry")
		}
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	dir, err := os.MkdirTemp(parent, "bench-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	return filepath.Abs(dir)
}

// runGroups runs all groups, also after one that failed.
func runGroups(ctx context.Context, b *rows.Bench, wanted *regexp.Regexp) error {
	var errs []error
	for _, g := range rows.Groups() {
		if !wanted.MatchString(g.Name) || ctx.Err() != nil {
			continue
		}
		began := time.Now()
		if err := g.Run(b, ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", g.Name, err))
		}
		fmt.Fprintf(os.Stderr, "== %s: %s\n", g.Name, time.Since(began).Round(100*time.Millisecond))
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// show writes what the benchmark ran on, and the table.
func show(w io.Writer, b *rows.Bench, took time.Duration) error {
	met, goals := report.Score(b.Rows)
	bare, err := machine.MeasureSyncs(filepath.Dir(b.Dir), 200*time.Millisecond)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "Machine: %s, %.0f syncs/s (4 KiB append + fdatasync). Took %s; %d of %d goals met.\n\n",
		machine.Describe(filepath.Dir(b.Dir)), bare.Rate, took.Round(time.Second), met, goals); err != nil {
		return err
	}
	return report.Markdown(w, b.Rows)
}

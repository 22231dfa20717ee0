package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/export"
)

// exportTask is what the command line says of an export.
type exportTask struct {
	query  api.Query
	path   string
	format export.Format
	part   bool // of the collection, not all of it
	quiet  bool
	stderr io.Writer
}

func newExportCmd(p *place) *cobra.Command {
	var path string
	var quiet bool
	var which selectionFlags
	cmd := &cobra.Command{
		Use:   "export COLLECTION",
		Short: "Write a collection to a file",
		Long: `Write the rows of a collection to a file, ordered by time, then series, then author; or its blocks.

The file's extension names the format:
  .csv, .ndjson  text
  .parquet       typed columns, for DuckDB, pandas, Spark
  .car           every block as it was signed, for tools of IPLD; always the whole collection,
                 but readings that are not in a block yet

The file appears when it is complete; one that is there already is then replaced.
Times T and GLOB are as in: skerry query --help; without --to there is no end.`,
		Example: `  skerry export climate --out climate.csv
  skerry export climate --out august.parquet --from 2026-08-01 --to 2026-09-01
  skerry export climate --out climate.car`,
		Args: oneCollection,
		RunE: func(cmd *cobra.Command, args []string) error {
			task := exportTask{path: path, quiet: quiet, stderr: cmd.ErrOrStderr()}
			task.query = api.Query{Collection: args[0]}
			if err := api.CheckName(args[0]); err != nil {
				return usageError("", "collection: %w", err)
			}
			if !cmd.Flags().Changed("out") {
				return usageError("for example: --out "+shellQuote(args[0]+".csv"), "--out says where, and is missing")
			}
			var err error
			if task.format, err = export.FormatOf(path); err != nil {
				return usageError("", "--out: %w", err)
			}
			if err := which.fill(cmd, &task.query, time.Now(), time.Local); err != nil {
				return err
			}
			given := which.given(cmd)
			task.part = len(given) > 0
			if task.part && task.format == export.FormatCAR {
				return usageError("leave it out, or write .parquet, .csv or .ndjson", "--%s: a .car file holds the whole collection", given[0])
			}
			return ask(cmd, p, task.run)
		},
		ValidArgsFunction: p.completeCollection,
	}
	cmd.Flags().StringVar(&path, "out", "", "write `FILE`, which ends in .csv, .ndjson, .parquet or .car")
	_ = cmd.MarkFlagFilename("out", "csv", "ndjson", "parquet", "car") // fails only for a flag that does not exist
	which.add(cmd, "no end")
	addQuietFlag(cmd, &quiet)
	p.addSocketFlags(cmd)
	p.addDirFlag(cmd)
	return cmd
}

// run exports.
func (t *exportTask) run(ctx context.Context, backend api.Backend) error {
	write := t.rows
	if t.format == export.FormatCAR {
		write = t.blocks
	}
	said, err := write(ctx, backend)
	if err != nil {
		return err
	}
	if said.warning != "" {
		_, _ = fmt.Fprintln(t.stderr, "warning:", said.warning)
	}
	if t.quiet {
		return nil
	}
	_, err = fmt.Fprintf(t.stderr, "wrote %s to %s\n", said.wrote, t.path)
	return err
}

// outcome is what people are told of an export.
type outcome struct {
	wrote   string // how much
	warning string // "" = none
}

func (t *exportTask) rows(ctx context.Context, backend api.Backend) (outcome, error) {
	known, err := t.known(ctx, backend)
	if err != nil {
		return outcome{}, err
	}
	rows, err := backend.Query(ctx, t.query)
	if err != nil {
		return outcome{}, err
	}
	of := int64(known.Readings) //nolint:gosec // below 2^63
	if t.part {
		of = unknownTotal
	}
	bar := newProgress(t.stderr, t.quiet, "rows", of)
	defer bar.end()
	var count int64
	err = t.file(func(w io.Writer) (err error) {
		counted := tally(bar, rows.Seq)
		if t.format == export.FormatParquet {
			about, err := t.about(ctx, backend, known.Digest)
			if err != nil {
				return err
			}
			count, err = export.Parquet(w, rows.Precision, about, counted)
			return err
		}
		count, err = export.Rows(w, t.format, rows.Precision, counted)
		return err
	})
	return outcome{wrote: amount(uint64(max(count, 0)), "row", "rows")}, err
}

// file makes the file.
func (t *exportTask) file(fill func(io.Writer) error) error {
	if err := export.File(t.path, fill); err != nil {
		return fmt.Errorf("export %s: %w", t.query.Collection, err)
	}
	return nil
}

// known returns what is known of the collection beforehand; of one that is not there, nothing: the query says so.
func (t *exportTask) known(ctx context.Context, backend api.Backend) (api.Collection, error) {
	all, err := backend.Collections(ctx)
	if err != nil {
		return api.Collection{}, err
	}
	i := slices.IndexFunc(all, func(c api.Collection) bool { return c.Name == t.query.Collection })
	if i < 0 {
		return api.Collection{}, nil
	}
	return all[i], nil
}

func (t *exportTask) about(ctx context.Context, backend api.Backend, digest string) (export.About, error) {
	id, err := backend.ID(ctx)
	if err != nil {
		return export.About{}, err
	}
	return export.About{
		Collection: t.query.Collection, Gateway: id.Name, Peer: id.Peer, Version: ownVersion().Version, Digest: digest,
	}, nil
}

func (t *exportTask) blocks(ctx context.Context, backend api.Backend) (outcome, error) {
	blocks, err := backend.Blocks(ctx, t.query.Collection)
	if err != nil {
		return outcome{}, err
	}
	bar := newProgress(t.stderr, t.quiet, "blocks", int64(blocks.Count)) //nolint:gosec // below 2^63
	defer bar.end()
	var count int64
	err = t.file(func(w io.Writer) (err error) {
		count, err = export.CAR(w, blocks.Roots, tally(bar, blocks.Seq))
		return err
	})
	out := outcome{wrote: amount(uint64(max(count, 0)), "block", "blocks")}
	if err == nil && blocks.Unsealed > 0 {
		out.warning = fmt.Sprintf("%s not in a block yet, and not in %s; a running agent seals within a minute",
			amount(blocks.Unsealed, "reading is", "readings are"), t.path)
	}
	return out, err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerry-edge/skerry/agent/api"
)

func newTailCmd(p *place) *cobra.Command {
	var asJSON bool
	var flags selectionFlags
	cmd := &cobra.Command{
		Use:   "tail COLLECTION",
		Short: "Print rows as they become durable, until Ctrl-C",
		Example: `  skerry tail climate
  skerry tail climate --series 'temp*' --tag room=cellar --json`,
		Args: oneCollection,
		RunE: func(cmd *cobra.Command, args []string) error {
			q := api.Query{Collection: args[0]}
			if err := flags.fill(cmd, &q, time.Now(), time.Local); err != nil {
				return err
			}
			return ask(cmd, p, func(ctx context.Context, backend api.Backend) error {
				rows, err := backend.Tail(ctx, q)
				if err != nil {
					return err
				}
				err = writeLive(cmd.OutOrStdout(), asJSON, rows)
				if ctx.Err() != nil && errors.Is(err, context.Canceled) {
					return nil // Ctrl-C is how a tail ends
				}
				return err
			})
		},
		ValidArgsFunction: p.completeCollection,
	}
	addJSONFlag(cmd, &asJSON)
	flags.addWhich(cmd)
	_ = cmd.RegisterFlagCompletionFunc("series", p.completeSeriesFlag) // fails only for a flag that does not exist
	p.addSocketFlags(cmd)
	return cmd
}

// writeLive writes each row as soon as it is there.
func writeLive(out io.Writer, asJSON bool, rows api.Rows) error {
	if !asJSON {
		table := newTailTable(out, time.Local, rows.Precision)
		if err := table.begin(); err != nil {
			return err
		}
		_, err := addRows(table, rows)
		return err
	}
	var line []byte
	for row, err := range rows.Seq {
		if err != nil {
			return err
		}
		line = append(row.AppendJSON(line[:0], rows.Precision), '\n')
		if _, err := out.Write(line); err != nil {
			return fmt.Errorf("write row: %w", err)
		}
	}
	return nil
}

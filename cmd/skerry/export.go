package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/export"
)

func newExportCmd(p *place) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "export COLLECTION",
		Short: "Write all rows of a collection to a file",
		Long: `Write all rows of a collection to a file, ordered by time, then series, then author.

The file's extension names the format: .csv or .ndjson. The file appears when it is complete;
one that is there already is then replaced.`,
		Example: `  skerry export climate --out climate.csv`,
		Args:    oneCollection,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := api.CheckName(args[0]); err != nil {
				return usageError("", "collection: %w", err)
			}
			if !cmd.Flags().Changed("out") {
				return usageError("for example: --out "+shellQuote(args[0]+".csv"), "--out says where, and is missing")
			}
			format, err := export.FormatOf(path)
			if err != nil {
				return usageError("", "--out: %w", err)
			}
			return ask(cmd, p, func(ctx context.Context, backend api.Backend) error {
				rows, err := backend.Query(ctx, api.Query{Collection: args[0]})
				if err != nil {
					return err
				}
				var count int64
				err = export.File(path, func(w io.Writer) error {
					count, err = export.Rows(w, format, rows.Precision, rows.Seq)
					return err
				})
				if err != nil {
					return fmt.Errorf("export %s: %w", args[0], err)
				}
				_, err = fmt.Fprintf(cmd.ErrOrStderr(), "wrote %s to %s\n", amount(uint64(max(count, 0)), "row", "rows"), path)
				return err
			})
		},
		ValidArgsFunction: p.completeCollection,
	}
	cmd.Flags().StringVar(&path, "out", "", "write `FILE`, which ends in .csv or .ndjson")
	_ = cmd.MarkFlagFilename("out", "csv", "ndjson") // fails only for a flag that does not exist
	p.addSocketFlags(cmd)
	p.addDirFlag(cmd)
	return cmd
}

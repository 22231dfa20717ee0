package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerry-edge/skerry/agent/api"
)

func newCollectionsCmd(p *place) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "collections",
		Short: "List the collections and what they hold",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd, p, func(ctx context.Context, backend api.Backend) error {
				all, err := backend.Collections(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), append([]api.Collection{}, all...)) // [], not null
				}
				return showCollections(cmd, all)
			})
		},
	}
	addJSONFlag(cmd, &asJSON)
	p.addSocketFlags(cmd)
	p.addDirFlag(cmd)
	return cmd
}

func showCollections(cmd *cobra.Command, all []api.Collection) error {
	rows := make([][]string, 0, len(all))
	for _, c := range all {
		rows = append(rows, []string{
			printable(c.Name), c.Kind, countText(c.Readings), countText(c.Blocks), sizeText(c.Bytes),
			optionalTime(c.First), optionalTime(c.Last), shortDigest(c.Digest), yesNo(c.Complete),
		})
	}
	err := writeTable(cmd.OutOrStdout(), []column{
		{"NAME", false},
		{"KIND", false},
		{"READINGS", true},
		{"BLOCKS", true},
		{"SIZE", true},
		{"FIRST", false},
		{"LAST", false},
		{"DIGEST", false},
		{"COMPLETE", false},
	}, rows)
	if err == nil && len(rows) == 0 {
		_, err = fmt.Fprintln(cmd.ErrOrStderr(), "no collections")
	}
	return err
}

func optionalTime(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return localTime(*t)
}

// shortDigest is enough of a digest for people to compare.
func shortDigest(digest string) string { return digest[:min(len(digest), 12)] }

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

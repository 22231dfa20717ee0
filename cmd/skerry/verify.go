package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skerry-edge/skerry/agent"
	"github.com/skerry-edge/skerry/agent/api"
)

func newVerifyCmd(p *place) *cobra.Command {
	var asJSON, quiet bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read and check every block",
		Long: `Read every block and check it: its hash, its signature, its chain, its readings.

Exit code 0: everything is as it should be; 3: damage was found.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var v api.Verification
			err := ask(cmd, p, func(ctx context.Context, backend api.Backend) (err error) {
				bar := newProgress(cmd.ErrOrStderr(), quiet, "blocks", unknownTotal)
				defer bar.end()
				var tell func(api.Progress)
				if bar != nil {
					tell = func(p api.Progress) { bar.show(int64(p.Blocks), int64(p.Of)) } //nolint:gosec // below 2^63
				}
				v, err = backend.Verify(ctx, tell)
				return err
			})
			if damaged, is := agent.Damaged(err); is { // so much that it does not open
				v, err = damaged, nil
			}
			if err != nil {
				return err
			}
			return tellVerification(cmd.OutOrStdout(), v, asJSON)
		},
	}
	addJSONFlag(cmd, &asJSON)
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "show no progress")
	p.addSocketFlags(cmd)
	p.addDirFlag(cmd)
	return cmd
}

// tellVerification writes v; damage is an error with a code of its own.
func tellVerification(w io.Writer, v api.Verification, asJSON bool) error {
	write := showVerification
	if asJSON {
		write = func(w io.Writer, v api.Verification) error { return writeJSON(w, v) }
	}
	if err := write(w, v); err != nil || v.OK {
		return err
	}
	return &exitError{
		code: exitDamage,
		err:  fmt.Errorf("verify store: damage found: %s", amount(uint64(len(v.Damage)), "thing is", "things are")+" not as it should be"),
	}
}

func showVerification(w io.Writer, v api.Verification) error {
	rows := make([][]string, 0, len(v.Collections))
	for _, c := range v.Collections {
		rows = append(rows, []string{printable(c.Name), countText(c.Blocks), countText(c.Readings), yesNo(c.Complete), shortDigest(c.Digest)})
	}
	columns := []column{{"COLLECTION", false}, {"BLOCKS", true}, {"READINGS", true}, {"COMPLETE", false}, {"DIGEST", false}}
	if err := writeTable(w, columns, rows); err != nil {
		return err
	}
	var b strings.Builder
	for _, d := range v.Damage {
		fmt.Fprintf(&b, "damaged: %s\n", damageText(d))
	}
	for _, d := range v.Repaired {
		fmt.Fprintf(&b, "repaired: %s\n", damageText(d))
	}
	if v.OK {
		b.WriteString("ok: no damage\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func damageText(d api.Damage) string {
	var parts []string
	if d.File != "" {
		parts = append(parts, "file "+printable(d.File))
	}
	if d.Feed != "" {
		parts = append(parts, "feed "+printable(d.Feed))
	}
	if d.Seq != nil {
		parts = append(parts, fmt.Sprintf("block %d", *d.Seq))
	}
	parts = append(parts, printable(d.Reason))
	return strings.Join(parts, ": ")
}

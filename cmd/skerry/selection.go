package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerry-edge/skerry/agent/api"
)

// selectionFlags are what the command line says of which rows are meant.
type selectionFlags struct {
	from, to, series, author string
	tags                     []string
}

// add adds the flags to a command. noTo says what holds without --to.
func (f *selectionFlags) add(cmd *cobra.Command, noTo string) {
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "first time `T`, inclusive (default: the beginning)")
	flags.StringVar(&f.to, "to", "", "last time `T`, exclusive (default: "+noTo+")")
	f.addWhich(cmd)
}

// addWhich adds the flags that have nothing to do with time.
func (f *selectionFlags) addWhich(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.series, "series", "", "only series whose name matches `GLOB`")
	flags.StringArrayVar(&f.tags, "tag", nil, "only series with the tag `k=v`; may be given several times")
	flags.StringVar(&f.author, "author", "", "only rows written by the gateway with this `NAME|KEY`: its name or peer ID")
}

// given returns the names of the flags that the command line has.
func (*selectionFlags) given(cmd *cobra.Command) []string {
	var names []string
	for _, name := range []string{"from", "to", "series", "tag", "author"} {
		if cmd.Flags().Changed(name) {
			names = append(names, name)
		}
	}
	return names
}

// fill checks the flags and puts them into q, whose collection it checks too; q.To stays without --to.
func (f *selectionFlags) fill(cmd *cobra.Command, q *api.Query, now time.Time, zone *time.Location) error {
	if err := api.CheckName(q.Collection); err != nil {
		return usageError("", "collection: %w", err)
	}
	q.Series, q.Author = f.series, f.author
	var err error
	if cmd.Flags().Changed("from") {
		if q.From, err = parseWhen("from", f.from, now, zone); err != nil {
			return err
		}
	}
	if cmd.Flags().Changed("to") {
		if q.To, err = parseWhen("to", f.to, now, zone); err != nil {
			return err
		}
		if q.To <= q.From {
			return usageError("--from is inclusive, --to exclusive", "--to is not after --from: nothing lies between")
		}
	}
	for _, text := range f.tags {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return usageError("for example: --tag room=cellar", "--tag %q: want k=v", text)
		}
		q.Tags = append(q.Tags, api.Tag{Key: key, Value: value})
	}
	return nil
}

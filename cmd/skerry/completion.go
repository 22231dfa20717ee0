package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/skerry-edge/skerry/agent/api"
)

// completeTimeout is how long a shell waits for the names of collections.
const completeTimeout = 2 * time.Second

func newCompletionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a script that completes skerry's commands in a shell",
		Example: `  skerry completion bash | sudo tee /etc/bash_completion.d/skerry
  skerry completion zsh > "${fpath[1]}/_skerry"
  skerry completion fish > ~/.config/fish/completions/skerry.fish

Bash reads /etc/bash_completion.d with the package bash-completion; without it add to ~/.bashrc:
  source <(skerry completion bash)`,
		ValidArgs:             []string{"bash", "zsh", "fish"},
		Args:                  cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return bashCompletion(root, out)
			case "zsh":
				return root.GenZshCompletion(out)
			default:
				return root.GenFishCompletion(out, true)
			}
		},
	}
}

const (
	// bashWords is how cobra's script takes the command line apart: it needs the package bash-completion.
	bashWords = `    _get_comp_words_by_ref "$@" cur prev words cword
`

	// bashOwnWords does the same without the package: it puts together again what bash split at = and :.
	bashOwnWords = `    if declare -F _get_comp_words_by_ref >/dev/null 2>&1; then
        _get_comp_words_by_ref "$@" cur prev words cword
        return
    fi
    local i last glue=
    words=()
    for i in "${!COMP_WORDS[@]}"; do
        last=$((${#words[@]} - 1))
        if [[ ${last} -ge 0 && ( -n ${glue} || ${COMP_WORDS[i]} == [=:]* ) ]]; then
            words[last]+=${COMP_WORDS[i]}
        else
            words+=("${COMP_WORDS[i]}")
        fi
        glue=
        [[ ${COMP_WORDS[i]} == *[=:] ]] && glue=1
        [[ ${i} -eq ${COMP_CWORD} ]] && cword=$((${#words[@]} - 1))
    done
    cur=${words[cword]} prev=${words[cword - 1]}
`
)

// errNoPlace says that cobra's script is another one than the one that bashWords was taken of.
var errNoPlace = errors.New("the script of this cobra is not known")

// bashCompletion writes a script for bash with and without the package bash-completion.
func bashCompletion(root *cobra.Command, out io.Writer) error {
	var script bytes.Buffer
	if err := root.GenBashCompletionV2(&script, true); err != nil {
		return fmt.Errorf("generate script: %w", err)
	}
	before, after, found := bytes.Cut(script.Bytes(), []byte(bashWords))
	if !found {
		return errNoPlace
	}
	for _, part := range [][]byte{before, []byte(bashOwnWords), after} {
		if _, err := out.Write(part); err != nil {
			return fmt.Errorf("write script: %w", err)
		}
	}
	return nil
}

// completeCollection completes the name of a collection, as the gateway knows it that the flags name. When it does not
// answer there is nothing to complete.
func (p *place) completeCollection(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	backend, closeBackend, err := p.backend(ctx, io.Discard)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, err := backend.Collections(ctx)
	if err := errors.Join(err, closeBackend()); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, c := range all {
		if strings.HasPrefix(c.Name, begun) && printable(c.Name) == c.Name {
			names = append(names, c.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// seriesLooked is how many of the newest rows are looked at for names of series.
const seriesLooked = 1000

// completeSeries completes the name of a series of a collection: of those that wrote the newest rows.
func (p *place) completeSeries(cmd *cobra.Command, collection, begun string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	backend, closeBackend, err := p.backend(ctx, io.Discard)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer closeBackend() //nolint:errcheck // the answer is there already
	rows, err := backend.Query(ctx, api.Query{Collection: collection, Newest: true, Limit: seriesLooked})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for row, err := range rows.Seq {
		if err != nil {
			break
		}
		if name := row.Series.Name; strings.HasPrefix(name, begun) && !slices.Contains(names, name) && printable(name) == name {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeSeriesFlag completes --series.
func (p *place) completeSeriesFlag(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.completeSeries(cmd, args[0], begun)
}

// completePlot completes a collection, then series.
func (p *place) completePlot(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return p.completeCollection(cmd, args, begun)
	}
	return p.completeSeries(cmd, args[0], begun)
}

func aggregateNames() []string {
	var names []string
	for _, a := range api.Aggregates() {
		names = append(names, a.String())
	}
	return names
}

// completeAggregates completes the last name of a list.
func completeAggregates(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	before := begun[:strings.LastIndexByte(begun, ',')+1]
	var lists []string
	for _, name := range aggregateNames() {
		if !slices.Contains(strings.Split(before, ","), name) {
			lists = append(lists, before+name)
		}
	}
	return lists, cobra.ShellCompDirectiveNoFileComp
}

// plainUsage removes the quotes around the names of flags' values: help shows them in another way, and a shell's list as they are.
func plainUsage(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") })
	for _, sub := range cmd.Commands() {
		plainUsage(sub)
	}
}

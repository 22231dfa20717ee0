package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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

// plainUsage removes the quotes around the names of flags' values: help shows them in another way, and a shell's list as they are.
func plainUsage(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") })
	for _, sub := range cmd.Commands() {
		plainUsage(sub)
	}
}

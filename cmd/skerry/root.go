package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// execute runs one command line and returns the program's exit code.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root, started := newRootCmd() //nolint:contextcheck // cobra hands the context to the command that runs
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		plainUsage(root)
	}
	cmd, err := root.ExecuteContextC(ctx)
	var exit *exitError
	if err != nil && !*started && !errors.As(err, &exit) {
		err = usageError("see: "+cmd.CommandPath()+" --help", "%w", err)
	}
	report(stderr, err)
	return exitCode(err)
}

// newRootCmd builds the tree of commands. started tells whether a command's own code began: an error before that is one
// of usage.
func newRootCmd() (root *cobra.Command, started *bool) {
	root = group(&cobra.Command{
		Use:   "skerry",
		Short: "An edge gateway that keeps every reading",
		Long: `Skerry reads sensors over serial lines and MQTT, keeps every reading durably,
and gives it back: to you, and to the gateways it is paired with.

Start with:
    skerry demo                  a gateway with simulated sensors
    skerry init --dir DIR        make a gateway's folder
    skerry run --config FILE     run it`,
		Version:       ownVersion().Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate("skerry {{.Version}}\n")
	root.SetHelpCommand(newHelpCmd())
	p := &place{}
	root.AddCommand(
		newInitCmd(p),
		newConfigCmd(p),
		newSourceCmd(p),
		newIDCmd(p),
		newVersionCmd(),
		newStatusCmd(p),
		newCollectionsCmd(p),
		newQueryCmd(p),
		newTailCmd(p),
		newPlotCmd(p),
		newVerifyCmd(p),
		newExportCmd(p),
		newMQTTCmd(),
		newRunCmd(p),
		newDemoCmd(),
		newCompletionCmd(),
	)
	started = new(bool)
	noteStart(root, started)
	return root, started
}

// group makes cmd a command that only has commands below it: alone it shows its help, an unknown one is a usage error.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := "see: " + cmd.CommandPath() + " --help"
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			slices.Sort(near)
			hint = "did you mean: " + cmd.CommandPath() + " " + strings.Join(near, " | ")
		}
		return usageError(hint, "unknown command %q for %q", args[0], cmd.CommandPath())
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.SuggestionsMinimumDistance = 2
	return cmd
}

// noteStart sets *started when the code of cmd or of one below it begins.
func noteStart(cmd *cobra.Command, started *bool) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*started = true
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		noteStart(sub, started)
	}
}

// newHelpCmd returns the command help. Cobra's own takes any word for a command.
func newHelpCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err == nil && len(rest) == 0 {
				return about.Help()
			}
			return usageError("see: "+cmd.Root().CommandPath()+" --help", "there is no command %q", strings.Join(args, " "))
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if about, _, err := cmd.Root().Find(args); err == nil {
				for _, sub := range about.Commands() {
					if sub.IsAvailableCommand() {
						names = append(names, sub.Name()+"\t"+sub.Short)
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

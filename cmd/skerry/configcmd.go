package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/skerry-edge/skerry/agent/config"
)

func newConfigCmd(p *place) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "config",
		Short: "Check and show the configuration",
	})
	cmd.AddCommand(newConfigCheckCmd(p), newConfigShowCmd(p))
	return cmd
}

func newConfigCheckCmd(p *place) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Tell everything that is wrong with the configuration",
		Long: `Read the configuration with its drop-ins and tell everything that is wrong with it,
each with its file and line. Nothing is opened or changed.

Exit code 0: it can be run, though there may be warnings. 78: it cannot.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, warnings, err := p.load(args)
			for _, w := range warnings {
				_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok: %s, %s, %s\n", cfg.File(),
				plural(uint64(len(cfg.Collections)), "collection"), plural(uint64(cfg.SourceCount()), "source"), //nolint:gosec // lengths
				plural(uint64(len(warnings)), "warning"))
			if err != nil {
				return fmt.Errorf("write: %w", err)
			}
			return nil
		},
	}
	p.takesConfig(cmd)
	return cmd
}

func newConfigShowCmd(p *place) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Show the configuration that holds, and where each value comes from",
		Long: `Show the configuration as it holds: the file, the drop-ins over it, and the
defaults. A comment names the file and line that a value comes from. The output
is a configuration itself. Secrets are in files of their own, so it shows none.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, _, err := p.load(args)
			if err != nil {
				return err
			}
			return cfg.Show(cmd.OutOrStdout())
		},
	}
	p.takesConfig(cmd)
	return cmd
}

// takesConfig lets cmd take a configuration as its argument or by a flag.
func (p *place) takesConfig(cmd *cobra.Command) {
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"toml"}, cobra.ShellCompDirectiveFilterFileExt
	}
	p.addFolderFlags(cmd)
}

// load reads the configuration that the argument names, else the flags.
func (p *place) load(args []string) (*config.Config, []config.Fault, error) {
	if len(args) == 1 {
		if p.config != "" || p.dir != "" {
			return nil, nil, usageError("leave the flag out", "FILE cannot be combined with --config or --dir")
		}
		p.config = args[0]
	}
	path, err := p.configPath()
	if err != nil {
		return nil, nil, err
	}
	return config.Load(path)
}

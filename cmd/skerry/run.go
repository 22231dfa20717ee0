package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/skerry-edge/skerry/agent"
	"github.com/skerry-edge/skerry/agent/config"
)

func newRunCmd(p *place) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the gateway until SIGINT or SIGTERM",
		Long: `Run the gateway in the foreground, as a service manager wants it.

The first SIGINT or SIGTERM stops it cleanly: sources stop, everything acknowledged
is sealed into blocks, the store closes. A second one aborts at once; what was
acknowledged is in the journal even then.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := p.configPath()
			if err != nil {
				return err
			}
			cfg, warnings, err := config.Load(path)
			if err != nil {
				return err
			}
			log := newLogger(cfg.Log, cmd.ErrOrStderr())
			for _, w := range warnings {
				log.Warn("configuration", "warning", w.String())
			}
			return runAgent(cmd.Context(), cfg, log)
		},
	}
	p.addConfigFlag(cmd)
	return cmd
}

// runAgent runs an agent until ctx ends.
func runAgent(ctx context.Context, cfg *config.Config, log *slog.Logger) error {
	tuneMemory()
	a, err := agent.Open(ctx, agent.Options{Config: cfg, Version: ownVersion().Version, Log: log})
	if err != nil {
		return err
	}
	err = errors.Join(a.Run(ctx), a.Close())
	if err == nil {
		log.InfoContext(ctx, "stopped", "sealed", true)
	}
	return err
}

// tuneMemory makes the collector run early: a gateway has little memory and time to spare.
func tuneMemory() {
	debug.SetGCPercent(50)
	debug.SetMemoryLimit(48 << 20)
}

// newLogger returns the logger that the section [log] asks for.
func newLogger(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // the configuration was validated
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// plural returns "1 block", "2 blocks".
func plural(n uint64, word string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, word)
	}
	return fmt.Sprintf("%d %ss", n, word)
}

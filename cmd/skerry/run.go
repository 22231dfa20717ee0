package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

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
acknowledged is in the journal even then.

SIGHUP reads the configuration again: the gateway stops as above and starts with the
new one in the same process. A configuration with faults is refused, which skerry
status shows.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := p.configPath()
			if err != nil {
				return err
			}
			cfg, warnings, err := config.Load(path)
			if err != nil {
				return err
			}
			hangups := make(chan os.Signal, 1)
			signal.Notify(hangups, syscall.SIGHUP)
			defer signal.Stop(hangups)
			r := runner{path: path, out: cmd.ErrOrStderr(), hangups: hangups, atTerminal: term.IsTerminal(int(os.Stdin.Fd()))}
			r.log = r.logger(cfg, warnings)
			return r.run(cmd.Context(), cfg)
		},
	}
	p.addConfigFlag(cmd)
	return cmd
}

// A runner runs an agent, and another one in its place whenever the configuration is to be read again.
type runner struct {
	path       string // of the configuration
	out        io.Writer
	hangups    <-chan os.Signal
	atTerminal bool // the program was started at a terminal
	log        *slog.Logger
}

// run runs the gateway until ctx ends.
func (r *runner) run(ctx context.Context, cfg *config.Config) error {
	tuneMemory()
	a, err := r.open(ctx, cfg)
	if err != nil {
		return err
	}
	for {
		next, err := r.runOne(ctx, a)
		if err != nil || next == nil {
			return err
		}
		a, err = r.open(ctx, next)
		if err == nil {
			cfg = next
			continue
		}
		refused := fmt.Errorf("start with the new configuration: %w", err)
		r.log = r.logger(cfg, nil)
		r.log.ErrorContext(ctx, "configuration refused", "err", refused)
		if a, err = r.open(ctx, cfg); err != nil {
			return errors.Join(refused, err)
		}
		a.RefuseConfig(refused)
	}
}

func (r *runner) open(ctx context.Context, cfg *config.Config) (*agent.Agent, error) {
	return agent.Open(ctx, agent.Options{Config: cfg, Version: ownVersion().Version, Log: r.log})
}

// runOne runs an agent until ctx ends, or there is a configuration to start the next one with.
func (r *runner) runOne(ctx context.Context, a *agent.Agent) (next *config.Config, err error) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	var watcher sync.WaitGroup
	watcher.Go(func() {
		defer stop()
		next = r.watch(running, a)
	})
	err = a.Run(running)
	stop()
	watcher.Wait()
	if err = errors.Join(err, a.Close()); err == nil {
		r.log.InfoContext(ctx, "stopped", "sealed", true)
	}
	return next, err
}

// watch returns the configuration that a SIGHUP asks to take, or nil when ctx or the terminal is gone.
func (r *runner) watch(ctx context.Context, a *agent.Agent) *config.Config {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.hangups:
		}
		if r.atTerminal && !term.IsTerminal(int(os.Stdin.Fd())) {
			return nil // it was closed
		}
		cfg, warnings, err := config.Load(r.path)
		if err == nil {
			r.log = r.logger(cfg, warnings)
			r.log.InfoContext(ctx, "configuration read again", "file", r.path)
			return cfg
		}
		a.RefuseConfig(err)
		r.log.ErrorContext(ctx, "configuration refused", "err", err)
	}
}

// logger returns the logger that a configuration asks for, and tells the configuration's warnings.
func (r *runner) logger(cfg *config.Config, warnings []config.Fault) *slog.Logger {
	log := newLogger(cfg.Log, r.out)
	for _, w := range warnings {
		log.Warn("configuration", "warning", w.String())
	}
	return log
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

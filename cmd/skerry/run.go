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
	"strings"
	"sync"
	"syscall"
	"time"

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

SIGHUP reads the configuration again. What has not changed works on: connections stay,
serial lines stay open, nothing is lost. A configuration with faults is refused, and
what only counts from the next start on is named; skerry status shows both.`,
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
			r.begin(cfg, warnings)
			return r.run(cmd.Context(), cfg)
		},
	}
	p.addConfigFlag(cmd)
	return cmd
}

// A runner runs an agent, and gives it the configuration anew at each SIGHUP.
type runner struct {
	path       string // of the configuration
	out        io.Writer
	hangups    <-chan os.Signal
	atTerminal bool // the program was started at a terminal
	log        *slog.Logger
	sink       *logSink // of log: level and format may change
}

// run runs the gateway until ctx ends.
func (r *runner) run(ctx context.Context, cfg *config.Config) error {
	tuneMemory()
	a, err := agent.Open(ctx, agent.Options{Config: cfg, Version: ownVersion().Version, Log: r.log})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	var watcher sync.WaitGroup
	watcher.Go(func() {
		defer stop()
		r.watch(running, a)
	})
	err = a.Run(running)
	stop()
	watcher.Wait()
	if err = errors.Join(err, a.Close()); err == nil {
		r.log.InfoContext(ctx, "stopped", "sealed", true)
	}
	return err
}

// watch hands each new configuration that a SIGHUP asks to take to the agent, until ctx or the terminal is gone.
func (r *runner) watch(ctx context.Context, a *agent.Agent) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.hangups:
		}
		if r.atTerminal && !term.IsTerminal(int(os.Stdin.Fd())) {
			return // it was closed
		}
		if err := r.reload(ctx, a); err != nil && ctx.Err() == nil {
			a.RefuseConfig(err)
			r.log.ErrorContext(ctx, "configuration refused", "err", err)
		}
	}
}

// reload reads the configuration again. The error says why the agent goes on with the one before.
func (r *runner) reload(ctx context.Context, a *agent.Agent) error {
	began := time.Now()
	cfg, warnings, err := config.Load(r.path)
	if err != nil {
		return err
	}
	restart, err := a.Reload(ctx, cfg)
	if err != nil {
		return err
	}
	r.sink.set(cfg.Log)
	r.warn(warnings)
	if len(restart) > 0 {
		r.log.WarnContext(ctx, "configuration has changes that wait for the next start", "keys", strings.Join(restart, ", "), "hint", "systemctl restart skerry")
	}
	r.log.InfoContext(ctx, "configuration read again", "file", r.path, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// begin makes the logger that a configuration asks for, and tells the configuration's warnings.
func (r *runner) begin(cfg *config.Config, warnings []config.Fault) {
	r.sink = newLogSink(cfg.Log, r.out)
	r.log = slog.New(r.sink)
	r.warn(warnings)
}

func (r *runner) warn(warnings []config.Fault) {
	for _, w := range warnings {
		r.log.Warn("configuration", "warning", w.String())
	}
}

// tuneMemory makes the collector run early: a gateway has little memory and time to spare.
func tuneMemory() {
	debug.SetGCPercent(50)
	debug.SetMemoryLimit(48 << 20)
}

// plural returns "1 block", "2 blocks".
func plural(n uint64, word string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, word)
	}
	return fmt.Sprintf("%d %ss", n, word)
}

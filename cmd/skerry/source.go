package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerry-edge/skerry/agent"
	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/config"
)

func newSourceCmd(p *place) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "source",
		Short:   "Look at what a source takes in",
		Example: "  skerry source test weather",
	})
	cmd.AddCommand(newSourceTestCmd(p))
	return cmd
}

func newSourceTestCmd(p *place) *cobra.Command {
	var lasts time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "test NAME",
		Short: "Show what arrives at a source and the readings that it becomes, until Ctrl-C",
		Long: `Show what arrives at a source, and the readings that it becomes or why it is
rejected, until Ctrl-C or the end of --for.

If the agent runs, this watches its source, which goes on as ever. If not, the source
is opened here: a serial port for this program alone; a broker with a client id and a
session of its own, at QoS 0, so that nothing is acknowledged and no other client
misses a message; Modbus slaves are polled at their interval, and only read. Nothing
is stored either way. The broker inside needs the agent.

Readings are shown before a deadband or another filter of the source drops any.

Exit code 1: nothing arrived within --for.`,
		Example: `  skerry source test weather
  skerry source test meters --for 10s --json --config ~/gateway/skerry.toml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("for example: skerry source test weather; the names stand in the configuration", "want the NAME of one source, have %d arguments", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if lasts < 0 {
				return usageError("for example --for 30s", "--for %v is negative", lasts)
			}
			t := &sourceTest{name: args[0], asJSON: asJSON, lasts: lasts, out: cmd.OutOrStdout(), notes: cmd.ErrOrStderr()}
			return t.run(cmd.Context(), p)
		},
		ValidArgsFunction: p.completeSource,
	}
	cmd.Flags().DurationVar(&lasts, "for", 0, "stop after `DURATION` (default: run until Ctrl-C)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object for each input")
	cmd.Flags().StringVar(&p.socket, "socket", "", "watch the agent at the unix socket `PATH`")
	p.addFolderFlags(cmd)
	return cmd
}

// completeSource completes the names of the configured sources.
func (p *place) completeSource(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if path, err := p.configPath(); err == nil && len(args) == 0 {
		if cfg, _, err := config.Salvage(path); err == nil {
			names = sourceNames(cfg)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func sourceNames(cfg *config.Config) []string {
	var names []string
	for i := range cfg.Source.Serial {
		names = append(names, cfg.Source.Serial[i].Port.Name)
	}
	for i := range cfg.Source.Modbus {
		names = append(names, cfg.Source.Modbus[i].Bus.Name)
	}
	for i := range cfg.Source.MQTT {
		names = append(names, cfg.Source.MQTT[i].Door.Name)
	}
	return names
}

// A sourceTest shows one source.
type sourceTest struct {
	name   string
	asJSON bool
	lasts  time.Duration
	out    io.Writer // inputs
	notes  io.Writer // what else is to be said

	inputs api.Inputs
	status func(context.Context) (api.SourceStatus, error)
	solo   bool
	advice advice
}

// run opens the source and shows it until ctx ends, or for as long as said.
func (t *sourceTest) run(ctx context.Context, p *place) error {
	if t.lasts > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeout(ctx, t.lasts)
		defer end()
	}
	ctx, stop := context.WithCancel(ctx) // ends the stream, too
	defer stop()
	closeSource, err := t.open(ctx, p)
	if err != nil {
		return err
	}
	err = t.show(ctx, stop)
	return errors.Join(err, closeSource())
}

// open taps the agent, or opens the source when no agent answers. closeSource waits for its end, once ctx has ended.
func (t *sourceTest) open(ctx context.Context, p *place) (closeSource func() error, err error) {
	if p.socket != "" && p.dir != "" {
		return nil, usageError("leave one of them out", "--dir cannot be combined with --socket")
	}
	var cfg *config.Config
	var faults error
	socket := p.socket
	if socket == "" {
		path, err := p.configPath()
		if err != nil {
			return nil, err
		}
		if cfg, _, faults = config.Load(path); faults != nil {
			// An agent goes on with the configuration before, and can be asked.
			if cfg, _, err = config.Salvage(path); err != nil {
				return nil, err
			}
		}
		socket, t.advice = cfg.API.Socket, adviceFor(cfg, t.name)
	}
	client := api.Dial(socket)
	t.inputs, err = client.Tap(ctx, t.name)
	if err == nil {
		t.status = func(ctx context.Context) (api.SourceStatus, error) { return statusOf(ctx, client, t.name) }
		return client.Close, nil
	}
	if closeErr := client.Close(); closeErr != nil {
		return nil, closeErr
	}
	switch {
	case errors.Is(err, api.ErrNoSource):
		return nil, t.unknown(err, cfg, true)
	case p.socket != "" || !nobodyThere(err):
		return nil, err
	case faults != nil:
		return nil, faults
	}
	return t.openSolo(ctx, cfg)
}

// nobodyThere reports whether err says that no agent runs.
func nobodyThere(err error) bool {
	return errors.Is(err, api.ErrUnreachable) && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED))
}

func (t *sourceTest) openSolo(ctx context.Context, cfg *config.Config) (func() error, error) {
	solo, err := agent.OpenSolo(cfg, t.name, slog.New(slog.DiscardHandler))
	switch {
	case errors.Is(err, api.ErrNoSource):
		return nil, t.unknown(err, cfg, false)
	case errors.Is(err, agent.ErrNeedsAgent):
		hint := "start one in another terminal: skerry run --config " + shellQuote(cfg.File()) + "; then try again"
		return nil, &exitError{code: exitUnreachable, err: err, hint: hint}
	case err != nil:
		return nil, err
	}
	t.solo, t.inputs = true, solo.Tap(ctx)
	t.status = func(context.Context) (api.SourceStatus, error) { return solo.Status(), nil }
	ran := make(chan error, 1)
	go func() { ran <- solo.Run(ctx) }()
	return func() error { return <-ran }, nil
}

// unknown says what was probably meant.
func (t *sourceTest) unknown(err error, cfg *config.Config, running bool) error {
	missing, is := errors.AsType[*api.NoSourceError](err)
	if !is {
		return err
	}
	if running && cfg != nil && slices.Contains(sourceNames(cfg), t.name) {
		return withHint(err, "it stands in "+cfg.File()+", and the agent runs with an older one: send it SIGHUP, or start it again")
	}
	if near := config.Nearest(t.name, missing.Known); near != "" {
		return withHint(err, "did you mean: skerry source test "+shellQuote(near))
	}
	if len(missing.Known) == 0 && cfg != nil {
		return withHint(err, "add a [[source.…]] to "+cfg.File()+"; examples stand in it")
	}
	return err
}

func statusOf(ctx context.Context, client *api.Client, name string) (api.SourceStatus, error) {
	all, err := client.Status(ctx)
	if err != nil {
		return api.SourceStatus{}, err
	}
	for _, s := range all.Parts.Sources {
		if s.Name == name {
			return s, nil
		}
	}
	return api.SourceStatus{}, fmt.Errorf("the status has no source %q", name)
}

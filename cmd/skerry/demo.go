package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/skerry-edge/skerry/agent"
	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/configs"
	"github.com/skerry-edge/skerry/demo"
)

const (
	demoMeters = 3
	demoRate   = 2 // lines and messages a second, of each sensor
	demoSerial = "weather.tty"
	demoLog    = "skerry.log"
)

func newDemoCmd() *cobra.Command {
	var dir string
	var lasts time.Duration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a real gateway with simulated sensors",
		Long: `Run a real gateway: a weather station at the far end of a serial line (a
pseudo-terminal) and MQTT power meters that connect over TCP to the broker inside.

On a terminal it shows live values and a chart, elsewhere a line a second. Ctrl-C
or the end of --for stops it cleanly.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if lasts < 0 {
				return usageError("for example --for 30s", "--for %v is negative", lasts)
			}
			if dir == "" {
				fresh, err := freshDemoDir(time.Now())
				if err != nil {
					return err
				}
				dir = fresh
			}
			return runDemo(cmd.Context(), dir, lasts, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "keep the gateway in the folder `DIR` (default: a fresh one under the user's cache)")
	cmd.Flags().DurationVar(&lasts, "for", 0, "stop after `DURATION` (default: run until Ctrl-C)")
	_ = cmd.MarkFlagDirname("dir") // fails only for a flag that does not exist
	return cmd
}

// freshDemoDir makes a folder that was not there.
func freshDemoDir(now time.Time) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", withHint(fmt.Errorf("find a place for the demo: %w", err), "name one with --dir DIR")
	}
	parent := filepath.Join(cache, "skerry")
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", fmt.Errorf("make a place for the demo: %w", err)
	}
	dir, err := os.MkdirTemp(parent, "demo-"+now.Format("20060102-150405")+"-")
	if err != nil {
		return "", fmt.Errorf("make a place for the demo: %w", err)
	}
	return dir, nil
}

// runDemo runs the gateway in dir until ctx ends, or for as long as said.
func runDemo(ctx context.Context, dir string, lasts time.Duration, out io.Writer) (err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find folder: %w", err)
	}
	cfg, err := prepareDemo(dir)
	if err != nil {
		return err
	}
	logFile, err := os.OpenFile(filepath.Join(dir, demoLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer func() { err = errors.Join(err, logFile.Close()) }()
	log := newLogger(cfg.Log, logFile)

	tuneMemory()
	a, err := agent.Open(ctx, agent.Options{Config: cfg, Version: ownVersion().Version, Log: log})
	if err != nil {
		return err
	}
	line, err := demo.OpenLine(filepath.Join(dir, demoSerial)) // only now: the folder may be another demo's
	if err != nil {
		return errors.Join(fmt.Errorf("open a serial line: %w", err), a.Close())
	}
	defer func() { err = errors.Join(err, line.Close()) }()
	if lasts > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, lasts)
		defer stop()
	}
	d := &demonstration{agent: a, dir: dir, line: line, out: out, log: log}
	err = d.run(ctx)
	collections, listErr := a.Collections(context.WithoutCancel(ctx))
	if err = errors.Join(err, listErr, a.Close()); err != nil {
		return withHint(err, "see the log: "+logFile.Name())
	}
	return summary(out, dir, collections)
}

// prepareDemo lays out dir as init does, and adds the demo's sources.
func prepareDemo(dir string) (*config.Config, error) {
	file := filepath.Join(dir, config.FileName)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		if _, err := makeGateway(dir, "demo", configs.Sample("demo")); err != nil {
			return nil, err
		}
	}
	dropIns := filepath.Join(dir, "skerry.d")
	if err := os.MkdirAll(dropIns, 0o700); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dropIns, "demo.toml"), configs.Demo(filepath.Join(dir, demoSerial)), 0o600); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	cfg, _, err := config.Load(file)
	return cfg, err
}

// demonstration is a running demo.
type demonstration struct {
	agent *agent.Agent
	dir   string
	line  *demo.Line
	out   io.Writer
	log   *slog.Logger
}

// run runs gateway, sensors and view until ctx ends. The gateway stops last, so that nothing is cut short.
func (d *demonstration) run(ctx context.Context) error {
	sensors, err := demo.New(demo.Config{
		Device: d.line.Far(), Broker: d.agent.BrokerAddr().String(), Meters: demoMeters, Rate: demoRate,
		Seed: uint64(os.Getpid()), Log: d.log, //nolint:gosec // any number will do
	})
	if err != nil {
		return err
	}
	agentCtx, stopAgent := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAgent()
	var gateway errgroup.Group
	gateway.Go(func() error { return d.agent.Run(agentCtx) })
	around, aroundCtx := errgroup.WithContext(ctx)
	around.Go(func() error { return sensors.Run(aroundCtx) })
	around.Go(func() error { return d.show(aroundCtx) })
	err = around.Wait()
	stopAgent()
	return errors.Join(err, gateway.Wait())
}

// Package agent builds, starts, stops and reports the parts.
//
// # Goroutines
//
// Run starts them in stages and waits for all: the pipeline (committer, sealer), the API's door, then the
// sources (the broker inside, clients of other brokers, serial ports).
//
// # Shutdown follows the data
//
// When ctx ends, or a part fails, the sources stop first, so nothing new comes in; then the pipeline
// commits what is queued and seals everything; then the door closes, and last the store.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/clock"
	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/identity"
	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/mqtt"
	"github.com/skerry-edge/skerry/store"
)

// stopLimit is how long stopping may take before Run gives up waiting for a part.
const stopLimit = 60 * time.Second

// Options say what an agent is made of.
type Options struct {
	Config  *config.Config
	Version string
	Log     *slog.Logger
}

// Agent is a gateway at work. Open takes its resources, Run works, Close releases.
type Agent struct {
	view     *view // what the API shows of the store
	cfg      *config.Config
	version  string
	log      *slog.Logger
	started  time.Time
	clock    *clock.System
	table    *sensors.Table
	pipeline *ingest.Pipeline
	broker   *mqtt.Broker // nil: off
	sources  []sensors.Source
	tallies  []*sensors.Tally // of routes of the broker inside
	filters  filters
	taps     taps
	listener net.Listener
	server   *api.Server
	health   *health
}

// Open takes the store, the broker's port and the API's socket. The error names what is in the way:
// store.ErrLocked when another agent has the store.
func Open(ctx context.Context, o Options) (*Agent, error) {
	a := &Agent{cfg: o.Config, version: o.Version, log: o.Log, started: time.Now()}
	id, err := identity.Load(o.Config.Gateway.IdentityFile)
	if err != nil {
		return nil, err
	}
	a.clock, a.table = clock.New(o.Config.Gateway.TrustClock), sensors.NewTable()
	a.health = newHealth(func() time.Time { now, _ := a.clock.Now(); return now })
	db, err := store.Open(store.Options{
		Dir: o.Config.Gateway.DataDir, Table: a.table, Author: crdt.AuthorOf(id.PublicKey()),
		Who: fmt.Sprintf("skerry run, process %d", os.Getpid()), Clock: clockBase(a.clock), Log: o.Log,
	})
	if err != nil {
		return nil, explain(err)
	}
	a.view = &view{db: db, id: id, name: o.Config.Gateway.Name, configured: configuredCollections(o.Config)}
	if err := a.build(ctx, id); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// build makes the parts and takes the ports.
func (a *Agent) build(ctx context.Context, id *identity.Identity) error {
	line := &line{
		cfg: a.cfg, db: a.view.db, key: id.PrivateKey(), peer: id.PeerID(), table: a.table,
		clock: a.arrival, synced: a.clock.Now, health: a.health, log: a.log,
	}
	if err := line.build(); err != nil {
		return err
	}
	a.pipeline, a.broker, a.sources, a.tallies, a.filters, a.taps = line.pipeline, line.broker, line.sources, line.tallies, line.filters, line.taps
	if a.broker != nil {
		if err := a.broker.Listen(ctx); err != nil {
			return err
		}
	}
	listener, err := api.ListenUnix(ctx, a.cfg.API.Socket)
	if err != nil {
		return err
	}
	a.listener = listener
	metrics := api.NewMetrics()
	a.server = api.NewServer(a, api.Options{
		Prometheus: a.prometheus(metrics), Metrics: metrics, Ready: a.ready, Log: a.log,
	})
	return nil
}

// Run works until ctx ends, then stops the parts in order. It returns nil when everything was stopped
// and sealed.
func (a *Agent) Run(ctx context.Context) error {
	a.logOpened()
	lasting := context.WithoutCancel(ctx)
	doorCtx, closeDoor := context.WithCancel(lasting)
	defer closeDoor()
	lineCtx, stopLine := context.WithCancel(lasting)
	defer stopLine()
	ctx, fail := context.WithCancel(ctx)
	defer fail()
	var door, line errgroup.Group
	door.Go(func() error {
		defer fail() // a gateway that nobody can ask is of no use
		return a.server.Serve(doorCtx, a.listener)
	})
	line.Go(func() error {
		defer fail() // without it nothing is stored any more
		return a.pipeline.Run(lineCtx)
	})

	sources, sourcesCtx := errgroup.WithContext(ctx)
	if a.broker != nil {
		sources.Go(func() error { return a.broker.Run(sourcesCtx) })
	}
	for _, s := range a.sources {
		sources.Go(func() error { return s.Run(sourcesCtx) })
	}
	sources.Go(func() error { <-sourcesCtx.Done(); return nil }) // without sources the agent still runs

	stopped := make(chan error, 1)
	go func() {
		err := sources.Wait()
		a.log.InfoContext(ctx, "sources stopped")
		stopLine()
		err = errors.Join(err, line.Wait())
		a.log.InfoContext(ctx, "pipeline stopped")
		closeDoor()
		stopped <- errors.Join(err, door.Wait())
	}()
	<-sourcesCtx.Done()
	select {
	case err := <-stopped:
		return err
	case <-time.After(stopLimit):
		return fmt.Errorf("stop: not done after %s; what is acknowledged is in the journal", stopLimit)
	}
}

// Close releases the store, ports and socket. Run must have returned.
func (a *Agent) Close() error {
	var errs []error
	if a.broker != nil {
		errs = append(errs, a.broker.Close())
	}
	if a.listener != nil {
		if err := a.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, fmt.Errorf("close socket: %w", err))
		}
	}
	return errors.Join(append(errs, a.view.db.Close())...)
}

// RefuseConfig shows among the troubles that the configuration on disk was not taken, and why.
func (a *Agent) RefuseConfig(why error) {
	text := why.Error()
	if faults, ok := errors.AsType[config.Faults](why); ok && len(faults) > 1 {
		text = fmt.Sprintf("%s (and %d more)", faults[0], len(faults)-1)
	}
	a.health.refuseConfig(text)
}

// BrokerAddr returns where the broker inside listens; nil: it is off.
func (a *Agent) BrokerAddr() net.Addr {
	if a.broker == nil {
		return nil
	}
	return a.broker.Addr()
}

// arrival returns the time of input that arrives now.
func (a *Agent) arrival() (time.Time, sensors.Quality) {
	now, synced := a.clock.Now()
	if synced {
		return now, 0
	}
	return now, sensors.QualityUnsynced
}

// ready says why the agent does not take readings yet; nil: it does.
func (a *Agent) ready() error {
	if err := a.pipeline.Stats().Failing; err != nil {
		return fmt.Errorf("the store does not take readings: %w", err)
	}
	return nil
}

func (a *Agent) logOpened() {
	o := a.view.db.Opened()
	a.log.Info("store opened", "folder", a.cfg.Gateway.DataDir, "created", o.Created, "replayed", o.Replayed,
		"torn", o.Torn, "copied", o.Copied, "tail_lost", o.TailLost, "damage", len(o.Damage), "took", o.Took.Round(time.Millisecond))
}

// clockBase relates unsynced arrival times to this boot's monotonic clock.
func clockBase(c *clock.System) sensors.ClockBase {
	now, _ := c.Now()
	return sensors.ClockBase{Boot: c.Boot(), Base: now.UnixNano() - int64(c.Mono())} //nolint:gosec // nanoseconds since boot fit for 292 years
}

// configuredCollections returns a copy of the sections.
func configuredCollections(c *config.Config) []ingest.CollectionConfig {
	return slices.Clone(c.Collections)
}

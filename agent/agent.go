// Package agent builds, starts, stops and reports the parts.
//
// # Goroutines
//
// Run starts them in stages and waits for all: the pipeline (committer, sealer), the API's door, then the
// sources (the broker inside, clients of other brokers, serial ports).
//
// Reload stops and starts single parts of the doors and sources while all others work on.
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
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/clock"
	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/identity"
	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors"
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

// Agent is a gateway at work. Open takes its resources, Run works, Close releases. Reload changes what it is made of meanwhile.
type Agent struct {
	version  string
	log      *slog.Logger
	started  time.Time
	id       *identity.Identity
	db       *store.DB
	clock    *clock.System
	line     *line
	pipeline *ingest.Pipeline
	server   *api.Server
	health   *health
	now      atomic.Pointer[parts]

	running chan struct{} // closed when Run has started the parts

	changing sync.Mutex // held while parts start and stop; guards what follows, and all tasks
	stopping bool
	sources  *crew
	doors    *crew
}

// Open takes the store, the ports and the API's socket. The error names what is in the way and what to do: store.ErrLocked when
// another agent has the store.
func Open(ctx context.Context, o Options) (*Agent, error) {
	a := &Agent{version: o.Version, log: o.Log, started: time.Now(), running: make(chan struct{})}
	var err error
	if a.id, err = identity.Load(o.Config.Gateway.IdentityFile); err != nil {
		return nil, startError(err, o.Config, "gateway.identity_file")
	}
	a.clock = clock.New(o.Config.Gateway.TrustClock)
	a.health = newHealth(func() time.Time { now, _ := a.clock.Now(); return now })
	table := sensors.NewTable()
	a.db, err = store.Open(store.Options{
		Dir: o.Config.Gateway.DataDir, Table: table, Author: crdt.AuthorOf(a.id.PublicKey()),
		Who: fmt.Sprintf("skerry run, process %d", os.Getpid()), Clock: clockBase(a.clock), Log: o.Log,
	})
	if err != nil {
		return nil, startError(err, o.Config, "gateway.data_dir")
	}
	a.line = &line{
		db: a.db, key: a.id.PrivateKey(), peer: a.id.PeerID(), table: table,
		clock: a.arrival, synced: a.clock.Now, health: a.health, log: a.log,
	}
	if err := a.build(ctx, o.Config); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// build makes the parts and takes the ports.
func (a *Agent) build(ctx context.Context, cfg *config.Config) error {
	p := &parts{cfg: cfg, read: a.started, view: a.viewOf(cfg)}
	a.now.Store(p)
	if err := a.line.open(cfg); err != nil {
		return err
	}
	a.pipeline = a.line.pipeline
	a.line.learn(cfg)
	var err error
	if p.inputs, err = a.line.inputs(cfg, nil); err != nil {
		return err
	}
	a.line.origins = nil
	a.line.ledger.set(p.inputs)
	if p.broker, err = a.openBroker(ctx, cfg, p.inputs); err != nil {
		return err
	}
	if p.socket, err = openSocket(ctx, cfg); err != nil {
		return err
	}
	if p.tcp, err = openTCP(ctx, cfg); err != nil {
		return err
	}
	metrics := api.NewMetrics()
	a.server = api.NewServer(a, api.Options{
		Prometheus: a.prometheus(metrics), Metrics: metrics, Ready: a.ready, Log: a.log,
	})
	return nil
}

// viewOf returns what the API shows of the store.
func (a *Agent) viewOf(cfg *config.Config) *view {
	return &view{db: a.db, id: a.id, name: cfg.Gateway.Name, configured: configuredCollections(cfg)}
}

// openBroker takes the ports of the broker inside; nil: it is off.
func (a *Agent) openBroker(ctx context.Context, cfg *config.Config, inputs []*input) (*broker, error) {
	made := a.line.broker(cfg, inputs)
	if made == nil {
		return nil, nil //nolint:nilnil // there is no broker, and no fault
	}
	if err := made.Listen(ctx); err != nil {
		return nil, startError(err, cfg, "mqtt.broker")
	}
	return &broker{madeOf: cfg.MQTT, Broker: made}, nil
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
	sourcesCtx, fail := context.WithCancel(ctx)
	defer fail()
	doors := &crew{ctx: doorCtx, fail: fail, log: a.log} // a gateway that nobody can ask is of no use
	sources := &crew{ctx: sourcesCtx, fail: fail, log: a.log}
	var line errgroup.Group
	line.Go(func() error {
		defer fail() // without it nothing is stored any more
		return a.pipeline.Run(lineCtx)
	})
	sources.group.Go(func() error { // nothing joins a crew that stops: until here both have one at work
		<-sourcesCtx.Done()
		a.changing.Lock()
		defer a.changing.Unlock()
		a.stopping = true
		return nil
	})
	a.changing.Lock()
	a.sources, a.doors = sources, doors
	a.startAll(a.now.Load()) //nolint:contextcheck // parts have the crews' contexts
	a.changing.Unlock()
	close(a.running)

	stopped := make(chan error, 1)
	go func() {
		err := sources.group.Wait()
		a.log.InfoContext(ctx, "sources stopped")
		stopLine()
		err = errors.Join(err, line.Wait())
		a.log.InfoContext(ctx, "pipeline stopped")
		closeDoor()
		stopped <- errors.Join(err, doors.group.Wait())
	}()
	<-sourcesCtx.Done()
	select {
	case err := <-stopped:
		return err
	case <-time.After(stopLimit):
		return fmt.Errorf("stop: not done after %s; what is acknowledged is in the journal", stopLimit)
	}
}

// startAll lets those parts work that do not yet. The caller holds changing.
func (a *Agent) startAll(p *parts) {
	if p.socket.task == nil {
		p.socket.task = a.doors.start(func(ctx context.Context) error { return a.server.Serve(ctx, p.socket.listener) })
	}
	if p.tcp != nil && p.tcp.task == nil {
		p.tcp.task = a.doors.start(func(ctx context.Context) error { return a.server.ServeTCP(ctx, p.tcp.TCPDoor) })
	}
	if p.broker != nil && p.broker.task == nil {
		p.broker.task = a.sources.start(p.broker.Run)
	}
	for _, in := range p.inputs {
		if in.source != nil && in.task == nil {
			in.task = a.sources.start(in.source.Run)
		}
	}
}

// Close releases the store, ports and socket. Run must have returned.
func (a *Agent) Close() error { return errors.Join(append(a.now.Load().close(), a.db.Close())...) }

// RefuseConfig shows among the troubles that the configuration on disk was not taken, and why.
func (a *Agent) RefuseConfig(why error) {
	text := why.Error()
	if faults, ok := errors.AsType[config.Faults](why); ok && len(faults) > 1 {
		text = fmt.Sprintf("%s (and %d more)", faults[0], len(faults)-1)
	}
	a.health.refuseConfig(text)
}

// BrokerAddr returns where the broker inside listens; nil: it is off.
func (a *Agent) BrokerAddr() net.Addr { return a.now.Load().brokerAddr() }

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
	o := a.db.Opened()
	a.log.Info("store opened", "folder", a.now.Load().cfg.Gateway.DataDir, "created", o.Created, "replayed", o.Replayed,
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

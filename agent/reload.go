package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/sensors/mqtt"
)

var errStopping = errors.New("the gateway is stopping")

// Reload makes the agent one of another configuration while it works. What has not changed goes on: connections stay, serial
// lines stay open, and nothing that is under way is lost. The store, the queues and their settings always stay.
//
// # Steps
//
//  1. Everything new is made, and ports that are new are taken. An error until here changes nothing.
//  2. Ports that change hands (the broker's or a door's, with other settings on the same address) are given back and taken again. When
//     that fails what was before takes them again, and the configuration is refused.
//  3. Sources that are gone or have changed stop: they acknowledge what is journalled, and their last readings are in the pipeline.
//     Those of the broker inside only lose their topics; its clients stay connected.
//  4. New sources start, and new doors; old doors close.
//
// What can only be taken at the start (the store, the key, a collection's precision) stays as it was, and is told: restart names its
// keys. The error says why the configuration was not taken; then the agent is as before.
func (a *Agent) Reload(ctx context.Context, cfg *config.Config) (restart []string, err error) {
	select {
	case <-a.running:
	case <-ctx.Done():
		return nil, errStopping
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	if a.stopping {
		return nil, errStopping
	}
	ctx = context.WithoutCancel(ctx)
	old := a.now.Load()
	next := &parts{read: time.Now()}
	next.cfg, next.restart = a.line.fix(old.cfg, cfg)
	if err := a.replace(ctx, old, next); err != nil {
		return nil, err
	}
	a.health.takeConfig()
	return next.restart, nil
}

// replace puts next in the place of old, or leaves old there and returns an error.
func (a *Agent) replace(ctx context.Context, old, next *parts) (err error) {
	next.view = a.viewOf(next.cfg)
	if next.inputs, err = a.line.inputs(next.cfg, old.inputs); err != nil {
		return err
	}
	added, err := a.line.collections(next.cfg.Collections)
	if err != nil {
		return err
	}
	a.pipeline.Configure(waits(old.cfg), added, nil) // before there are messages for them; none are lost if they stay without
	a.line.learn(next.cfg)
	if err := a.takePorts(ctx, old, next); err != nil {
		return errors.Join(err, errors.Join(a.giveUp(ctx, old, next)...))
	}
	a.pipeline.Configure(waits(next.cfg), nil, next.cfg.Collections)
	if next.broker != nil {
		next.broker.SetRoutes(routesOf(next.inputs))
		next.broker.PassQoS0AtOnce(waits(next.cfg).Hold)
	}
	if old.broker != nil && old.broker != next.broker { // before the new one says that it works: they share sources
		old.broker.task.stop()
	}
	a.stopSources(old, next)
	a.line.ledger.set(next.inputs)
	a.now.Store(next)
	a.startAll(next) //nolint:contextcheck // parts have the crews' contexts
	if old.tcp != nil && old.tcp != next.tcp {
		old.tcp.task.stop()
	}
	if old.socket != next.socket {
		old.socket.task.stop()
	}
	return nil
}

// takePorts takes what is new, and hands over what is old: first what can be taken while the old one has its own.
func (a *Agent) takePorts(ctx context.Context, old, next *parts) (err error) {
	next.socket = old.socket
	if next.cfg.API.Socket != old.cfg.API.Socket {
		if next.socket, err = openSocket(ctx, next.cfg); err != nil {
			next.socket = old.socket
			return err
		}
	}
	next.tcp = old.tcp
	if old.tcp == nil || !reflect.DeepEqual(tcpConfig(next.cfg), old.tcp.madeOf) {
		next.tcp, err = openTCP(ctx, next.cfg)
		if old.tcp != nil && inTheWay(err, old.tcp.Addr()) {
			old.tcp.task.stop()
			next.tcp, err = openTCP(ctx, next.cfg)
		}
		if err != nil {
			return err
		}
	} else if err := old.tcp.EnsureToken(); err != nil {
		return startError(err, next.cfg, "api.token_file")
	}
	next.broker = old.broker
	if old.broker == nil || !reflect.DeepEqual(next.cfg.MQTT, old.broker.madeOf) {
		next.broker, err = a.openBroker(ctx, next.cfg, next.inputs)
		if old.broker != nil && inTheWay(err, old.broker.Addr(), old.broker.TLSAddr()) {
			old.broker.task.stop()
			next.broker, err = a.openBroker(ctx, next.cfg, next.inputs)
		}
	}
	return err
}

// inTheWay reports whether it is a port of ours that we could not take.
func inTheWay(err error, ours ...net.Addr) bool {
	taken := ""
	if door, ok := errors.AsType[*api.DoorError](err); ok {
		taken = door.Value
	}
	if listen, ok := errors.AsType[*mqtt.ListenError](err); ok {
		taken = listen.Addr
	}
	_, port, splitErr := net.SplitHostPort(taken)
	if !errors.Is(err, syscall.EADDRINUSE) || splitErr != nil {
		return false
	}
	return slices.ContainsFunc(ours, func(addr net.Addr) bool {
		tcp, ok := addr.(*net.TCPAddr)
		return ok && strconv.Itoa(tcp.Port) == port
	})
}

// giveUp gives back what next has taken, and lets old work again where it was stopped.
func (a *Agent) giveUp(ctx context.Context, old, next *parts) (errs []error) {
	if next.socket != nil && next.socket != old.socket {
		errs = append(errs, next.socket.close())
	}
	if next.tcp != nil && next.tcp != old.tcp {
		errs = append(errs, next.tcp.close())
	}
	if next.broker != nil && next.broker != old.broker {
		errs = append(errs, next.broker.Close())
	}
	again := *old
	if old.tcp != nil && old.tcp.task.over() {
		door, err := openTCP(ctx, old.cfg)
		again.tcp, errs = door, append(errs, err)
	}
	if old.broker != nil && old.broker.task.over() {
		made, err := a.openBroker(ctx, old.cfg, old.inputs)
		again.broker, errs = made, append(errs, err)
	}
	a.now.Store(&again)
	a.startAll(&again) //nolint:contextcheck // likewise
	return errs
}

// stopSources stops those of old that next does not have, all at once, and waits.
func (a *Agent) stopSources(old, next *parts) {
	var stopping sync.WaitGroup
	for _, in := range old.inputs {
		if in.task != nil && !slices.Contains(next.inputs, in) {
			stopping.Go(in.task.stop)
		}
	}
	stopping.Wait()
}

// learn remembers the collections that the pipeline has.
func (l *line) learn(cfg *config.Config) {
	for _, c := range l.allCollections(cfg) {
		if _, has := l.known[c.Name]; !has {
			l.known[c.Name] = c
		}
	}
}

// fix returns the configuration that can be taken while the agent works: what only counts from the next start on is as before. restart
// names the keys that differ.
func (l *line) fix(old, wanted *config.Config) (taken *config.Config, restart []string) {
	fixed := *wanted
	keep := func(key string, differs bool) bool {
		if differs {
			restart = append(restart, key)
		}
		return differs
	}
	g, was := &fixed.Gateway, old.Gateway
	if keep("gateway.data_dir", g.DataDir != was.DataDir) {
		g.DataDir = was.DataDir
	}
	if keep("gateway.identity_file", g.IdentityFile != was.IdentityFile) {
		g.IdentityFile = was.IdentityFile
	}
	if keep("gateway.trust_clock", g.TrustClock != was.TrustClock) {
		g.TrustClock = was.TrustClock
	}
	fixed.Collections = slices.Clone(wanted.Collections)
	for i := range fixed.Collections {
		c := &fixed.Collections[i]
		if has, is := l.known[c.Name]; is && keep(fmt.Sprintf("collection %q precision", c.Name), c.Precision != has.Precision) {
			c.Precision = has.Precision
		}
	}
	return &fixed, restart
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/identity"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/store"
)

// ErrLocked says that an agent, or another command, has the store open.
var ErrLocked = store.ErrLocked

// errNoAgent is what only an agent can answer.
var errNoAgent = errors.New("only a running agent can answer this")

// Offline is a gateway's folder opened for reading, without an agent. It changes no reading, head or
// identity, and includes what is journalled.
type Offline struct {
	view
	faults []config.Fault
	owner  *owner // nil: nothing to give back
}

// OpenOffline opens DIR/data, or the folder that DIR/skerry.toml names. A faulty configuration is no obstacle to reading: see
// Faults. ErrLocked: an agent holds the store.
func OpenOffline(_ context.Context, dir string) (*Offline, error) {
	data, key := filepath.Join(dir, "data"), filepath.Join(dir, "identity.key")
	o := &Offline{}
	cfg, faults, err := config.Salvage(filepath.Join(dir, config.FileName))
	noConfig := errors.Is(err, fs.ErrNotExist)
	switch {
	case err == nil:
		data, key = cfg.Gateway.DataDir, cfg.Gateway.IdentityFile
		o.name, o.configured, o.faults = cfg.Gateway.Name, configuredCollections(cfg), faults
	case !noConfig:
		o.faults = []config.Fault{{File: filepath.Join(dir, config.FileName), Line: 1, What: err.Error()}}
	}
	if _, err := os.Stat(data); err != nil {
		if noConfig && errors.Is(err, fs.ErrNotExist) {
			return nil, &hinted{fmt.Errorf("there is no gateway in %s: neither %s nor data", dir, config.FileName), "make one with: skerry init --dir " + dir}
		}
		err = fmt.Errorf("open store: %w", err)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &hinted{err, "this gateway has not run yet: skerry run --config " + filepath.Join(dir, config.FileName)}
		}
		return nil, explain(err)
	}
	if o.id, err = identity.Load(key); err != nil {
		return nil, explain(err)
	}
	o.owner = ownerOf(data)
	o.db, err = store.Open(store.Options{
		Dir: data, Table: sensors.NewTable(), Author: crdt.AuthorOf(o.id.PublicKey()),
		Who: fmt.Sprintf("skerry --dir, process %d", os.Getpid()), ReadOnly: true, Log: slog.New(slog.DiscardHandler),
	})
	if errors.Is(err, store.ErrLocked) {
		return nil, explain(err) // another process writes there
	}
	if err != nil {
		return nil, explain(errors.Join(err, o.owner.giveBack()))
	}
	return o, nil
}

// Damaged returns what a verification says of a store that OpenOffline cannot open because of damage.
func Damaged(err error) (api.Verification, bool) {
	damaged, is := errors.AsType[*store.DamagedError](err)
	if !is {
		return api.Verification{}, false
	}
	return verification(nil, damaged.Damage), true
}

// Status implements api.Backend: there is none without an agent.
func (*Offline) Status(context.Context) (api.Status, error) { return api.Status{}, errNoAgent }

// Tail implements api.Backend: nothing arrives without an agent.
func (*Offline) Tail(context.Context, api.Query) (api.Rows, error) { return api.Rows{}, errNoAgent }

// Tap implements api.Backend: no source is open without an agent.
func (*Offline) Tap(context.Context, string) (api.Inputs, error) { return api.Inputs{}, errNoAgent }

// Faults lists what is wrong with the folder's configuration: defaults stand in the place of what is faulty.
func (o *Offline) Faults() []config.Fault { return o.faults }

// Close releases the folder.
func (o *Offline) Close() error { return errors.Join(o.db.Close(), o.owner.giveBack()) }

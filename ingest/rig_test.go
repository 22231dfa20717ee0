package ingest

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// rig is a pipeline over a fake store.
type rig struct {
	t     *testing.T
	store *fakeStore
	table *sensors.Table
	pipe  *Pipeline
	stop  func() error // waits for Run
}

func testKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, 32)) }

func testConfig(name string) CollectionConfig {
	c := DefaultCollectionConfig()
	c.Name = name
	return c
}

func synced() (time.Time, bool) { return time.Now(), true }

// start runs a pipeline.
func start(t *testing.T, store *fakeStore, cfg Config, clock Clock, collections ...CollectionConfig) *rig {
	t.Helper()
	if len(collections) == 0 {
		collections = []CollectionConfig{testConfig("climate")}
	}
	var made []*Collection
	for _, c := range collections {
		m, err := NewCollection(c, testKey(), Resume{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, m)
	}
	return startCollections(t, store, cfg, clock, made...)
}

// startCollections runs a pipeline over collections that the test made.
func startCollections(t *testing.T, store *fakeStore, cfg Config, clock Clock, made ...*Collection) *rig {
	t.Helper()
	r := &rig{t: t, store: store, table: sensors.NewTable(), pipe: New(cfg, store, made, clock, slog.New(slog.DiscardHandler))}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.pipe.Run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = r.stop() })
	return r
}

func (r *rig) series(name string, typ sensors.Type) *sensors.Series {
	r.t.Helper()
	s, err := r.table.Intern(sensors.Series{Name: name, Type: typ})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

const testStart = int64(1_700_000_000_000_000_000)

// batch returns n readings of series a.
func (r *rig) batch(n int) sensors.Batch {
	r.t.Helper()
	b := sensors.Batch{Source: "line", Collection: "climate"}
	s := r.series("a", sensors.Float)
	for i := range n {
		b.Readings = append(b.Readings, sensors.Reading{Series: s, Time: testStart + int64(i)*1e6, Num: math.Float64bits(float64(i))})
	}
	return b
}

// add adds a batch and waits for its acknowledgement.
func (r *rig) add(b sensors.Batch) error {
	r.t.Helper()
	done := make(chan error, 1)
	if err := r.pipe.Add(context.Background(), b, func(err error) { done <- err }); err != nil {
		return err
	}
	return <-done
}

// finish stops the pipeline and expects that everything that was stored is in blocks.
func (r *rig) finish() Stats {
	r.t.Helper()
	if err := r.stop(); err != nil {
		r.t.Error(err)
	}
	s := r.pipe.Stats()
	checkSums(r.t, s)
	if s.Queued != 0 {
		r.t.Errorf("%d readings are queued after the end", s.Queued)
	}
	if appended, sealed := r.checkSealed(); appended != s.Stored || sealed != s.Stored {
		r.t.Errorf("%d readings journalled, %d in blocks, %d counted as stored", appended, sealed, s.Stored)
	}
	return s
}

// checkSealed stops the pipeline, expects that everything is in blocks, and returns how many readings were journalled
// and sealed.
func (r *rig) checkSealed() (appended, sealed uint64) {
	r.t.Helper()
	if err := r.stop(); err != nil {
		r.t.Error(err)
	}
	r.store.with(func() {
		for name, t := range r.store.tails {
			appended += uint64(t.appended)
			sealed += uint64(len(t.sealed))
			if len(t.readings) > 0 || len(t.losses) > 0 {
				r.t.Errorf("%q: %d readings and %d losses are in no block", name, len(t.readings), len(t.losses))
			}
			if c := t.counters; c != nil && (c.Decoded != c.Stored+c.Filtered+c.Lost || c.Stored > uint64(len(t.sealed))) {
				r.t.Errorf("%q: counters %+v do not add up with %d readings", name, *c, len(t.sealed))
			}
		}
	})
	return appended, sealed
}

func checkSums(t *testing.T, s Stats) {
	t.Helper()
	if s.Decoded != s.Stored+s.Filtered+s.Lost+s.Refused+s.Queued {
		t.Errorf("sums do not add up: %+v", s)
	}
}

// lostBySource returns the sums of losses by source.
func lostBySource(losses []*crdt.Loss) map[string]uint64 {
	out := map[string]uint64{}
	for _, l := range losses {
		out[l.Source] += l.Count
	}
	return out
}

// Package line runs the line of a gateway in this process: a real store, and a real pipeline over it.
package line

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/store"
)

// Source and Collection are where all readings come from and go to.
const (
	Source     = "bench"
	Collection = "bench"
)

// Options say how to open a Line; the zero value of a field means its default.
type Options struct {
	Dir         string             // the store
	Key         ed25519.PrivateKey // of the author; default a fixed one
	MaxReadings int                // in a block
	MaxBytes    int                // of a block's payload
}

// Line is an open store with its pipeline at work.
type Line struct {
	DB    *store.DB
	Pipe  *ingest.Pipeline
	Table *sensors.Table

	sums   *sums
	cancel context.CancelFunc
	done   chan error
}

// Sealed says what went into blocks.
type Sealed struct {
	Blocks  uint64 // of data
	Payload uint64 // bytes of them
	Raw     uint64 // bytes of these blocks
	Other   uint64 // bytes of opening blocks and of the meta feed
}

// sums is the store, and counts what is sealed. The pipeline's sealer owns the sums until it has ended.
type sums struct {
	*store.DB
	Sealed
}

// Seal implements ingest.Store.
func (s *sums) Seal(collection string, blocks []*crdt.Block, readings, losses int) error {
	for _, b := range blocks {
		if b.Codec != crdt.CodecColumns {
			s.Other += uint64(len(b.Raw))
			continue
		}
		s.Sealed.Blocks++ // the store has Blocks, too
		s.Payload += uint64(len(b.Payload))
		s.Raw += uint64(len(b.Raw))
	}
	return s.DB.Seal(collection, blocks, readings, losses)
}

// Open opens the store and starts the pipeline, which works until Close.
func Open(ctx context.Context, o Options) (*Line, error) {
	if o.Key == nil {
		o.Key = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	}
	public, is := o.Key.Public().(ed25519.PublicKey)
	if !is {
		return nil, errors.New("open line: the key is not an Ed25519 key")
	}
	log := slog.New(slog.DiscardHandler)
	l := &Line{Table: sensors.NewTable(), done: make(chan error, 1)}
	var err error
	if l.DB, err = store.Open(store.Options{Dir: o.Dir, Table: l.Table, Author: crdt.AuthorOf(public), Who: "bench", Log: log}); err != nil {
		return nil, err
	}
	c, err := l.collection(o)
	if err != nil {
		return nil, errors.Join(err, l.DB.Close())
	}
	clock := func() (time.Time, bool) { return time.Now(), true }
	l.sums = &sums{DB: l.DB}
	l.Pipe = ingest.New(ingest.Config{}, l.sums, []*ingest.Collection{c}, clock, log)
	ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() { l.done <- l.Pipe.Run(ctx) }()
	return l, nil
}

// collection resumes the feeds that the store has.
func (l *Line) collection(o Options) (*ingest.Collection, error) {
	cfg := ingest.DefaultCollectionConfig()
	cfg.Name = Collection
	if o.MaxReadings > 0 {
		cfg.MaxReadings = o.MaxReadings
	}
	if o.MaxBytes > 0 {
		cfg.MaxBytes = o.MaxBytes
	}
	own, has, err := l.DB.Own(Collection)
	if err != nil {
		return nil, err
	}
	var resume ingest.Resume
	if has {
		resume = ingest.Resume{
			Data:   crdt.ResumeFeed(o.Key, own.Data.ID, own.Data.Opening, own.Data.Seq, own.Data.CID),
			Meta:   crdt.ResumeFeed(o.Key, own.Meta.ID, own.Meta.Opening, own.Meta.Seq, own.Meta.CID),
			Series: own.Series, SeriesSeqs: own.SeriesSeqs, Hybrid: own.Hybrid, Readings: own.Readings, Counters: own.Counters,
		}
	}
	return ingest.NewCollection(cfg, o.Key, resume, nil)
}

// Add offers readings and waits until they are durable.
func (l *Line) Add(ctx context.Context, rs []sensors.Reading, done chan error) error {
	if err := l.Send(ctx, rs, func(err error) { done <- err }); err != nil {
		return err
	}
	return <-done
}

// Send offers readings and waits only while the queue is full.
func (l *Line) Send(ctx context.Context, rs []sensors.Reading, done func(error)) error {
	return l.Pipe.Add(ctx, sensors.Batch{Source: Source, Collection: Collection, Readings: rs}, done)
}

// Sealed returns what this Line sealed; valid after Close.
func (l *Line) Sealed() Sealed { return l.sums.Sealed }

// Close commits and seals everything, and closes the store.
func (l *Line) Close() error {
	l.cancel()
	if err := errors.Join(<-l.done, l.DB.Close()); err != nil {
		return fmt.Errorf("close line: %w", err)
	}
	return nil
}

package ingest_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/store"
)

// rig is a pipeline over a real store.
type rig struct {
	t     *testing.T
	dir   string
	key   ed25519.PrivateKey
	table *sensors.Table
	db    *store.DB
	pipe  *ingest.Pipeline
	stop  func()
}

func testKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, 32)) }

func newRig(t *testing.T, cfg ingest.Config, mutate func(*ingest.CollectionConfig)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), key: testKey()}
	r.open(cfg, mutate)
	return r
}

func (r *rig) open(cfg ingest.Config, mutate func(*ingest.CollectionConfig)) {
	r.t.Helper()
	r.table = sensors.NewTable()
	public, is := r.key.Public().(ed25519.PublicKey)
	if !is {
		r.t.Fatal("not an Ed25519 key")
	}
	log := slog.New(slog.DiscardHandler)
	db, err := store.Open(store.Options{Dir: r.dir, Table: r.table, Author: crdt.AuthorOf(public), Who: "test", Log: log})
	if err != nil {
		r.t.Fatal(err)
	}
	r.db = db
	cc := ingest.DefaultCollectionConfig()
	cc.Name = "climate"
	if mutate != nil {
		mutate(&cc)
	}
	own, has, err := db.Own(cc.Name)
	if err != nil {
		r.t.Fatal(err)
	}
	var resume ingest.Resume
	if has {
		resume = ingest.Resume{
			Data:   crdt.ResumeFeed(r.key, own.Data.ID, own.Data.Opening, own.Data.Seq, own.Data.CID),
			Meta:   crdt.ResumeFeed(r.key, own.Meta.ID, own.Meta.Opening, own.Meta.Seq, own.Meta.CID),
			Series: own.Series, SeriesSeqs: own.SeriesSeqs, Hybrid: own.Hybrid, Readings: own.Readings, Counters: own.Counters,
		}
	}
	c, err := ingest.NewCollection(cc, r.key, resume, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	clock := func() (time.Time, bool) { return time.Now(), true }
	r.pipe = ingest.New(cfg, db, []*ingest.Collection{c}, clock, log)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.pipe.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
		if err := db.Close(); err != nil {
			r.t.Error(err)
		}
	}
}

func (r *rig) series(name string, typ sensors.Type) *sensors.Series {
	r.t.Helper()
	s, err := r.table.Intern(sensors.Series{Name: name, Type: typ, Tags: []sensors.Tag{{Key: "source", Value: "test"}}})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *rig) count(q store.Query) int {
	r.t.Helper()
	_, rows, err := r.db.Query(context.Background(), q)
	if err != nil {
		r.t.Fatal(err)
	}
	n := 0
	for _, err := range rows {
		if err != nil {
			r.t.Fatal(err)
		}
		n++
	}
	return n
}

func (r *rig) verify() (blocks, readings uint64) {
	r.t.Helper()
	ok, damage, err := r.db.Verify(context.Background(), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, d := range damage {
		r.t.Errorf("damage: %+v", d)
	}
	for _, v := range ok {
		blocks += v.Blocks
		readings += v.Readings
	}
	return blocks, readings
}

func add(ctx context.Context, p sensors.Sink, rs []sensors.Reading) error {
	done := make(chan error, 1)
	if err := p.Add(ctx, sensors.Batch{Source: "test", Collection: "climate", Readings: rs}, func(err error) { done <- err }); err != nil {
		return err
	}
	return <-done
}

func TestPipeline_everyAcknowledgedReadingIsThereOverRestarts(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, ingest.Config{}, func(c *ingest.CollectionConfig) { c.MaxReadings = 500 })
	total := 0
	for round := range 4 {
		var g errgroup.Group
		for producer := range 4 {
			series := []*sensors.Series{r.series(fmt.Sprintf("p%d", producer), sensors.Float), r.series(fmt.Sprintf("s%d", producer), sensors.String)}
			g.Go(func() error {
				rng := rand.New(rand.NewPCG(uint64(round), uint64(producer)))
				for i := range 100 {
					rs := make([]sensors.Reading, 0, 10)
					for k := range 10 {
						at := (1_700_000_000_000 + int64(round*100_000+i*1000+k*10)) * 1e6
						if k == 9 {
							rs = append(rs, sensors.Reading{Series: series[1], Time: at, Str: fmt.Sprint("state-", rng.IntN(5))})
							continue
						}
						rs = append(rs, sensors.Reading{Series: series[0], Time: at, Num: rng.Uint64N(1000)})
					}
					if err := add(ctx, r.pipe, rs); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		total += 4000
		if n := r.count(store.Query{Collection: "climate"}); n != total {
			t.Fatalf("round %d: %d rows before the stop, want %d", round, n, total)
		}
		r.stop()
		r.open(ingest.Config{}, func(c *ingest.CollectionConfig) { c.MaxReadings = 500 })
		if n := r.count(store.Query{Collection: "climate"}); n != total {
			t.Fatalf("round %d: %d rows after the start, want %d", round, n, total)
		}
		if _, readings := r.verify(); readings != uint64(total) {
			t.Fatalf("round %d: verify counts %d readings, want %d", round, readings, total)
		}
	}
	if n := r.count(store.Query{Collection: "climate", Series: "s*"}); n != total/10 {
		t.Errorf("%d rows of the string series, want %d", n, total/10)
	}
	if n := r.count(store.Query{Collection: "climate", Newest: true, Limit: 77}); n != 77 {
		t.Errorf("%d newest rows, want 77", n)
	}
	r.stop()
}

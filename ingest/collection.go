package ingest

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"maps"
	"time"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// Collection is the writing end of our two feeds in one collection. After New it belongs to the
// pipeline's sealer.
type Collection struct {
	name  string
	kind  crdt.Kind
	cfg   CollectionConfig
	key   ed25519.PrivateKey
	input func() Inputs

	state // what a seal changes, and takes back when it failed
}

// state is as of the last successful seal.
type state struct {
	data, meta *crdt.Feed // nil: the next seal opens them
	numbers    map[*sensors.Series]uint32
	definedBy  []uint64 // for each number, from 1, the meta feed's seq that defines it
	hybrid     uint64
	sealed     uint64 // readings in the data feed
	lost       uint64 // readings in losses of the meta feed
	before     crdt.Counters
	told       uint64    // filtered readings in the latest counters of the meta feed, since the program started
	toldAt     time.Time // when those were written; zero: not since the program started
}

// Inputs are sums over the sources of a collection since the program started.
type Inputs struct {
	Rejected uint64 // inputs
	Repeats  uint64 // inputs
	Filtered uint64 // readings
}

// Resume is where the feeds stand; the zero value makes new ones.
type Resume struct {
	Data, Meta *crdt.Feed
	Series     []*sensors.Series // as the meta feed numbers them, from 1
	SeriesSeqs []uint64          // the meta feed's seq that defines each
	Hybrid     uint64            // the latest hybrid clock of both feeds
	Readings   uint64            // in the data feed
	Counters   crdt.Counters     // the latest of the meta feed
}

// NewCollection returns a collection whose blocks are signed with key. input, which may be nil, returns what
// became of the inputs for this collection otherwise.
func NewCollection(cfg CollectionConfig, key ed25519.PrivateKey, r Resume, input func() Inputs) (*Collection, error) {
	kind, err := crdt.ParseKind(cfg.Kind)
	if err != nil {
		return nil, fmt.Errorf("create collection %q: %w", cfg.Name, err)
	}
	c := &Collection{name: cfg.Name, kind: kind, cfg: cfg, key: key, input: input}
	if r.Data != nil && r.Data.Opening().Precision != uint8(cfg.Digits()) {
		r = Resume{Hybrid: r.Hybrid} // other times: other feeds
	}
	c.state = state{
		data: r.Data, meta: r.Meta, hybrid: r.Hybrid, sealed: r.Readings, lost: r.Counters.Lost, before: r.Counters,
		numbers: make(map[*sensors.Series]uint32, len(r.Series)), definedBy: r.SeriesSeqs,
	}
	for i, s := range r.Series {
		c.numbers[s] = uint32(i) + 1
	}
	return c, nil
}

// Name returns the collection's name.
func (c *Collection) Name() string { return c.name }

// batch is one seal: blocks for the store and what it will have taken from the tail.
type batch struct {
	blocks     []*crdt.Block
	dataBlocks int
	readings   int
	losses     int
	undo       func()
}

// instant is a moment as the clock has it.
type instant struct {
	now    time.Time
	synced bool
	last   bool // the pipeline stops
}

// countersEvery is how long filtered readings may go untold in the meta feed while blocks are made. At the end they are told.
const countersEvery = time.Hour

// owesCounters reports whether it is time to tell of filtered readings.
func (c *Collection) owesCounters(at instant) bool {
	if c.input == nil || c.meta == nil || c.input().Filtered == c.told {
		return false
	}
	return at.last || c.toldAt.IsZero() || time.Since(c.toldAt) >= countersEvery
}

// prepare makes blocks of the oldest unsealed readings: with all of everything up to the limit of a
// seal, else of whole blocks only. The caller commits them, or calls undo. A batch without blocks: nothing to do.
func (c *Collection) prepare(s Store, p *packer, all bool, at instant) (batch, error) {
	limit := min(sealBlocks*c.cfg.MaxReadings, max(c.cfg.MaxReadings, sealReadings))
	if !all {
		readings, _, text := s.Unsealed(c.name)
		if text < c.cfg.MaxBytes {
			limit = min(limit, readings)
			limit -= limit % c.cfg.MaxReadings
		}
	}
	rs, base := s.Peek(c.name, p.begin(), limit)
	p.tail = rs
	defer p.end()
	if len(rs) == 0 && len(s.Losses(c.name, 0)) == 0 && (!at.last || !c.owesCounters(at)) {
		return batch{}, nil
	}
	f := filling{Collection: c, packer: p, store: s, base: base, at: at}
	undo := c.checkpoint()
	if err := f.fill(rs); err != nil {
		undo()
		return batch{}, fmt.Errorf("make blocks of %q: %w", c.name, err)
	}
	f.undo = undo
	return f.batch, nil
}

// checkpoint returns a function that puts the state back.
func (c *Collection) checkpoint() func() {
	was := c.state
	heads := map[*crdt.Feed]crdt.Head{}
	for _, f := range []*crdt.Feed{c.data, c.meta} {
		if f != nil {
			seq, id := f.Head()
			heads[f] = crdt.Head{Seq: seq, CID: id}
		}
	}
	return func() {
		c.state = was
		known := uint64(len(c.definedBy))
		maps.DeleteFunc(c.numbers, func(_ *sensors.Series, n uint32) bool { return uint64(n) > known })
		for f, h := range heads {
			f.Rewind(h.Seq, h.CID)
		}
	}
}

// tick moves the hybrid clock.
func (c *Collection) tick(at instant) {
	c.hybrid++
	if ms := at.now.UnixMilli(); at.synced && ms > 0 {
		c.hybrid = max(c.hybrid, uint64(ms)<<16)
	}
}

// open makes both feeds and returns their opening blocks.
func (c *Collection) open(at crdt.Clock) ([]*crdt.Block, error) {
	o := crdt.Opening{Role: crdt.Meta, Name: c.name, Kind: c.kind, Precision: uint8(c.cfg.Digits())}
	if _, err := rand.Read(o.Incarnation[:]); err != nil {
		return nil, fmt.Errorf("draw an incarnation: %w", err)
	}
	meta, metaBlock, err := crdt.OpenFeed(c.key, o, at)
	if err != nil {
		return nil, err
	}
	o.Role, o.Meta = crdt.Data, meta.ID()
	data, dataBlock, err := crdt.OpenFeed(c.key, o, at)
	if err != nil {
		return nil, err
	}
	c.state = state{data: data, meta: meta, hybrid: c.hybrid, numbers: map[*sensors.Series]uint32{}}
	return []*crdt.Block{metaBlock, dataBlock}, nil
}

package ingest

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/crdt/columns"
	"github.com/skerry-edge/skerry/sensors"
)

// Collection is the writing end of our two feeds in one collection. After New it belongs to the
// pipeline's sealer.
type Collection struct {
	name  string
	cfg   CollectionConfig
	key   ed25519.PrivateKey
	input func() (rejected, repeats uint64)

	state            // what a seal changes, and takes back when it failed
	since  time.Time // when the oldest unsealed reading was first seen; zero: none
	buf    []sensors.Reading
	enc    *columns.Encoder
	packed []byte
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

// NewCollection returns a collection whose blocks are signed with key. input, which may be nil, returns how many inputs
// for this collection were rejected and repeated since the program started.
func NewCollection(cfg CollectionConfig, key ed25519.PrivateKey, r Resume, input func() (rejected, repeats uint64)) (*Collection, error) {
	enc, err := columns.NewEncoder()
	if err != nil {
		return nil, fmt.Errorf("create collection %q: %w", cfg.Name, err)
	}
	c := &Collection{name: cfg.Name, cfg: cfg, key: key, input: input, enc: enc}
	if r.Data != nil && r.Data.Opening().Precision != uint8(cfg.Digits()) {
		r = Resume{Hybrid: r.Hybrid} // other times: other feeds
	}
	c.state = state{
		data: r.Data, meta: r.Meta, hybrid: r.Hybrid, sealed: r.Readings, lost: r.Counters.Lost, before: r.Counters,
		numbers: make(map[*sensors.Series]uint32, len(r.Series)), definedBy: r.SeriesSeqs,
	}
	for i, s := range r.Series {
		c.numbers[s] = uint32(i) + 1 //nolint:gosec // a meta feed numbers with 32 bits
	}
	return c, nil
}

// Name returns the collection's name.
func (c *Collection) Name() string { return c.name }

const (
	sealBlocks  = 8        // data blocks in one seal
	metaPayload = 64 << 10 // bytes to which meta payloads are cut
	sealMetas   = 8        // meta blocks in one seal
)

// batch is one seal: blocks for the store and what it will have taken from the tail.
type batch struct {
	blocks   []*crdt.Block
	readings int
	losses   int
	data     int // data blocks
	undo     func()
}

// prepare makes blocks of the oldest unsealed readings: with all of everything up to the limit of a
// seal, else of whole blocks only. The caller commits them, or calls undo. A batch without blocks: nothing to do.
func (c *Collection) prepare(s Store, all bool, now time.Time, synced bool) (batch, error) {
	limit := sealBlocks * c.cfg.MaxReadings
	limit = min(limit, max(c.cfg.MaxReadings, 64<<10))
	if !all {
		readings, _, text := s.Unsealed(c.name)
		if text < c.cfg.MaxBytes {
			limit = min(limit, readings/c.cfg.MaxReadings*c.cfg.MaxReadings)
		}
	}
	rs, base, losses := s.Peek(c.name, c.buf[:0], limit)
	c.buf = rs
	if len(rs) == 0 && len(losses) == 0 {
		return batch{}, nil
	}
	b := batch{}
	b.undo = c.checkpoint()
	err := c.fill(&b, rs, base, losses, now, synced)
	clear(c.buf)
	if err != nil {
		b.undo()
		return batch{}, fmt.Errorf("seal %q: %w", c.name, err)
	}
	return b, nil
}

// checkpoint returns a function that puts the state back.
func (c *Collection) checkpoint() func() {
	was, series := c.state, len(c.definedBy)
	heads := map[*crdt.Feed]crdt.Head{}
	for _, f := range []*crdt.Feed{c.data, c.meta} {
		if f != nil {
			seq, id := f.Head()
			heads[f] = crdt.Head{Seq: seq, CID: id}
		}
	}
	return func() {
		for s, n := range c.numbers {
			if uint64(n) > uint64(series) { //nolint:gosec // a length is not negative
				delete(c.numbers, s)
			}
		}
		numbers := c.numbers
		c.state = was
		c.numbers = numbers
		for f, h := range heads {
			f.Rewind(h.Seq, h.CID)
		}
	}
}

func (c *Collection) fill(b *batch, rs []sensors.Reading, base sensors.ClockBase, losses []sensors.Loss, now time.Time, synced bool) error {
	c.tick(now, synced)
	at := pointClock(now, synced, base)
	at.Hybrid = c.hybrid
	if c.data == nil || c.meta == nil {
		opening, err := c.open(at)
		if err != nil {
			return err
		}
		b.blocks = append(b.blocks, opening...)
	}
	defined, err := c.define(b, rs, at)
	if err != nil {
		return err
	}
	for b.readings < defined && b.data < sealBlocks {
		n, err := c.writeData(b, rs[b.readings:defined], base)
		if err != nil {
			return err
		}
		b.readings += n
	}
	if len(losses) == 0 || b.readings < len(rs) {
		return nil // losses lie behind readings that the next seal takes: they go with them
	}
	entries := make([]crdt.Entry, 0, len(losses)+1)
	for i := range losses {
		l := &losses[i]
		entries = append(entries, &crdt.Loss{First: l.First, Last: l.Last, Count: l.Count, Reason: crdt.LossReason(l.Reason), Source: l.Source})
		c.lost += l.Count
	}
	b.losses = len(losses)
	return c.writeMeta(b, append(entries, c.counters()), at)
}

// tick moves the hybrid clock.
func (c *Collection) tick(now time.Time, synced bool) {
	c.hybrid++
	if ms := now.UnixMilli(); synced && ms > 0 {
		c.hybrid = max(c.hybrid, uint64(ms)<<16)
	}
}

// pointClock is the clock of a block that was made now.
func pointClock(now time.Time, synced bool, base sensors.ClockBase) crdt.Clock {
	c := crdt.Clock{First: now.UnixNano()}
	if !synced {
		setUnsynced(&c, base)
	}
	return c
}

// setUnsynced marks a clock: readers put times right by what they learn of the boot's base. Mono is
// First − base modulo 2^64, also where First is a sensor's own time.
func setUnsynced(c *crdt.Clock, base sensors.ClockBase) {
	c.Quality = crdt.ClockUnsynced
	c.Boot = base.Boot
	c.Mono = uint64(c.First - base.Base) //nolint:gosec // modulo 2^64 by definition
}

// open makes both feeds and returns their opening blocks.
func (c *Collection) open(at crdt.Clock) ([]*crdt.Block, error) {
	kind, err := crdt.ParseKind(c.cfg.Kind)
	if err != nil {
		return nil, err
	}
	o := crdt.Opening{Role: crdt.Meta, Name: c.name, Kind: kind, Precision: uint8(c.cfg.Digits())}
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
	c.data, c.meta = data, meta
	clear(c.numbers)
	c.definedBy, c.sealed, c.lost, c.before = nil, 0, 0, crdt.Counters{}
	return []*crdt.Block{metaBlock, dataBlock}, nil
}

// define gives the new series of rs numbers. It returns how many of the readings are defined with this
// seal: all, unless there are too many new series for one seal.
func (c *Collection) define(b *batch, rs []sensors.Reading, at crdt.Clock) (int, error) {
	var entries []crdt.Entry
	size, metas := 0, 0
	seq, _ := c.meta.Head()
	for i := range rs {
		s := rs[i].Series
		if c.numbers[s] != 0 {
			continue
		}
		if n := definitionBytes(s); size+n > metaPayload {
			if err := c.writeMeta(b, entries, at); err != nil {
				return 0, err
			}
			entries, size = entries[:0], 0
			seq++
			if metas++; metas == sealMetas {
				return i, nil
			}
		}
		def := definition(s, uint32(len(c.definedBy))+1) //nolint:gosec // a meta feed numbers with 32 bits
		entries = append(entries, def)
		size += definitionBytes(s)
		c.numbers[s] = def.Number
		c.definedBy = append(c.definedBy, seq+1)
	}
	if len(entries) == 0 {
		return len(rs), nil
	}
	return len(rs), c.writeMeta(b, entries, at)
}

// writeMeta makes one block of the meta feed.
func (c *Collection) writeMeta(b *batch, entries []crdt.Entry, at crdt.Clock) error {
	payload, err := crdt.EncodeMeta(entries)
	if err != nil {
		return err
	}
	block, err := c.meta.Append(crdt.Draft{Clock: at, Count: uint32(len(entries)), Codec: crdt.CodecMeta, Payload: payload}) //nolint:gosec // bounded by its bytes
	if err != nil {
		return err
	}
	b.blocks = append(b.blocks, block)
	return nil
}

func definition(s *sensors.Series, number uint32) *crdt.SeriesDef {
	d := &crdt.SeriesDef{Number: number, Name: s.Name, Unit: s.Unit, Type: uint8(s.Type)}
	for _, t := range s.Tags {
		d.Tags = append(d.Tags, crdt.SeriesTag{Key: t.Key, Value: t.Value})
	}
	return d
}

func definitionBytes(s *sensors.Series) int {
	n := 24 + len(s.Name) + len(s.Unit)
	for _, t := range s.Tags {
		n += 6 + len(t.Key) + len(t.Value)
	}
	return n
}

// counters are the sums as of the seal that is being made.
func (c *Collection) counters() *crdt.Counters {
	n := c.before
	n.Stored = c.sealed
	n.Lost = c.lost
	n.Decoded = n.Stored + n.Filtered + n.Lost
	if c.input != nil {
		rejected, repeats := c.input()
		n.Rejected += rejected
		n.Repeats += repeats
	}
	return &n
}

// writeData makes one block of the first readings of rs and returns how many.
func (c *Collection) writeData(b *batch, rs []sensors.Reading, base sensors.ClockBase) (int, error) {
	n := min(len(rs), c.cfg.MaxReadings)
	for {
		var err error
		c.packed, err = c.enc.Encode(c.packed[:0], rs[:n], func(s *sensors.Series) uint32 { return c.numbers[s] })
		if err != nil {
			return 0, err
		}
		if len(c.packed) <= c.cfg.MaxBytes || n == 1 {
			break
		}
		n = max(1, min(n-1, n*c.cfg.MaxBytes/len(c.packed)*7/8))
	}
	d := crdt.Draft{Count: uint32(n), Codec: crdt.CodecColumns, Payload: c.packed, Clock: c.spanOf(rs[:n], base)} //nolint:gosec // at most MaxReadings
	for i := range rs[:n] {
		d.Needs = max(d.Needs, c.definedBy[c.numbers[rs[i].Series]-1])
	}
	block, err := c.data.Append(d)
	if err != nil {
		return 0, err
	}
	b.blocks = append(b.blocks, block)
	b.data++
	c.sealed += uint64(n) //nolint:gosec // n is positive
	return n, nil
}

func (c *Collection) spanOf(rs []sensors.Reading, base sensors.ClockBase) crdt.Clock {
	first, last, quality := rs[0].Time, rs[0].Time, sensors.Quality(0)
	for i := range rs {
		first, last = min(first, rs[i].Time), max(last, rs[i].Time)
		quality |= rs[i].Quality
	}
	clock := crdt.Clock{First: first, Span: uint64(last) - uint64(first), Hybrid: c.hybrid} //nolint:gosec // last is not before first
	if quality&sensors.QualityUnsynced != 0 {
		setUnsynced(&clock, base)
	}
	return clock
}

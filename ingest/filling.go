package ingest

import (
	"errors"
	"fmt"
	"time"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/crdt/columns"
	"github.com/skerry-edge/skerry/sensors"
)

// What one seal may have. The store bounds the number of blocks of all kinds: store.MaxSealBlocks.
const (
	sealBlocks   = 16       // data blocks
	sealReadings = 64 << 10 // about; more only where one block has more
	sealMetas    = 8        // meta blocks with definitions of series
	sealLosses   = 4        // meta blocks with losses
	metaPayload  = 64 << 10 // bytes to which meta payloads are cut
)

// packer is the memory that seals use one after the other.
type packer struct {
	enc     *columns.Encoder
	tail    []sensors.Reading // of the seal, in the tail's order
	sorted  []sensors.Reading // of the block, in the payload's order
	payload []byte
}

func newPacker() (*packer, error) {
	enc, err := columns.NewEncoder()
	if err != nil {
		return nil, fmt.Errorf("create sealer: %w", err)
	}
	return &packer{enc: enc}, nil
}

func (p *packer) begin() []sensors.Reading { return p.tail[:0] }

// end lets go of what the readings point to.
func (p *packer) end() {
	clear(p.tail)
	clear(p.sorted)
}

// filling is one seal in the making.
type filling struct {
	*Collection
	*packer
	store Store
	base  sensors.ClockBase // of the readings
	at    instant
	clock crdt.Clock // of blocks without readings
	batch
}

// fill makes the blocks.
func (f *filling) fill(rs []sensors.Reading) error {
	f.tick(f.at)
	f.clock = crdt.Clock{First: f.at.now.UnixNano(), Hybrid: f.hybrid}
	if !f.at.synced {
		setUnsynced(&f.clock, f.base)
	}
	if f.data == nil || f.meta == nil {
		opening, err := f.open(f.clock)
		if err != nil {
			return err
		}
		f.blocks = append(f.blocks, opening...)
	}
	defined, err := f.define(rs)
	if err != nil {
		return err
	}
	for f.readings < defined && f.dataBlocks < sealBlocks {
		n, err := f.write(rs[f.readings:defined])
		if err != nil {
			return err
		}
		f.readings += n
	}
	return f.writeLosses()
}

// setUnsynced marks a clock: readers put times right by what they learn of the boot's base. Mono is
// First − base modulo 2^64, also where First is a sensor's own time.
func setUnsynced(c *crdt.Clock, base sensors.ClockBase) {
	c.Quality = crdt.ClockUnsynced
	c.Boot = base.Boot
	c.Mono = uint64(c.First) - uint64(base.Base) //nolint:gosec // modulo 2^64 by definition
}

// define gives the new series of rs numbers. It returns how many of the readings are defined with this
// seal: all, unless there are too many new series for one seal.
func (f *filling) define(rs []sensors.Reading) (int, error) {
	var entries []crdt.Entry
	size, metas := 0, 0
	seq, _ := f.meta.Head()
	for i := range rs {
		s := rs[i].Series
		if i > 0 && s == rs[i-1].Series || f.numbers[s] != 0 {
			continue
		}
		n := definitionBytes(s)
		if size+n > metaPayload {
			if err := f.writeMeta(entries); err != nil {
				return 0, err
			}
			entries, size = entries[:0], 0
			seq++
			if metas++; metas == sealMetas {
				return i, nil
			}
		}
		def := definition(s, uint32(len(f.definedBy))+1) //nolint:gosec // a meta feed numbers with 32 bits
		entries = append(entries, def)
		size += n
		f.numbers[s] = def.Number
		f.definedBy = append(f.definedBy, seq+1)
	}
	if len(entries) == 0 {
		return len(rs), nil
	}
	return len(rs), f.writeMeta(entries)
}

// writeMeta makes one block of the meta feed.
func (f *filling) writeMeta(entries []crdt.Entry) error {
	payload, err := crdt.EncodeMeta(entries)
	if err != nil {
		return err
	}
	block, err := f.meta.Append(crdt.Draft{Clock: f.clock, Count: uint32(len(entries)), Codec: crdt.CodecMeta, Payload: payload}) //nolint:gosec // bounded by its bytes
	if err != nil {
		return err
	}
	f.blocks = append(f.blocks, block)
	return nil
}

func definition(s *sensors.Series, number uint32) *crdt.SeriesDef {
	d := &crdt.SeriesDef{Number: number, Name: s.Name, Unit: s.Unit, Type: uint8(s.Type)}
	for _, t := range s.Tags {
		d.Tags = append(d.Tags, crdt.SeriesTag{Key: t.Key, Value: t.Value})
	}
	return d
}

// definitionBytes is at least what the definition takes.
func definitionBytes(s *sensors.Series) int {
	n := 24 + len(s.Name) + len(s.Unit)
	for _, t := range s.Tags {
		n += 6 + len(t.Key) + len(t.Value)
	}
	return n
}

// write makes one block of the first readings of rs and returns how many.
func (f *filling) write(rs []sensors.Reading) (int, error) {
	n := min(len(rs), f.cfg.MaxReadings)
	for {
		f.sorted = append(f.sorted[:0], rs[:n]...)
		var err error
		f.payload, err = f.enc.Encode(f.payload[:0], f.sorted, func(s *sensors.Series) uint32 { return f.numbers[s] })
		if n > 1 && errors.Is(err, columns.ErrTooLarge) {
			n = (n + 1) / 2
			continue
		}
		if err != nil {
			return 0, err
		}
		if len(f.payload) <= f.cfg.MaxBytes || n == 1 {
			break
		}
		fit := int64(n) * int64(f.cfg.MaxBytes) / int64(len(f.payload)) * 7 / 8
		n = max(1, min(n-1, int(fit)))
	}
	d := crdt.Draft{Count: uint32(n), Codec: crdt.CodecColumns, Payload: f.payload, Clock: f.span()} //nolint:gosec // at most MaxReadings
	for i := range f.sorted {
		if i == 0 || f.sorted[i].Series != f.sorted[i-1].Series {
			d.Needs = max(d.Needs, f.definedBy[f.numbers[f.sorted[i].Series]-1])
		}
	}
	block, err := f.data.Append(d)
	if err != nil {
		return 0, err
	}
	f.blocks = append(f.blocks, block)
	f.dataBlocks++
	f.sealed += uint64(n)
	return n, nil
}

// span is the clock of the block of f.sorted.
func (f *filling) span() crdt.Clock {
	first, last, quality := f.sorted[0].Time, f.sorted[0].Time, sensors.Quality(0)
	for i := range f.sorted {
		first, last = min(first, f.sorted[i].Time), max(last, f.sorted[i].Time)
		quality |= f.sorted[i].Quality
	}
	clock := crdt.Clock{First: first, Span: uint64(last) - uint64(first), Hybrid: f.hybrid} //nolint:gosec // last is not before first
	if quality&sensors.QualityUnsynced != 0 {
		setUnsynced(&clock, f.base)
	}
	return clock
}

// writeLosses makes meta blocks of the losses that belong to the readings that are in blocks now.
func (f *filling) writeLosses() error {
	losses := f.store.Losses(f.name, f.readings)
	if len(losses) == 0 {
		if !f.owesCounters(f.at) {
			return nil
		}
		return f.writeMeta([]crdt.Entry{f.counters()})
	}
	var entries []crdt.Entry
	size := 0
	for _, l := range joinLosses(losses) {
		f.lost += l.Count
		if size += lossBytes + len(l.Source); size > metaPayload {
			if err := f.writeMeta(entries); err != nil {
				return err
			}
			entries, size = entries[:0], lossBytes+len(l.Source)
		}
		entries = append(entries, &crdt.Loss{First: l.First, Last: l.Last, Count: l.Count, Reason: crdt.LossReason(l.Reason), Source: l.Source})
	}
	f.losses = len(losses)
	return f.writeMeta(append(entries, f.counters()))
}

// counters are the sums as of the seal that is being made.
func (f *filling) counters() *crdt.Counters {
	n := f.before
	n.Stored = f.sealed
	n.Lost = f.lost
	if f.input != nil {
		in := f.input()
		n.Rejected += in.Rejected
		n.Repeats += in.Repeats
		n.Filtered += in.Filtered
		f.told, f.toldAt = in.Filtered, time.Now()
	}
	n.Decoded = n.Stored + n.Filtered + n.Lost
	return &n
}

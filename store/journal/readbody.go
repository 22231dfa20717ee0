package journal

import (
	"errors"
	"fmt"
	"math"

	"github.com/ipfs/go-cid"

	"github.com/skerry-edge/skerry/sensors"
)

func (r *reader) text(f *fields) error {
	n, s := f.uvarint(), f.text()
	if f.done() != nil || !r.follows(n, len(r.texts)) {
		return fmt.Errorf("%w: text", errMalformed)
	}
	for n > uint64(len(r.texts)) {
		r.texts = append(r.texts, text{})
	}
	r.texts = append(r.texts, text{s, true})
	return nil
}

// follows reports whether a definition may have the number n after so many others: the next one, or
// behind damage a later one that so many bytes can define.
func (r *reader) follows(n uint64, have int) bool {
	next := uint64(have) //nolint:gosec // a length
	return n == next || r.damaged && n > next && n < uint64(len(r.b))/(2*recordAlign)
}

func (r *reader) textOf(f *fields) string {
	n := f.uvarint()
	if n >= uint64(len(r.texts)) || !r.texts[n].known {
		f.bad = true
		return ""
	}
	return r.texts[n].s
}

func (r *reader) define(f *fields) error {
	n := f.uvarint()
	s := sensors.Series{Type: sensors.Type(f.byte()), Name: f.text(), Unit: f.text()}
	tags := f.uvarint()
	if tags > sensors.MaxTags {
		return fmt.Errorf("%w: series with %d tags", errMalformed, tags)
	}
	for i := uint64(0); i < tags && !f.bad; i++ {
		s.Tags = append(s.Tags, sensors.Tag{Key: f.text(), Value: f.text()})
	}
	if f.done() != nil || !r.follows(n, len(r.series)) {
		return fmt.Errorf("%w: series", errMalformed)
	}
	made, err := r.table.Intern(s)
	if err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	for n > uint64(len(r.series)) {
		r.series = append(r.series, nil)
	}
	r.series = append(r.series, made)
	return nil
}

func (r *reader) readings(k kind, f *fields, at Position) error {
	collection, count := r.textOf(f), f.uvarint()
	if f.bad || count == 0 || count > maxChunk {
		return fmt.Errorf("%w: readings", errMalformed)
	}
	if r.visit.Chunk == nil || r.visit.Want != nil && !r.visit.Want(collection, Position{at.File, at.Offset, uint32(count)}) {
		return nil
	}
	var rs []sensors.Reading
	var err error
	if k == kindColumns {
		rs, err = r.columns.Decode(nil, f.b, uint32(count), math.MinInt64, math.MaxInt64, r.lookup)
	} else {
		rs, err = r.rows(f, count)
	}
	if err == nil && uint64(len(rs)) != count {
		err = errors.New("fewer readings than it says")
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	return r.visit.Chunk(Chunk{Collection: collection, At: at, Clock: r.clock, Readings: rs})
}

func (r *reader) lookup(n uint32, t sensors.Type) (*sensors.Series, error) {
	if uint64(n) >= uint64(len(r.series)) || r.series[n] == nil || r.series[n].Type != t {
		return nil, fmt.Errorf("series %d is not defined as %s", n, t)
	}
	return r.series[n], nil
}

func (r *reader) rows(f *fields, count uint64) ([]sensors.Reading, error) {
	rs := make([]sensors.Reading, 0, min(count, uint64(len(f.b))))
	var before int64
	for range count {
		n := f.uvarint()
		if n >= uint64(len(r.series)) || r.series[n] == nil {
			return nil, fmt.Errorf("series %d is not defined", n)
		}
		reading := sensors.Reading{Series: r.series[n], Quality: sensors.Quality(f.byte())}
		before += f.varint()
		reading.Time = before
		switch reading.Series.Type {
		case sensors.Float:
			reading.Num = f.uint64()
		case sensors.Int:
			reading.Num = uint64(f.varint()) //nolint:gosec // two's complement by definition
		case sensors.Bool:
			reading.Num = uint64(f.byte() & 1)
		case sensors.String:
			reading.Str = f.text()
		}
		if f.bad {
			return nil, errors.New("readings are cut off")
		}
		rs = append(rs, reading)
	}
	return rs, f.done()
}

func (r *reader) origins(f *fields) error {
	source, client, count := r.textOf(f), r.textOf(f), f.uvarint()
	for i := uint64(0); i < count && !f.bad; i++ {
		o := sensors.Origin{Client: client, PacketID: f.uint16(), Hash: f.uint64()}
		if f.bad || r.visit.Origin == nil {
			continue
		}
		if err := r.visit.Origin(source, o); err != nil {
			return err
		}
	}
	if f.done() != nil {
		return fmt.Errorf("%w: origins", errMalformed)
	}
	return nil
}

func (r *reader) loss(f *fields, at Position) error {
	l := sensors.Loss{
		Collection: r.textOf(f), Source: r.textOf(f), First: f.varint(), Last: f.varint(),
		Count: f.uvarint(), Reason: sensors.LossReason(f.byte()),
	}
	if f.done() != nil {
		return fmt.Errorf("%w: loss", errMalformed)
	}
	if r.visit.Loss == nil {
		return nil
	}
	return r.visit.Loss(at, l)
}

func (r *reader) sealed(f *fields) error {
	var heads []SealedHead
	count := f.uvarint()
	for i := uint64(0); i < count && !f.bad; i++ {
		h := SealedHead{Collection: r.textOf(f)}
		copy(h.Feed[:], f.bytes(uint64(len(h.Feed))))
		h.Seq = f.uvarint()
		c, err := cid.Cast(f.bytes(f.uvarint()))
		if err != nil {
			return fmt.Errorf("%w: sealed: %w", errMalformed, err)
		}
		h.CID = c
		h.SealedTo = Position{File: f.uvarint(), Offset: f.uvarint()}
		index := f.uvarint()
		if index > maxChunk {
			f.bad = true
			break
		}
		h.SealedTo.Index = uint32(index)
		h.Readings = f.uvarint()
		heads = append(heads, h)
	}
	if f.done() != nil {
		return fmt.Errorf("%w: sealed", errMalformed)
	}
	if r.visit.Sealed == nil {
		return nil
	}
	return r.visit.Sealed(heads)
}

package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ipfs/go-cid"

	"github.com/skerry-edge/skerry/crdt/columns"
	"github.com/skerry-edge/skerry/sensors"
)

// Visitor takes what a journal holds, in the order in which it was written. A nil function skips its
// kind. An error ends the reading.
type Visitor struct {
	Chunk  func(Chunk) error
	Origin func(source string, o sensors.Origin) error
	Loss   func(at Position, l sensors.Loss) error
	Sealed func([]SealedHead) error
	// Want says whether readings of a collection at and after p are wanted; nil: all. Records that are
	// not wanted are not decoded.
	Want func(collection string, p Position) bool
}

// Damage is a place in a journal file where records that were written cannot be read.
type Damage struct {
	File   string // name in the journal's folder
	Offset uint64
	Reason string
}

// Contents is what Read says of the whole journal.
type Contents struct {
	LastEnd uint64 // where the records of the newest file end; for Options.LastEnd
	Torn    bool   // the newest file ends in a record that is not whole: a write cut short, never acknowledged
	Files   int
	Damage  []Damage
}

// Read reads the journal in dir and interns its series in table. A folder that does not exist is an
// empty journal. Damage does not stop it: reading goes on with the next file.
func Read(dir string, table *sensors.Table, v Visitor) (Contents, error) {
	var c Contents
	files, err := list(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	dec, err := columns.NewDecoder()
	if err != nil {
		return c, fmt.Errorf("create journal decoder: %w", err)
	}
	c.Files = len(files)
	var before string // the file before, which ends at end
	var end uint64
	for _, number := range files {
		name := fileName(number)
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return c, fmt.Errorf("read journal: %w", err)
		}
		r := reader{number: number, table: table, visit: v, columns: dec}
		headNumber, previousEnd, err := parseFileHeader(b)
		if err == nil && headNumber != number {
			err = fmt.Errorf("the file says that it is number %d", headNumber)
		}
		if err != nil {
			// A file cut off while it was started holds nothing yet.
			if allZero(b) && number == files[len(files)-1] {
				c.Torn = len(b) > 0
				c.LastEnd = 0
				continue
			}
			c.Damage = append(c.Damage, Damage{name, 0, err.Error()})
			before, end = name, 0
			continue
		}
		if before != "" && previousEnd > end {
			c.Damage = append(c.Damage, Damage{before, end, fmt.Sprintf("%d bytes of records are not readable", previousEnd-end)})
		}
		if end, err = r.file(b); err != nil {
			return c, fmt.Errorf("read journal file %s: %w", name, err)
		}
		c.Damage = append(c.Damage, r.damage...)
		before, c.LastEnd = name, end
		c.Torn = end < uint64(len(b)) && !allZero(b[end:])
	}
	return c, nil
}

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// reader reads one file.
type reader struct {
	number  uint64
	table   *sensors.Table
	visit   Visitor
	columns *columns.Decoder
	texts   []string
	series  []*sensors.Series
	clock   sensors.ClockBase
	damage  []Damage
}

// errMalformed marks a record whose checksum is right and whose body is not.
var errMalformed = errors.New("malformed record")

// file visits the records of b, the whole file, and returns where they end.
func (r *reader) file(b []byte) (uint64, error) {
	offset := uint64(fileHeaderBytes)
	for offset < uint64(len(b)) {
		k, body, size, err := parseRecord(b[offset:], r.number, offset)
		if err != nil {
			return offset, nil //nolint:nilerr // the end of what is whole; the caller judges it
		}
		err = r.record(k, body, Position{File: r.number, Offset: offset})
		if errors.Is(err, errMalformed) {
			r.damage = append(r.damage, Damage{fileName(r.number), offset, err.Error()})
		} else if err != nil {
			return offset, err
		}
		offset += uint64(size) //nolint:gosec // sizes are positive
	}
	return offset, nil
}

func (r *reader) record(k kind, body []byte, at Position) error {
	f := &fields{b: body}
	switch k {
	case kindText:
		return r.text(f)
	case kindSeries:
		return r.define(f)
	case kindRows, kindColumns:
		return r.readings(k, f, at)
	case kindOrigins:
		return r.origins(f)
	case kindSealed:
		return r.sealed(f)
	case kindLoss:
		return r.loss(f, at)
	case kindClock:
		copy(r.clock.Boot[:], f.bytes(uint64(len(r.clock.Boot))))
		r.clock.Base = f.varint()
		if f.done() != nil {
			return fmt.Errorf("%w: clock", errMalformed)
		}
		return nil
	}
	return fmt.Errorf("%w: unknown kind %d", errMalformed, k)
}

func (r *reader) text(f *fields) error {
	n, s := f.uvarint(), f.text()
	if f.done() != nil || n != uint64(len(r.texts)) {
		return fmt.Errorf("%w: text", errMalformed)
	}
	r.texts = append(r.texts, s)
	return nil
}

func (r *reader) textOf(f *fields) string {
	n := f.uvarint()
	if n >= uint64(len(r.texts)) {
		f.bad = true
		return ""
	}
	return r.texts[n]
}

func (r *reader) define(f *fields) error {
	n := f.uvarint()
	s := sensors.Series{Type: sensors.Type(f.byte()), Name: f.text(), Unit: f.text()}
	tags := f.uvarint()
	for i := uint64(0); i < tags && !f.bad; i++ {
		s.Tags = append(s.Tags, sensors.Tag{Key: f.text(), Value: f.text()})
	}
	if f.done() != nil || n != uint64(len(r.series)) {
		return fmt.Errorf("%w: series", errMalformed)
	}
	made, err := r.table.Intern(s)
	if err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	r.series = append(r.series, made)
	return nil
}

func (r *reader) readings(k kind, f *fields, at Position) error {
	collection, count := r.textOf(f), f.uvarint()
	if f.bad || count == 0 || count > maxChunk {
		return fmt.Errorf("%w: readings", errMalformed)
	}
	if r.visit.Chunk == nil || r.visit.Want != nil && !r.visit.Want(collection, Position{at.File, at.Offset, uint32(count)}) { //nolint:gosec // bounded above
		return nil
	}
	var rs []sensors.Reading
	var err error
	if k == kindColumns {
		rs, err = r.columns.Decode(nil, f.b, uint32(count), minTime, maxTime, r.lookup) //nolint:gosec // bounded above
	} else {
		rs, err = r.rows(f, count)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	return r.visit.Chunk(Chunk{Collection: collection, At: at, Clock: r.clock, Readings: rs})
}

const (
	minTime = -1 << 63
	maxTime = 1<<63 - 1
)

func (r *reader) lookup(n uint32, t sensors.Type) (*sensors.Series, error) {
	if uint64(n) >= uint64(len(r.series)) || r.series[n].Type != t {
		return nil, fmt.Errorf("series %d is not defined as %s", n, t)
	}
	return r.series[n], nil
}

func (r *reader) rows(f *fields, count uint64) ([]sensors.Reading, error) {
	rs := make([]sensors.Reading, 0, min(count, uint64(len(f.b))))
	var before int64
	for range count {
		n := f.uvarint()
		if n >= uint64(len(r.series)) {
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

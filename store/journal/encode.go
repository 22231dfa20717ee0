package journal

import (
	"encoding/binary"
	"fmt"

	"github.com/ipfs/go-cid"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/crdt/columns"
	"github.com/skerry-edge/skerry/sensors"
)

// SealedHead says how far a collection's feed has come: what a sealed record repeats.
type SealedHead struct {
	Collection string
	Feed       crdt.FeedID
	Seq        uint64
	CID        cid.Cid
	SealedTo   Position
	Readings   uint64 // sealed ever in this feed
}

const (
	// maxChunk is the number of readings to which a record is cut.
	maxChunk = 4096
	// minColumns is the number of readings from which columns are smaller than rows.
	minColumns = 16
	// maxChunkText bounds the strings of a chunk, so that a body stays below MaxBody.
	maxChunkText = 2 << 20
)

// encoder turns groups into records. It keeps the current file's tables and the bytes of one group.
type encoder struct {
	columns *columns.Encoder
	number  uint64
	texts   map[string]uint64
	series  map[*sensors.Series]uint32
	buf     []byte // of the group, with records at their place from start on
	start   uint64 // offset of buf[0] in the file
	merged  []merged
	at      map[string]int     // by collection: its place in merged
	clock   *sensors.ClockBase // as the current file has it; nil: not yet
}

// merged is the readings of a group that are of one collection.
type merged struct {
	collection string
	readings   []sensors.Reading
	count      int
	copied     bool // readings are of several batches
}

func newEncoder() (*encoder, error) {
	c, err := columns.NewEncoder()
	if err != nil {
		return nil, fmt.Errorf("create journal encoder: %w", err)
	}
	e := &encoder{columns: c, at: map[string]int{}}
	e.reset(0)
	return e, nil
}

// reset begins the tables of a new file.
func (e *encoder) reset(number uint64) {
	e.number = number
	e.texts = map[string]uint64{}
	e.series = map[*sensors.Series]uint32{}
	e.clock = nil
}

// take returns the bytes to write, valid until the next group, and forgets them.
func (e *encoder) take() []byte {
	b := e.buf
	e.buf = e.buf[:0]
	if cap(e.buf) > 4<<20 { // a rare huge group must not stay in memory
		e.buf = nil
	}
	return b
}

// group encodes batches and losses to be written at p, behind unsynced bytes that no sync has covered.
func (e *encoder) group(p Position, unsynced uint64, batches []sensors.Batch, losses []sensors.Loss, clock sensors.ClockBase) (Group, error) {
	e.buf, e.start = appendGroup(e.buf[:0], unsynced), p.Offset
	var g Group
	for _, m := range e.merge(batches) {
		e.setClock(clock)
		for rest := m.readings; len(rest) > 0; {
			n := chunkLen(rest)
			chunk, err := e.chunk(m.collection, rest[:n:n])
			if err != nil {
				return Group{}, err
			}
			g.Chunks = append(g.Chunks, chunk)
			rest = rest[n:]
		}
	}
	clear(e.merged)
	e.origins(batches)
	for _, l := range losses {
		g.Losses = append(g.Losses, e.loss(l))
	}
	if len(e.buf) == groupRecordBytes {
		e.buf = e.buf[:0]
		return g, nil
	}
	endGroup(e.buf, e.number, e.start)
	return g, nil
}

// merge gathers the readings of each collection. A collection with one batch keeps that batch's memory.
func (e *encoder) merge(batches []sensors.Batch) []merged {
	e.merged = e.merged[:0]
	clear(e.at)
	for i := range batches {
		b := &batches[i]
		if len(b.Readings) == 0 {
			continue
		}
		k, have := e.at[b.Collection]
		if !have {
			k = len(e.merged)
			e.at[b.Collection] = k
			e.merged = append(e.merged, merged{collection: b.Collection, readings: b.Readings})
		}
		e.merged[k].count += len(b.Readings)
	}
	for i := range e.merged {
		if m := &e.merged[i]; m.count > len(m.readings) {
			m.readings = make([]sensors.Reading, 0, m.count)
			m.copied = true
		}
	}
	for i := range batches {
		if k, have := e.at[batches[i].Collection]; have && e.merged[k].copied {
			e.merged[k].readings = append(e.merged[k].readings, batches[i].Readings...)
		}
	}
	return e.merged
}

func chunkLen(rs []sensors.Reading) int {
	text := 0
	for i := range rs[:min(len(rs), maxChunk)] {
		text += len(rs[i].Str)
		if text > maxChunkText && i > 0 {
			return i
		}
	}
	return min(len(rs), maxChunk)
}

func (e *encoder) chunk(collection string, rs []sensors.Reading) (Chunk, error) {
	name := e.text(collection)
	e.define(rs)
	at, place := e.begin(kindRows)
	if len(rs) >= minColumns {
		e.buf[at+8] = byte(kindColumns)
	}
	e.buf = binary.AppendUvarint(e.buf, name)
	e.buf = binary.AppendUvarint(e.buf, uint64(len(rs)))
	if len(rs) >= minColumns {
		var err error
		e.buf, err = e.columns.Encode(e.buf, rs, func(s *sensors.Series) uint32 { return e.series[s] })
		if err != nil {
			return Chunk{}, fmt.Errorf("encode journal record: %w", err)
		}
	} else {
		e.rows(rs)
	}
	if size := len(e.buf) - at; size > MaxBody {
		return Chunk{}, fmt.Errorf("encode journal record: %d bytes, want at most %d", size, MaxBody)
	}
	e.end(at)
	return Chunk{Collection: collection, At: Position{File: e.number, Offset: place}, Clock: *e.clock, Readings: rs}, nil
}

func (e *encoder) rows(rs []sensors.Reading) {
	var before int64
	for i := range rs {
		r := &rs[i]
		e.buf = binary.AppendUvarint(e.buf, uint64(e.series[r.Series]))
		e.buf = append(e.buf, byte(r.Quality))
		e.buf = binary.AppendVarint(e.buf, r.Time-before) // wraps, and wraps back when read
		before = r.Time
		switch r.Series.Type {
		case sensors.Float:
			e.buf = binary.LittleEndian.AppendUint64(e.buf, r.Num)
		case sensors.Int:
			e.buf = binary.AppendVarint(e.buf, r.Int())
		case sensors.Bool:
			e.buf = append(e.buf, boolByte(r.Num))
		case sensors.String:
			e.buf = appendText(e.buf, r.Str)
		}
	}
}

func boolByte(num uint64) byte {
	if num != 0 {
		return 1
	}
	return 0
}

// define writes the definitions of series that the file does not have yet.
func (e *encoder) define(rs []sensors.Reading) {
	for i := range rs {
		s := rs[i].Series
		if i > 0 && s == rs[i-1].Series {
			continue
		}
		if _, have := e.series[s]; have {
			continue
		}
		number := uint32(len(e.series)) //nolint:gosec // bounded by the file's size
		e.series[s] = number
		at, _ := e.begin(kindSeries)
		e.buf = binary.AppendUvarint(e.buf, uint64(number))
		e.buf = append(e.buf, byte(s.Type))
		e.buf = appendText(e.buf, s.Name)
		e.buf = appendText(e.buf, s.Unit)
		e.buf = binary.AppendUvarint(e.buf, uint64(len(s.Tags)))
		for _, t := range s.Tags {
			e.buf = appendText(appendText(e.buf, t.Key), t.Value)
		}
		e.end(at)
	}
}

// origins writes a record for each run of batches from one source and client. Origins follow the
// readings of their group: reading stops at a torn record, so none is read without its readings.
func (e *encoder) origins(batches []sensors.Batch) {
	for i := 0; i < len(batches); {
		b := &batches[i]
		if b.Origin == nil {
			i++
			continue
		}
		n := 1
		for i+n < len(batches) && sameDoor(b, &batches[i+n]) {
			n++
		}
		source, client := e.text(b.Source), e.text(b.Origin.Client)
		at, _ := e.begin(kindOrigins)
		e.buf = binary.AppendUvarint(e.buf, source)
		e.buf = binary.AppendUvarint(e.buf, client)
		e.buf = binary.AppendUvarint(e.buf, uint64(n))
		for _, x := range batches[i : i+n] {
			e.buf = binary.LittleEndian.AppendUint16(e.buf, x.Origin.PacketID)
			e.buf = binary.LittleEndian.AppendUint64(e.buf, x.Origin.Hash)
		}
		e.end(at)
		i += n
	}
}

func sameDoor(a, b *sensors.Batch) bool {
	return b.Origin != nil && a.Source == b.Source && a.Origin.Client == b.Origin.Client
}

func (e *encoder) loss(l sensors.Loss) Position {
	collection, source := e.text(l.Collection), e.text(l.Source)
	at, place := e.begin(kindLoss)
	e.buf = binary.AppendUvarint(e.buf, collection)
	e.buf = binary.AppendUvarint(e.buf, source)
	e.buf = binary.AppendVarint(e.buf, l.First)
	e.buf = binary.AppendVarint(e.buf, l.Last)
	e.buf = binary.AppendUvarint(e.buf, l.Count)
	e.buf = append(e.buf, byte(l.Reason))
	e.end(at)
	return Position{File: e.number, Offset: place}
}

// setClock writes the clock where it is not the one that the file has.
func (e *encoder) setClock(c sensors.ClockBase) {
	if e.clock != nil && *e.clock == c {
		return
	}
	e.clock = &c
	at, _ := e.begin(kindClock)
	e.buf = append(e.buf, c.Boot[:]...)
	e.buf = binary.AppendVarint(e.buf, c.Base)
	e.end(at)
}

func (e *encoder) sealed(p Position, heads []SealedHead) error {
	e.buf, e.start = e.buf[:0], p.Offset
	names := make([]uint64, len(heads))
	for i, h := range heads {
		names[i] = e.text(h.Collection)
	}
	at, _ := e.begin(kindSealed)
	e.buf = binary.AppendUvarint(e.buf, uint64(len(heads)))
	for i, h := range heads {
		e.buf = binary.AppendUvarint(e.buf, names[i])
		e.buf = append(e.buf, h.Feed[:]...)
		e.buf = binary.AppendUvarint(e.buf, h.Seq)
		e.buf = appendText(e.buf, string(h.CID.Bytes()))
		e.buf = binary.AppendUvarint(e.buf, h.SealedTo.File)
		e.buf = binary.AppendUvarint(e.buf, h.SealedTo.Offset)
		e.buf = binary.AppendUvarint(e.buf, uint64(h.SealedTo.Index))
		e.buf = binary.AppendUvarint(e.buf, h.Readings)
	}
	if size := len(e.buf) - at; size > MaxBody {
		return fmt.Errorf("encode sealed record: %d bytes, want at most %d", size, MaxBody)
	}
	e.end(at)
	return nil
}

// text returns the number of s in the current file, defining it where it has none.
func (e *encoder) text(s string) uint64 {
	if n, have := e.texts[s]; have {
		return n
	}
	n := uint64(len(e.texts))
	e.texts[s] = n
	at, _ := e.begin(kindText)
	e.buf = binary.AppendUvarint(e.buf, n)
	e.buf = appendText(e.buf, s)
	e.end(at)
	return n
}

// begin starts a record and returns its index in buf and its offset in the file.
func (e *encoder) begin(k kind) (at int, offset uint64) {
	at = len(e.buf)
	e.buf = beginRecord(e.buf, k)
	return at, e.start + uint64(at)
}

func (e *encoder) end(at int) {
	e.buf = endRecord(e.buf, at, e.number, e.start+uint64(at)) //nolint:gosec // an index is not negative
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

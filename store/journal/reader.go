package journal

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/skerry-edge/skerry/crdt/columns"
	"github.com/skerry-edge/skerry/sensors"
)

// reader reads one file.
type reader struct {
	// Constant.
	number  uint64
	table   *sensors.Table
	visit   Visitor
	columns *columns.Decoder
	end     uint64 // where its records end, as the next file says
	closed  bool   // there is a next file that says it

	b       []byte
	texts   []text
	series  []*sensors.Series // nil: the definition was damaged
	clock   sensors.ClockBase
	damaged bool // something before was not readable: numbers may be missing
	budget  int  // bytes that looking for records behind damage may still check
	damage  []Damage
	torn    bool
}

// text is a text's definition; not known where that was damaged.
type text struct {
	s     string
	known bool
}

// errMalformed marks a record whose checksum is right and whose body is not.
var errMalformed = errors.New("malformed record")

const (
	// maxDamage bounds how many damaged places of one file are listed.
	maxDamage = 100
	// searchBudget bounds how many bytes are checked for being records behind damage: without it, bytes made
	// for it would take hours.
	searchBudget = 4 * MaxFileBytes
)

// file visits the records of b, the whole file, and returns where they end.
func (r *reader) file(b []byte, headed bool) (uint64, error) {
	r.budget = searchBudget
	if r.closed && r.end > uint64(len(b)) {
		r.note(uint64(len(b)), fmt.Sprintf("the file is cut off: its records ended at byte %d", r.end))
	}
	r.b = b[:min(uint64(len(b)), r.end)]
	if !headed {
		// The header is durable before a record follows: without records the file was never begun.
		if len(b) <= fileHeaderBytes || allZero(b[fileHeaderBytes:]) {
			r.torn = !allZero(b)
			if r.closed && r.end > fileHeaderBytes && len(r.damage) == 0 {
				r.note(0, "the file is empty")
			}
			return 0, nil
		}
		r.note(0, "the file's header is damaged")
	}
	offset := uint64(fileHeaderBytes)
	for offset < uint64(len(r.b)) {
		next, err := r.step(offset)
		if err != nil {
			return offset, err
		}
		if next == offset {
			break
		}
		offset = next
	}
	return offset, nil
}

// step reads what is at offset and returns where the next thing is; offset itself: the records end here.
func (r *reader) step(offset uint64) (uint64, error) {
	k, body, size, err := parseRecord(r.b[offset:], r.number, offset)
	if err != nil || k == kindGroup && !r.whole(offset, body, size) && !r.wasDurable(offset) {
		return r.behind(offset), nil //nolint:nilerr // it tells whether that is damage
	}
	if k != kindGroup {
		err = r.record(k, body, Position{File: r.number, Offset: offset})
	}
	if errors.Is(err, errMalformed) {
		r.note(offset, err.Error())
	} else if err != nil {
		return offset, err
	}
	return offset + uint64(size), nil //nolint:gosec // sizes are positive
}

// whole reports whether all records of the group whose own record is at offset are whole.
func (r *reader) whole(offset uint64, body []byte, size int) bool {
	length, _, err := parseGroup(body)
	at := offset + uint64(size) //nolint:gosec // sizes are positive
	if err != nil || length > uint64(len(r.b))-at {
		return false
	}
	for end := at + length; at < end; {
		k, _, n, err := parseRecord(r.b[at:end], r.number, at)
		if err != nil || k == kindGroup {
			return false
		}
		at += uint64(n) //nolint:gosec // sizes are positive
	}
	return true
}

// behind is called where no whole record or group is. Where records ended, or a write was cut short, it returns
// offset; else, after noting the damage, where the next whole record is.
func (r *reader) behind(offset uint64) uint64 {
	if !r.closed && allZero(r.b[offset:]) {
		return offset
	}
	if !r.wasDurable(offset) {
		r.torn = true
		return offset
	}
	next := r.search(offset+recordAlign, func(kind, []byte, uint64) bool { return true })
	r.note(offset, fmt.Sprintf("%d bytes are not readable", next-offset))
	return next
}

// wasDurable reports whether what is at offset had been synced: the next file says so, or a later group of this one.
func (r *reader) wasDurable(offset uint64) bool {
	if r.closed {
		return true
	}
	end := uint64(len(r.b))
	return r.search(offset+recordAlign, func(k kind, body []byte, at uint64) bool {
		if k != kindGroup {
			return false
		}
		_, unsynced, err := parseGroup(body)
		return err == nil && unsynced < at-offset
	}) < end
}

// search returns the offset of the first whole record from offset on that is wanted; the end of the file
// when there is none.
func (r *reader) search(offset uint64, wanted func(k kind, body []byte, at uint64) bool) uint64 {
	end := uint64(len(r.b))
	for ; offset+recordHeaderBytes <= end; offset += recordAlign {
		n := binary.LittleEndian.Uint32(r.b[offset:])
		if n == 0 || n > MaxBody || uint64(n) > end-offset {
			continue
		}
		if r.budget -= int(n); r.budget < 0 {
			return end
		}
		if k, body, _, err := parseRecord(r.b[offset:], r.number, offset); err == nil && wanted(k, body, offset) {
			return offset
		}
	}
	return end
}

func (r *reader) note(offset uint64, reason string) {
	if len(r.damage) < maxDamage {
		r.damage = append(r.damage, Damage{fileName(r.number), offset, reason})
	}
	r.damaged = true
}

func (r *reader) record(k kind, body []byte, at Position) error {
	f := &fields{b: body}
	switch k {
	case kindGroup: // step reads it
		return nil
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

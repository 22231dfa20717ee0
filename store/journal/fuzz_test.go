package journal

import (
	"encoding/binary"
	"math"

	"github.com/skerry-edge/skerry/crdt/columns"
	"github.com/skerry-edge/skerry/sensors"
)

func newFuzzReader(table *sensors.Table) (*reader, error) {
	dec, err := columns.NewDecoder()
	if err != nil {
		return nil, err
	}
	return &reader{number: 7, table: table, columns: dec, end: math.MaxUint64, visit: Visitor{
		Chunk:  func(Chunk) error { return nil },
		Origin: func(string, sensors.Origin) error { return nil },
		Loss:   func(Position, sensors.Loss) error { return nil },
		Sealed: func([]SealedHead) error { return nil },
	}}, nil
}

// repaired returns a file whose records are b's with lengths that fit and checksums that are right, so
// that fuzzing gets behind them.
func repaired(b []byte) []byte {
	out := appendFileHeader(nil, fileHeader{number: 7})
	for len(b) >= 3 {
		n := min(int(b[0])|int(b[1]&3)<<8, len(b)-3)
		if n == 0 {
			break
		}
		at := len(out)
		out = beginRecord(out, kind(b[2]%10))
		out = append(out, b[3:3+n]...)
		if k := out[at+8]; kind(k) == kindGroup && n >= 5 && b[3]&1 == 0 {
			binary.LittleEndian.PutUint32(out[at+recordHeaderBytes:], 0) // a group of nothing is whole
		}
		out = endRecord(out, at, 7, uint64(at))
		b = b[3+n:]
	}
	return out
}

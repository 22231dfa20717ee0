// Package columns packs readings into a payload and back.
package columns

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/skerry-edge/skerry/sensors"
)

// Limits that both directions keep.
const (
	MaxReadings = 1 << 20 // of one payload
	MaxInflated = 4 << 20 // bytes of a payload's columns after decompression
	MaxString   = 64 << 10
)

// ErrCorrupt is wrapped by every error that says that a payload is not one that Encode makes.
var ErrCorrupt = errors.New("columns: corrupt payload")

// Encoder packs readings. It reuses its buffers and is not safe for concurrent use.
type Encoder struct{}

// NewEncoder returns an encoder.
func NewEncoder() (*Encoder, error) { return &Encoder{}, nil }

// Encode appends the payload of rs to dst.
func (e *Encoder) Encode(dst []byte, rs []sensors.Reading, number func(*sensors.Series) uint32) ([]byte, error) {
	slices.SortStableFunc(rs, func(a, b sensors.Reading) int {
		return cmp.Or(cmp.Compare(number(a.Series), number(b.Series)), cmp.Compare(a.Time, b.Time))
	})
	for _, r := range rs {
		if len(r.Str) > MaxString {
			return dst, fmt.Errorf("encode string of %d bytes: want at most %d", len(r.Str), MaxString)
		}
		dst = binary.AppendUvarint(dst, uint64(number(r.Series)))
		dst = append(dst, byte(r.Series.Type), byte(r.Quality))
		dst = binary.AppendVarint(dst, r.Time)
		dst = binary.AppendUvarint(dst, r.Num)
		dst = binary.AppendUvarint(dst, uint64(len(r.Str)))
		dst = append(dst, r.Str...)
	}
	return dst, nil
}

// Decoder unpacks payloads. It is not safe for concurrent use.
type Decoder struct{}

// NewDecoder returns a decoder.
func NewDecoder() (*Decoder, error) { return &Decoder{}, nil }

// Decode appends the readings whose series lookup wants.
func (d *Decoder) Decode(dst []sensors.Reading, payload []byte, count uint32, from, to int64,
	lookup func(number uint32, t sensors.Type) (*sensors.Series, error),
) ([]sensors.Reading, error) {
	last, first := uint64(0), true
	var s *sensors.Series
	for ; len(payload) > 0; count-- {
		u := func() uint64 {
			v, n := binary.Uvarint(payload)
			payload = payload[max(n, 0):]
			return v
		}
		num := u()
		if len(payload) < 2 || count == 0 {
			return dst, ErrCorrupt
		}
		t, q := sensors.Type(payload[0]), sensors.Quality(payload[1])
		payload = payload[2:]
		if num != last || first {
			var err error
			if s, err = lookup(uint32(num), t); err != nil {
				return dst, err
			}
		}
		last, first = num, false
		r := sensors.Reading{Series: s, Quality: q}
		z := u()
		r.Time = int64(z>>1) ^ -int64(z&1)
		r.Num = u()
		n := u()
		if n > uint64(len(payload)) {
			return dst, ErrCorrupt
		}
		r.Str = string(payload[:n])
		payload = payload[n:]
		if s != nil && r.Time >= from && r.Time < to {
			dst = append(dst, r)
		}
	}
	if count != 0 {
		return dst, ErrCorrupt
	}
	return dst, nil
}

// Check decodes the whole payload and keeps nothing.
func (d *Decoder) Check(payload []byte, count uint32) error {
	_, err := d.Decode(nil, payload, count, 0, 0, func(uint32, sensors.Type) (*sensors.Series, error) { return nil, nil })
	return err
}

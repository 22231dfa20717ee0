package columns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/skerry-edge/skerry/sensors"
)

// FuzzDecode feeds any bytes to the decoder: it refuses them with ErrCorrupt or agrees with the oracle.
func FuzzDecode(f *testing.F) {
	enc := newCodec(f).enc
	for _, build := range goldens() {
		var m maker
		build(&m)
		payload, err := enc.Encode(nil, m.rs, m.names.number)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload, uint32(len(m.rs)))
	}
	f.Fuzz(func(t *testing.T, payload []byte, count uint32) {
		if count > 1<<14 {
			count %= 1 << 14
		}
		if _, err := agree(newCodec(t).dec, payload, count); err != nil {
			t.Fatal(err)
		}
	})
}

// agree decodes any bytes in all ways, and reports whether they are a payload and how the ways differ.
func agree(dec *Decoder, payload []byte, count uint32) (good bool, err error) {
	checked := dec.Check(payload, count)
	if checked != nil && !errors.Is(checked, ErrCorrupt) {
		return false, checked
	}
	byNumber := make(map[uint32]*sensors.Series)
	got, err := dec.Decode(nil, payload, count, math.MinInt64, math.MaxInt64, func(n uint32, typ sensors.Type) (*sensors.Series, error) {
		byNumber[n] = &sensors.Series{Type: typ}
		return byNumber[n], nil
	})
	if (err == nil) != (checked == nil) {
		return false, fmt.Errorf("check says %w, decode %w", checked, err)
	}
	if err != nil {
		return false, nil //nolint:nilerr // all ways refuse it
	}
	plain, err := oracle(payload, count)
	if err != nil {
		return true, fmt.Errorf("the oracle says %w", err)
	}
	want := make([]sensors.Reading, len(plain))
	for i, p := range plain {
		want[i] = sensors.Reading{Series: byNumber[p.number], Time: p.time, Num: p.num, Str: p.str, Quality: sensors.Quality(p.quality)}
		if p.typ != want[i].Series.Type {
			return true, fmt.Errorf("reading %d is a %v, the oracle says %v", i, want[i].Series.Type, p.typ)
		}
	}
	return true, equal(want, got)
}

// FuzzRoundTrip makes readings of any bytes.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x10\x12\x34\x56\x78\x9a\xbc\xde\xf0"), uint8(9))
	f.Add(make([]byte, 1000), uint8(1))
	f.Fuzz(func(t *testing.T, src []byte, ticks uint8) {
		m := maker{}
		all := [8]*sensors.Series{}
		for i := range all {
			all[i] = m.series(uint32(i*i), sensors.Type(1+i%4))
		}
		tick := []int64{1, 1e3, 1e6, 1e9}[ticks%4]
		now, last := int64(0), uint64(0)
		for len(src) >= 3 {
			head := src[0]
			r := sensors.Reading{Series: all[head&7], Quality: sensors.Quality(head >> 6)}
			now += int64(int8(src[1]))
			r.Num = last + uint64(int64(int8(src[2])))
			src = src[3:]
			if head&8 != 0 && len(src) >= 16 {
				now, r.Num = int64(binary.LittleEndian.Uint64(src)), binary.LittleEndian.Uint64(src[8:])
				src = src[16:]
			}
			last = r.Num
			r.Time = now * tick
			switch r.Series.Type {
			case sensors.String:
				n := min(int(head>>4&3), len(src))
				r.Str = string(src[:n])
				src = src[n:]
			case sensors.Float:
				if head&16 != 0 {
					r.Num = math.Float64bits(float64(int64(r.Num)) / 100)
				}
			case sensors.Int, sensors.Bool:
			}
			m.rs = append(m.rs, r)
		}
		if _, err := newCodec(t).check(m.rs, &m.names); err != nil {
			t.Fatal(err)
		}
	})
}

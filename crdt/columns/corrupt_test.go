package columns

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// craft is a payload put together by hand.
type craft struct {
	flags byte
	heads []uint64
	first []uint64 // lane 1
	lane  []uint64 // lane 2
	text  string
	tail  []byte
}

func (c craft) payload(t *testing.T) []byte {
	t.Helper()
	enc := newCodec(t).enc
	out := binary.AppendUvarint([]byte{c.flags, 0}, uint64(len(c.heads)))
	for _, lane := range [][]uint64{c.heads, c.first, c.lane} {
		var err error
		if out, err = enc.lane(out, lane); err != nil {
			t.Fatal(err)
		}
	}
	if c.flags&flagText != 0 {
		out = binary.AppendUvarint(out, uint64(len(c.text)))
		out = append(append(out, 0), c.text...)
	}
	return append(out, c.tail...)
}

func TestDecoder_refuses(t *testing.T) {
	const all = headLength | headTime | headValue
	// Four readings a step of 1 apart: delta in no lane's number but three zeros in lane 2.
	times := func(control, length uint64, rest ...uint64) []uint64 {
		return append([]uint64{control, zigzag(int64(length)), timesDelta, 2, zigzag(1)}, rest...)
	}
	zeros := []uint64{0, 0, 0}
	const ints = kindInt
	good := craft{heads: times(all, 4, ints, 0, 0), first: []uint64{7}, lane: zeros}
	if err := newCodec(t).dec.Check(good.payload(t), 4); err != nil {
		t.Fatal("a good payload: ", err)
	}
	for what, c := range map[string]craft{
		"unknown flags":                       {flags: 8, heads: good.heads, first: good.first, lane: zeros},
		"a lane is missing":                   {heads: good.heads},
		"bytes after its end":                 {heads: good.heads, first: good.first, lane: zeros, tail: []byte{0}},
		"has no heads":                        {heads: slices.Repeat([]uint64{0}, 65)},
		"unknown parts":                       {heads: []uint64{64}},
		"series number is too large":          {heads: []uint64{headNumber, math.MaxUint32 + 1}},
		"number is too large":                 {heads: append(times(all, 1, ints, 0, 0), headNumber|headLength, math.MaxUint32, 4, 0, 0), first: []uint64{1, 1}, lane: zeros},
		"a run is empty":                      {heads: []uint64{0}},
		"run is empty or too long":            {heads: times(all, 5, ints, 0, 0)},
		"empty or too long":                   {heads: []uint64{headLength, math.MaxUint64}},
		"times are of an unknown shape":       {heads: []uint64{all, 8, 6, 0, 0}},
		"are of an unknown shape":             {heads: []uint64{all, 8, timesDelta + shapeModes, 2, 0, 1}},
		"a run's times are of an unknown":     {heads: []uint64{all, 8, timesSlots + shapeModes*shapeFraction, 2, 0, 1 << 16}},
		"run's times are of an unknown shape": {heads: []uint64{all, 8, timesDelta, 16, 0}},
		"timeline is missing":                 {heads: []uint64{all, 8, timesSame, 0, 0, ints, 0}, first: []uint64{1}},
		"timeline is too short": {
			heads: append(times(all, 2, ints, 0, 0), headTime, timesSame+shapeModes*shapeFrom, 0, 0, 1), first: []uint64{1, 1}, lane: zeros[:1],
		},
		"run's timeline is too short": {
			heads: append(times(all, 2, ints, 0, 0), headTime, timesSubset, 2, 0), first: []uint64{1, 1}, lane: []uint64{0, 1, 0},
		},
		"values are of an unknown shape":       {heads: times(all, 4, 6, 0, 0)},
		"a run's values are of an":             {heads: times(all, 4, kindDecimal, 23<<4, 0)},
		"run's values are of an unknown":       {heads: times(all, 4, kindFloat+shapeFlags*shapePatches, 0, 0)},
		"run's values are of an unknown shape": {heads: times(all, 4, kindBool+shapeKinds*predictDelta, 0, 0)},
		"sign without a number":                {heads: times(all|headNegative, 4, kindBool, 0, 0), lane: zeros},
		"has too many patches":                 {heads: times(all, 4, kindDecimal+shapeFlags*shapePatches, 2, 0, 5)},
		"too many patches, flips":              {heads: times(all, 4, kindBool, 2, 0, 4<<1)},
		"too many patches, flips or strings":   {heads: times(all, 4, kindString, 2, 0, 5)},
		"patches, flips or strings":            {heads: times(all, 4, kindString, 2, 0, 0)},
		"qualities are too many":               {heads: times(all|headQuality, 4, ints, 0, 1, 4)},
		"run's qualities are too many":         {heads: times(all|headQuality, 4, ints, 0, 256, 0)},
		"heads after the last run":             {heads: append(slices.Clone(good.heads), 0)},
		"a head ends early":                    {heads: good.heads[:5]},
		"uses a lane of heads":                 {heads: []uint64{all, 8, timesDelta, 0, 0, ints, 0, 0}, first: []uint64{7}},
		"strings that no run has":              {flags: flagText, heads: good.heads, first: good.first, lane: zeros, text: "x"},
		"text is too long":                     {flags: flagText, heads: good.heads, first: good.first, lane: zeros},
		"a patch is outside": {
			heads: times(all, 4, kindDecimal+shapeFlags*shapePatches, 2, 0, 1), first: []uint64{7}, lane: []uint64{0, 0, 0, 4, 1},
		},
		"flips outside its run":     {heads: times(all, 4, kindBool, 2, 0, 1<<1), lane: []uint64{0, 0, 0, 3}},
		"a string is missing":       {flags: flagText, heads: times(all, 4, kindString, 2, 0, 2), lane: []uint64{0, 0, 0, 0, 0, 0, 1, 1}, text: "xy"},
		"a string is used nowhere":  {flags: flagText, heads: times(all, 4, kindString, 2, 0, 2), lane: []uint64{0, 0, 0, 1, 1, 1, 1, 1}, text: "xy"},
		"a string is too long":      {flags: flagText, heads: times(all, 4, kindString, 2, 0, 1), lane: []uint64{0, 0, 0, 2}, text: "x"},
		"string is too long":        {flags: flagText, heads: times(all, 4, kindString, 2, 0, 1), lane: []uint64{0, 0, 0, MaxString + 1}, text: strings.Repeat("x", MaxString+1)},
		"its text ends early":       {flags: flagText, heads: good.heads, first: good.first, lane: zeros, tail: []byte{}, text: ""},
		"there are bytes after its": {heads: good.heads, first: good.first, lane: zeros, tail: []byte{1}},
	} {
		payload := c.payload(t)
		if what == "its text ends early" {
			payload[len(payload)-2] = 9
		}
		err := newCodec(t).dec.Check(payload, 4)
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestDecoder_refusesHugeLengths: a length that passes the limit by far is not taken for the limit.
func TestDecoder_refusesHugeLengths(t *testing.T) {
	for length, good := range map[int64]bool{MaxReadings: true, MaxReadings + 1: false, 1 << 40: false, math.MaxInt64: false} {
		c := craft{
			heads: []uint64{headLength | headTime | headValue, zigzag(length), timesDelta, 2, zigzag(1), kindInt, 0, 0},
			first: []uint64{7}, lane: make([]uint64, MaxReadings-1),
		}
		payload := c.payload(t)
		payload = append(payload, make([]byte, MaxReadings>>readingsPerByteLog-len(payload))...)
		if err := newCodec(t).dec.Check(payload, MaxReadings); (err == nil) != good {
			t.Errorf("a run of %d: %v", length, err)
		}
	}
}

func TestDecoder_refusesLanes(t *testing.T) {
	tokens := func() []byte { return make([]byte, 300) }
	var source laneSource
	var reader laneReader
	enc := newCodec(t).enc
	in := make([]uint64, 300)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range in {
		in[i] = rng.Uint64N(13)
	}
	rans, err := enc.lane(nil, in)
	if err != nil || rans[0] < codingRANS {
		t.Fatal(rans, err)
	}
	for i := range in {
		in[i] = uint64(i % 30)
	}
	zstd, err := enc.lane(nil, in)
	if err != nil || zstd[0] != codingZstd {
		t.Fatal(zstd, err)
	}
	other, err := enc.writer.zstd.deflate(make([]byte, 301))
	if err != nil {
		t.Fatal(err)
	}
	frame := append([]byte{codingZstd, byte(len(other))}, other...)
	longer := func(more string) []byte { // the frame with more bytes that count as part of it
		end := 2 + int(zstd[1])
		return slices.Concat([]byte{zstd[0], zstd[1] + byte(len(more))}, zstd[2:end], []byte(more), zstd[end:])
	}
	zeroed := slices.Clone(zstd)
	clear(zeroed[14 : 2+int(zstd[1])])
	turned := slices.Clone(rans)
	turned[len(turned)-1] ^= 0x40
	for what, src := range map[string][]byte{
		"is missing":              {},
		"unknown coding":          {10},
		"has an unknown coding":   {codingRANS + 4},
		"ends early":              {3, 1, 2},
		"frequencies is none":     {codingRANS + 5, 0xff, 0xff, 0xff, 0xff, 0xff},
		"of frequencies":          {codingRANS + 12},
		"do not end":              turned,
		"where they began":        rans[:len(rans)-2],
		"a frame ends early":      zstd[:20],
		"frame ends early":        {codingZstd, 0xff},
		"frame has no header":     {codingZstd, 3, 1, 2, 3},
		"the size it should":      frame,
		"extra bits end early":    {8, 16},
		"there is more than":      longer("\x50\x2a\x4d\x18\x03\x00\x00\x00abc"),
		"there is more than one":  longer("\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00"),
		"more than one frame":     longer("\x00"),
		"or not all of one":       append(append([]byte{zstd[0], zstd[1]}, zstd[2:10]...), make([]byte, len(zstd)-10)...),
		"frame cannot be inflate": zeroed,
	} {
		if what == "extra bits end early" {
			src = append([]byte{8}, slices.Repeat([]byte{16}, 300)...)
		}
		_, err := source.open(&reader, tokens(), src)
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

package columns

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// forger writes payloads that no encoder of ours makes, but that the layout allows: any shape after any other, and
// numbers of any size.
type forger struct {
	*rand.Rand
	flags byte
	heads []uint64
	lanes [maxLane + 1][]uint64
	text  []byte
	lines []int // how long they are
	count uint32
}

// number returns any number, the extremes more often than others.
func (f *forger) number() uint64 {
	odd := []uint64{0, 1, 2, 3, 1 << 62, math.MaxInt64, 1 << 63, 1<<63 + 1, math.MaxUint64 - 2, math.MaxUint64 - 1, math.MaxUint64}
	if f.IntN(3) == 0 {
		return odd[f.IntN(len(odd))]
	}
	return f.Uint64() >> f.IntN(64)
}

func (f *forger) numbers(lane uint64, n int) {
	for range n {
		f.lanes[lane] = append(f.lanes[lane], f.number())
	}
}

// run adds a run that says everything anew.
func (f *forger) run(length, before int) {
	f.count += uint32(length)
	control := uint64(headNumber | headLength | headTime | headValue | headQuality)
	shape, kind := f.time(length), uint64(f.IntN(6))
	first := kind <= kindInt
	if first && f.IntN(2) == 0 {
		control |= headNegative
	}
	f.heads = append(f.heads, control, f.Uint64N(3), zigzag(int64(length-before)))
	f.heads = append(f.heads, shape[0]...)
	lane := 2 + f.Uint64N(3)
	values := []uint64{kind, lane}
	flags, predict := uint64(0), uint64(0)
	if first {
		flags, predict = f.Uint64N(8), f.Uint64N(4)
		if kind > kindSingle {
			flags &^= shapePatches
		}
		values[0] += shapeKinds*predict + shapeFlags*flags
		values[1] += 16 * f.Uint64N(maxExponent+1)
	}
	for _, flag := range []uint64{shapeStep, shapeDrift} {
		if flags&flag != 0 {
			values = append(values, f.number())
		}
	}
	f.heads = append(f.heads, values...)
	f.qualities(length)
	f.heads = append(f.heads, shape[1]...)
	if first {
		f.lanes[laneFirsts] = append(f.lanes[laneFirsts], f.number())
		f.numbers(lane, []int{0, length, length - 1, length - 1}[predict])
	}
	f.rest(kind, flags, lane, length)
}

// time adds the numbers of times and returns their shape, and what each run has of its own.
func (f *forger) time(length int) (shape [2][]uint64) {
	mode, lane := uint64(f.IntN(6)), 2+f.Uint64N(3)
	line := -1
	for i, n := range f.lines {
		if n >= length && f.IntN(3) > 0 {
			line = i
		}
	}
	if line < 0 {
		mode = 3 + mode%3
	}
	shape[0] = []uint64{mode, lane}
	switch mode {
	case timesSame:
		from := f.IntN(f.lines[line] - length + 1)
		shape[0] = []uint64{mode + shapeModes*shapeFrom, lane, uint64(line), uint64(from)}
		return shape
	case timesSubset:
		shape[0] = append(shape[0], uint64(line))
		left := f.lines[line] - length
		for range length {
			skip := f.IntN(left + 1)
			left -= skip
			f.lanes[lane] = append(f.lanes[lane], uint64(skip))
		}
	case timesFollow:
		shape[0], shape[1] = append(shape[0], uint64(line)), []uint64{f.number()}
		f.numbers(lane, length)
	case timesSlots:
		flags := f.Uint64N(4)
		shape[0] = append([]uint64{mode + shapeModes*flags, lane}, f.number())
		if flags&shapeFraction != 0 {
			shape[0] = append(shape[0], f.Uint64N(1<<16))
		}
		if flags&shapeAnchor != 0 {
			shape[1] = []uint64{f.number()}
		}
		f.numbers(lane, length)
	default:
		shape[0], shape[1] = append(shape[0], f.number()), []uint64{f.number()}
		f.numbers(lane, length-1)
	}
	f.lines = append(f.lines, length)
	return shape
}

func (f *forger) qualities(left int) {
	for left > 0 {
		left -= 1 + f.IntN(left)
		f.heads = append(f.heads, f.Uint64N(256), uint64(left))
	}
}

// rest adds patches, flips or words.
func (f *forger) rest(kind, flags, lane uint64, length int) {
	switch {
	case kind == kindBool:
		flips, left := 0, length
		for left > 1 && f.IntN(3) > 0 {
			same := f.IntN(left - 1)
			f.lanes[lane] = append(f.lanes[lane], uint64(same))
			flips, left = flips+1, left-same-1
		}
		f.heads = append(f.heads, uint64(2*flips+f.IntN(2)))
	case kind == kindString:
		words := 1 + f.IntN(length)
		f.heads = append(f.heads, uint64(words))
		for i := 1; i < length && words > 1 && words < length; i++ {
			index := 0
			if i >= words {
				index = 1 + f.IntN(words)
			}
			f.lanes[lane] = append(f.lanes[lane], uint64(index))
		}
		for range words {
			size := f.IntN(4)
			f.lanes[lane] = append(f.lanes[lane], uint64(size))
			f.text = append(f.text, "words"[:size]...)
		}
	case flags&shapePatches != 0:
		patches, left := 0, length
		for left > 0 && f.IntN(3) > 0 {
			gap := f.IntN(left)
			f.lanes[lane] = append(f.lanes[lane], uint64(gap), f.number())
			patches, left = patches+1, left-gap-1
		}
		f.heads = append(f.heads, uint64(patches))
	}
}

func (f *forger) payload(t *testing.T, enc *Encoder) []byte {
	t.Helper()
	if len(f.text) > 0 {
		f.flags |= flagText
	}
	f.lanes[laneHeads] = f.heads
	out := binary.AppendUvarint([]byte{f.flags}, f.number())
	out = binary.AppendUvarint(out, uint64(len(f.heads)))
	for _, lane := range f.lanes {
		var err error
		if out, err = enc.lane(out, lane); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.text) > 0 {
		out = binary.AppendUvarint(out, uint64(len(f.text)))
		out = append(append(out, 0), f.text...)
	}
	return out
}

// TestDecoder_agreesOnForgeries holds decoder and oracle to one meaning of what no encoder of ours writes.
func TestDecoder_agreesOnForgeries(t *testing.T) {
	c := newCodec(t)
	rounds := 3000
	if testing.Short() {
		rounds = 500
	}
	for seed := range uint64(rounds) {
		f := forger{Rand: rand.New(rand.NewPCG(seed, 9))}
		f.flags = byte(f.IntN(4))
		before := 0
		for range 1 + f.IntN(6) {
			length := 1 + f.IntN(1+f.IntN(12))
			f.run(length, before)
			before = length
		}
		good, err := agree(c.dec, f.payload(t, c.enc), f.count)
		if err != nil || !good {
			t.Fatalf("seed %d: good %v, %v; %v", seed, good, err, c.dec.Check(f.payload(t, c.enc), f.count))
		}
	}
}

package columns

import (
	"math"
	"math/bits"
)

// What a run's values are. Codes are bytes on disk: append-only.
const (
	kindDecimal = 0 // floats: an integer over a power of ten
	kindSingle  = 1 // floats: the same, rounded to single precision
	kindFloat   = 2 // floats: their bits, as an integer with the same order
	kindInt     = 3
	kindBool    = 4
	kindString  = 5
)

// How a run's integers are written. Codes are bytes on disk: append-only.
const (
	predictFirst  = 0 // all are equal
	predictBase   = 1 // distance from a base
	predictDelta  = 2 // distance from the one before, less a drift
	predictDouble = 3 // change of the distance from the one before
)

const (
	shapeKinds   = 8 // the shape number is kind + shapeKinds × predict + 32 × flags
	shapeStep    = 1 // distances are multiples of a step
	shapeDrift   = 2 // there is a drift
	shapePatches = 4 // some floats are not what the integers say
	shapeFlags   = 32

	maxExponent = 22 // 10^22 is the last power of ten that a float holds exactly
)

// valuesPlan says how the values of one run are written. All but first, patches, extra and out is its shape.
type valuesPlan struct {
	kind     int
	predict  int
	exponent int
	step     uint64
	drift    int64 // in steps
	patched  bool

	first int64  // integer; bool: its first value
	many  uint64 // patches, flips of a boolean, different strings
	out   span
}

// patch is a float that is not what its integer says.
type patch struct {
	index int
	off   uint64 // zigzag distance between the two, in floats
}

// valuesPlanner finds the shortest way to write values.
type valuesPlanner struct {
	ints    []int64
	trial   []int64
	patches []patch
	other   []patch
	words   map[string]uint32
	sizes   []uint64   // of words
	text    []byte     // of all runs' strings
	last    valuesPlan // of the numbers before
}

// ordered maps the bits of a float to an integer such that greater floats give greater integers.
func ordered(b uint64) int64 {
	v := int64(b) //nolint:gosec // bits as they are
	return v ^ int64(uint64(v>>63)>>1)
}

// disordered undoes ordered.
func disordered(v int64) uint64 { return uint64(v ^ int64(uint64(v>>63)>>1)) } //nolint:gosec // see ordered

// pow10 returns 10^e, which is exact.
func pow10(e int) float64 {
	v := 1.0
	for range e {
		v *= 10
	}
	return v
}

// noInteger is what scaled returns for a float that is next to no integer of 53 bits.
const noInteger = math.MinInt64

// scaled returns the integer next to v × power, and whether rendered makes v's bits of it again.
func scaled(b uint64, power float64, single bool) (m int64, ok bool) {
	x := float64(math.Float64frombits(b) * power)
	if !(x > -1<<53 && x < 1<<53) {
		return noInteger, false
	}
	m = int64(x + math.Copysign(0.5, x))
	return m, rendered(m, power, single) == b
}

// rendered returns the bits of the float that an integer over a power of ten stands for.
func rendered(m int64, power float64, single bool) uint64 {
	v := float64(m) / power
	if single {
		v = float64(float32(v))
	}
	return math.Float64bits(v)
}

// floats appends the numbers for the floats with these bits to dst.
func (p *valuesPlanner) floats(dst []uint64, nums []uint64) ([]uint64, valuesPlan) {
	plan, cost := p.decimals(nums, false)
	if len(p.patches) == 0 && plan.exponent < 10 {
		return p.write(dst, p.ints, plan)
	}
	p.keep()
	if singles(nums) {
		try, tried := p.decimals(nums, true)
		if tried < cost {
			plan, cost = try, tried
			p.keep()
		}
	}
	p.ints = p.ints[:0]
	p.patches = p.patches[:0]
	for _, b := range nums {
		p.ints = append(p.ints, ordered(b))
	}
	if try, tried := p.predict(p.ints); tried+64 < cost {
		try.kind = kindFloat
		return p.write(dst, p.ints, try)
	}
	p.keep()
	return p.write(dst, p.ints, plan)
}

// keep puts the integers and patches aside, or takes them back.
func (p *valuesPlanner) keep() {
	p.ints, p.trial = p.trial, p.ints
	p.patches, p.other = p.other, p.patches
}

// singles reports whether single precision holds all floats.
func singles(nums []uint64) bool {
	for _, b := range nums {
		v := math.Float64frombits(b)
		if math.IsNaN(v) {
			if !singleNaN(b) {
				return false
			}
			continue
		}
		if math.Float64bits(float64(float32(v))) != b {
			return false
		}
	}
	return true
}

// singleNaN reports whether single precision holds a NaN: a quiet one whose lowest bits are zero. Processors
// do not agree on what rounding makes of a NaN's sign and payload, so its bits are asked.
func singleNaN(b uint64) bool {
	const quiet, lost = 1 << 51, 1<<29 - 1
	return b&quiet != 0 && b&lost == 0
}

// decimals finds the exponent with which integers hold nearly all floats, and plans for it. The
// integers are in p.ints, the floats it does not hold in p.patches.
func (p *valuesPlanner) decimals(nums []uint64, single bool) (valuesPlan, int) {
	exponent := 0
	if len(nums) < shortRun {
		exponent = p.last.exponent
	}
	for _, b := range nums[:min(len(nums), 8)] {
		exponent = max(exponent, exponentOf(b, exponent, single))
	}
	for {
		next := p.scale(nums, exponent, single)
		if next <= exponent {
			break
		}
		exponent = next
	}
	plan, cost := p.predict(p.ints)
	plan.exponent, plan.patched = exponent, len(p.patches) > 0
	if single {
		plan.kind = kindSingle
	}
	plan.many = uint64(len(p.patches))
	for _, x := range p.patches {
		cost += 6 + bits.Len64(x.off)
	}
	return plan, cost
}

const maxTried = 15 // exponents above it are not looked for

// exponentOf returns the least exponent from low on with which an integer holds b, or -1.
func exponentOf(b uint64, low int, single bool) int {
	power := pow10(low)
	for e := low; e <= maxTried; e++ {
		if _, ok := scaled(b, power, single); ok {
			return e
		}
		power *= 10
	}
	return -1
}

// scale sets p.ints and p.patches for an exponent. When too many floats need patches that a greater
// exponent would hold, it returns that and stops.
func (p *valuesPlanner) scale(nums []uint64, exponent int, single bool) (better int) {
	if cap(p.ints) < len(nums) {
		p.ints = make([]int64, len(nums)+len(nums)/4)
	}
	p.ints, p.patches = p.ints[:len(nums)], p.patches[:0]
	power := pow10(exponent)
	before, could := int64(0), 0
	for i, b := range nums {
		m, ok := scaled(b, power, single)
		if !ok {
			if e := exponentOf(b, exponent+1, single); e > 0 {
				better = max(better, e)
				if could++; could > len(nums)>>4 {
					return better
				}
			}
			if m == noInteger {
				m = before
			}
			off := zigzag(ordered(b) - ordered(rendered(m, power, single)))
			p.patches = append(p.patches, patch{index: i, off: off})
		}
		p.ints[i], before = m, m
	}
	return 0
}

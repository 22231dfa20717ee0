package columns

import (
	"fmt"

	"github.com/skerry-edge/skerry/sensors"
)

// integers appends the numbers for integers to dst.
func (p *valuesPlanner) integers(dst []uint64, nums []uint64) ([]uint64, valuesPlan) {
	p.ints, p.patches = p.ints[:0], p.patches[:0]
	for _, v := range nums {
		p.ints = append(p.ints, int64(v)) //nolint:gosec // two's complement by definition
	}
	plan, _ := p.predict(p.ints)
	plan.kind = kindInt
	return p.write(dst, p.ints, plan)
}

// booleans appends how many follow each flip to dst, for all but the last.
func booleans(dst []uint64, nums []uint64) ([]uint64, valuesPlan) {
	plan := valuesPlan{kind: kindBool, step: 1, out: span{from: len(dst)}}
	since := uint64(0)
	for i, v := range nums {
		v = min(v, 1)
		if i == 0 {
			plan.first = int64(v)
			continue
		}
		if v == min(nums[i-1], 1) {
			since++
			continue
		}
		dst = append(dst, since)
		since = 0
		plan.many++
	}
	plan.out.to = len(dst)
	return dst, plan
}

// strings appends the numbers for the strings of rs to dst and their text to p.text.
func (p *valuesPlanner) strings(dst []uint64, rs []sensors.Reading) ([]uint64, valuesPlan, error) {
	plan := valuesPlan{kind: kindString, step: 1, out: span{from: len(dst)}}
	if p.words == nil {
		p.words = make(map[string]uint32)
	}
	defer clear(p.words)
	p.sizes = p.sizes[:0]
	for i := range rs {
		s := rs[i].Str
		if len(s) > MaxString {
			return dst, plan, fmt.Errorf("encode string of %d bytes: want at most %d: %w", len(s), MaxString, ErrTooLarge)
		}
		at, ok := p.words[s]
		if !ok {
			p.words[s] = uint32(len(p.words)) //nolint:gosec // at most MaxReadings
			p.text = append(p.text, s...)
			p.sizes = append(p.sizes, uint64(len(s)))
			if len(p.text) > MaxInflated {
				return dst, plan, fmt.Errorf("encode strings: more than %d bytes: %w", MaxInflated, ErrTooLarge)
			}
			if i > 0 {
				dst = append(dst, 0)
			}
			continue
		}
		dst = append(dst, uint64(at)+1)
	}
	many := len(p.words)
	if many == 1 || many == len(rs) {
		dst = dst[:plan.out.from]
	}
	dst = append(dst, p.sizes...)
	plan.many, plan.out.to = uint64(many), len(dst)
	return dst, plan, nil
}

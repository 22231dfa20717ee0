package columns

import (
	"math"
	"math/bits"
	"slices"
)

// guess is what a run's distances suggest.
type guess struct {
	median int64 // distance
	nice   int64 // period with few digits; 0: none
	exact  int64 // period in 1/65536; 0: none
}

func (p *timesPlanner) guess(t []int64) guess {
	var sample [31]int64
	n := min(len(sample), len(t)-1)
	for i := range n {
		at := 1 + int(int64(i)*int64(len(t)-1)/int64(n))
		sample[i] = t[at] - t[at-1]
	}
	slices.Sort(sample[:n])
	g := guess{median: sample[n/2]}
	if g.median <= 0 || g.median > 1<<45 {
		return g
	}
	noise := int64(0)
	for _, d := range sample[:n] {
		if off := max(d-g.median, g.median-d); off <= g.median>>1 {
			noise = max(noise, off)
		}
	}
	steps := int64(0)
	for i := 1; i < len(t); i++ {
		d := t[i] - t[i-1]
		if off := d - g.median; off > g.median>>1 || off < -(g.median>>1) {
			steps += nearest(d, g.median)
		} else {
			steps++
		}
	}
	all := t[len(t)-1] - t[0]
	if steps <= 0 || all <= 0 || all > 1<<46 {
		return g
	}
	g.exact = (all<<16 + steps>>1) / steps
	slack := noise * 2 / steps
	if steps < 4 {
		slack = max(slack, g.median>>6)
	}
	g.nice = p.nice((g.exact+1<<15)>>16, slack)
	return g
}

// nice returns the number with the most zeros at its end that is within slack of v, or the step
// before if it is.
func (p *timesPlanner) nice(v, slack int64) int64 {
	if last := p.last.step; last > 0 && last-v <= slack && v-last <= slack {
		return last
	}
	for unit := int64(1_000_000_000); unit > 1; unit /= 10 {
		c := nearest(v, unit) * unit
		if c > 0 && c-v <= slack && v-c <= slack {
			return c
		}
	}
	return v
}

// offerSlots offers to write t as distances from the slots of a period; fee is what its shape costs.
func (p *timesPlanner) offerSlots(t []int64, step int64, frac uint16, fee int) {
	base, half := t[0], step>>1
	near := p.begun && base-p.anchor <= half && p.anchor-base <= half
	if near {
		base = p.anchor
	}
	lo, hi, cost := p.slots(t, base, step, frac)
	if near {
		p.offer(timesPlan{mode: timesSlots, step: step, frac: frac}, cost+fee)
	}
	mid := (lo + hi) / 2
	if near && max(mid, -mid)*4 <= hi-lo {
		return
	}
	base += mid
	_, _, cost = p.slots(t, base, step, frac)
	plan := timesPlan{mode: timesSlots, anchored: true, step: step, frac: frac, anchor: base}
	if p.begun {
		fee += bits.Len64(zigzag(base-p.anchor)) + 5
	}
	p.offer(plan, cost+fee)
}

// slots writes t as distances from slots and returns the least and greatest of those that skip
// none, and about how many bits they have.
func (p *timesPlanner) slots(t []int64, base, step int64, frac uint16) (lo, hi int64, cost int) {
	s := slots{due: base, period: step, frac: frac}
	half := step >> 1
	if cap(p.trial) < len(t) {
		p.trial = make([]uint64, len(t)+len(t)/4)
	}
	out := p.trial[:len(t)]
	lo, hi = math.MaxInt64, math.MinInt64
	for i, v := range t {
		d := v - s.due
		z := zigzag(d)
		out[i] = z
		cost += bits.Len64(z)
		if d <= half && d >= -half {
			lo, hi = min(lo, d), max(hi, d)
		}
		s.advance(d)
	}
	p.trial = out
	if lo > hi {
		lo, hi = 0, 0
	}
	return lo, hi, cost
}

// offerFollow offers to write t as distances from the timeline before.
func (p *timesPlanner) offerFollow(t []int64) {
	line, index, ok := p.lineAt(1)
	if len(p.lines) == 1 {
		line, index, ok = p.lineAt(0)
	}
	if !ok || len(line) != len(t) || len(t) < 3 {
		return
	}
	lo, hi := t[0]-line[0], t[0]-line[0]
	const looks = 8
	for i := range looks {
		at := i * (len(t) - 1) / looks
		d := t[at] - line[at]
		lo, hi = min(lo, d), max(hi, d)
	}
	if hi-lo < 0 || bits.Len64(uint64(hi-lo))*len(t) >= p.cost { //nolint:gosec // not negative
		return
	}
	shift := lo + (hi-lo)/2
	p.trial = p.trial[:0]
	cost := 24
	for i, v := range t {
		z := zigzag(v - line[i] - shift)
		p.trial = append(p.trial, z)
		cost += bits.Len64(z)
	}
	p.offer(timesPlan{mode: timesFollow, timeline: index, anchor: shift}, cost)
}

// offerDeltas offers to write t as distances from the time before, or as their changes.
func (p *timesPlanner) offerDeltas(t []int64, step int64) {
	delta, double, before := 40, 40, step
	for i := 1; i < len(t); i++ {
		d := t[i] - t[i-1]
		delta += bits.Len64(zigzag(d - step))
		double += bits.Len64(zigzag(d - before))
		before = d
	}
	if p.cost >= 0 && delta >= p.cost && double >= p.cost {
		return
	}
	plan := timesPlan{mode: timesDelta, step: step, anchor: t[0]}
	if double < delta {
		plan.mode = timesDouble
	}
	p.trial = p.trial[:0]
	before = step
	for i := 1; i < len(t); i++ {
		d := t[i] - t[i-1]
		p.trial = append(p.trial, zigzag(d-before))
		if plan.mode == timesDouble {
			before = d
		}
	}
	p.offer(plan, min(delta, double))
}

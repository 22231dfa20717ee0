package columns

import "math/bits"

const (
	shapeCost = 20 // about how many bits a shape takes that is not the one before
	shortRun  = 5  // readings: runs up to here rather keep a shape that is not the best
)

// predict finds the shortest way to write the integers m, and about how many bits it takes. The
// shape of the run before costs nothing.
func (p *valuesPlanner) predict(m []int64) (valuesPlan, int) {
	was := p.last
	plan := valuesPlan{step: 1, first: m[0]}
	step, lo, hi := survey(m)
	if step == 0 {
		if len(m) <= shortRun && (was.predict == predictDelta || was.predict == predictDouble) && was.drift == 0 {
			plan.predict, plan.step = was.predict, was.step
		}
		return plan, 0
	}
	switch {
	case was.step > 1 && step%was.step == 0 && (len(m) <= shortRun || step>>4 < was.step):
		step = was.step
	case bits.Len64(step)*len(m) < 3*bits.Len64(step)+shapeCost:
		step = 1
	}
	plan.step = step
	base, fits := middle(m[0], lo, hi, step)
	plan.drift = 0
	if n := int64(len(m) - 1); n > 1 {
		plan.drift = divide(m[len(m)-1]-m[0], step) / n
	}
	costs := measure(m, plan, base)
	best := -1
	for i, c := range [...]valuesPlan{
		{predict: predictDelta},
		{predict: predictDelta, drift: plan.drift},
		{predict: predictDouble, drift: plan.drift},
		{predict: predictBase},
	} {
		if c.predict != was.predict || c.drift != was.drift || step != was.step {
			costs[i] += shapeCost
			if c.drift != 0 {
				costs[i] += 2 * bits.Len64(zigzag(c.drift))
			}
			if c.predict == predictDouble {
				costs[i] += shapeCost // rarely right, but in a short run it may look so
			}
		}
		if c.predict == predictBase && !fits {
			continue
		}
		if best < 0 || costs[i] < best {
			best = costs[i]
			c.step, c.first = step, m[0]
			plan = c
		}
	}
	if plan.predict == predictBase {
		plan.first = base
	}
	return plan, best + bits.Len64(zigzag(plan.first))
}

// middle returns an integer in the middle between lo and hi whose distance from all is a multiple of
// step, and whether there is one.
func middle(first, lo, hi int64, step uint64) (base int64, ok bool) {
	wide := uint64(hi) - uint64(lo) //nolint:gosec // modulo 1<<64, as meant
	if wide >= 1<<62 {
		return first, step == 1
	}
	return lo + int64((wide>>1)/step*step), true //nolint:gosec // below 1<<62
}

// measure returns about how many bits the integers take: as distances, as distances less the plan's
// drift, as changes of distances, as distances from the base.
func measure(m []int64, plan valuesPlan, base int64) (costs [4]int) {
	step, drift, before := plan.step, plan.drift, plan.drift
	delta, drifting, double, based := 0, 0, 0, bits.Len64(zigzag(divide(m[0]-base, step)))
	for i := 1; i < len(m); i++ {
		d, b := m[i]-m[i-1], m[i]-base
		if step != 1 {
			d, b = divide(d, step), divide(b, step)
		}
		delta += bits.Len64(zigzag(d))
		drifting += bits.Len64(zigzag(d - drift))
		double += bits.Len64(zigzag(d - before))
		based += bits.Len64(zigzag(b))
		before = d
	}
	return [4]int{delta, drifting, double, based}
}

// divide returns the distance d, which is a multiple of step, in steps.
func divide(d int64, step uint64) int64 {
	if step>>63 != 0 {
		return d >> 63 // the only multiples of 1<<63 are it and zero
	}
	return d / int64(step)
}

// survey returns the greatest common divisor of all distances, zero if all are zero, and the least
// and greatest integer.
func survey(m []int64) (step uint64, lo, hi int64) {
	lo, hi = m[0], m[0]
	for i := 1; i < len(m); i++ {
		v := m[i]
		lo, hi = min(lo, v), max(hi, v)
		if step == 1 {
			continue
		}
		d := v - m[i-1]
		if d < 0 {
			d = -d
		}
		if a := uint64(d); a != 0 { //nolint:gosec // 1<<63 at most
			step = gcd(step, a)
		}
	}
	return step, lo, hi
}

// gcd returns the greatest common divisor; b is not zero.
func gcd(a, b uint64) uint64 {
	if a == 0 {
		return b
	}
	shift := bits.TrailingZeros64(a | b)
	a >>= bits.TrailingZeros64(a)
	for b != 0 {
		b >>= bits.TrailingZeros64(b)
		if a > b {
			a, b = b, a
		}
		b -= a
	}
	return a << shift
}

// write appends the numbers of a plan for the integers m to dst, with the patches.
func (p *valuesPlanner) write(dst []uint64, m []int64, plan valuesPlan) ([]uint64, valuesPlan) {
	from := len(dst)
	switch plan.predict {
	case predictBase:
		for _, v := range m {
			dst = append(dst, zigzag(divide(v-plan.first, plan.step)))
		}
	case predictDelta:
		dst = appendDeltas(dst, m, plan)
	case predictDouble:
		before := plan.drift
		for i := 1; i < len(m); i++ {
			d := divide(m[i]-m[i-1], plan.step)
			dst = append(dst, zigzag(d-before))
			before = d
		}
	}
	next := 0
	for i := range p.patches {
		x := &p.patches[i]
		dst = append(dst, uint64(x.index-next), x.off) //nolint:gosec // not negative
		next = x.index + 1
	}
	plan.out = span{from, len(dst)}
	p.last = plan
	return dst, plan
}

func appendDeltas(dst []uint64, m []int64, plan valuesPlan) []uint64 {
	if plan.step == 1 {
		for i := 1; i < len(m); i++ {
			dst = append(dst, zigzag(m[i]-m[i-1]-plan.drift))
		}
		return dst
	}
	for i := 1; i < len(m); i++ {
		dst = append(dst, zigzag(divide(m[i]-m[i-1], plan.step)-plan.drift))
	}
	return dst
}

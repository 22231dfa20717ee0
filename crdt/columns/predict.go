package columns

import "math/bits"

// predict finds the shortest way to write the integers m, and about how many bits it takes.
func predict(m []int64) (valuesPlan, int) {
	plan := valuesPlan{step: 1, first: m[0]}
	step, lo, hi := survey(m)
	if step == 0 {
		return plan, 0
	}
	plan.step = step
	var base int64
	wide := uint64(hi) - uint64(lo) //nolint:gosec // modulo 1<<64, as meant
	if wide < 1<<62 {
		half := int64(wide >> 1 / step * step) //nolint:gosec // below 1<<62
		base = lo + half
	} else {
		base = m[0]
	}
	drift := int64(0)
	if n := int64(len(m) - 1); n > 1 {
		drift = divide(m[len(m)-1]-m[0], step) / n
	}
	delta, drifting, double, based := 0, 24, 16, bits.Len64(zigzag(divide(m[0]-base, step)))
	before := drift
	for i := 1; i < len(m); i++ {
		d := m[i] - m[i-1]
		b := m[i] - base
		if step != 1 {
			d, b = divide(d, step), divide(b, step)
		}
		delta += bits.Len64(zigzag(d))
		drifting += bits.Len64(zigzag(d - drift))
		double += bits.Len64(zigzag(d - before))
		based += bits.Len64(zigzag(b))
		before = d
	}
	plan.predict = predictDelta
	cost := delta
	if drifting < cost {
		cost, plan.drift = drifting, drift
	}
	if double < cost {
		cost, plan.drift, plan.predict = double, drift, predictDouble
	}
	if based < cost && (wide < 1<<62 || step == 1) {
		cost, plan.drift, plan.predict, plan.first = based, 0, predictBase, base
	}
	return plan, cost + 32
}

// divide returns the distance d, which is a multiple of step, in steps.
func divide(d int64, step uint64) int64 {
	if step>>63 != 0 {
		return d >> 63 // the only multiples of 1<<63 are it and zero
	}
	return d / int64(step) //nolint:gosec // it fits
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

package columns

import "slices"

// How a run's times are written. Codes are bytes on disk: append-only.
const (
	timesSame   = 0 // n times of an earlier timeline, from an index on
	timesSubset = 1 // some times of an earlier timeline: how many of it are left out before each
	timesFollow = 2 // an earlier timeline, shifted: the distance from it
	timesSlots  = 3 // a period: the distance from the nearest multiple of it
	timesDelta  = 4 // the distance from the time before, less a step
	timesDouble = 5 // the change of the distance from the time before
)

const (
	shapeModes    = 8 // the shape number is mode + shapeModes × flags
	shapeFraction = 1 // slots: the period has a fraction
	shapeAnchor   = 2 // slots: an anchor follows in each run
	shapeFrom     = 4 // same: the index follows
)

// timesPlan says how the times of one run are written. All but anchor and out is its shape: what a
// run takes over from the run before unless it says otherwise.
type timesPlan struct {
	mode     int
	anchored bool   // slots
	timeline int    // same, subset, follow
	from     int    // same
	step     int64  // slots, delta, double
	frac     uint16 // slots: of the period, in 1/65536

	anchor int64 // less the anchor before; follow: the shift
	out    span
}

// span is a part of a slice.
type span struct{ from, to int }

func (s span) len() int { return s.to - s.from }

// timesPlanner finds the shortest way to write times, run by run.
type timesPlanner struct {
	all    []int64 // the timelines, one after the other
	lines  []span  // in all
	begun  bool    // there is an origin
	shares bool    // the run before had the times of an earlier timeline
	origin int64   // the first anchor
	anchor int64
	last   timesPlan // the latest with a step
	mean   int       // bits a number in it, in 1/16

	best  []uint64 // the numbers of plan
	plan  timesPlan
	cost  int // of best in bits; negative: there is no plan yet
	trial []uint64
}

func (p *timesPlanner) reset() {
	p.all, p.lines, p.begun, p.origin = p.all[:0], p.lines[:0], false, 0
	p.shares = false
	p.last, p.mean = timesPlan{}, 0
}

// add appends the numbers for the times t of one run to dst and says how they are to be read.
func (p *timesPlanner) add(dst []uint64, t []int64) ([]uint64, timesPlan) {
	if plan, ok := p.same(t); ok && (len(t) > 3 || p.shares || len(p.lines) == 1) {
		p.shares = true
		plan.out = span{len(dst), len(dst)}
		return dst, plan
	}
	p.shares = false
	if !p.subset(t) {
		p.own(t)
	}
	p.lines = append(p.lines, span{len(p.all), len(p.all) + len(t)})
	p.all = append(p.all, t...)
	p.plan.out = span{len(dst), len(dst) + len(p.best)}
	return append(dst, p.best...), p.plan
}

// lineAt returns the i-th timeline to try, and its index: the first, the latest, those before it.
func (p *timesPlanner) lineAt(i int) (line []int64, index int, ok bool) {
	if i > 3 || i >= len(p.lines) {
		return nil, 0, false
	}
	if i > 0 {
		index = len(p.lines) - i
	}
	s := p.lines[index]
	return p.all[s.from:s.to], index, true
}

func (p *timesPlanner) same(t []int64) (timesPlan, bool) {
	for i := 0; ; i++ {
		line, index, ok := p.lineAt(i)
		if !ok {
			return timesPlan{}, false
		}
		for from := 0; from < 2 && from+len(t) <= len(line); from++ {
			if line[from] == t[0] && slices.Equal(line[from:from+len(t)], t) {
				return timesPlan{mode: timesSame, timeline: index, from: from}, true
			}
		}
	}
}

func (p *timesPlanner) subset(t []int64) bool {
	for i := 0; len(t) > 2; i++ {
		line, index, ok := p.lineAt(i)
		if !ok {
			break
		}
		if len(line) <= len(t) || len(line) > 2*len(t) {
			continue
		}
		p.best = p.best[:0]
		skipped := 0
		for at := 0; at < len(line) && len(p.best) < len(t) && at-len(p.best) <= len(line)-len(t); at++ {
			if line[at] != t[len(p.best)] {
				skipped++
				continue
			}
			p.best = append(p.best, uint64(skipped))
			skipped = 0
		}
		if len(p.best) == len(t) {
			p.plan = timesPlan{mode: timesSubset, timeline: index}
			return true
		}
	}
	return false
}

// own plans times that no earlier timeline holds.
func (p *timesPlanner) own(t []int64) {
	p.best, p.cost = p.best[:0], -1
	if len(t) == 1 {
		p.plan, p.cost = timesPlan{mode: timesDelta, step: p.last.step, anchor: t[0]}, 0
		p.settle(1)
		return
	}
	if p.last.mode == timesSlots {
		p.offerSlots(t, p.last.step, p.last.frac, 0)
		if p.cost<<4 <= len(t)*(p.mean+8) {
			p.offerFollow(t)
			p.settle(len(t))
			return
		}
	}
	guess := p.guess(t)
	if guess.nice > 0 {
		p.offerSlots(t, guess.nice, 0, 20)
	}
	if whole, frac := guess.exact>>16, uint16(guess.exact&0xffff); whole > 0 && frac > 0 && len(t) > 3 {
		p.offerSlots(t, whole, frac, 44)
	}
	p.offerFollow(t)
	p.offerDeltas(t, guess.median)
	p.settle(len(t))
}

// offer takes the plan whose numbers are in p.trial if it is the shortest yet.
func (p *timesPlanner) offer(plan timesPlan, cost int) {
	if p.cost < 0 || cost < p.cost {
		p.plan, p.cost = plan, cost
		p.best, p.trial = p.trial, p.best
	}
}

// settle takes the plan chosen for a run of n times as the one before the next.
func (p *timesPlanner) settle(n int) {
	plan := &p.plan
	if plan.mode == timesFollow {
		return
	}
	anchor := plan.anchor
	if plan.mode == timesSlots && !plan.anchored {
		anchor = p.anchor
	}
	if !p.begun {
		p.begun, p.origin, p.anchor = true, anchor, anchor
		plan.anchored = false
	}
	plan.anchor = anchor - p.anchor
	p.anchor = anchor
	if n > 1 {
		p.last, p.mean = *plan, p.cost<<4/n
	}
}

// slots follows times that keep a period: it knows where the next one is due.
type slots struct {
	due    int64
	period int64
	frac   uint16
	acc    uint32 // of fractions, below 65536
}

// advance moves on to the slot after the one that a time at distance d from the due one lies next to.
func (s *slots) advance(d int64) {
	n := int64(1)
	if half := s.period >> 1; s.period > 0 && (d > half || d < -half) {
		n = nearest(d, s.period) + 1
	}
	s.due += n * s.period
	if s.frac > 0 {
		acc := int64(s.acc) + n&0xffff*int64(s.frac)
		s.due += acc>>16 + n>>16*int64(s.frac) // exact for every n
		s.acc = uint32(acc & 0xffff)
	}
}

// nearest returns d / by, rounded to the nearest, half away from zero; by is positive.
func nearest(d, by int64) int64 {
	q, r := d/by, d%by
	switch {
	case r > 0 && r >= by-r:
		q++
	case r < 0 && -r >= by+r:
		q--
	}
	return q
}

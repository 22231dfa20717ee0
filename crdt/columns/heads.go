package columns

import "github.com/skerry-edge/skerry/sensors"

// The first number of a run's head says which parts of it differ from the run before.
const (
	headNegative = 1 // the first integer is negative: lane 1 has its complement
	headNumber   = 2 // the number is not the next one
	headLength   = 4
	headTime     = 8
	headValue    = 16
	headQuality  = 32
)

// headState is what the next run takes over.
type headState struct {
	number  int64
	length  int
	time    timesPlan
	value   valuesPlan
	lanes   [2]uint8
	quality sensors.Quality

	negative  bool
	mixed     bool       // the readings of the run have different qualities
	qualities laneReader // there, when they are mixed
}

func firstHead() headState { return headState{number: -1, value: valuesPlan{step: 1}} }

// heads sets e.head to the heads of all runs.
func (e *Encoder) heads(rs []sensors.Reading) {
	e.head, e.firsts = e.head[:0], e.firsts[:0]
	s := firstHead()
	for i := range e.runs {
		r := &e.runs[i]
		at := len(e.head)
		e.head = append(e.head, 0)
		control := uint64(0)
		if gap := int64(r.number) - s.number - 1; gap != 0 {
			control |= headNumber
			e.head = append(e.head, uint64(gap)) //nolint:gosec // numbers ascend
		}
		if n := r.to - r.from; n != s.length {
			control |= headLength
			e.head = append(e.head, zigzag(int64(n-s.length)))
			s.length = n
		}
		s.number = int64(r.number)
		if e.timeHead(&s, r) {
			control |= headTime
		}
		if e.valueHead(&s, r) {
			control |= headValue
		}
		if r.mixed || r.quality != s.quality {
			control |= headQuality
			e.qualities(&s, rs[r.from:r.to])
		}
		if e.runHead(r) {
			control |= headNegative
		}
		e.head[at] = control
	}
}

// timeHead appends the shape of the run's times if it is not the one before.
func (e *Encoder) timeHead(s *headState, r *run) bool {
	t, was := r.time, s.time
	if t.mode == timesDelta && r.to-r.from == 1 {
		t.step = was.step // it has no meaning here
	}
	if t.out.len() == 0 {
		r.lanes[0] = s.lanes[0]
	}
	same := t.mode == was.mode && r.lanes[0] == s.lanes[0]
	switch t.mode {
	case timesSame:
		same = same && t.timeline == was.timeline && t.from == was.from
	case timesSubset, timesFollow:
		same = same && t.timeline == was.timeline
	case timesSlots:
		same = same && t.step == was.step && t.frac == was.frac && t.anchored == was.anchored
	default:
		same = same && t.step == was.step
	}
	if same {
		return false
	}
	flags := uint64(0)
	if t.mode == timesSlots && t.frac != 0 {
		flags |= shapeFraction
	}
	if t.mode == timesSlots && t.anchored {
		flags |= shapeAnchor
	}
	if t.mode == timesSame && t.from != 0 {
		flags |= shapeFrom
	}
	e.head = append(e.head, uint64(t.mode)+shapeModes*flags, uint64(r.lanes[0])) //nolint:gosec // not negative
	switch t.mode {
	case timesSame, timesSubset, timesFollow:
		e.head = append(e.head, uint64(t.timeline)) //nolint:gosec // not negative
		t.step, t.frac, t.anchored = was.step, 0, false
	default:
		e.head = append(e.head, zigzag(t.step-was.step))
		t.timeline = 0
	}
	if flags&shapeFraction != 0 {
		e.head = append(e.head, uint64(t.frac))
	}
	if flags&shapeFrom != 0 {
		e.head = append(e.head, uint64(t.from)) //nolint:gosec // not negative
	}
	s.time, s.lanes[0] = t, r.lanes[0]
	return true
}

// valueHead appends the shape of the run's values if it is not the one before.
func (e *Encoder) valueHead(s *headState, r *run) bool {
	v, was := r.value, s.value
	if v.out.len() == 0 {
		r.lanes[1] = s.lanes[1]
	}
	if v.kind > kindSingle || v.kind == was.kind && v.predict == predictFirst && v.first == 0 && !v.patched {
		v.exponent = was.exponent // it has no meaning here
	}
	if v.kind == was.kind && v.predict == was.predict && v.exponent == was.exponent && v.step == was.step &&
		v.drift == was.drift && v.patched == was.patched && r.lanes[1] == s.lanes[1] {
		return false
	}
	flags := uint64(0)
	if v.step != 1 {
		flags |= shapeStep
	}
	if v.drift != 0 {
		flags |= shapeDrift
	}
	if v.patched {
		flags |= shapePatches
	}
	e.head = append(e.head, uint64(v.kind+shapeKinds*v.predict)+shapeFlags*flags, //nolint:gosec // not negative
		uint64(r.lanes[1])+16*uint64(v.exponent)) //nolint:gosec // not negative
	if v.step != 1 {
		e.head = append(e.head, v.step)
	}
	if v.drift != 0 {
		e.head = append(e.head, zigzag(v.drift))
	}
	s.value, s.lanes[1] = v, r.lanes[1]
	return true
}

// qualities appends the qualities of a run: each with how many readings of the run are left after
// those that have it.
func (e *Encoder) qualities(s *headState, rs []sensors.Reading) {
	for i := range rs {
		if i+1 == len(rs) || rs[i].Quality != rs[i+1].Quality {
			e.head = append(e.head, uint64(rs[i].Quality), uint64(len(rs)-1-i)) //nolint:gosec // not negative
		}
	}
	s.quality = rs[len(rs)-1].Quality
}

// runHead appends what each run has of its own, and reports whether its first integer is negative.
func (e *Encoder) runHead(r *run) bool {
	t, v := &r.time, &r.value
	switch t.mode {
	case timesSame, timesSubset:
	case timesSlots:
		if t.anchored {
			e.head = append(e.head, zigzag(t.anchor))
		}
	default:
		e.head = append(e.head, zigzag(t.anchor))
	}
	switch v.kind {
	case kindBool:
		e.head = append(e.head, v.many<<1|uint64(v.first)) //nolint:gosec // 0 or 1
		return false
	case kindString:
		e.head = append(e.head, v.many)
		return false
	}
	if v.patched {
		e.head = append(e.head, v.many)
	}
	e.firsts = append(e.firsts, uint64(v.first^v.first>>63)) //nolint:gosec // not negative
	return v.first < 0
}

package columns

import (
	"math"
	"slices"

	"github.com/skerry-edge/skerry/sensors"
)

// run decodes the run with the head h and appends what w wants of it to dst, which it makes room in for so many
// readings if it has to.
func (d *Decoder) run(dst []sensors.Reading, h *headState, w *window, room int) ([]sensors.Reading, error) {
	times, err := d.times(h)
	if err != nil {
		return dst, err
	}
	kind := h.value.kind
	var series *sensors.Series
	if !w.check {
		series, err = w.want(uint32(h.number), typeOf(kind)) //nolint:gosec // checked by next
		if err != nil {
			return dst, err
		}
	}
	if !w.check && (series == nil || !w.any(times, d.tick)) {
		return dst, d.skip(h)
	}
	d.nums = slices.Grow(d.nums[:0], h.length)[:h.length]
	switch kind {
	case kindBool:
		err = d.bools(h)
	case kindString:
		err = d.strings(h)
	default:
		err = d.numbers(h)
	}
	if err != nil || w.check {
		return dst, err
	}
	from := len(dst)
	if cap(dst)-from < h.length {
		dst = slices.Grow(dst, room)
	}
	dst = dst[:from+h.length]
	out := dst[from:]
	nums := d.nums[:len(out)]
	for i, t := range times[:len(out)] {
		out[i] = sensors.Reading{Series: series, Time: t * d.tick, Num: nums[i], Quality: h.quality}
	}
	if kind == kindString {
		for i, word := range nums {
			out[i].Num, out[i].Str = 0, d.words[word]
		}
	}
	if h.mixed {
		h.spread(out)
	}
	return dst[:from+w.cut(out)], nil
}

func typeOf(kind int) sensors.Type {
	switch kind {
	case kindInt:
		return sensors.Int
	case kindBool:
		return sensors.Bool
	case kindString:
		return sensors.String
	}
	return sensors.Float
}

// spread gives each reading of a run its own quality.
func (s *headState) spread(rs []sensors.Reading) {
	l := s.qualities
	for len(rs) > 0 {
		q, after := l.next(), int(l.next()) //nolint:gosec // checked by readQualities
		for ; len(rs) > after; rs = rs[1:] {
			rs[0].Quality = sensors.Quality(q) //nolint:gosec // checked by readQualities
		}
	}
}

// all reports whether every time is wanted.
func (w *window) all() bool { return w.from == math.MinInt64 && w.to == math.MaxInt64 }

func (w *window) has(t int64) bool { return t >= w.from && (t < w.to || w.to == math.MaxInt64) }

func (w *window) any(times []int64, tick int64) bool {
	if w.all() {
		return true
	}
	for _, t := range times {
		if w.has(t * tick) {
			return true
		}
	}
	return false
}

// cut moves the readings that are wanted to the front and returns how many they are.
func (w *window) cut(rs []sensors.Reading) int {
	if w.all() {
		return len(rs)
	}
	n := 0
	for i := range rs {
		if w.has(rs[i].Time) {
			if n != i {
				rs[n] = rs[i]
			}
			n++
		}
	}
	clear(rs[n:])
	return n
}

// skip passes over the values of a run.
func (d *Decoder) skip(h *headState) error {
	lane := &d.lanes[h.lanes[1]]
	d.lanes[laneFirsts].skip(h.firstNumbers())
	if h.value.kind != kindString {
		lane.skip(h.valueNumbers())
		return nil
	}
	many := int(h.value.many) //nolint:gosec // at most the run's length
	lane.skip(h.valueNumbers() - many)
	for range many {
		if _, err := d.word(lane.next()); err != nil {
			return err
		}
	}
	return nil
}

// times returns the times of a run, in ticks.
func (d *Decoder) times(h *headState) ([]int64, error) {
	t, n := &h.time, h.length
	var line []int64
	if t.mode <= timesFollow {
		if t.timeline >= len(d.lines) {
			return nil, corrupt("a run's timeline is missing")
		}
		s := d.lines[t.timeline]
		line = d.all[s.from:s.to]
		if t.from > len(line) || len(line)-t.from < n && t.mode == timesSame || len(line) < n {
			return nil, corrupt("a run's timeline is too short")
		}
	}
	if t.mode == timesSame {
		return line[t.from : t.from+n], nil
	}
	d.ints = slices.Grow(d.ints[:0], n)[:n]
	in := d.ints[:h.timeNumbers()]
	d.lanes[h.lanes[0]].read(in)
	from := len(d.all)
	d.all = d.all[:from+n] // openLanes made room
	out := d.all[from:]
	d.lines = append(d.lines, span{from, from + n})
	switch t.mode {
	case timesSubset:
		at := uint64(0)
		for i, skipped := range in {
			if skipped >= uint64(len(line)) || at+skipped >= uint64(len(line)) {
				return nil, corrupt("a run's timeline is too short")
			}
			at += skipped
			out[i] = line[at]
			at++
		}
	case timesFollow:
		for i, z := range in {
			out[i] = line[i] + t.anchor + unzigzag(z)
		}
	case timesSlots:
		d.anchor += t.anchor
		s := slots{due: d.anchor, period: t.step, frac: t.frac}
		for i, z := range in {
			off := unzigzag(z)
			out[i] = s.due + off
			s.advance(off)
		}
	default:
		d.anchor += t.anchor
		d.deltas(out, in, t)
	}
	return out, nil
}

func (d *Decoder) deltas(out []int64, in []uint64, t *timesPlan) {
	now, step := d.anchor, t.step
	out[0] = now
	for i, z := range in {
		delta := step + unzigzag(z)
		now += delta
		out[i+1] = now
		if t.mode == timesDouble {
			step = delta
		}
	}
}

package columns

import (
	"math"

	"github.com/skerry-edge/skerry/sensors"
)

// next reads the head of the next run; left is how many readings are left.
func (s *headState) next(l *laneReader, left int) error {
	control := l.next()
	if control >= headQuality<<1 {
		return corrupt("a head has unknown parts")
	}
	s.number++
	if control&headNumber != 0 {
		gap := l.next()
		if gap > math.MaxUint32 {
			return corrupt("a series number is too large")
		}
		s.number += int64(gap)
	}
	if s.number > math.MaxUint32 {
		return corrupt("a series number is too large")
	}
	if control&headLength != 0 {
		s.length += int(max(min(unzigzag(l.next()), MaxReadings+1), -MaxReadings))
	}
	if s.length < 1 || s.length > left {
		return corrupt("a run is empty or too long")
	}
	if control&headTime != 0 && !s.readTime(l) {
		return corrupt("a run's times are of an unknown shape")
	}
	if control&headValue != 0 && !s.readValue(l) {
		return corrupt("a run's values are of an unknown shape")
	}
	s.negative = control&headNegative != 0
	s.mixed = control&headQuality != 0
	if s.mixed {
		s.qualities = *l
		if !s.readQualities(l) {
			return corrupt("a run's qualities are too many")
		}
	}
	if !s.readRun(l) {
		return corrupt("a run has too many patches, flips or strings, or a sign without a number")
	}
	if l.at > len(l.tokens) {
		return corrupt("a head ends early")
	}
	return nil
}

func (s *headState) readTime(l *laneReader) bool {
	shape, lane := l.next(), l.next()
	flags := shape / shapeModes
	t := timesPlan{mode: int(shape % shapeModes), step: s.time.step}
	allowed := uint64(0)
	switch t.mode {
	case timesSame:
		allowed = shapeFrom
		fallthrough
	case timesSubset, timesFollow:
		t.timeline = int(min(l.next(), MaxReadings))
	case timesSlots:
		allowed = shapeFraction | shapeAnchor
		fallthrough
	case timesDelta, timesDouble:
		t.step += unzigzag(l.next())
	default:
		return false
	}
	if flags&^allowed != 0 || lane > maxLane {
		return false
	}
	t.anchored = flags&shapeAnchor != 0
	if flags&shapeFraction != 0 {
		frac := l.next()
		if frac > math.MaxUint16 {
			return false
		}
		t.frac = uint16(frac)
	}
	if flags&shapeFrom != 0 {
		t.from = int(min(l.next(), MaxReadings))
	}
	s.time, s.lanes[0] = t, uint8(lane)
	return true
}

func (s *headState) readValue(l *laneReader) bool {
	shape, more := l.next(), l.next()
	flags := shape / shapeFlags
	v := valuesPlan{
		kind:     int(shape % shapeKinds),
		predict:  int(shape / shapeKinds % (shapeFlags / shapeKinds)),
		exponent: int(min(more>>4, maxExponent+1)),
		step:     1,
		patched:  flags&shapePatches != 0,
	}
	switch {
	case v.kind > kindString, v.exponent > maxExponent, flags > shapeStep|shapeDrift|shapePatches:
		return false
	case v.kind > kindSingle && v.patched, v.kind > kindInt && (v.predict > 0 || flags != 0):
		return false
	}
	if flags&shapeStep != 0 {
		v.step = l.next()
	}
	if flags&shapeDrift != 0 {
		v.drift = unzigzag(l.next())
	}
	s.value, s.lanes[1] = v, uint8(more&maxLane)
	return true
}

// readQualities passes over the qualities of a run and takes the last of them over.
func (s *headState) readQualities(l *laneReader) bool {
	for left := uint64(s.length); left > 0; { //nolint:gosec // positive
		q, after := l.next(), l.next()
		if q > math.MaxUint8 || after >= left {
			return false
		}
		left = after
		s.quality = sensors.Quality(q)
	}
	return true
}

func (s *headState) readRun(l *laneReader) bool {
	switch t := &s.time; t.mode {
	case timesFollow, timesDelta, timesDouble:
		t.anchor = unzigzag(l.next())
	case timesSlots:
		t.anchor = 0
		if t.anchored {
			t.anchor = unzigzag(l.next())
		}
	}
	v, n := &s.value, uint64(s.length) //nolint:gosec // positive
	if s.negative && v.kind > kindInt {
		return false
	}
	switch v.kind {
	case kindBool:
		flips := l.next()
		v.first, v.many = int64(flips&1), flips>>1
		return v.many < n
	case kindString:
		v.many = l.next()
		return v.many > 0 && v.many <= n
	}
	v.many = 0
	if v.patched {
		v.many = l.next()
	}
	return v.many <= n
}

// timeNumbers returns how many numbers the run's times have in their lane.
func (s *headState) timeNumbers() int {
	switch s.time.mode {
	case timesSame:
		return 0
	case timesDelta, timesDouble:
		return s.length - 1
	}
	return s.length
}

// firstNumbers returns how many numbers the run has in the lane of first integers.
func (s *headState) firstNumbers() int {
	if s.value.kind > kindInt {
		return 0
	}
	return 1
}

// valueNumbers returns how many numbers the run's values have in their lane.
func (s *headState) valueNumbers() int {
	many := int(s.value.many) //nolint:gosec // at most the length
	switch s.value.kind {
	case kindBool:
		return many
	case kindString:
		if many == 1 || many == s.length {
			return many
		}
		return s.length - 1 + many
	}
	return s.integerNumbers() + 2*many
}

// integerNumbers is valueNumbers without the patches.
func (s *headState) integerNumbers() int {
	switch s.value.predict {
	case predictFirst:
		return 0
	case predictBase:
		return s.length
	}
	return s.length - 1
}

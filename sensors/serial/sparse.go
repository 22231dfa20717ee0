package serial

import "time"

// sparse lets a repeating message through at most every logEvery, a new one at once.
type sparse struct {
	text    string
	last    time.Time
	skipped uint64
}

// allow reports whether text may be logged at now, and how many were not since the last one.
func (s *sparse) allow(now time.Time, text string) (uint64, bool) {
	if text == s.text && !s.last.IsZero() && now.Sub(s.last) < logEvery {
		s.skipped++
		return 0, false
	}
	skipped := s.skipped
	s.text, s.last, s.skipped = text, now, 0
	return skipped, true
}

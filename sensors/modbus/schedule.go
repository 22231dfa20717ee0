package modbus

import (
	"slices"
	"time"
)

// # Turns on the bus
//
// A bus carries one request at a time, so a slave that does not answer costs everybody its time-out. The aim is that it costs
// no more than that, and rarely.
//
// Each poll has its phase: it is due at start + n × interval by the monotonic clock, whenever it was asked before. A poll that
// comes to its turn after more than an interval is asked once; the times that passed meanwhile are skipped and counted.
// Nothing is queued: a poll is due or it is not.
//
// Slaves take turns. Of those with a poll that is due, the one whose last turn is longest ago is next, whatever its polls. A
// turn is one request; one that failed is repeated at the slave's next turn, so between two time-outs of a dead slave
// everybody else had one turn. When the repeats of a poll are used up the slave rests, twice as long each time, up
// to maxRest, and is then asked once, without repeats.
//
// In RTU an answer does not say which request it answers. One that comes too late is thrown away before the next request, or
// is told by its unit, function and length. What it could be taken for is the answer to another request of the same form to the
// same slave. So a slave that missed a time-out gets that same request again, for which a late answer is as good as a punctual one,
// and no other until lateFactor time-outs have passed.
const (
	firstRest  = time.Second
	maxRest    = 30 * time.Second
	lateFactor = 3
	silentPoll = 2 // polls in a row without an answer: a trouble
)

// slave is what the schedule knows of one slave.
type slave struct {
	cfg   SlaveConfig
	unit  byte
	polls []*poll

	turn      uint64 // of its last request
	missed    int    // polls in a row without an answer
	rest      time.Duration
	restUntil time.Time
	retry     *poll // is asked next
	lateUntil time.Time
	lateOf    *poll // the only one that is asked before lateUntil
	mute      bool  // its last request was without an answer

	shown  string // the trouble that was logged
	silent string // the trouble: no answers
	hint   string
}

// poll is one request that comes again and again.
type poll struct {
	slave    *slave
	block    block
	interval time.Duration

	due   time.Time
	turn  uint64 // of its last request
	tries int    // failed, of this time
	drops int    // links in a row that were lost while it waited for its answer
	fault string // the trouble: the slave refuses it
	hint  string
}

// schedule decides who is asked next. Not safe for concurrent use.
type schedule struct {
	slaves  []*slave
	retries int
	timeout time.Duration
	turn    uint64
	skipped func(p *poll, times uint64)
}

// start lets all polls be due at now.
func (s *schedule) start(now time.Time) {
	for _, sl := range s.slaves {
		for _, p := range sl.polls {
			p.due = now
		}
	}
}

// skip moves polls whose time has passed to their latest one.
func (s *schedule) skip(now time.Time) {
	for _, sl := range s.slaves {
		for _, p := range sl.polls {
			if late := now.Sub(p.due); late >= p.interval {
				p.due = now.Add(-(late % p.interval))
				s.skipped(p, uint64(late/p.interval)) //nolint:gosec // positive
			}
		}
	}
}

// next returns the poll to ask at now, or nil and when there will be one.
func (s *schedule) next(now time.Time) (next *poll, at time.Time) {
	s.skip(now)
	for _, sl := range s.slaves {
		p, ready := sl.first(now)
		switch {
		case p == nil:
		case ready.After(now):
			if at.IsZero() || ready.Before(at) {
				at = ready
			}
		case next == nil || sl.turn < next.slave.turn:
			next = p
		}
	}
	if next != nil {
		s.turn++
		next.slave.turn, next.turn = s.turn, s.turn
		return next, now
	}
	return nil, at
}

// first returns the poll that the slave is asked next, and from when on. Of those that could be asked at now it is the one whose last
// turn is longest ago, so that in a slave that cannot keep up all polls come to their turn.
func (sl *slave) first(now time.Time) (first *poll, ready time.Time) {
	if sl.retry != nil {
		return sl.retry, later(sl.retry.due, sl.restUntil)
	}
	for _, p := range sl.polls {
		at := later(p.due, sl.restUntil)
		if p != sl.lateOf {
			at = later(at, sl.lateUntil)
		}
		at = later(at, now)
		if first == nil || at.Before(ready) || at.Equal(ready) && p.turn < first.turn {
			first, ready = p, at
		}
	}
	return first, ready
}

// answered notes that the poll was answered, with registers or with a refusal that will not change.
func (s *schedule) answered(p *poll) {
	p.tries, p.drops = 0, 0
	p.due = p.due.Add(p.interval)
	p.slave.spoke()
}

// spoke notes that the slave is there.
func (sl *slave) spoke() {
	sl.retry, sl.missed, sl.rest, sl.mute = nil, 0, 0, false
	sl.silent, sl.hint = "", ""
}

// allMute reports whether the last request of every slave was without an answer.
func (s *schedule) allMute() bool {
	return !slices.ContainsFunc(s.slaves, func(sl *slave) bool { return !sl.mute })
}

// failed notes at now that the poll has no answer. late says that one may still come, absent that nothing came, so that the slave
// has to rest.
func (s *schedule) failed(p *poll, now time.Time, late, absent bool) {
	sl := p.slave
	sl.mute = absent
	if late {
		sl.lateOf, sl.lateUntil = p, now.Add((lateFactor-1)*s.timeout)
	}
	p.tries++
	if p.tries <= s.retries && sl.rest == 0 {
		sl.retry = p
		return
	}
	p.tries = 0
	p.due = p.due.Add(p.interval)
	sl.retry = nil
	sl.missed++
	if !absent {
		return
	}
	sl.rest = min(max(2*sl.rest, (lateFactor-1)*s.timeout, firstRest), maxRest)
	sl.restUntil = now.Add(sl.rest)
}

// split replaces the poll by two that read the parts of its block. Both are due at once.
func (s *schedule) split(p *poll) bool {
	low, high, ok := p.block.split()
	if !ok {
		return false
	}
	sl := p.slave
	p.block, p.tries, p.fault = low, 0, ""
	sl.polls = append(sl.polls, &poll{slave: sl, block: high, interval: p.interval, due: p.due})
	sl.spoke()
	return true
}

// trouble returns what lasts with the slave, or "".
func (sl *slave) trouble() (text, hint string) {
	if sl.silent != "" && sl.missed >= silentPoll {
		return sl.silent, sl.hint
	}
	for _, p := range sl.polls {
		if p.fault != "" {
			return p.fault, p.hint
		}
	}
	return "", ""
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

package columns

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/skerry-edge/skerry/sensors"
)

// group is the readings of one series within a payload.
type group struct {
	series *sensors.Series
	number uint32
	count  uint32
	start  uint32 // of its readings; while they are placed, where the next one goes
	next   uint32 // the group whose reading came after one of this group: so will it again, mostly
}

// grouper sorts readings by number and time.
type grouper struct {
	groups []group
	known  map[*sensors.Series]uint32
	place  []uint32 // by reading: its group by appearance, then where it goes
	starts []uint32 // by group in order of appearance: where its next reading goes
}

// sort sorts rs by number and time, stable, and sets the groups.
func (g *grouper) sort(rs []sensors.Reading, number func(*sensors.Series) uint32) error {
	sorted, err := g.find(rs, number)
	if err != nil {
		return err
	}
	if !sorted {
		if err := g.order(); err != nil {
			return err
		}
		g.move(rs)
	}
	at := uint32(0)
	for i := range g.groups {
		run := &g.groups[i]
		run.start = at
		at += run.count
		sortByTime(rs[run.start:at])
	}
	return nil
}

// find sets the groups in order of appearance and each reading's group. It reports whether rs is
// already sorted by number.
func (g *grouper) find(rs []sensors.Reading, number func(*sensors.Series) uint32) (sorted bool, err error) {
	g.groups = g.groups[:0]
	if cap(g.place) < len(rs) {
		g.place = make([]uint32, len(rs))
	}
	place := g.place[:len(rs)]
	sorted = true
	last := uint32(0)
	for i := range rs {
		s := rs[i].Series
		var at uint32
		if i > 0 {
			if at = last; g.groups[at].series != s {
				at = g.groups[last].next
			}
		}
		if i == 0 || g.groups[at].series != s {
			if at, err = g.look(s, number); err != nil {
				return false, err
			}
		}
		run := &g.groups[at]
		if at != last {
			g.groups[last].next = at
			sorted = sorted && run.count == 0 && run.number > g.groups[last].number
			last = at
		}
		run.count++
		place[i] = at
	}
	clear(g.known)
	return sorted, nil
}

func (g *grouper) look(s *sensors.Series, number func(*sensors.Series) uint32) (uint32, error) {
	if at, ok := g.known[s]; ok {
		return at, nil
	}
	if s == nil || s.Type < sensors.Float || s.Type > sensors.String {
		return 0, fmt.Errorf("encode reading: its series is missing or of no known type")
	}
	if g.known == nil {
		g.known = make(map[*sensors.Series]uint32)
	}
	at := uint32(len(g.groups)) //nolint:gosec // at most MaxReadings
	g.groups = append(g.groups, group{series: s, number: number(s)})
	g.known[s] = at
	return at, nil
}

// order sorts the groups by number and sets starts.
func (g *grouper) order() error {
	if cap(g.starts) < len(g.groups) {
		g.starts = make([]uint32, len(g.groups)+len(g.groups)/4)
	}
	g.starts = g.starts[:len(g.groups)]
	for i := range g.groups {
		g.groups[i].next = uint32(i)
	}
	byNumber := func(a, b group) int { return cmp.Compare(a.number, b.number) }
	if !slices.IsSortedFunc(g.groups, byNumber) {
		slices.SortFunc(g.groups, byNumber)
	}
	at := uint32(0)
	for i := range g.groups {
		run := &g.groups[i]
		if i > 0 && run.number == g.groups[i-1].number {
			return fmt.Errorf("encode readings: two series have the number %d", run.number)
		}
		g.starts[run.next] = at
		at += run.count
	}
	return nil
}

// move puts each reading where its group is, in place.
func (g *grouper) move(rs []sensors.Reading) {
	place := g.place[:len(rs)]
	for i, at := range place {
		place[i] = g.starts[at]
		g.starts[at]++
	}
	for i := range place {
		to := place[i]
		if to == uint32(i) {
			continue
		}
		r := rs[i]
		for to != uint32(i) {
			rs[to], r = r, rs[to]
			to, place[to] = place[to], to
		}
		rs[i] = r
		place[i] = to
	}
}

func sortByTime(rs []sensors.Reading) {
	for i := 1; i < len(rs); i++ {
		if rs[i].Time < rs[i-1].Time {
			slices.SortStableFunc(rs, func(a, b sensors.Reading) int { return cmp.Compare(a.Time, b.Time) })
			return
		}
	}
}

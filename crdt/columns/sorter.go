package columns

const (
	laneHeads  = 0 // the heads of all runs
	laneFirsts = 1 // the first integers of all runs
	laneRuns   = 2 // to maxLane: times and values
	maxLane    = 15
	fewNumbers = 96 // so few numbers share one lane
)

const maxClass = maxLane - laneRuns + 1

// laneSorter decides which numbers share a lane: those of like size, as long as another table costs
// more than it saves.
type laneSorter struct {
	logs    *logs
	tokens  []byte // of the encoder's numbers
	classes [maxClass]histogram
}

// assign sets the lanes of all runs and returns the highest.
func (l *laneSorter) assign(e *Encoder) int {
	l.tokens = l.tokens[:0]
	for _, v := range e.out {
		t, _ := tokenOf(v)
		l.tokens = append(l.tokens, t)
	}
	if len(e.out) == 0 {
		return laneFirsts
	}
	if len(e.out) < fewNumbers {
		for i := range e.runs {
			e.runs[i].lanes = [2]uint8{laneRuns, laneRuns}
		}
		return laneRuns
	}
	for i := range l.classes {
		l.classes[i].reset()
	}
	for i := range e.runs {
		for part, s := range e.runs[i].parts() {
			if s.len() > 0 {
				class := classOf(l.tokens[s.from:s.to])
				l.classes[class].add(l.tokens[s.from:s.to])
				e.runs[i].lanes[part] = class
			}
		}
	}
	lanes, top := l.merge()
	for i := range e.runs {
		for part, s := range e.runs[i].parts() {
			if s.len() > 0 {
				e.runs[i].lanes[part] = lanes[e.runs[i].lanes[part]]
			}
		}
	}
	return top
}

// classOf returns the class of tokens by their mean.
func classOf(tokens []byte) uint8 {
	sum := uint64(0)
	for _, t := range tokens {
		sum += uint64(t)
	}
	mean := sum * 2 / uint64(len(tokens)) // in halves
	switch {
	case mean < 8: // below 4
		return uint8(mean / 2)
	case mean < 16:
		return uint8(4 + (mean-8)/4)
	case mean < 32:
		return uint8(6 + (mean-16)/8)
	case mean < 96:
		return uint8(8 + (mean-32)/16)
	case mean < 192:
		return 12
	}
	return 13
}

// merge joins neighbouring classes that are shorter together, and returns each class's lane and the highest.
func (l *laneSorter) merge() (lanes [maxClass]uint8, top int) {
	into, cost := -1, 0
	top = laneFirsts
	for i := range l.classes {
		h := &l.classes[i]
		if h.total == 0 {
			continue
		}
		alone := l.logs.cost(h)
		if into >= 0 {
			joined := l.classes[into]
			joined.merge(h)
			if together := l.logs.cost(&joined); together <= cost+alone {
				l.classes[into] = joined
				cost = together
				lanes[i] = uint8(top)
				continue
			}
		}
		top++
		into, cost = i, alone
		lanes[i] = uint8(top)
	}
	return lanes, top
}

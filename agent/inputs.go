package agent

import (
	"slices"
	"sync"

	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/mqtt"
)

// input is a source with its way to the pipeline. Constant but for task.
type input struct {
	name       string
	collection string
	madeOf     any            // what it would have to be made anew for, if it were another
	source     sensors.Source // nil: a route of the broker inside
	route      mqtt.Route
	status     func() sensors.SourceStatus
	filter     *ingest.Filter // nil: everything is kept
	tap        tapping

	task *task // nil: not started. Owned by whoever starts and stops parts
}

// full returns the source's status with what its filter dropped.
func (in *input) full() sensors.SourceStatus {
	s := in.status()
	if in.filter != nil {
		s.Filtered = in.filter.Filtered()
	}
	return s
}

// routesOf returns the routes of the broker inside.
func routesOf(inputs []*input) []mqtt.Route {
	var all []mqtt.Route
	for _, in := range inputs {
		if in.source == nil {
			all = append(all, in.route)
		}
	}
	return all
}

// ledger sums what became of inputs, by collection, since the agent started: sources that are gone count on. Safe for concurrent use.
type ledger struct {
	mu      sync.Mutex // guards what follows
	inputs  []*input
	leaving []*input // gone since the last change; what they had under way may still be counted
	gone    map[string]ingest.Inputs
}

// set says which sources there are.
func (l *ledger) set(inputs []*input) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone == nil {
		l.gone = map[string]ingest.Inputs{}
	}
	for _, in := range l.leaving {
		l.gone[in.collection] = plus(l.gone[in.collection], in)
	}
	l.leaving = nil
	for _, in := range l.inputs {
		if !slices.Contains(inputs, in) {
			l.leaving = append(l.leaving, in)
		}
	}
	l.inputs = slices.Clone(inputs)
}

// of returns a collection's sums.
func (l *ledger) of(collection string) ingest.Inputs {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := l.gone[collection]
	for _, list := range [][]*input{l.inputs, l.leaving} {
		for _, in := range list {
			if in.collection == collection {
				sum = plus(sum, in)
			}
		}
	}
	return sum
}

func plus(sum ingest.Inputs, in *input) ingest.Inputs {
	s := in.full()
	sum.Repeats += s.Repeats
	sum.Filtered += s.Filtered
	for _, n := range s.Rejected {
		sum.Rejected += n
	}
	return sum
}

package mqtt

import "github.com/skerry-edge/skerry/sensors"

// routeTable is the routes at one time. A message is handled by one table from its arrival to its end. Constant.
type routeTable struct {
	number uint16 // tells tables apart, of late
	routes []*Route
}

// SetRoutes replaces the routes while clients stay connected. Messages that arrive from now on go by them; those that are under way
// end as they began. A route with the Tally of one before is that one: its decoders, and what they remember, go on.
func (b *Broker) SetRoutes(routes []Route) {
	next := &routeTable{routes: make([]*Route, len(routes))}
	for i := range routes {
		r := routes[i]
		if r.Sink == nil {
			r.Sink = b.sink
		}
		next.routes[i] = &r
	}
	if before := b.table.Load(); before != nil {
		next.number = before.number + 1
		for i, r := range next.routes {
			if old := before.withTally(r.Tally); old != nil {
				next.routes[i] = old
			}
		}
	}
	b.table.Store(next)
}

// withTally returns the route that counts there, nil when there is none.
func (t *routeTable) withTally(tally *sensors.Tally) *Route {
	for _, r := range t.routes {
		if r.Tally == tally {
			return r
		}
	}
	return nil
}

// matching returns the routes that take a topic.
func (t *routeTable) matching(name string) []int {
	var taken []int
	for i, r := range t.routes {
		for _, pattern := range r.Patterns {
			if _, ok := pattern.Match(name, nil); ok {
				taken = append(taken, i)
				break
			}
		}
	}
	return taken
}

// PassQoS0AtOnce says anew what BrokerOptions.PassQoS0AtOnce said.
func (b *Broker) PassQoS0AtOnce(atOnce bool) { b.passAtOnce.Store(atOnce) }

// adopt makes the decoders those of a table: of a route that was there before, the same.
func (in *intake) adopt(t *routeTable) {
	decoders := make([]sensors.Decoder, len(t.routes))
	if in.table != nil {
		for i, r := range t.routes {
			for k, old := range in.table.routes {
				if old == r {
					decoders[i] = in.decoders[k]
				}
			}
		}
	}
	in.table, in.decoders = t, decoders
}

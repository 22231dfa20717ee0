package ingest

import (
	"testing"

	"github.com/skerry-edge/skerry/sensors"
)

// The committer ranges over a group's losses while sources go on dropping: the group's must be its own.
func TestQueue_dropsBehindATakenGroup(t *testing.T) {
	s := &sensors.Series{Name: "n", Type: sensors.Int}
	one := func() entry {
		return entry{batch: sensors.Batch{Source: "line", Collection: "climate", Readings: []sensors.Reading{{Series: s, Time: 1}}}}
	}
	q := newQueue(entryBytes + readingBytes) // room for one batch
	q.offer(one())
	g := q.take()
	q.offer(one())
	q.offer(one()) // drops the one before
	if len(g.losses) != 0 {
		t.Errorf("a group that was taken before has losses: %v", g.losses)
	}
	q.failed(g) // its batch does not fit either
	total := uint64(0)
	for _, l := range q.take().losses {
		total += l.Count
	}
	if total != 2 || total != q.count().lost {
		t.Errorf("losses of %d readings, %d counted; want 2", total, q.count().lost)
	}
}

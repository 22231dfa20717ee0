package line

import (
	"context"

	"github.com/skerry-edge/skerry/crdt/columns/columnstest"
	"github.com/skerry-edge/skerry/sensors"
)

// SeriesCount is how many series the readings of a Fill have.
const SeriesCount = 50

const (
	chunk  = 1 << 20 // readings that are generated at a time; each chunk is a walk of its own
	offers = 1000    // readings in one batch of a Fill
)

// Second is what readings of one series are apart, in nanoseconds.
const Second = columnstest.Period * 1_000_000

// Start is the nominal time of the first reading, in nanoseconds since 1970.
const Start = columnstest.Start * 1_000_000

// Chunk returns readings from the from-th on, at most n: 50 series, one reading of each a second ± 5 ms,
// two decimals.
func Chunk(table *sensors.Table, from, n int) []sensors.Reading {
	number := from / chunk
	rs := columnstest.Jitter(min(chunk, from%chunk+n), SeriesCount, uint64(number)+1, table)[from%chunk:] //nolint:gosec // not negative
	shift := int64(number) * (chunk / SeriesCount) * Second
	for i := range rs {
		rs[i].Time += shift
	}
	return rs
}

// Fill puts the readings from the from-th to before the to-th into the line, and returns when all are durable.
func (l *Line) Fill(ctx context.Context, from, to int) error {
	for from < to {
		rs := Chunk(l.Table, from, to-from)
		from += len(rs)
		if err := l.Put(ctx, rs); err != nil {
			return err
		}
	}
	return nil
}

// Put puts readings into the line as fast as its queue takes them, and returns when all are durable.
func (l *Line) Put(ctx context.Context, rs []sensors.Reading) error {
	batches := (len(rs) + offers - 1) / offers
	done := make(chan error, batches)
	for len(rs) > 0 {
		n := min(len(rs), offers)
		if err := l.Send(ctx, rs[:n:n], func(err error) { done <- err }); err != nil {
			return err
		}
		rs = rs[n:]
	}
	for range batches {
		select {
		case err := <-done:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

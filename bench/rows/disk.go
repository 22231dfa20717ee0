package rows

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/skerry-edge/skerry/bench/child"
	"github.com/skerry-edge/skerry/bench/line"
	"github.com/skerry-edge/skerry/bench/machine"
	"github.com/skerry-edge/skerry/bench/report"
)

// fillTask fills a store with readings and closes it.
type fillTask struct {
	Dir         string
	Key         []byte // of the author; empty: a fixed one
	MaxReadings int
	From, To    int
}

type fillAnswer struct {
	line.Sealed
	Seconds float64 // until the store was closed
}

// fillChild does a fillTask.
func fillChild(ctx context.Context, t fillTask) (fillAnswer, error) {
	l, err := line.Open(ctx, line.Options{Dir: t.Dir, MaxReadings: t.MaxReadings, Key: t.Key})
	if err != nil {
		return fillAnswer{}, err
	}
	began := time.Now()
	err = errors.Join(l.Fill(ctx, t.From, t.To), l.Close())
	return fillAnswer{Sealed: l.Sealed(), Seconds: time.Since(began).Seconds()}, err
}

// disk measures the bytes that a reading takes on the disk, by the size of blocks.
func (b *Bench) disk(ctx context.Context) error {
	for _, c := range []struct {
		block, readings int
		goal            float64 // bytes a reading; 0: by the envelope
	}{
		{4096, 8 << 20, 1.25}, {1000, 4 << 20, 1.6}, {100, 8 << 20, 0}, {10, 1 << 20, 0},
	} {
		if err := b.diskOf(ctx, c.block, pick(b, c.readings, 10*c.block), c.goal); err != nil {
			return err
		}
	}
	return nil
}

// envelopeGoal is what a block may cost beside its payload.
const envelopeGoal = 260

func (b *Bench) diskOf(ctx context.Context, block, readings int, goal float64) (err error) {
	dir, err := b.folder("disk")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	store := filepath.Join(dir, "data")
	a, err := child.Work[fillAnswer](ctx, "fill", fillTask{Dir: store, MaxReadings: block, To: readings})
	if err != nil {
		return err
	}
	sum, folders, err := machine.Allocated(store)
	if err != nil {
		return err
	}
	n, blocks := float64(readings), float64(a.Blocks)
	payload, envelope := float64(a.Payload), float64(a.Raw-a.Payload)
	database, journal := float64(folders["badger"]), float64(folders["journal"])
	row := report.Row{
		Group: "disk", Name: fmt.Sprintf("bytes a reading, blocks of %d", block),
		How: fmt.Sprintf("%s readings, closed, allocated; payload %.3f, envelope %.3f (%.0f a block), rest of the database %.3f, journal %.3f, other files %.3f",
			report.Number(n), payload/n, envelope/n, envelope/blocks, (database-payload-envelope)/n, journal/n, (float64(sum)-database-journal)/n),
		Figure: float64(sum) / n, Unit: "bytes",
	}
	if goal > 0 {
		row = row.AtMost(goal)
	} else { // at most the payload and so many bytes for each block
		row.How += fmt.Sprintf("; %.0f bytes a block beside its payload", (float64(sum)-payload)/blocks)
		row = row.AtMost(payload/n + envelopeGoal/float64(block))
	}
	b.add(row)
	return nil
}

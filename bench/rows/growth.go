package rows

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/skerry-edge/skerry/bench/child"
	"github.com/skerry-edge/skerry/bench/gateway"
	"github.com/skerry-edge/skerry/bench/line"
	"github.com/skerry-edge/skerry/bench/machine"
	"github.com/skerry-edge/skerry/bench/report"
)

// growTask adds parts to a store and says what a reading of each cost.
type growTask struct {
	Dir   string
	Key   []byte
	From  int
	Part  int // readings
	Parts int
}

type growAnswer struct {
	Nanoseconds float64 // a reading, the median of the parts
}

// growChild does a growTask.
func growChild(ctx context.Context, t growTask) (growAnswer, error) {
	l, err := line.Open(ctx, line.Options{Dir: t.Dir, Key: t.Key})
	if err != nil {
		return growAnswer{}, err
	}
	var costs []float64
	for i := range t.Parts {
		from := t.From + i*t.Part
		rs := line.Chunk(l.Table, from, t.Part)
		began := time.Now()
		if err := l.Put(ctx, rs); err != nil {
			return growAnswer{}, errors.Join(err, l.Close())
		}
		costs = append(costs, float64(time.Since(began).Nanoseconds())/float64(len(rs)))
	}
	return growAnswer{median(costs)}, l.Close()
}

// grown is what a store of one size is like.
type grown struct{ cost, start, span, newest float64 }

// growth measures the same on stores of growing size; the ratios are to the smallest.
func (b *Bench) growth(ctx context.Context) error {
	sizes := []int{100_000, 1_000_000, 10_000_000}
	if b.Growth8 {
		sizes = append(sizes, 100_000_000)
	}
	var first grown
	for i, n := range pick(b, sizes, []int{20_000, 40_000}) {
		g, err := b.growthAt(ctx, n)
		if err != nil {
			return err
		}
		if i == 0 {
			first = g
		}
		size := report.Number(float64(n))
		row := func(name, how, unit string, figure, base float64) report.Row {
			r := report.Row{Group: "growth", Name: fmt.Sprintf("%s at %s readings", name, size), How: how, Figure: figure, Unit: unit}
			if i == 0 {
				return r
			}
			return r.Against("the smallest", base).RatioAtMost(1.2)
		}
		b.add(
			row("cost of a reading", "the next 100,000, batches of 1,000, to durable", "ns", g.cost, first.cost),
			row("start to the first ack", "agent, clean", "ms", g.start, first.start),
			row("ten minutes of one series", "at the agent's door", "ms", g.span, first.span),
			row("newest 100", "at the agent's door", "ms", g.newest, first.newest))
	}
	return nil
}

func (b *Bench) growthAt(ctx context.Context, n int) (out grown, err error) {
	dir, err := b.folder("growth")
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	g, err := b.filled(ctx, filepath.Join(dir, "gateway"), n)
	if err != nil {
		return out, err
	}
	key, err := g.Key()
	if err != nil {
		return out, err
	}
	parts := pick(b, 15, 1)
	a, err := child.Work[growAnswer](ctx, "grow", growTask{Dir: g.Data(), Key: key, From: n, Part: pick(b, 100_000, 10_000), Parts: parts})
	if err != nil {
		return out, err
	}
	out.cost = a.Nanoseconds
	var starts []float64
	for range pick(b, 9, 1) {
		if err := machine.Forget(g.Data()); err != nil {
			return out, err
		}
		took, err := startToAck(ctx, g, nil)
		if err := errors.Join(err, g.Stop()); err != nil {
			return out, err
		}
		starts = append(starts, took.Seconds()*1000)
	}
	out.start = median(starts)
	if err := g.Start(ctx, nil); err != nil {
		return out, err
	}
	if err := pause(ctx, pick(b, 2*time.Second, 0)); err != nil {
		return out, errors.Join(err, g.Stop())
	}
	out.span, out.newest, err = b.growthQueries(ctx, g, n)
	return out, errors.Join(err, g.Stop())
}

func (b *Bench) growthQueries(ctx context.Context, g *gateway.Gateway, n int) (middle, latest float64, err error) {
	a, err := b.ask(ctx, g, span(n, 10*time.Minute, 30*time.Second))
	if err != nil {
		return 0, 0, err
	}
	middle = a.median.Seconds() * 1000
	if a, err = b.ask(ctx, g, newest); err != nil {
		return 0, 0, err
	}
	return middle, a.median.Seconds() * 1000, nil
}

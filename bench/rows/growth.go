package rows

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
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

// grown is a store of one size, and what was measured of it.
type grown struct {
	size    int
	gateway *gateway.Gateway
	key     []byte
	next    int // the reading that comes next

	cost, start, span, newest []float64
}

// growth measures the same on stores of different size, by turns; the ratios are to the smallest.
func (b *Bench) growth(ctx context.Context) (err error) {
	dir, err := b.folder("growth")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	sizes := []int{100_000, 1_000_000, 10_000_000}
	if b.Growth8 {
		sizes = append(sizes, 100_000_000)
	}
	var all []*grown
	for _, n := range pick(b, sizes, []int{20_000, 40_000}) {
		g, err := b.filled(ctx, filepath.Join(dir, fmt.Sprint(n)), n)
		if err != nil {
			return err
		}
		key, err := g.Key()
		if err != nil {
			return err
		}
		all = append(all, &grown{size: n, gateway: g, key: key, next: n})
	}
	for range pick(b, 9, 1) {
		for _, g := range all {
			if err := b.grow(ctx, g); err != nil {
				return err
			}
		}
	}
	if err := b.growthAsk(ctx, all); err != nil {
		return err
	}
	b.growthRows(all)
	return nil
}

// grow adds to a store, and starts its agent.
func (b *Bench) grow(ctx context.Context, g *grown) error {
	task := growTask{Dir: g.gateway.Data(), Key: g.key, From: g.next, Part: pick(b, 100_000, 10_000), Parts: 1}
	a, err := child.Work[growAnswer](ctx, "grow", task)
	if err != nil {
		return err
	}
	g.next += task.Part * task.Parts
	g.cost = append(g.cost, a.Nanoseconds)
	if err := machine.Forget(g.gateway.Data()); err != nil {
		return err
	}
	took, err := startToAck(ctx, g.gateway, nil)
	g.start = append(g.start, took.Seconds()*1000)
	return errors.Join(err, g.gateway.Stop())
}

// growthAsk asks all agents by turns.
func (b *Bench) growthAsk(ctx context.Context, all []*grown) (err error) {
	clients := make([]*api.Client, len(all))
	for i, g := range all {
		if err := g.gateway.Start(ctx, nil); err != nil {
			return err
		}
		clients[i] = api.Dial(g.gateway.Socket())
		defer func() { err = errors.Join(err, clients[i].Close(), g.gateway.Stop()) }() //nolint:revive // defer: until all were asked
	}
	if err := pause(ctx, pick(b, 2*time.Second, 0)); err != nil {
		return err
	}
	for round := range pick(b, 101, 2) {
		for i, g := range all {
			began := time.Now()
			if _, err := count(ctx, clients[i], span(g.size, 10*time.Minute, 30*time.Second)(round)); err != nil {
				return err
			}
			between := time.Now()
			if _, err := count(ctx, clients[i], newest(round)); err != nil {
				return err
			}
			g.span = append(g.span, between.Sub(began).Seconds()*1000)
			g.newest = append(g.newest, time.Since(between).Seconds()*1000)
		}
	}
	return nil
}

func (b *Bench) growthRows(all []*grown) {
	for _, what := range []struct {
		name, how, unit string
		of              func(*grown) []float64
	}{
		{"cost of a reading", "the next 900,000, batches of 1,000, to durable", "ns", func(g *grown) []float64 { return g.cost }},
		{"start to the first ack", "the agent, after a clean stop, cold page cache", "ms", func(g *grown) []float64 { return g.start }},
		{"ten minutes of one series", "at the agent's door", "ms", func(g *grown) []float64 { return g.span }},
		{"newest 100", "at the agent's door", "ms", func(g *grown) []float64 { return g.newest }},
	} {
		for i, g := range all {
			r := report.Row{
				Group: "growth", Name: fmt.Sprintf("%s at %s readings", what.name, report.Number(float64(g.size))),
				How: what.how, Figure: median(what.of(g)), Unit: what.unit,
			}
			if i > 0 {
				r = r.Against("the smallest", median(what.of(all[0]))).RatioAtMost(1.2)
			}
			b.add(r)
		}
	}
}

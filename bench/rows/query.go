package rows

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/bench/child"
	"github.com/skerry-edge/skerry/bench/gateway"
	"github.com/skerry-edge/skerry/bench/line"
	"github.com/skerry-edge/skerry/bench/machine"
	"github.com/skerry-edge/skerry/bench/report"
)

const mega = 1e6

// filled makes a gateway that does not run and whose store holds so many readings.
func (b *Bench) filled(ctx context.Context, dir string, readings int) (*gateway.Gateway, error) {
	g, err := gateway.New(ctx, b.Program, dir, "")
	if err != nil {
		return nil, err
	}
	key, err := g.Key()
	if err != nil {
		return nil, err
	}
	_, err = child.Work[fillAnswer](ctx, "fill", fillTask{Dir: g.Data(), Key: key, To: readings})
	return g, err
}

// span returns queries for one series over the middle of so many readings, each somewhat later than the one before:
// how many blocks a query needs depends on where it begins.
func span(readings int, d, step time.Duration) func(i int) api.Query {
	return func(i int) api.Query {
		middle := line.Start + int64(readings/line.SeriesCount/2)*line.Second + int64(i%spans-spans/2)*int64(step)
		return spanAt(middle, d)
	}
}

const spans = 20 // that differ

func spanAt(middle int64, d time.Duration) api.Query {
	return api.Query{Collection: gateway.Collection, Series: "series007", From: middle - int64(d/2), To: middle + int64(d/2)}
}

func newest(int) api.Query {
	return api.Query{Collection: gateway.Collection, Newest: true, Limit: 100}
}

// asked is what a query took, asked several times at the agent's door.
type asked struct {
	first, median time.Duration
	rows          int
	more          uint64 // bytes of anonymous memory, at most, above what it was before
}

// ask asks a running gateway, the i-th time query(i).
func (b *Bench) ask(ctx context.Context, g *gateway.Gateway, query func(i int) api.Query) (asked, error) {
	var a asked
	before, err := g.Process()
	if err != nil {
		return a, err
	}
	watch, stop := watchMemory(ctx, g)
	defer stop()
	client := api.Dial(g.Socket())
	var times []float64
	for i := range pick(b, 101, 2) {
		began := time.Now()
		if a.rows, err = count(ctx, client, query(i)); err != nil {
			return a, errors.Join(err, client.Close())
		}
		took := time.Since(began)
		if i == 0 {
			a.first = took
		}
		times = append(times, took.Seconds())
	}
	stop()
	if err := client.Close(); err != nil {
		return a, err
	}
	a.median = time.Duration(median(times) * float64(time.Second))
	if peak := watch.Load(); peak > before.Anonymous {
		a.more = peak - before.Anonymous
	}
	return a, nil
}

// count reads all rows of a query.
func count(ctx context.Context, client *api.Client, q api.Query) (n int, err error) {
	rows, err := client.Query(ctx, q)
	if err != nil {
		return 0, err
	}
	for _, err := range rows.Seq {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// watchMemory notes the most anonymous memory that the gateway has until stop, which returns after the last look.
func watchMemory(ctx context.Context, g *gateway.Gateway) (*atomic.Uint64, func()) {
	peak := &atomic.Uint64{}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	pid := g.PID()
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if p, err := machine.ProcessOf(pid); err == nil && p.Anonymous > peak.Load() {
				peak.Store(p.Anonymous)
			}
			_ = pause(ctx, 2*time.Millisecond) // its end ends the loop
		}
	}()
	return peak, func() {
		cancel()
		<-ended
	}
}

// query measures queries of a store with ten million readings.
func (b *Bench) query(ctx context.Context) (err error) {
	dir, err := b.folder("query")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	readings := pick(b, 10_000_000, 200_000)
	g, err := b.filled(ctx, filepath.Join(dir, "gateway"), readings)
	if err != nil {
		return err
	}
	if err := machine.Forget(g.Data()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Stop()) }()
	if err := g.Start(ctx, nil); err != nil {
		return err
	}
	if err := pause(ctx, pick(b, 3*time.Second, 0)); err != nil {
		return err
	}
	for _, q := range []struct {
		name  string
		query func(i int) api.Query
		goal  float64
	}{{"one hour of one series", span(readings, time.Hour, 0), 10}, {"newest 100", newest, 5}} {
		a, err := b.ask(ctx, g, q.query)
		if err != nil {
			return err
		}
		row := func(name string) report.Row {
			return report.Row{Group: "query", Name: q.name + name, How: fmt.Sprintf("%s readings stored, %d rows, at the agent's door", report.Number(float64(readings)), a.rows), Unit: "ms"}
		}
		typical, first, more := row(""), row(", first time, cold"), row(", memory")
		typical.Figure, first.Figure = a.median.Seconds()*1000, a.first.Seconds()*1000
		more.Figure, more.Unit = float64(a.more)/mega, "MB more"
		b.add(typical.AtMost(q.goal), first, more.AtMost(16))
	}
	return nil
}

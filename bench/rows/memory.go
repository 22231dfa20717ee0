package rows

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerry-edge/skerry/bench/child"
	"github.com/skerry-edge/skerry/bench/gateway"
	"github.com/skerry-edge/skerry/bench/line"
	"github.com/skerry-edge/skerry/bench/load"
	"github.com/skerry-edge/skerry/bench/machine"
	"github.com/skerry-edge/skerry/bench/report"
)

// The loads that memory and device writes are measured under.
func slow() load.Pace { return load.Pace{Devices: 20, Hertz: 1} }
func fast() load.Pace { return load.Pace{Devices: 200, Hertz: 10} }

const (
	groupLimit = 128 << 20 // bytes of the memory cgroup
	bigStore   = 1_000_000_000
)

// memory measures a running agent: idle, under load, and with 1 GB stored.
func (b *Bench) memory(ctx context.Context) (err error) {
	dir, err := b.folder("memory")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	type state struct {
		name string
		pace load.Pace
		goal float64
		row  []report.Row
	}
	states := []*state{{name: "idle", goal: 20}, {name: "100 readings/s", pace: slow(), goal: 28}, {name: "10,000 readings/s", pace: fast(), goal: 64}}
	var group errgroup.Group
	for _, s := range states {
		group.Go(func() error {
			g, err := gateway.New(ctx, b.Program, filepath.Join(dir, s.name), "")
			if err != nil {
				return err
			}
			if err := g.Start(ctx, nil); err != nil {
				return err
			}
			s.row, err = b.memoryOf(ctx, g, s.name, s.pace, s.goal)
			return errors.Join(err, g.Stop())
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, s := range states {
		b.add(s.row...)
	}
	return b.big(ctx, dir)
}

// memoryOf loads a running gateway and returns the most memory that it had.
func (b *Bench) memoryOf(ctx context.Context, g *gateway.Gateway, name string, pace load.Pace, goal float64) ([]report.Row, error) {
	pace.Addr, pace.QoS, pace.For = g.Addr, 1, pick(b, 40*time.Second, time.Second)
	how := "no input"
	peak, stop := watchMemory(ctx, g)
	defer stop()
	if pace.Devices == 0 {
		if err := pause(ctx, pace.For/2); err != nil {
			return nil, err
		}
	} else {
		how = pace.String()
		if _, err := pace.Run(ctx); err != nil {
			return nil, err
		}
	}
	stop()
	p, err := g.Process()
	if err != nil {
		return nil, err
	}
	row := report.Row{Group: "memory", Name: name + ", anonymous", How: how + ", most of " + pace.For.String(), Figure: float64(peak.Load()) / mega, Unit: "MB"}
	resident := row
	resident.Name, resident.Figure = name+", resident", float64(p.Peak)/mega
	return []report.Row{row.AtMost(goal), resident}, nil
}

// big measures with 1 GB stored: memory in a cgroup where one can be made, and starts.
func (b *Bench) big(ctx context.Context, dir string) (err error) {
	g, err := gateway.New(ctx, b.Program, filepath.Join(dir, "big"), "")
	if err != nil {
		return err
	}
	key, err := g.Key()
	if err != nil {
		return err
	}
	a, err := child.Work[fillAnswer](ctx, "stuff", stuffTask{Dir: g.Data(), Key: key, Bytes: pick(b, bigStore, 4_000_000)})
	if err != nil {
		return err
	}
	stored := fmt.Sprintf("%s blocks, %s bytes stored", report.Number(float64(a.Blocks)), report.Number(float64(a.Raw)))
	group, err := machine.NewCgroup(fmt.Sprintf("skerry-bench-%d", os.Getpid()), groupLimit)
	where := "no memory cgroup can be made here"
	if err == nil {
		where = fmt.Sprintf("in a memory cgroup of 128 MiB (%s)", group.Mechanism)
		defer func() { err = errors.Join(err, group.Close()) }()
	}
	if err := b.starts(ctx, g, group, stored); err != nil {
		return err
	}
	if err := g.Start(ctx, group); err != nil {
		return err
	}
	rows, err := b.memoryOf(ctx, g, "1 GB stored", fast(), 64)
	if err == nil {
		_, err = b.ask(ctx, g, newest)
	}
	if err := errors.Join(err, g.Stop()); err != nil {
		return err
	}
	for i := range rows {
		rows[i].How += ", " + stored + ", " + where
	}
	b.add(rows...)
	return nil
}

// starts measures the start of a big store: after a clean stop, and after a kill.
func (b *Bench) starts(ctx context.Context, g *gateway.Gateway, group *machine.Cgroup, stored string) error {
	for _, how := range []struct {
		name string
		end  func() error
	}{{"clean stop", g.Stop}, {"kill", g.Kill}} {
		var times []float64
		for range pick(b, 3, 1) {
			if err := g.Start(ctx, group); err != nil {
				return err
			}
			pace := load.Pace{Addr: g.Addr, QoS: 1, Devices: 200, Hertz: 10, For: pick(b, time.Second, 100*time.Millisecond)}
			if _, err := pace.Run(ctx); err != nil {
				return err
			}
			if err := how.end(); err != nil {
				return err
			}
			if err := machine.Forget(g.Data()); err != nil {
				return err
			}
			took, err := startToAck(ctx, g, group)
			if err := errors.Join(err, g.Stop()); err != nil {
				return err
			}
			times = append(times, took.Seconds())
		}
		b.add(report.Row{
			Group: "start", Name: "to the first acknowledged reading, after a " + how.name, How: stored + ", cold page cache",
			Figure: median(times), Unit: "s",
		}.AtMost(1))
	}
	return nil
}

// stuffTask fills a store with blocks of about 4 KiB that cannot be compressed, as fast as possible.
type stuffTask struct {
	Dir   string
	Key   []byte
	Bytes int
}

// stuffChild does a stuffTask.
func stuffChild(ctx context.Context, t stuffTask) (fillAnswer, error) {
	l, err := line.Open(ctx, line.Options{Dir: t.Dir, Key: t.Key, MaxReadings: line.StuffBlock})
	if err != nil {
		return fillAnswer{}, err
	}
	began := time.Now()
	err = errors.Join(l.Stuff(ctx, t.Bytes), l.Close())
	return fillAnswer{Sealed: l.Sealed(), Seconds: time.Since(began).Seconds()}, err
}

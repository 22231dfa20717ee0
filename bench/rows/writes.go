package rows

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/bench/gateway"
	"github.com/skerry-edge/skerry/bench/load"
	"github.com/skerry-edge/skerry/bench/report"
)

const (
	interval = "[store]\ndurability = \"interval\"\ninterval = \"10s\"\n"
	day      = 24 * time.Hour
)

// writes measures what the agent makes the kernel write to the device.
func (b *Bench) writes(ctx context.Context) (err error) {
	dir, err := b.folder("writes")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := b.heldWrites(ctx, dir); err != nil {
		return err
	}
	return b.syncedWrites(ctx, filepath.Join(dir, "sync"))
}

// written is what happened between two looks at a gateway.
type written struct {
	device   float64 // bytes
	stored   float64 // bytes of blocks
	readings float64
	groups   float64
	elapsed  time.Duration
}

// look is a gateway's sums at one moment.
type look struct {
	device, stored, readings, groups float64
	at                               time.Time
}

func lookAt(ctx context.Context, g *gateway.Gateway) (look, error) {
	client := api.Dial(g.Socket())
	status, err1 := client.Status(ctx)
	collections, err2 := client.Collections(ctx)
	p, err3 := g.Process()
	err := errors.Join(err1, err2, err3, client.Close())
	l := look{device: float64(p.Written), readings: float64(status.Parts.Ingest.Stored), groups: float64(status.Parts.Ingest.Groups), at: time.Now()}
	for _, c := range collections {
		l.stored += float64(c.Bytes)
	}
	return l, err
}

// during runs a load and says what the gateway wrote meanwhile.
func during(ctx context.Context, g *gateway.Gateway, run func() error) (written, error) {
	before, err := lookAt(ctx, g)
	if err != nil {
		return written{}, err
	}
	if err := run(); err != nil {
		return written{}, err
	}
	after, err := lookAt(ctx, g)
	return written{
		device: after.device - before.device, stored: after.stored - before.stored, readings: after.readings - before.readings,
		groups: after.groups - before.groups, elapsed: after.at.Sub(before.at),
	}, err
}

// heldWrites measures input that cannot wait, held for 10 s, at both rates at the same time.
func (b *Bench) heldWrites(ctx context.Context, dir string) error {
	var results [2]written
	paces := [2]load.Pace{slow(), fast()}
	group, groupCtx := errgroup.WithContext(ctx)
	for i := range paces {
		group.Go(func() error {
			g, err := gateway.New(groupCtx, b.Program, filepath.Join(dir, fmt.Sprint(paces[i].Rate())), interval)
			if err != nil {
				return err
			}
			if err := g.Start(groupCtx, nil); err != nil {
				return err
			}
			results[i], err = b.heldWritesOf(groupCtx, g, paces[i])
			return errors.Join(err, g.Stop())
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, w := range results {
		how := fmt.Sprintf(`%s, interval = "10s", %s, %s bytes written, %s stored in blocks`, paces[i], w.elapsed.Round(time.Second), report.Number(w.device), report.Number(w.stored))
		rate := fmt.Sprintf("%s readings/s", report.Number(float64(paces[i].Rate())))
		daily := report.Row{Group: "writes", Name: rate + ", a day", How: how, Figure: w.device / w.elapsed.Seconds() * day.Seconds() / 1e9, Unit: "GB a day"}
		total := report.Row{Group: "writes", Name: rate + ", a reading", How: how, Figure: w.device / w.readings, Unit: "bytes"}.
			Against("stored bytes", w.stored/w.readings)
		if i == 0 {
			b.add(daily.AtMost(0.5), total)
		} else {
			b.add(daily, total.RatioAtMost(2.5))
		}
	}
	return nil
}

func (b *Bench) heldWritesOf(ctx context.Context, g *gateway.Gateway, pace load.Pace) (written, error) {
	pace.Addr, pace.For = g.Addr, pick(b, 20*time.Second, time.Second)
	if _, err := pace.Run(ctx); err != nil { // files are made
		return written{}, err
	}
	pace.For = pick(b, 160*time.Second, 11*time.Second)
	return during(ctx, g, func() error {
		_, err := pace.Run(ctx)
		return err
	})
}

// syncedWrites measures group commits that are synced at once.
func (b *Bench) syncedWrites(ctx context.Context, dir string) (err error) {
	g, err := gateway.New(ctx, b.Program, dir, "")
	if err != nil {
		return err
	}
	if err := g.Start(ctx, nil); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Stop()) }()
	for _, s := range []shape{{clients: 1, window: 1}, {clients: 16, window: 1}, {clients: 1, window: 100}} {
		bare, err := b.syncs()
		if err != nil {
			return err
		}
		w, err := during(ctx, g, func() error {
			_, err := load.Run(ctx, load.Options{Addr: g.Addr, Clients: s.clients, Window: s.window, For: pick(b, 4*time.Second, 100*time.Millisecond)})
			return err
		})
		if err != nil {
			return err
		}
		row := report.Row{
			Group: "writes", Name: fmt.Sprintf("QoS 1 with sync, %s, a group commit", s),
			How:    fmt.Sprintf("blocks included, %s groups, %.1f readings a group; bare: 4 KiB append + fdatasync", report.Number(w.groups), w.readings/w.groups),
			Figure: w.device / w.groups, Unit: "bytes",
		}.Against("bare", bare.Written)
		b.add(row.RatioAtMost(2))
	}
	return nil
}

package rows

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/bench/gateway"
	"github.com/skerry-edge/skerry/bench/report"
)

// buckets measures hourly means of a store with ten million readings, against a query of all rows.
func (b *Bench) buckets(ctx context.Context) (err error) {
	dir, err := b.folder("buckets")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	readings := pick(b, 10_000_000, 200_000)
	g, err := b.filled(ctx, filepath.Join(dir, "gateway"), readings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Stop()) }()
	if err := g.Start(ctx, nil); err != nil {
		return err
	}
	before, err := g.Process()
	if err != nil {
		return err
	}
	watch, stop := watchMemory(ctx, g)
	defer stop()
	client := api.Dial(g.Socket())
	var rates, plain, ratios []float64
	lines := 0
	for range pick(b, 3, 1) {
		began := time.Now()
		if lines, err = countBuckets(ctx, client); err != nil {
			return errors.Join(err, client.Close())
		}
		took := time.Since(began).Seconds()
		stop() // the memory of buckets alone
		began = time.Now()
		n, err := count(ctx, client, api.Query{Collection: gateway.Collection})
		if err != nil {
			return errors.Join(err, client.Close())
		}
		all := time.Since(began).Seconds()
		rates, plain, ratios = append(rates, float64(readings)/took), append(plain, float64(n)/all), append(ratios, all/took)
	}
	if err := client.Close(); err != nil {
		return err
	}
	row := report.Row{
		Group: "query", Name: "hourly count, mean, min, max", Unit: "readings/s",
		How: fmt.Sprintf("%s readings stored, %d buckets, at the agent's door", report.Number(float64(readings)), lines),
	}
	speed, rows, more := row, row, row
	speed.Figure = median(rates)
	rows.Name, rows.How, rows.Figure = "all rows", report.Number(float64(readings))+" readings stored, at the agent's door", median(plain)
	more.Name, more.Unit = row.Name+", memory", "MB more"
	if peak := watch.Load(); peak > before.Anonymous {
		more.Figure = float64(peak-before.Anonymous) / mega
	}
	b.add(speed.Against("all rows", speed.Figure/median(ratios)).RatioAtLeast(2), rows, more.AtMost(24))
	return nil
}

func countBuckets(ctx context.Context, client *api.Client) (n int, err error) {
	d := api.Division{Every: time.Hour, Aggregates: []api.Aggregate{api.AggCount, api.AggMean, api.AggMin, api.AggMax}}
	buckets, err := client.Buckets(ctx, api.Query{Collection: gateway.Collection}, d)
	if err != nil {
		return 0, err
	}
	for _, err := range buckets.Seq {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

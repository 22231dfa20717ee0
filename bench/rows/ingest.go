package rows

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/skerry-edge/skerry/bench/child"
	"github.com/skerry-edge/skerry/bench/line"
	"github.com/skerry-edge/skerry/bench/report"
	"github.com/skerry-edge/skerry/sensors"
)

// ingestTask has producers offer batches, each waiting for a batch to be durable before its next one.
type ingestTask struct {
	Dir       string
	Batch     int // readings
	Producers int
	For       time.Duration
}

type ingestAnswer struct {
	Rate   float64 // readings a second, to the last one sealed and the store closed
	Allocs float64 // a reading
}

// offer is a shape of input.
type offer struct{ producers, batch int }

// ingest measures the way from decoded readings to durable blocks, in processes of one core and of two.
func (b *Bench) ingest(ctx context.Context) error {
	for _, cores := range []int{1, 2} {
		if err := b.ingestCores(ctx, cores); err != nil {
			return err
		}
	}
	return nil
}

// ingestCores takes all shapes in turn, several rounds, and then medians.
func (b *Bench) ingestCores(ctx context.Context, cores int) error {
	offers := []offer{{1, 1}, {16, 1}, {1, 100}, {16, 100}, {1, 1000}, {16, 1000}}
	rates, bares, allocs := make([][]float64, len(offers)), make([][]float64, len(offers)), make([][]float64, len(offers))
	var gains []float64 // of 16 producers over one
	for range pick(b, 3, 1) {
		for i, o := range offers {
			bare, err := b.syncs()
			if err != nil {
				return err
			}
			a, err := b.ingestOnce(ctx, cores, o)
			if err != nil {
				return err
			}
			rates[i], allocs[i], bares[i] = append(rates[i], a.Rate), append(allocs[i], a.Allocs), append(bares[i], bare.Rate)
		}
		gains = append(gains, rates[1][len(gains)]/rates[0][len(gains)])
	}
	for i, o := range offers {
		r := report.Row{
			Group: "ingest", Name: fmt.Sprintf("%d × %d, GOMAXPROCS=%d", o.producers, o.batch, cores),
			How:    fmt.Sprintf("producers × readings in a batch, each waits for its ack; %.1f allocations a reading", median(allocs[i])),
			Figure: median(rates[i]), Unit: "readings/s",
		}.Against("bare fdatasync", median(bares[i]))
		switch o {
		case offer{16, 1}:
			r = r.Against("one producer", r.Figure/median(gains)).RatioAtLeast(5)
		case offer{1, 100}:
			r = r.AtLeast(150_000)
		case offer{1, 1000}:
			r = r.AtLeast(1_500_000)
		}
		b.add(r)
	}
	return nil
}

// ingestOnce runs one shape in a process of its own.
func (b *Bench) ingestOnce(ctx context.Context, cores int, o offer) (a ingestAnswer, err error) {
	dir, err := b.folder("ingest")
	if err != nil {
		return a, err
	}
	task := ingestTask{Dir: dir, Batch: o.batch, Producers: o.producers, For: pick(b, 2*time.Second, 100*time.Millisecond)}
	a, err = child.Work[ingestAnswer](ctx, "ingest", task, fmt.Sprintf("GOMAXPROCS=%d", cores))
	return a, errors.Join(err, os.RemoveAll(dir))
}

// ingestChild does an ingestTask.
func ingestChild(ctx context.Context, t ingestTask) (ingestAnswer, error) {
	l, err := line.Open(ctx, line.Options{Dir: t.Dir})
	if err != nil {
		return ingestAnswer{}, err
	}
	ring := line.Chunk(l.Table, 0, 100_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	errs := make([]error, t.Producers)
	counts := make([]int, t.Producers)
	var group sync.WaitGroup
	for i := range t.Producers {
		group.Go(func() {
			p := producer{ring: ring, at: i * len(ring) / t.Producers}
			counts[i], errs[i] = p.run(ctx, l, t.Batch, began.Add(t.For))
		})
	}
	group.Wait()
	runtime.ReadMemStats(&after)
	if err := errors.Join(errors.Join(errs...), l.Close()); err != nil {
		return ingestAnswer{}, err
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	return ingestAnswer{
		Rate:   float64(total) / time.Since(began).Seconds(),
		Allocs: float64(after.Mallocs-before.Mallocs) / float64(total),
	}, nil
}

// producer offers the readings of a ring; each round is later than the one before.
type producer struct {
	ring  []sensors.Reading
	at    int
	shift int64
}

func (p *producer) run(ctx context.Context, l *line.Line, batch int, until time.Time) (count int, err error) {
	done := make(chan error, 1)
	for time.Now().Before(until) {
		rs := make([]sensors.Reading, batch)
		for n := 0; n < batch; {
			part := copy(rs[n:], p.ring[p.at:])
			for i := range rs[n : n+part] {
				rs[n+i].Time += p.shift
			}
			n, p.at = n+part, p.at+part
			if p.at == len(p.ring) {
				p.at = 0
				p.shift += int64(len(p.ring)/line.SeriesCount) * line.Second
			}
		}
		if err := l.Add(ctx, rs, done); err != nil {
			return count, err
		}
		count += batch
	}
	return count, nil
}

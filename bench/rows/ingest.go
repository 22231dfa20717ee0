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
	Groups float64 // group commits a second
	Allocs float64 // a reading
}

// ingest measures the way from decoded readings to durable blocks, in processes of one core and of two.
func (b *Bench) ingest(ctx context.Context) error {
	var ones [3]float64 // readings/s of one producer and of 16 at a batch of 1
	for _, cores := range []int{1, 2} {
		bare, err := b.syncs()
		if err != nil {
			return err
		}
		for _, producers := range []int{1, 16} {
			for _, batch := range []int{1, 100, 1000} {
				a, err := b.ingestOnce(ctx, cores, producers, batch)
				if err != nil {
					return err
				}
				r := report.Row{
					Group: "ingest", Name: fmt.Sprintf("%d × %d, GOMAXPROCS=%d", producers, batch, cores),
					How:    fmt.Sprintf("producers × readings in a batch, each waits for its ack; %.1f allocations a reading", a.Allocs),
					Figure: a.Rate, Unit: "readings/s",
				}.Against("bare fdatasync", bare.Rate)
				switch {
				case batch == 1 && producers == 1:
					ones[cores] = a.Rate
				case batch == 1:
					r = r.Against("one producer", ones[cores]).RatioAtLeast(5)
				case batch == 100 && producers == 1:
					r = r.AtLeast(150_000)
				case batch == 1000 && producers == 1:
					r = r.AtLeast(1_500_000)
				}
				b.add(r)
			}
		}
	}
	return nil
}

// ingestOnce takes the median of some runs.
func (b *Bench) ingestOnce(ctx context.Context, cores, producers, batch int) (a ingestAnswer, err error) {
	var all []ingestAnswer
	var rates []float64
	for range pick(b, 3, 1) {
		dir, err := b.folder("ingest")
		if err != nil {
			return a, err
		}
		task := ingestTask{Dir: dir, Batch: batch, Producers: producers, For: pick(b, 2*time.Second, 100*time.Millisecond)}
		a, err := child.Work[ingestAnswer](ctx, "ingest", task, fmt.Sprintf("GOMAXPROCS=%d", cores))
		if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
			return a, err
		}
		all, rates = append(all, a), append(rates, a.Rate)
	}
	middle := median(rates)
	for _, a = range all {
		if a.Rate == middle {
			break
		}
	}
	return a, nil
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
	took := time.Since(began)
	groups := l.Pipe.Stats().Groups
	if err := errors.Join(errors.Join(errs...), l.Close()); err != nil {
		return ingestAnswer{}, err
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	return ingestAnswer{
		Rate: float64(total) / time.Since(began).Seconds(), Groups: float64(groups) / took.Seconds(),
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

package ingest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// checkKept checks what a filter promises of one series: what was sent, in order of arrival and of time, and which of it was kept.
func checkKept(t *testing.T, rule Rule, sent []sensors.Reading, keptAt map[int]bool) {
	t.Helper()
	last := -1
	for i := range sent {
		if keptAt[i] {
			if last >= 0 && rule.MinInterval > 0 && sent[i].Time-sent[last].Time < int64(rule.MinInterval) {
				t.Fatalf("readings %d and %d were kept %v apart", last, i, time.Duration(sent[i].Time-sent[last].Time))
			}
			last = i
			continue
		}
		if last < 0 {
			t.Fatalf("reading %d was dropped, and none was kept before", i)
		}
		since := time.Duration(sent[i].Time - sent[last].Time)
		if rule.Heartbeat > 0 && since >= rule.Heartbeat {
			t.Fatalf("reading %d was dropped %v after the last kept", i, since)
		}
		a, b := sent[last].Float(), sent[i].Float()
		limit := max(rule.Deadband, rule.DeadbandPercent*math.Abs(a)/100)
		if off := math.Abs(a - b); since >= rule.MinInterval && off > limit*(1+1e-9)+1e-12*(math.Abs(a)+math.Abs(b)) {
			t.Fatalf("reading %d was dropped, and is %v off the last kept, %v", i, off, a)
		}
	}
}

// TestFilter_promises: random walks of several series, in batches, through failing commits.
func TestFilter_promises(t *testing.T) {
	rng := seeded(t)
	for round := range 60 {
		rule := Rule{OnChange: rng.IntN(2) == 0}
		if rng.IntN(2) == 0 {
			rule.Deadband = float64(rng.IntN(20)) / 10
		}
		if rng.IntN(3) == 0 {
			rule.DeadbandPercent = float64(rng.IntN(100))
		}
		if rng.IntN(2) == 0 {
			rule.MinInterval = time.Duration(rng.IntN(10)) * time.Second
		}
		if rng.IntN(2) == 0 {
			rule.Heartbeat = rule.MinInterval + time.Duration(1+rng.IntN(60))*time.Second
		}
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { filterRound(t, rng, rule) })
		})
	}
}

func filterRound(t *testing.T, rng *rand.Rand, rule Rule) {
	t.Helper()
	const count = 3
	f := newFake(t)
	stored := map[string]map[int64]bool{} // by series and time
	f.onAppend = func(batches []sensors.Batch) error {
		for _, b := range batches {
			for _, r := range b.Readings {
				if stored[r.Series.Name] == nil {
					stored[r.Series.Name] = map[int64]bool{}
				}
				stored[r.Series.Name][r.Time] = true
			}
		}
		return nil
	}
	r := startFilter(t, f, Config{Hold: rng.IntN(2) == 0}, map[string]Rule{"s*": rule})
	sent := map[string][]sensors.Reading{}
	walk, total := [count]float64{}, uint64(0)
	at := 0.0
	for range 100 {
		b := sensors.Batch{Source: "line", Collection: "climate"}
		for range 1 + rng.IntN(8) {
			k := rng.IntN(count)
			at += rng.Float64() * 3
			walk[k] = math.Round((walk[k]+rng.NormFloat64())*10) / 10
			one := r.value(fmt.Sprint("s", k), at, walk[k]).Readings[0]
			b.Readings = append(b.Readings, one)
			sent[one.Series.Name] = append(sent[one.Series.Name], one)
		}
		total += uint64(len(b.Readings))
		if rng.IntN(2) == 0 {
			r.Offer(b, nil)
		} else if err := r.Add(t.Context(), b, nil); err != nil {
			t.Fatal(err)
		}
		if rng.IntN(3) == 0 {
			synctest.Wait()
		}
	}
	s := r.finish()
	if s.Decoded != total {
		t.Errorf("%d decoded, want %d", s.Decoded, total)
	}
	for name, rs := range sent {
		keptAt := map[int]bool{}
		for i := range rs {
			keptAt[i] = stored[name][rs[i].Time]
		}
		if rule.Compares() || rule.MinInterval > 0 {
			checkKept(t, rule, rs, keptAt)
		}
	}
}

// TestFilter_concurrently: many goroutines, a disk that fails at times, and nothing acknowledged that is not stored or
// within the deadband of something that is. Run it with -race.
func TestFilter_concurrently(t *testing.T) {
	rng := seeded(t)
	synctest.Test(t, func(t *testing.T) { filterConcurrently(t, rng) })
}

func filterConcurrently(t *testing.T, rng *rand.Rand) {
	t.Helper()
	disk := rand.New(rand.NewPCG(rng.Uint64(), 2))
	f := newFake(t)
	var fails atomic.Bool
	fails.Store(true)
	f.onAppend = func([]sensors.Batch) error {
		if fails.Load() && disk.IntN(10) == 0 {
			return errDisk
		}
		return nil
	}
	r := startFilter(t, f, Config{}, map[string]Rule{"*": {OnChange: true}})
	const clients, messages, series = 8, 300, 4
	all := make([]*sensors.Series, series)
	for i := range all {
		all[i] = r.rig.series(fmt.Sprint("s", i), sensors.Float)
	}
	var group sync.WaitGroup
	var mu sync.Mutex
	acked := map[string]map[float64]bool{}
	for c := range clients {
		mine := rand.New(rand.NewPCG(rng.Uint64(), uint64(c)))
		group.Go(func() {
			told := make(chan error, 1)
			for i := range messages {
				one := sensors.Reading{Series: all[mine.IntN(series)], Time: testStart + int64(i), Num: math.Float64bits(float64(mine.IntN(5) + i/10*10))}
				for { // until it is acknowledged, as a client does
					b := sensors.Batch{Source: "line", Collection: "climate", Readings: []sensors.Reading{one}}
					if err := r.Add(context.Background(), b, func(err error) { told <- err }); err != nil {
						t.Error(err)
						return
					}
					if <-told == nil {
						break
					}
				}
				mu.Lock()
				if acked[one.Series.Name] == nil {
					acked[one.Series.Name] = map[float64]bool{}
				}
				acked[one.Series.Name][one.Float()] = true
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if n := len(r.spare); n == 0 || n > 2*clients {
		t.Errorf("%d tickets to be used again", n)
	}
	for s, k := range r.Filter.series {
		if k.by != nil {
			t.Errorf("series %s still waits for a commit", s.Name)
		}
	}
	fails.Store(false)
	r.finish()
	stored := map[string]map[float64]bool{}
	f.with(func() {
		for _, one := range f.tails["climate"].sealed {
			if stored[one.Series.Name] == nil {
				stored[one.Series.Name] = map[float64]bool{}
			}
			stored[one.Series.Name][one.Float()] = true
		}
	})
	for s, values := range acked {
		for v := range values {
			if !stored[s][v] {
				t.Errorf("%v of %s was acknowledged, and it is not stored", v, s)
			}
		}
	}
}

// FuzzFilter: any rule and any values, in order of time.
func FuzzFilter(f *testing.F) {
	f.Add(0.5, 0.0, int64(0), int64(0), []byte{1, 2, 3, 4, 5, 6})
	f.Add(0.0, 10.0, int64(5), int64(1), []byte{0, 1, 255, 1, 7, 7, 7, 7})
	f.Fuzz(func(t *testing.T, deadband, percent float64, heartbeat, interval int64, input []byte) {
		rule := Rule{Deadband: deadband, DeadbandPercent: percent, Heartbeat: time.Duration(heartbeat), MinInterval: time.Duration(interval), OnChange: true}
		faulty := false
		rule.Validate(func(_, _, _ string) { faulty = true })
		if faulty {
			return
		}
		p := New(Config{}, nil, nil, synced, nil)
		filter := NewFilter(p, FilterConfig{Rules: map[string]Rule{"*": rule}, MaxSeries: 1})
		filter.began = time.Now().Add(time.Hour) // this gateway's clock stands
		s := &sensors.Series{Name: "a", Type: sensors.Float}
		keptAt, sent, at := map[int]bool{}, []sensors.Reading(nil), int64(0)
		for i := 0; i+1 < len(input); i += 2 {
			at += int64(input[i])
			one := sensors.Reading{Series: s, Time: at, Num: math.Float64bits(float64(int8(input[i+1])) / 4)}
			sent = append(sent, one)
			b := sensors.Batch{Readings: []sensors.Reading{one}}
			ticket, commit := filter.judge(&b, nil, filter.began, true)
			if keptAt[i/2] = commit; commit {
				ticket.commitDone(nil)
			}
		}
		checkKept(t, rule, sent, keptAt)
	})
}

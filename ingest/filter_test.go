package ingest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// filterRig is a filter before a pipeline over a fake store.
type filterRig struct {
	*rig
	*Filter
}

func startFilter(t *testing.T, store *fakeStore, cfg Config, rules map[string]Rule) *filterRig {
	t.Helper()
	r := start(t, store, cfg, synced)
	return &filterRig{r, NewFilter(r.pipe, FilterConfig{Rules: rules, MaxSeries: 100})}
}

// value returns a batch with one reading of a float series, seconds after testStart.
func (r *filterRig) value(name string, seconds, v float64) sensors.Batch {
	return sensors.Batch{Source: "line", Collection: "climate", Readings: []sensors.Reading{{
		Series: r.rig.series(name, sensors.Float), Time: testStart + int64(seconds*1e9), Num: math.Float64bits(v),
	}}}
}

// send adds a batch, waits for what it is told, and returns whether something of it was stored.
func (r *filterRig) send(b sensors.Batch) (stored bool, err error) {
	r.t.Helper()
	before := r.pipe.Stats().Stored
	told := make(chan error, 1)
	if err := r.Add(context.Background(), b, func(err error) { told <- err }); err != nil {
		return false, err
	}
	err = <-told
	return r.pipe.Stats().Stored > before, err
}

// step is a reading and whether it is kept.
type step struct {
	at, value float64
	kept      bool
}

// TestFilter_rules: which readings of a series are kept.
func TestFilter_rules(t *testing.T) {
	const no, yes = false, true
	nan, inf := math.NaN(), math.Inf(1)
	for name, c := range map[string]struct {
		rule  Rule
		steps []step
	}{
		"deadband is measured from the last kept": {
			Rule{Deadband: 0.2},
			[]step{{0, 21.5, yes}, {1, 21.6, no}, {2, 21.7, no}, {3, 21.8, yes}, {4, 21.7, no}, {5, 21.5, yes}},
		},
		"decimals that differ by the deadband": {
			Rule{Deadband: 0.2}, []step{{0, 21.9, yes}, {1, 22.1, no}, {2, 21.7, no}, {3, 22.11, yes}},
		},
		"percent of the last kept": {
			Rule{DeadbandPercent: 10}, []step{{0, 100, yes}, {1, 110, no}, {2, 90, no}, {3, 111, yes}, {4, 122, no}, {5, 122.2, yes}},
		},
		"percent of nothing": {
			Rule{DeadbandPercent: 100}, []step{{0, 0, yes}, {1, 1e-9, yes}, {2, 0, no}, {3, 2e-9, no}, {4, 2.1e-9, yes}, {5, -1e-12, yes}},
		},
		"a change of sign": {
			Rule{DeadbandPercent: 100}, []step{{0, 1, yes}, {1, -0.001, yes}, {2, 0.001, yes}},
		},
		"both deadbands: the larger": {
			Rule{Deadband: 1, DeadbandPercent: 10}, []step{{0, 2, yes}, {1, 3, no}, {2, 3.1, yes}, {3, 100, yes}, {4, 105, no}, {5, 111, yes}},
		},
		"on change": {
			Rule{OnChange: true}, []step{{0, 1, yes}, {1, 1, no}, {2, math.Nextafter(1, 2), yes}, {3, 0, yes}, {4, math.Copysign(0, -1), no}},
		},
		"not numbers": {
			Rule{Deadband: 1e300},
			[]step{{0, 1, yes}, {1, nan, yes}, {2, nan, no}, {3, inf, yes}, {4, inf, no}, {5, -inf, yes}, {6, nan, yes}, {7, 1, yes}, {8, inf, yes}},
		},
		"the whole range": {
			Rule{Deadband: 1}, []step{{0, -math.MaxFloat64, yes}, {1, math.MaxFloat64, yes}, {2, math.MaxFloat64, no}},
		},
		"heartbeat": {
			Rule{OnChange: true, Heartbeat: 10 * time.Second}, []step{{0, 1, yes}, {9.999, 1, no}, {10, 1, yes}, {19, 1, no}, {21, 1, yes}, {30, 1, no}},
		},
		"interval": {
			Rule{MinInterval: 10 * time.Second}, []step{{0, 1, yes}, {1, 2, no}, {9.999, 3, no}, {10, 3, yes}, {12, 4, no}, {30, 4, yes}, {40, 4, yes}},
		},
		"interval and change": {
			Rule{MinInterval: 10 * time.Second, OnChange: true, Heartbeat: time.Minute},
			[]step{{0, 1, yes}, {1, 2, no}, {11, 1, no}, {12, 2, yes}, {13, 3, no}, {71, 2, no}, {72, 2, yes}},
		},
		"late": {
			Rule{OnChange: true}, []step{{10, 1, yes}, {5, 1, yes}, {6, 1, no}, {4, 1, yes}},
		},
		"late, within the interval": {
			Rule{MinInterval: 10 * time.Second}, []step{{100, 1, yes}, {91, 1, no}, {90, 1, yes}, {99, 1, no}, {100, 1, yes}},
		},
		"the clock was set back, and far ahead": {
			Rule{Deadband: 1, Heartbeat: time.Minute}, []step{{1e8, 1, yes}, {1e8 + 1, 1, no}, {0, 1, yes}, {1, 1, no}, {1e9, 1, yes}, {2, 1, yes}, {3, 1, no}},
		},
		"nothing": {Rule{}, []step{{0, 1, yes}, {0, 1, yes}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := startFilter(t, newFake(t), Config{}, map[string]Rule{"a": c.rule})
				dropped := uint64(0)
				for i, s := range c.steps {
					kept, err := r.send(r.value("a", s.at, s.value))
					if err != nil || kept != s.kept {
						t.Errorf("step %d, %v at %v: kept %v, %v", i, s.value, s.at, kept, err)
					}
					if !s.kept {
						dropped++
					}
				}
				if s := r.finish(); s.Filtered != dropped || r.Filtered() != dropped {
					t.Errorf("%d and %d filtered, want %d", s.Filtered, r.Filtered(), dropped)
				}
			})
		})
	}
}

// TestFilter_integers: whole numbers are compared exactly, over the whole range.
func TestFilter_integers(t *testing.T) {
	for i, c := range []struct {
		rule       Rule
		last, next int64
		changed    bool
	}{
		{Rule{OnChange: true}, 1<<60 + 1, 1 << 60, true},
		{Rule{Deadband: 1}, 1<<60 + 1, 1 << 60, false},
		{Rule{Deadband: 1.5}, 10, 12, true},
		{Rule{Deadband: 2}, 10, 12, false},
		{Rule{Deadband: 2}, 10, 7, true},
		{Rule{Deadband: 1 << 53}, 0, 1<<53 + 1, true},
		{Rule{Deadband: 1e300}, math.MinInt64, math.MaxInt64, false},
		{Rule{Deadband: 1e19}, math.MinInt64, math.MaxInt64, true},
		{Rule{DeadbandPercent: 29}, 100, 129, false},
		{Rule{DeadbandPercent: 29}, -100, -130, true},
		{Rule{DeadbandPercent: 100}, math.MinInt64, 0, false},
		{Rule{DeadbandPercent: 100}, math.MinInt64, 1, true},
		{Rule{DeadbandPercent: 1}, 0, 1, true},
	} {
		if got := newReady(c.rule).changedInt(c.last, c.next); got != c.changed {
			t.Errorf("case %d, %+v: %d to %d: %v", i, c.rule, c.last, c.next, got)
		}
	}
}

// TestFilter_otherTypes: strings, also long ones, and booleans change when they differ, whatever the deadband.
func TestFilter_otherTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startFilter(t, newFake(t), Config{}, map[string]Rule{"*": {Deadband: 5}})
		long := strings.Repeat("x", 1000)
		text, flag := r.rig.series("s", sensors.String), r.rig.series("b", sensors.Bool)
		for i, c := range []struct {
			reading sensors.Reading
			kept    bool
		}{
			{sensors.Reading{Series: text, Str: "on"}, true},
			{sensors.Reading{Series: text, Str: "on"}, false},
			{sensors.Reading{Series: text, Str: long}, true},
			{sensors.Reading{Series: text, Str: long}, false},
			{sensors.Reading{Series: text, Str: long[1:]}, true},
			{sensors.Reading{Series: text, Str: long[1:] + "y"}, true},
			{sensors.Reading{Series: text, Str: "on"}, true},
			{sensors.Reading{Series: flag}, true},
			{sensors.Reading{Series: flag}, false},
			{sensors.Reading{Series: flag, Num: 1}, true},
		} {
			c.reading.Time = testStart
			kept, err := r.send(sensors.Batch{Source: "line", Collection: "climate", Readings: []sensors.Reading{c.reading}})
			if err != nil || kept != c.kept {
				t.Errorf("step %d: kept %v, %v", i, kept, err)
			}
		}
		r.finish()
	})
}

// TestFilter_standingClock: a sensor whose clock stands still is heard once each heartbeat of this gateway's clock.
func TestFilter_standingClock(t *testing.T) {
	for name, c := range map[string]struct {
		rule Rule
		want int
	}{
		"heartbeat": {Rule{OnChange: true, MinInterval: 10 * time.Second, Heartbeat: time.Minute}, 11},
		"interval":  {Rule{MinInterval: 10 * time.Second}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := startFilter(t, newFake(t), Config{}, map[string]Rule{"a": c.rule})
				kept := 0
				for i := range 601 {
					stored, err := r.send(r.value("a", 0, float64(i)))
					if err != nil {
						t.Fatal(err)
					}
					if stored {
						kept++
					}
					<-time.After(time.Second)
				}
				if kept != c.want {
					t.Errorf("%d kept in 600 s, want %d", kept, c.want)
				}
				r.finish()
			})
		})
	}
}

// TestFilter_afterAFailedCommit: what was compared with a reading whose commit fails is not acknowledged, and the next
// equal one is kept.
func TestFilter_afterAFailedCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		gate := make(chan error)
		f.onAppend = func([]sensors.Batch) error { return <-gate }
		r := startFilter(t, f, Config{}, map[string]Rule{"a": {OnChange: true}})
		told := make(chan error, 10)
		send := func(at float64) {
			if err := r.Add(t.Context(), r.value("a", at, 1), func(err error) { told <- err }); err != nil {
				t.Fatal(err)
			}
		}
		send(0)
		send(1)
		send(2)
		synctest.Wait()
		if len(told) > 0 {
			t.Fatal("a message was acknowledged before what it rests on was durable")
		}
		gate <- errDisk
		synctest.Wait()
		if len(told) != 3 {
			t.Fatalf("%d told, want 3", len(told))
		}
		for range 3 {
			if err := <-told; !errors.Is(err, errDisk) {
				t.Errorf("told %v", err)
			}
		}
		send(1) // they come again
		gate <- nil
		synctest.Wait()
		send(2)
		synctest.Wait()
		if len(told) != 2 {
			t.Fatalf("%d told, want 2: the second at once", len(told))
		}
		close(gate)
		if s := r.finish(); s.Stored != 1 || s.Filtered != 3 || s.Refused != 1 {
			t.Errorf("stats %+v, want 1 stored, 3 filtered, 1 refused", s)
		}
	})
}

// TestFilter_restsOnOffered: a message that waits and rests on what is held is acknowledged within ack_max_wait.
func TestFilter_restsOnOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startFilter(t, newFake(t), Config{Hold: true, Interval: 10 * time.Minute, AckMaxWait: time.Second}, map[string]Rule{"a": {OnChange: true}})
		offered := 0
		r.Offer(r.value("a", 0, 1), func(error) { offered++ })
		began := time.Now()
		if stored, err := r.send(r.value("a", 1, 1)); err != nil || !stored || time.Since(began) != time.Second {
			t.Errorf("acknowledged after %v, %v, with the offered one stored: %v", time.Since(began), err, stored)
		}
		synctest.Wait()
		r.Offer(r.value("a", 2, 1), func(error) { offered++ })
		if offered != 2 {
			t.Errorf("%d offered batches were told, want both", offered)
		}
		if s := r.finish(); s.Stored != 1 || s.Filtered != 2 {
			t.Errorf("stats %+v, want 1 stored, 2 filtered", s)
		}
	})
}

// TestFilter_refusedAdd: a batch that the pipeline does not take leaves nothing behind, and its done is not called.
func TestFilter_refusedAdd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startFilter(t, newFake(t), Config{}, map[string]Rule{"a": {OnChange: true}})
		bad := r.value("a", 0, 1)
		bad.Collection = "elsewhere"
		if err := r.Add(t.Context(), bad, func(error) { t.Error("done was called") }); err == nil {
			t.Error("a batch for no collection was taken")
		}
		if stored, err := r.send(r.value("a", 0, 1)); err != nil || !stored {
			t.Errorf("the next one: stored %v, %v", stored, err)
		}
		if s := r.finish(); s.Decoded != 1 {
			t.Errorf("stats %+v, want one decoded", s)
		}
	})
}

// TestFilter_bounded: beyond its series a filter keeps everything and remembers nothing.
func TestFilter_bounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startFilter(t, newFake(t), Config{}, map[string]Rule{"*": {OnChange: true}})
		for range 2 {
			for i := range 150 {
				r.Offer(r.value(fmt.Sprint("s", i), 0, 1), nil)
			}
			synctest.Wait()
		}
		if len(r.Filter.series) != 100 {
			t.Errorf("%d series are remembered", len(r.Filter.series))
		}
		if s := r.finish(); s.Filtered != 100 || s.Stored != 200 {
			t.Errorf("stats %+v, want 100 filtered, 200 stored", s)
		}
	})
}

// TestFilter_counters: the meta feed says at the end how many readings were filtered, and goes on from there.
func TestFilter_counters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		var filter *Filter
		c, err := NewCollection(testConfig("climate"), testKey(), Resume{}, func() Inputs { return Inputs{Filtered: filter.Filtered()} })
		if err != nil {
			t.Fatal(err)
		}
		r := startCollections(t, f, Config{}, synced, c)
		filter = NewFilter(r.pipe, FilterConfig{Rules: map[string]Rule{"a": {OnChange: true}}, MaxSeries: 10})
		fr := &filterRig{r, filter}
		for i := range 100 {
			filter.Offer(fr.value("a", float64(i), float64(i/10)), nil)
		}
		<-time.After(5 * time.Minute) // all is sealed
		for i := range 7 {
			filter.Offer(fr.value("a", float64(i+200), 9), nil)
		}
		r.finish()
		f.with(func() {
			n := f.tails["climate"].counters
			if n == nil || n.Stored != 10 || n.Filtered != 97 || n.Decoded != 107 {
				t.Errorf("counters %+v, want 10 stored and 97 filtered", n)
			}
		})
	})
}

// A filtered reading costs no memory.
func TestFilter_allocations(t *testing.T) {
	p := New(Config{}, newFake(t), nil, synced, nil)
	f := NewFilter(p, FilterConfig{Rules: map[string]Rule{"*": {Deadband: 1}}, MaxSeries: 10})
	table := sensors.NewTable()
	s, err := table.Intern(sensors.Series{Name: "a", Type: sensors.Float})
	if err != nil {
		t.Fatal(err)
	}
	rs := make([]sensors.Reading, 10)
	for i := range rs {
		rs[i] = sensors.Reading{Series: s, Time: int64(i)}
	}
	f.series[s] = &lastKept{rule: newReady(Rule{Deadband: 1}), known: true}
	done := func(error) {}
	if n := testing.AllocsPerRun(100, func() {
		again := rs
		for i := range again {
			again[i] = sensors.Reading{Series: s, Time: int64(i)}
		}
		f.Offer(sensors.Batch{Readings: again}, done)
	}); n > 0 {
		t.Errorf("%v allocations for 10 filtered readings", n)
	}
}

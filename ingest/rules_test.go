package ingest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// When blocks are made, and how many readings they have.
func TestSealer_rules(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*CollectionConfig)
		readings int
		after    time.Duration // of the first block
		want     []uint32      // readings of the blocks then
	}{
		"full":          {nil, 2*4096 + 10, 0, []uint32{4096, 4096}},
		"max_delay":     {nil, 64, 10 * time.Second, []uint32{64}},
		"few":           {nil, 63, 60 * time.Second, []uint32{63}},
		"few, and slow": {func(c *CollectionConfig) { c.MaxDelay = time.Hour }, 63, time.Hour, []uint32{63}},
		"fast":          {func(c *CollectionConfig) { c.Seal = "fast" }, 3, 0, []uint32{3}},
		"alarm":         {func(c *CollectionConfig) { c.Priority = "alarm" }, 3, 0, []uint32{3}},
		"max_readings":  {func(c *CollectionConfig) { c.MaxReadings = 10 }, 35, 0, []uint32{10, 10, 10}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig("climate")
				if c.change != nil {
					c.change(&cfg)
				}
				f := newFake(t)
				r := start(t, f, Config{}, synced, cfg)
				if err := r.add(r.batch(c.readings)); err != nil {
					t.Fatal(err)
				}
				if c.after > 0 {
					<-time.After(c.after - time.Nanosecond)
					synctest.Wait()
					if len(f.sealed()) > 0 {
						t.Errorf("sealed before %v", c.after)
					}
					<-time.After(time.Nanosecond)
				}
				synctest.Wait()
				var got []uint32
				for _, s := range f.sealed() {
					for _, b := range s.blocks {
						got = append(got, b.Count)
					}
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("readings in blocks after %v: -want +got\n%s", c.after, diff)
				}
				r.finish()
			})
		})
	}
}

// What seals fast waits a second where more is on its way.
func TestSealer_fastWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig("climate")
		cfg.Seal = "fast"
		f := newFake(t)
		r := start(t, f, Config{Hold: true, Interval: time.Minute}, synced, cfg)
		began := time.Now()
		r.pipe.Offer(r.batch(1), nil) // held: on its way
		if err := f.Append([]sensors.Batch{r.batch(3)}, nil); err != nil {
			t.Fatal(err)
		}
		signal(r.pipe.wake)
		<-time.After(30 * time.Second)
		if s := f.sealed(); len(s) != 1 || s[0].at.Sub(began) != time.Second || s[0].readings != 3 {
			t.Errorf("seals %+v, want one of 3 readings after a second", s)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// More definitions than one meta block, or one seal, can have.
func TestSealer_manySeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		r := start(t, f, Config{}, synced)
		b := sensors.Batch{Source: "line", Collection: "climate"}
		for i := range 20_000 {
			s, err := r.table.Intern(sensors.Series{
				Name: fmt.Sprint("series-", i), Type: sensors.Bool, Tags: []sensors.Tag{{Key: "long", Value: strings.Repeat("x", 200)}},
			})
			if err != nil {
				t.Fatal(err)
			}
			b.Readings = append(b.Readings, sensors.Reading{Series: s, Time: testStart + int64(i), Num: 1})
		}
		if err := r.add(b); err != nil {
			t.Fatal(err)
		}
		if s := r.finish(); s.Stored != 20_000 || s.Failing != nil {
			t.Errorf("stats %+v, want 20,000 stored", s)
		}
	})
}

// Blocks with arrival times of an unsynced clock say so and carry boot and monotonic clock; its wall time does not
// move the hybrid clock.
func TestSealer_unsyncedClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.clock = sensors.ClockBase{Boot: [8]byte{1}, Base: 1000}
		r := start(t, f, Config{}, func() (time.Time, bool) { return time.Unix(1000, 0), false })
		b := r.batch(5)
		for i := range b.Readings {
			b.Readings[i].Quality = sensors.QualityArrival | sensors.QualityUnsynced
		}
		if err := r.add(b); err != nil {
			t.Fatal(err)
		}
		r.finish()
		blocks := f.sealed()[0].all
		if len(blocks) != 4 {
			t.Errorf("%d blocks, want two openings, a meta and a data block", len(blocks))
		}
		for _, b := range blocks {
			c := b.Clock
			if c.Quality != crdt.ClockUnsynced || c.Boot != f.clock.Boot || c.First-int64(c.Mono) != f.clock.Base {
				t.Errorf("block %d of codec %s: clock %+v", b.Seq, b.Codec, c)
			}
			if c.Hybrid>>16 != 0 {
				t.Errorf("the hybrid clock took the wall time %d of an unsynced clock", c.Hybrid>>16)
			}
		}
	})
}

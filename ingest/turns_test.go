package ingest

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/skerry-edge/skerry/sensors"
)

// refill lets readings arrive during each of the first so many seals.
func (r *rig) refill(seals, readings int) {
	left := seals
	r.store.onSeal = func() error {
		if left--; left >= 0 {
			return r.store.Append([]sensors.Batch{r.batch(readings)}, nil)
		}
		return nil
	}
}

// The sealer seals everything only until there is room again: what arrives during a seal gets no small block of its
// own, seal after seal.
func TestSealer_pressureEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig("climate")
		cfg.MaxReadings = 100
		f := newFake(t)
		r := start(t, f, Config{MaxUnsealed: 1000}, synced, cfg)
		synctest.Wait()
		r.refill(50, 1)
		if err := f.Append([]sensors.Batch{r.batch(1200)}, nil); err != nil {
			t.Error(err)
		}
		signal(r.pipe.wake)
		synctest.Wait()
		if n := r.pipe.Stats().Seals; n > 2 {
			t.Errorf("%d seals, want at most 2", n)
		}
		f.onSeal = nil
		r.checkSealed()
	})
}

// A collection that fills as fast as it is sealed does not keep others from their blocks.
func TestSealer_takesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		collections := []CollectionConfig{testConfig("climate")}
		collections[0].MaxReadings = 100
		for i := range 8 {
			c := testConfig(fmt.Sprint("alarm", i))
			c.Seal = "fast"
			collections = append(collections, c)
		}
		f := newFake(t)
		r := start(t, f, Config{}, synced, collections...)
		synctest.Wait()
		r.refill(100, 100)
		for _, c := range collections {
			b := r.batch(100)
			b.Collection = c.Name
			if err := f.Append([]sensors.Batch{b}, nil); err != nil {
				t.Error(err)
			}
		}
		signal(r.pipe.wake)
		synctest.Wait()
		for i, s := range f.sealed() {
			if s.name != "climate" && i > len(collections) {
				t.Errorf("seal %d is of %q, want that among the first %d", i, s.name, len(collections))
			}
		}
		r.checkSealed()
	})
}

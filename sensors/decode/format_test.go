package decode

import (
	"fmt"
	"testing"

	"github.com/skerry-edge/skerry/sensors"
)

func TestDecoder_seriesLimit(t *testing.T) {
	table := sensors.NewTable()
	f, err := New(Config{Format: formatJSON, MaxSeries: 3}, "src", parsePatterns(t, "{x}"), sensors.Milliseconds, table)
	if err != nil {
		t.Fatal(err)
	}
	d, other := f.Decoder(), f.Decoder()
	for i, c := range []struct {
		topic, payload string
		reason         sensors.Reason
	}{
		{"t", `{"a":1,"b":2}`, ""},
		{"u", `{"a":1,"b":2}`, sensors.ReasonSeries}, // u.a is the third, u.b the fourth
		{"u", `{"a":1}`, ""},
		{"u", `{"a":1.5}`, ""}, // another definition of the same series
		{"u", `{"a":"x"}`, ""}, // and another
		{"u", `{"_a":1}`, sensors.ReasonName},
		{"w", `{"a":1}`, sensors.ReasonSeries},
		{"t", `{"a":1,"b":2}`, ""},
	} {
		for _, d := range []sensors.Decoder{d, other} {
			got, err := d.Decode(nil, arrived(c.topic, c.payload))
			if r := reason(t, err); r != c.reason || (len(got) == 0) != (err != nil) {
				t.Errorf("%d: %s %s: got %d readings, %v; want reason %q", i, c.topic, c.payload, len(got), err, c.reason)
			}
		}
	}
	if n := table.Len(); n > 5 {
		t.Errorf("the table has %d series", n)
	}
}

// Whatever topics and names come, the memory that a source takes is bounded.
func TestFormat_boundedMemory(t *testing.T) {
	f := newFormat(t, Config{Format: formatJSON, MaxSeries: 10, Include: []string{"keep"}, TagSource: new(bool)}, "#")
	d := f.Decoder()
	most, swaps, last := int64(0), 0, f.cache.Load()
	for i := range 30_000 {
		got, err := d.Decode(nil, arrived(fmt.Sprintf("topic/%d", i), fmt.Sprintf(`{"keep":1,"x%d":2,"y%d":3}`, i, i)))
		if err != nil || len(got) != 1 {
			t.Fatalf("message %d: got %d readings, %v", i, len(got), err)
		}
		c := f.cache.Load()
		most = max(most, c.bytes.Load())
		if c != last {
			swaps++
			last = c
		}
	}
	if most > f.cacheMax || swaps == 0 {
		t.Errorf("cache took %d bytes, limit %d, and was replaced %d times", most, f.cacheMax, swaps)
	}
	if n := len(f.series); n != 1 {
		t.Errorf("%d series, want 1", n)
	}
}

// One topic with ever new names must not grow the plan that decoders hold.
func TestFormat_boundedMemoryOfOneTopic(t *testing.T) {
	f := newFormat(t, Config{Format: formatJSON, MaxSeries: 10, Include: []string{"keep"}})
	d := f.Decoder()
	swaps, last := 0, f.cache.Load()
	for i := range 40_000 {
		if _, err := d.Decode(nil, arrived("", fmt.Sprintf(`{"keep":1,"x%d":2}`, i))); err != nil {
			t.Fatal(err)
		}
		if c := f.cache.Load(); c != last {
			swaps, last = swaps+1, c
		}
	}
	if swaps < 2 {
		t.Errorf("the cache was replaced %d times, want at least 2", swaps)
	}
}

// Decoders of one Format agree on series, whichever sees a field first.
func TestFormat_concurrentDecoders(t *testing.T) {
	f := newFormat(t, Config{Format: formatJSON, MaxSeries: 200}, "{x}/#")
	const workers, rounds = 8, 300
	results := make(chan map[string]*sensors.Series, workers)
	for w := range workers {
		go func() {
			seen := map[string]*sensors.Series{}
			d := f.Decoder()
			for i := range rounds {
				topic := fmt.Sprintf("t%d", (i+w)%20)
				got, err := d.Decode(nil, arrived(topic, fmt.Sprintf(`{"f%d":%d.5,"s":"x"}`, i%7, i)))
				if err != nil {
					t.Error(err)
					break
				}
				for _, r := range got {
					seen[string(r.Series.AppendKey(nil))] = r.Series
				}
			}
			results <- seen
		}()
	}
	all := map[string]*sensors.Series{}
	for range workers {
		for key, s := range <-results {
			if have := all[key]; have != nil && have != s {
				t.Errorf("two pointers for %q", key)
			}
			all[key] = s
		}
	}
	if len(all) != 20*8 {
		t.Errorf("%d series, want %d", len(all), 20*8)
	}
}

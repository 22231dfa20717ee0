package columns

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/skerry-edge/skerry/crdt/columns/columnstest"
	"github.com/skerry-edge/skerry/sensors"
)

func TestRoundTrip_floatsBitForBit(t *testing.T) {
	c := newCodec(t)
	odd := []uint64{
		0, 1 << 63, 1, 1<<63 | 1, math.Float64bits(math.NaN()), 0x7ff0000000000001, 0xfff8dead0000beef, 0x7fffffffffffffff,
		math.Float64bits(math.Inf(1)), math.Float64bits(math.Inf(-1)), math.Float64bits(math.MaxFloat64), math.Float64bits(-math.MaxFloat64),
		math.Float64bits(1 << 53), math.Float64bits(1<<53 + 2), math.Float64bits(1<<53 - 1), math.Float64bits(-1 << 53), math.Float64bits(1 << 62),
		math.Float64bits(1 << 63), math.Float64bits(9.22e18), math.Float64bits(0.1), math.Float64bits(0.30000000000000004), math.Float64bits(1e-15),
		math.Float64bits(1e-16), math.Float64bits(1e22), math.Float64bits(1e23), math.Float64bits(123456789.123456789), math.Float64bits(float64(float32(0.1))),
	}
	for n := range odd {
		var m maker
		var all []float64
		for i := range 4 * n {
			all = append(all, math.Float64frombits(odd[(i*i+i/3)%(n+1)]))
		}
		m.floats(0, []float64{math.Float64frombits(odd[n])}, nil)
		m.floats(1, append(all, 1), nil)
		m.floats(2, append(wave(100, 100), all...), nil)
		if _, err := c.check(m.rs, &m.names); err != nil {
			t.Fatalf("%x: %v", odd[n], err)
		}
	}
}

func TestRoundTrip_timesOfAnySize(t *testing.T) {
	c := newCodec(t)
	const least, most = math.MinInt64, math.MaxInt64
	for i, times := range [][]int64{
		{least},
		{most},
		{least, most},
		{least, least, most, most},
		{least, -1, 0, 1, most},
		{0, 0, 0, 0},
		{5, 5, 5, 6, 6, 7},
		{least, least + 1, least + 2, least + 3},
		{most - 3, most - 2, most - 1, most},
		{-5e9, -4e9, -3e9, 0},
		{least, least / 2, 0, most / 2, most},
		{0, 1 << 46, 2 << 46, 3 << 46, 4 << 46},
		{0, 1 << 61, 1 << 62},
		{3, 2, 1},
		{most, least, 0, most, least},
		{-1e9, -1e9 + 1},
	} {
		var m maker
		for s := range uint32(3) {
			m.floats(s, wave(len(times), 10), func(i int) int64 { return times[i] })
		}
		if _, err := c.check(m.rs, &m.names); err != nil {
			t.Fatalf("times %d: %v", i, err)
		}
	}
}

func TestEncoder_sortsStable(t *testing.T) {
	var m maker
	m.ints(1, 10, 11, 12, 13, 14)
	m.ints(0, 20, 21, 22)
	for i := range m.rs {
		m.rs[i].Time = int64(i) % 2 * 1e9
	}
	want := expected(m.rs, m.names.number)
	enc := newCodec(t).enc
	if _, err := enc.Encode(nil, m.rs, m.names.number); err != nil {
		t.Fatal(err)
	}
	if err := equal(want, m.rs); err != nil {
		t.Fatal(err)
	}
	if m.rs[0].Num != 21 || m.rs[1].Num != 20 || m.rs[3].Num != 10 || m.rs[7].Num != 13 {
		t.Fatalf("not by number, then time, then as they came: %v", m.rs)
	}
}

func TestEncoder_refuses(t *testing.T) {
	enc := newCodec(t).enc
	long := &sensors.Series{Type: sensors.String}
	one := func(*sensors.Series) uint32 { return 1 }
	for name, test := range map[string]struct {
		rs   []sensors.Reading
		want error
	}{
		"no series":       {[]sensors.Reading{{}}, nil},
		"no type":         {[]sensors.Reading{{Series: &sensors.Series{}}}, nil},
		"one number":      {[]sensors.Reading{{Series: &sensors.Series{Type: sensors.Int}}, {Series: long}}, nil},
		"a long string":   {[]sensors.Reading{{Series: long, Str: strings.Repeat("x", MaxString+1)}}, ErrTooLarge},
		"much text":       {texts(MaxInflated/MaxString + 1), ErrTooLarge},
		"many readings":   {make([]sensors.Reading, MaxReadings+1), ErrTooLarge},
		"nothing is well": {nil, nil},
	} {
		dst := []byte("before")
		got, err := enc.Encode(dst, test.rs, one)
		if name == "nothing is well" {
			if err != nil || string(got) != "before\x00" {
				t.Errorf("%s: %q, %v", name, got, err)
			}
			continue
		}
		if err == nil || test.want != nil && !errors.Is(err, test.want) || string(got) != "before" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func texts(n int) []sensors.Reading {
	s := &sensors.Series{Type: sensors.String}
	rs := make([]sensors.Reading, n)
	for i := range rs {
		rs[i] = sensors.Reading{Series: s, Time: int64(i), Str: fmt.Sprintf("%0*d", MaxString, i)}
	}
	return rs
}

func TestRoundTrip_largest(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var m maker
	m.floats(0, make([]float64, MaxReadings), nil)
	payload, err := newCodec(t).enc.Encode(nil, m.rs, m.names.number)
	if err != nil {
		t.Fatal(err)
	}
	if len(payload) != MaxReadings/1024 {
		t.Errorf("%d bytes, want padding to %d", len(payload), MaxReadings/1024)
	}
	if err := newCodec(t).dec.Check(payload, MaxReadings); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]byte{payload[:len(payload)-1], append(bytes.Clone(payload), 0), append(bytes.Clone(payload[:len(payload)-1]), 1)} {
		if err := newCodec(t).dec.Check(bad, MaxReadings); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}

func TestDecoder_endsWithLookup(t *testing.T) {
	rs := columnstest.Jitter(100, 10, 1, sensors.NewTable())
	c := newCodec(t)
	payload, err := c.enc.Encode(nil, rs, number(rs).number)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	before := []sensors.Reading{{Time: 7}}
	calls := 0
	got, err := c.dec.Decode(before, payload, 100, 0, math.MaxInt64, func(n uint32, typ sensors.Type) (*sensors.Series, error) {
		calls++
		if n == 3 {
			return nil, stop
		}
		if typ != sensors.Float {
			t.Errorf("series %d is a %v", n, typ)
		}
		return rs[0].Series, nil
	})
	if !errors.Is(err, stop) || errors.Is(err, ErrCorrupt) || len(got) != 1 || calls != 4 {
		t.Errorf("%d readings, %d calls, %v", len(got), calls, err)
	}
}

func TestDecoder_knowsDamage(t *testing.T) {
	c := newCodec(t)
	rng := rand.New(rand.NewPCG(1, 2))
	refused, rounds := 0, 0
	for name, build := range goldens() {
		var m maker
		build(&m)
		count := uint32(len(m.rs))
		if count == 0 || count > 1000 {
			continue
		}
		payload, err := c.enc.Encode(nil, m.rs, m.names.number)
		if err != nil {
			t.Fatal(err)
		}
		for n := range payload {
			if err := c.dec.Check(payload[:n], count); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s: cut after %d of %d bytes: %v", name, n, len(payload), err)
			}
		}
		for _, n := range []uint32{0, count - 1, count + 1, 2 * count, MaxReadings, MaxReadings + 1, math.MaxUint32} {
			if err := c.dec.Check(payload, n); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s: %d readings for %d: %v", name, n, count, err)
			}
		}
		if err := c.dec.Check(append(bytes.Clone(payload), 0), count); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%s: a byte more: %v", name, err)
		}
		for range 300 {
			bad := bytes.Clone(payload)
			bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
			rounds++
			if err := c.dec.Check(bad, count); err != nil {
				refused++
				if !errors.Is(err, ErrCorrupt) {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
		if err := c.dec.Check(payload, count); err != nil {
			t.Fatalf("%s: after damage: %v", name, err)
		}
	}
	t.Logf("%d of %d flipped bits were noticed; the block's hash notices the others", refused, rounds)
}

// TestCodec_keepsLittle holds encoder and decoder to the budget of an idle agent.
func TestCodec_keepsLittle(t *testing.T) {
	heap := func() uint64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	rs := columnstest.Jitter(4096, 50, 1, sensors.NewTable())
	var m maker
	goldens()["text"](&m)
	names := number(rs)
	before := heap()
	c := newCodec(t)
	payload, err := c.enc.Encode(nil, rs, names.number)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.dec.Check(payload, uint32(len(rs))); err != nil {
		t.Fatal(err)
	}
	if _, err := c.check(m.rs, &m.names); err != nil {
		t.Fatal(err)
	}
	used := int64(heap()) - int64(before)
	t.Logf("%d KiB", used>>10)
	if used > 2<<20 {
		t.Errorf("%d bytes are held, want at most 2 MiB", used)
	}
	runtime.KeepAlive(c)
}

func TestEncoder_allocatesNothing(t *testing.T) {
	c := newCodec(t)
	rs := columnstest.Jitter(4096, 50, 1, sensors.NewTable())
	names := number(rs)
	work := slices.Clone(rs)
	payload := make([]byte, 0, 1<<16)
	got := make([]sensors.Reading, 0, len(rs))
	run := func() {
		copy(work, rs)
		out, err := c.enc.Encode(payload, work, names.number)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.dec.Decode(got, out, uint32(len(rs)), math.MinInt64, math.MaxInt64, names.lookup); err != nil {
			t.Fatal(err)
		}
	}
	run()
	if n := testing.AllocsPerRun(20, run); n >= 1 {
		t.Errorf("%.1f allocations a payload", n)
	}
}

// TestEncoder_reachesItsSize holds what the codec was built for.
func TestEncoder_reachesItsSize(t *testing.T) {
	c := newCodec(t)
	for _, test := range []struct {
		n     int
		own   float64 // bytes a reading, each series with its own times
		share float64 // all series with one time
	}{{10, 5.2, 4.6}, {100, 2.1, 1.6}, {1000, 0.99, 0.57}, {4096, 0.90, 0.49}} {
		for name, rs := range map[string][]sensors.Reading{
			"own": columnstest.Jitter(test.n, 50, 3, sensors.NewTable()), "shared": columnstest.Messages(test.n, 50, 3, sensors.NewTable()),
		} {
			payload, err := c.check(rs, number(rs))
			if err != nil {
				t.Fatal(err)
			}
			size, most := float64(len(payload))/float64(test.n), test.own
			if name == "shared" {
				most = test.share
			}
			t.Logf("%s, %d: %.3f bytes a reading", name, test.n, size)
			if size > most {
				t.Errorf("%s, %d: %.3f bytes a reading, want at most %.2f", name, test.n, size, most)
			}
		}
	}
}

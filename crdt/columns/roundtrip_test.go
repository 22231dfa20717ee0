package columns

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/skerry-edge/skerry/sensors"
)

// equal reports where two lists of readings differ, bit for bit.
func equal(want, got []sensors.Reading) error {
	if len(want) != len(got) {
		return fmt.Errorf("%d readings, want %d", len(got), len(want))
	}
	for i := range want {
		if w, g := want[i], got[i]; w != g {
			return fmt.Errorf("reading %d is %+v, want %+v", i, g, w)
		}
	}
	return nil
}

// expected returns rs as a decoder gives them back.
func expected(rs []sensors.Reading, number func(*sensors.Series) uint32) []sensors.Reading {
	want := slices.Clone(rs)
	for i := range want {
		switch want[i].Series.Type {
		case sensors.Bool:
			want[i].Num = min(want[i].Num, 1)
		case sensors.String:
			want[i].Num = 0
		case sensors.Float, sensors.Int:
		}
		if want[i].Series.Type != sensors.String {
			want[i].Str = ""
		}
	}
	slices.SortStableFunc(want, func(a, b sensors.Reading) int {
		return cmp.Or(cmp.Compare(number(a.Series), number(b.Series)), cmp.Compare(a.Time, b.Time))
	})
	return want
}

// codec is an encoder, a decoder and the oracle, used again and again as in life.
type codec struct {
	enc *Encoder
	dec *Decoder
}

func newCodec(tb testing.TB) *codec {
	tb.Helper()
	enc, err := NewEncoder()
	if err != nil {
		tb.Fatal(err)
	}
	dec, err := NewDecoder()
	if err != nil {
		tb.Fatal(err)
	}
	return &codec{enc, dec}
}

// check encodes rs, decodes them in all ways and compares. It returns the payload.
func (c *codec) check(rs []sensors.Reading, names *numbered) ([]byte, error) {
	want := expected(rs, names.number)
	prefix := []byte("prefix")
	payload, err := c.enc.Encode(prefix, rs, names.number)
	if err != nil {
		return nil, err
	}
	payload = payload[len(prefix):]
	count := uint32(len(rs))
	got, err := c.dec.Decode(nil, payload, count, math.MinInt64, math.MaxInt64, names.lookup)
	if err != nil {
		return payload, err
	}
	if err := equal(want, got); err != nil {
		return payload, err
	}
	if err := c.dec.Check(payload, count); err != nil {
		return payload, fmt.Errorf("check: %w", err)
	}
	plain, err := oracle(payload, count)
	if err != nil {
		return payload, fmt.Errorf("oracle: %w", err)
	}
	if err := equal(want, named(plain, names)); err != nil {
		return payload, fmt.Errorf("oracle: %w", err)
	}
	return payload, c.part(payload, want, names)
}

// part decodes some series and a part of the time.
func (c *codec) part(payload []byte, all []sensors.Reading, names *numbered) error {
	if len(all) == 0 {
		return nil
	}
	from, to := all[len(all)/3].Time, all[len(all)/2].Time
	if from > to {
		from, to = to, from
	}
	var want []sensors.Reading
	for _, r := range all {
		if r.Time >= from && (r.Time < to || to == math.MaxInt64) && names.of[r.Series]%2 == 0 {
			want = append(want, r)
		}
	}
	got, err := c.dec.Decode(nil, payload, uint32(len(all)), from, to, func(n uint32, typ sensors.Type) (*sensors.Series, error) {
		s, err := names.lookup(n, typ)
		if err == nil && names.of[s]%2 == 1 {
			return nil, nil
		}
		return s, err
	})
	if err != nil {
		return fmt.Errorf("part: %w", err)
	}
	if err := equal(want, got); err != nil {
		return fmt.Errorf("part: %w", err)
	}
	return nil
}

// mixture makes readings of many kinds.
type mixture struct {
	*rand.Rand
}

func (m mixture) readings(n int) ([]sensors.Reading, *numbered) {
	names := &numbered{of: make(map[*sensors.Series]uint32)}
	many := 1 + m.IntN(1+m.IntN(40))
	var rs []sensors.Reading
	number := uint32(m.IntN(3))
	tick := []int64{1, 1e3, 1e6, 1e9}[m.IntN(4)]
	var line []int64
	for range many {
		s := &sensors.Series{Name: "s", Type: sensors.Type(1 + m.IntN(4))}
		names.of[s] = number
		for len(names.by) <= int(number) {
			names.by = append(names.by, nil)
		}
		names.by[number] = s
		number += 1 + uint32(m.IntN(1+m.IntN(3)))
		count := 1 + m.IntN(1+2*n/many)
		if m.IntN(3) == 0 || len(line) == 0 {
			line = m.times(count)
		} else if m.IntN(2) == 0 {
			line = m.thin(line)
		}
		value := m.values(s.Type)
		quality := sensors.Quality(0)
		if m.IntN(4) == 0 {
			quality = sensors.Quality(m.IntN(256))
		}
		mixed := m.IntN(8) == 0
		for i, at := range line {
			r := sensors.Reading{Series: s, Time: at * tick, Quality: quality}
			r.Num, r.Str = value(i)
			if mixed && m.IntN(5) == 0 {
				quality ^= 1
			}
			rs = append(rs, r)
		}
	}
	if m.IntN(4) > 0 {
		m.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
	}
	return rs, names
}

func (m mixture) thin(line []int64) []int64 {
	var out []int64
	for _, t := range line {
		if m.IntN(20) > 0 {
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		return line
	}
	return out
}

func (m mixture) times(n int) []int64 {
	out := make([]int64, n)
	now := int64(1_700_000_000) * int64(1+m.IntN(3))
	if m.IntN(8) == 0 {
		now = -now
	}
	kind, period := m.IntN(7), 1+m.Int64N(5000)
	for i := range out {
		switch kind {
		case 0: // exact period
			now += period
		case 1: // period, jitter
			out[i] = now + int64(i)*period + m.Int64N(11) - 5
			continue
		case 2: // period, gaps
			now += period
			if m.IntN(10) == 0 {
				now += period * m.Int64N(30)
			}
		case 3: // at any time
			now += m.Int64N(period)
		case 4: // faster and faster, or the same time
			now += max(period-int64(i), 0)
		case 5: // a fraction
			out[i] = now + (int64(i)*period+int64(i)*27/100)/3
			continue
		case 6: // nothing to see
			now = int64(m.Uint64() >> 2 / 1e9)
		}
		out[i] = now
	}
	return out
}

func (m mixture) values(t sensors.Type) func(i int) (uint64, string) {
	kind := m.IntN(9)
	walk := m.Int64N(10000) - 2000
	step, exponent := 1+m.Int64N(8), m.IntN(6)
	switch t {
	case sensors.Bool:
		return func(int) (uint64, string) {
			if m.IntN(1+kind*kind) == 0 {
				walk++
			}
			return uint64(walk & 1), ""
		}
	case sensors.String:
		return func(i int) (uint64, string) {
			if kind == 0 {
				return 0, fmt.Sprintf("%d: the pump says %d", i, m.Uint64())
			}
			return 0, []string{"", "OK", "FAULT", "Ω warning", "\x00\xff"}[m.IntN(1+kind%5)]
		}
	case sensors.Int:
		return func(i int) (uint64, string) {
			switch kind {
			case 0:
				return m.Uint64(), ""
			case 1:
				return uint64(walk), ""
			case 2:
				return uint64(int64(i) * walk), ""
			case 3:
				return uint64(walk + 1000*m.Int64N(20)), ""
			case 4:
				return uint64(int64(i) * int64(i) * walk), ""
			case 5:
				return []uint64{1 << 63, 1<<63 - 1, 0, ^uint64(0)}[m.IntN(4)], ""
			}
			walk += (m.Int64N(11) - 5) * step
			return uint64(walk), ""
		}
	case sensors.Float:
	}
	return func(i int) (uint64, string) { return math.Float64bits(m.float(kind, i, &walk, step, exponent)), "" }
}

func (m mixture) float(kind, i int, walk *int64, step int64, exponent int) float64 {
	switch kind {
	case 0:
		return m.Float64()
	case 1:
		return math.Sin(float64(i) / 30)
	case 2:
		return []float64{math.NaN(), math.Inf(1), math.Copysign(0, -1), 0, 5e-324, math.MaxFloat64, 0.1 + 0.2}[m.IntN(7)]
	case 3:
		return math.Float64frombits(m.Uint64())
	}
	*walk += (m.Int64N(11) - 5) * step
	v := float64(*walk) / pow10(exponent)
	switch {
	case kind == 4 && m.IntN(20) == 0:
		return math.NaN()
	case kind == 5 && m.IntN(4) == 0:
		return math.Nextafter(v, 1e9)
	case kind == 6:
		return float64(float32(v))
	}
	return v
}

func TestRoundTrip_mixtures(t *testing.T) {
	c := newCodec(t)
	rounds := 400
	if testing.Short() {
		rounds = 100
	}
	for seed := range uint64(rounds) {
		m := mixture{rand.New(rand.NewPCG(seed, 7))}
		rs, names := m.readings(1 + m.IntN(1+m.IntN(3000)))
		if _, err := c.check(rs, names); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

package columns

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerry-edge/skerry/crdt/columns/columnstest"
	"github.com/skerry-edge/skerry/sensors"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// maker builds readings, one series after the other.
type maker struct {
	rs    []sensors.Reading
	names numbered
}

func (m *maker) series(number uint32, t sensors.Type) *sensors.Series {
	s := &sensors.Series{Name: fmt.Sprint("series", number), Type: t}
	if m.names.of == nil {
		m.names.of = make(map[*sensors.Series]uint32)
	}
	for len(m.names.by) <= int(number) {
		m.names.by = append(m.names.by, nil)
	}
	m.names.of[s], m.names.by[number] = number, s
	return s
}

const ms = 1_000_000

// floats adds a series of floats, one each second unless times says otherwise.
func (m *maker) floats(number uint32, values []float64, times func(i int) int64) {
	s := m.series(number, sensors.Float)
	for i, v := range values {
		r := sensors.Reading{Series: s, Time: 1_700_000_000_000*ms + int64(i)*1000*ms, Num: math.Float64bits(v)}
		if times != nil {
			r.Time = times(i)
		}
		m.rs = append(m.rs, r)
	}
}

func (m *maker) ints(number uint32, values ...int64) {
	s := m.series(number, sensors.Int)
	for i, v := range values {
		m.rs = append(m.rs, sensors.Reading{Series: s, Time: int64(i) * 1e9, Num: uint64(v)})
	}
}

func (m *maker) bools(number uint32, bits string) {
	s := m.series(number, sensors.Bool)
	for i, b := range bits {
		m.rs = append(m.rs, sensors.Reading{Series: s, Time: int64(i) * 1e9, Num: uint64(b - '0')})
	}
}

func (m *maker) strings(number uint32, words ...string) {
	s := m.series(number, sensors.String)
	for i, w := range words {
		m.rs = append(m.rs, sensors.Reading{Series: s, Time: int64(i) * 1e9, Str: w})
	}
}

func wave(n int, scale float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.Round(float64(i*i%17+i)*scale) / scale
	}
	return out
}

// skewed returns mostly zeros.
func skewed(n, often int) []float64 {
	rng := rand.New(rand.NewPCG(1, 1))
	v := make([]float64, n)
	for i := range v {
		if rng.IntN(often) == 0 {
			v[i] = float64(rng.IntN(12))
		}
	}
	return v
}

// noise is a fixed sequence without an order.
func noise(i, n int) int64 { return int64(uint32(i*i+7*i+3) * 2654435761 >> 16 % uint32(n)) }

func goldens() map[string]func(m *maker) {
	return map[string]func(m *maker){
		"nothing": func(*maker) {},
		"one":     func(m *maker) { m.floats(0, []float64{21.5}, nil) },
		"message": func(m *maker) {
			for i := range uint32(10) {
				m.floats(i, []float64{float64(i)*1.25 - 3}, func(int) int64 { return 1_700_000_000_123 * ms })
			}
		},
		"jitter":   func(m *maker) { *m = *made(columnstest.Jitter(200, 10, 1, sensors.NewTable())) },
		"messages": func(m *maker) { *m = *made(columnstest.Messages(300, 10, 1, sensors.NewTable())) },
		"numbers": func(m *maker) {
			m.floats(7, wave(3, 10), nil)
			m.floats(300, wave(3, 10), nil)
			m.floats(math.MaxUint16, wave(2, 10), nil)
		},
		"gaps": func(m *maker) {
			m.floats(0, wave(40, 1), func(i int) int64 { return int64(i+i/10*5)*60e9 + noise(i, 9)*1e9 })
		},
		"subset": func(m *maker) {
			m.floats(0, wave(40, 1), func(i int) int64 { return int64(i)*1000*ms + noise(i, 99)*ms })
			m.floats(1, wave(30, 1), func(i int) int64 { i += i / 3; return int64(i)*1000*ms + noise(i, 99)*ms })
			m.floats(2, wave(39, 1), func(i int) int64 { i++; return int64(i)*1000*ms + noise(i, 99)*ms })
		},
		"follow": func(m *maker) {
			for s := range 3 {
				m.floats(uint32(s), wave(40, 1), func(i int) int64 {
					return int64(i)*1000*ms + noise(i, 9999)*ms + int64(s)*12*ms + noise(i+s, 2)*ms
				})
			}
		},
		"fraction": func(m *maker) {
			for s := range 2 {
				m.floats(uint32(s), wave(100, 1), func(i int) int64 {
					return (int64(i)*100_337/100 + noise(i+s*s*7, 6) + int64(s)*377) * ms
				})
			}
		},
		"phases": func(m *maker) {
			for s := range 3 {
				m.floats(uint32(s), wave(20, 1), func(i int) int64 { return (int64(i)*1000 + noise(i+s*s*7, 11) + int64(s)*277) * ms })
			}
		},
		"bits": func(m *maker) { m.bools(0, "01100110") },
		"few":  func(m *maker) { m.floats(0, []float64{1, 4, -3, 2, 5}, nil) },
		"waves": func(m *maker) {
			v := make([]float64, 40)
			for i := range v {
				v[i] = math.Sqrt(float64(i + 3))
			}
			m.floats(0, v, nil)
		},
		"skewed 4":  func(m *maker) { m.floats(0, skewed(150, 4), nil) },
		"skewed 12": func(m *maker) { m.floats(0, skewed(600, 12), nil) },
		"skewed mix": func(m *maker) {
			m.floats(0, skewed(150, 4), nil)
			m.floats(1, skewed(600, 12), nil)
			m.floats(2, skewed(2400, 40), nil)
		},
		"three": func(m *maker) { m.floats(0, []float64{1, 4, 3, 2, 4}, nil) },
		"random": func(m *maker) {
			t := int64(0)
			m.floats(0, wave(40, 1), func(i int) int64 { t += noise(i, 100) * 1e6; return t })
		},
		"faster": func(m *maker) { m.floats(0, wave(40, 1), func(i int) int64 { return int64(i*i) * 77_000 }) },
		"before 1970": func(m *maker) {
			m.floats(0, wave(3, 10), func(i int) int64 { return math.MinInt64 + int64(i) })
			m.floats(1, wave(3, 10), func(i int) int64 { return []int64{math.MinInt64, -1, math.MaxInt64}[i] })
		},
		"patches": func(m *maker) {
			v := wave(40, 100)
			v[3], v[17] = math.NaN(), math.Nextafter(v[17], 1e9)
			v[20], v[39] = math.Inf(-1), math.Copysign(0, -1)
			m.floats(0, v, nil)
		},
		"single": func(m *maker) {
			v := wave(20, 100)
			for i := range v {
				v[i] = float64(float32(v[i] / 3))
				if i%4 > 0 {
					v[i] = float64(float32(float64(i) / 100))
				}
			}
			m.floats(0, v, nil)
		},
		"nans": func(m *maker) {
			v := make([]float64, 40)
			for i := range v {
				v[i] = float64(float32(float64(i) / 100))
			}
			m.floats(0, v, nil)
			m.rs[7].Num, m.rs[8].Num, m.rs[30].Num = 0xfff8000000000000, 0x7ff8000020000000, 0xffffffffe0000000
		},
		"floats": func(m *maker) {
			m.floats(0, []float64{math.Pi, math.E, -math.Pi, 5e-324, math.MaxFloat64, 0.1 + 0.2}, nil)
			m.floats(1, []float64{math.Sqrt2, math.Sqrt2}, nil)
		},
		"ints": func(m *maker) {
			m.ints(0, math.MinInt64, math.MaxInt64, 0, -1, 1)
			m.ints(1, 100, 137, 174, 212, 248, 285)
			m.ints(2, 0, 1, 4, 9, 16, 25, 36, 49, 64, 81, 100)
			m.ints(3, 5000, -5000, 0, 5000, -5000, 4000, -3000, 5000)
			m.ints(4, -7, -7, -7)
			m.ints(5, math.MinInt64, 0, math.MinInt64, 0)
		},
		"bools": func(m *maker) { m.bools(0, "0"); m.bools(1, "111111"); m.bools(2, "0001101011111000") },
		"strings": func(m *maker) {
			m.strings(0, "OK")
			m.strings(1, "", "a", "", "b", "a")
			m.strings(2, "x", "x", "x")
			m.strings(3, "y", "z")
		},
		"text": func(m *maker) {
			var words []string
			for i := range 20 {
				words = append(words, fmt.Sprintf("pump %d: pressure is low, valve %d closed", i%7, i))
			}
			m.strings(0, words...)
		},
		"quality": func(m *maker) {
			m.bools(0, "0101")
			m.bools(1, "0101")
			for i := range m.rs {
				m.rs[i].Quality = []sensors.Quality{1, 1, 3, 3, 3, 3, 3, 3}[i]
			}
		},
		"periodic": func(m *maker) {
			v := make([]float64, 600)
			for i := range v {
				v[i] = float64(noise(i%50, 100))
			}
			m.floats(0, v, nil)
		},
		"padding": func(m *maker) { m.floats(0, make([]float64, 50_000), nil) },
	}
}

func made(rs []sensors.Reading) *maker { return &maker{rs: rs, names: *number(rs)} }

// TestGolden_staysAsItIs holds the bytes: what was written once is read for ever.
func TestGolden_staysAsItIs(t *testing.T) {
	for name, build := range goldens() {
		t.Run(name, func(t *testing.T) {
			var m maker
			build(&m)
			payload, err := newCodec(t).check(m.rs, &m.names)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".golden")
			if *update {
				if err := os.WriteFile(file, golden(payload, m.rs, &m.names), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			kept, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			old, err := hex.DecodeString(payloadOf(string(kept)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := newCodec(t).dec.Decode(nil, old, uint32(len(m.rs)), math.MinInt64, math.MaxInt64, m.names.lookup)
			if err != nil {
				t.Fatal("what was written once is not read any more: ", err)
			}
			if err := equal(expected(m.rs, m.names.number), got); err != nil {
				t.Fatal("what was written once is read as something else: ", err)
			}
			if !bytes.Equal(old, payload) {
				t.Errorf("the encoder makes other bytes:\n%x\nnot\n%x", payload, old)
			}
		})
	}
}

// TestGolden_coversLayout sees to it that each code of the layout is in one of the vectors.
func TestGolden_coversLayout(t *testing.T) {
	enc := newCodec(t).enc
	seen := make(map[string]bool)
	for name, build := range goldens() {
		var m maker
		build(&m)
		payload, err := enc.Encode(nil, m.rs, m.names.number)
		if err != nil {
			t.Fatal(err)
		}
		if len(m.rs) == 0 {
			continue
		}
		o := &oracleState{src: payload, seen: seen}
		if got := o.payload(len(m.rs)); len(got) != len(m.rs) {
			t.Fatal(name, len(got))
		}
	}
	for what, n := range map[string]int{"time mode": 6, "time flags": 8, "kind": 6, "predict": 4, "value flag": 3, "control": 6, "tick": 4, "text": 2} {
		for i := range n {
			key := fmt.Sprint(what, " ", i)
			if !seen[key] && key != "time flags 5" && key != "time flags 6" && key != "time flags 7" {
				t.Errorf("no vector has %s", key)
			}
		}
	}
	for _, coding := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 21, 22, 23, 25} {
		if key := fmt.Sprint("coding ", coding); !seen[key] {
			t.Errorf("no vector has %s", key)
		}
	}
}

// golden describes a payload: a line for each of the first readings, and the bytes.
func golden(payload []byte, rs []sensors.Reading, names *numbered) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# %d readings: number, type, time, value (bits of a float), quality\n", len(rs))
	for i, r := range expected(rs, names.number) {
		if i == 64 {
			fmt.Fprintf(&b, "# …\n")
			break
		}
		value := fmt.Sprintf("%#x", r.Num)
		if r.Series.Type == sensors.Int {
			value = fmt.Sprint(r.Int())
		}
		if r.Series.Type == sensors.String {
			value = fmt.Sprintf("%q", r.Str)
		}
		fmt.Fprintf(&b, "# %d %v %d %s %d\n", names.of[r.Series], r.Series.Type, r.Time, value, r.Quality)
	}
	for line := range strings.SplitSeq(hex.Dump(payload), "\n") {
		if line != "" {
			fmt.Fprintf(&b, "%s\n", strings.TrimSpace(line[10:58]))
		}
	}
	return []byte(b.String())
}

func payloadOf(golden string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(golden, "\n") {
		if !strings.HasPrefix(line, "#") {
			b.WriteString(strings.ReplaceAll(line, " ", ""))
		}
	}
	return b.String()
}

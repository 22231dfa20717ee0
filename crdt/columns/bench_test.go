package columns

import (
	"fmt"
	"math"
	"testing"

	"github.com/skerry-edge/skerry/crdt/columns/columnstest"
	"github.com/skerry-edge/skerry/sensors"
)

// numbered numbers series in the order of their names.
type numbered struct {
	of map[*sensors.Series]uint32
	by []*sensors.Series
}

func number(rs []sensors.Reading) *numbered {
	n := &numbered{of: make(map[*sensors.Series]uint32)}
	for i := range rs {
		if _, ok := n.of[rs[i].Series]; !ok {
			n.of[rs[i].Series] = uint32(len(n.by))
			n.by = append(n.by, rs[i].Series)
		}
	}
	return n
}

func (n *numbered) number(s *sensors.Series) uint32 { return n.of[s] }

func (n *numbered) lookup(number uint32, _ sensors.Type) (*sensors.Series, error) {
	if int(number) >= len(n.by) {
		return nil, fmt.Errorf("no series %d", number)
	}
	return n.by[number], nil
}

func generators() map[string]func(n, series int, seed uint64, table *sensors.Table) []sensors.Reading {
	return map[string]func(n, series int, seed uint64, table *sensors.Table) []sensors.Reading{
		"own": columnstest.Jitter, "shared": columnstest.Messages,
	}
}

func BenchmarkEncode(b *testing.B) {
	for kind, make := range generators() {
		for _, n := range []int{10, 100, 1000, 4096} {
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				rs := make(n, 50, 1, sensors.NewTable())
				names := number(rs)
				work := append([]sensors.Reading(nil), rs...)
				enc, err := NewEncoder()
				if err != nil {
					b.Fatal(err)
				}
				var payload []byte
				b.ReportAllocs()
				for b.Loop() {
					copy(work, rs)
					if payload, err = enc.Encode(payload[:0], work, names.number); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(payload))/float64(n), "B/reading")
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mreadings/s")
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for kind, make := range generators() {
		for _, n := range []int{10, 100, 1000, 4096} {
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				rs := make(n, 50, 1, sensors.NewTable())
				names := number(rs)
				enc, err := NewEncoder()
				if err != nil {
					b.Fatal(err)
				}
				payload, err := enc.Encode(nil, rs, names.number)
				if err != nil {
					b.Fatal(err)
				}
				dec, err := NewDecoder()
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					if rs, err = dec.Decode(rs[:0], payload, uint32(n), math.MinInt64, math.MaxInt64, names.lookup); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mreadings/s")
			})
		}
	}
}

package columns

import (
	"fmt"
	"github.com/skerry-edge/skerry/crdt/columns/columnstest"
	"github.com/skerry-edge/skerry/sensors"
	"testing"
)

func TestDbg(t *testing.T) {
	for _, n := range []int{10, 100, 1000} {
		rs := columnstest.Jitter(n, 50, 1, sensors.NewTable())
		e, _ := NewEncoder()
		p, _ := e.Encode(nil, rs, number(rs).number)
		fmt.Println(n, len(p), "heads", len(e.head), "out", len(e.out))
		a, _ := e.lane(nil, e.head)
		fmt.Println(" head lane", len(a), "coding", a[0])
		e.tokens = e.tokens[:0]
		for l := 1; l <= 15; l++ {
			a, _ := e.numberedLane(nil, uint8(l))
			if len(a) > 0 {
				fmt.Println(" lane", l, len(a), "coding", a[0], len(e.tokens))
			}
		}
		fmt.Println(e.head[:min(60, len(e.head))])
		fmt.Printf("%+v\n", e.runs[len(e.runs)-1].time)
	}
}

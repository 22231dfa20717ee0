package columns

import (
	"math"
	"testing"
)

// TestSingles_asksBits: what a processor makes of a NaN must not decide how floats are written.
func TestSingles_asksBits(t *testing.T) {
	for bits, want := range map[uint64]bool{
		0x7ff8000000000000:             true,
		0xfff8000000000000:             true, // what amd64 makes of 0/0
		0x7ff8000020000000:             true,
		0xffffffffe0000000:             true,
		0x7ff8000000000001:             false, // math.NaN()
		0x7ff8000010000000:             false,
		0x7ff0000020000000:             false, // a signalling one: rounding would make it quiet
		0x7ff0000000000001:             false,
		math.Float64bits(math.Inf(-1)): true,
		1 << 63:                        true,
		math.Float64bits(0.1):          false,
		math.Float64bits(1e300):        false,
	} {
		if got := singles([]uint64{math.Float64bits(0.5), bits}); got != want {
			t.Errorf("%#x: %v", bits, got)
		}
	}
}

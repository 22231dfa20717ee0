package columns

import (
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

const (
	bombReadings = 1 << 18
	bombText     = 30 * MaxString // with the tokens of its bomb nearly what the limit allows
)

// bombs are payloads of few bytes that say that they hold many readings: what a hostile author can write.
func bombs(t *testing.T) map[string][]byte {
	t.Helper()
	const (
		all = headLength | headTime | headValue
		n   = bombReadings

		words = bombText / MaxString
	)
	zeros := func(n int) []uint64 { return make([]uint64, n) }
	heads := func(length uint64, values ...uint64) []uint64 {
		return append([]uint64{all, zigzag(int64(length)), timesDelta, 2, zigzag(1)}, values...)
	}
	frame, err := newCodec(t).enc.writer.zstd.deflate(make([]byte, bombText))
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]byte)
	for name, c := range map[string]craft{
		"runs of one":   {heads: append(heads(1, kindInt, 0, 0), zeros(2*n-2)...), first: zeros(n)},
		"bools of one":  {heads: append(heads(1, kindBool, 0, 0, 0), zeros(3*n-3)...)},
		"floats":        {heads: heads(n, kindDecimal+shapeKinds*predictDelta, 2, 0), first: zeros(1), lane: zeros(2*n - 2)},
		"patches":       {heads: heads(n, kindSingle+shapeFlags*shapePatches, 2, 0, n), first: zeros(1), lane: zeros(3*n - 1)},
		"empty strings": {heads: heads(n, kindString, 2, 0, n), lane: zeros(2*n - 1)},
		"other strings": {heads: heads(n, kindString, 2, 0, n-1), lane: slices.Concat(zeros(2*n-3), []uint64{1}, zeros(n-1))},
		"packed strings": {
			flags: flagText, heads: heads(n, kindString, 2, 0, words), text: strings.Repeat("x", bombText),
			lane: slices.Concat(zeros(n-1+words-1), slices.Repeat([]uint64{1}, n-words), slices.Repeat([]uint64{MaxString}, words)),
		},
	} {
		payload := c.payload(t)
		if c.text != "" { // its text, as a frame
			plain := len(payload) - len(c.text) - 1
			payload = append(payload[:plain], byte(len(frame)&0x7f|0x80), byte(len(frame)>>7))
			payload = append(payload, frame...)
		}
		if few := n >> readingsPerByteLog; len(payload) < few {
			payload = append(payload, make([]byte, few-len(payload))...)
		}
		out[name] = payload
	}
	return out
}

// taken returns how many bytes f allocates.
func taken(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestDecoder_boundsBombs holds the decoder to the memory that it promises, and to letting it go.
func TestDecoder_boundsBombs(t *testing.T) {
	series := make(map[sensors.Type]*sensors.Series)
	lookup := func(_ uint32, typ sensors.Type) (*sensors.Series, error) {
		if series[typ] == nil {
			series[typ] = &sensors.Series{Type: typ}
		}
		return series[typ], nil
	}
	// Under the race detector slices.Grow takes twice what it gives.
	times := (taken(func() { runtime.KeepAlive(slices.Grow([]byte(nil), 1<<20)) }) + 1<<19) >> 20
	for name, payload := range bombs(t) {
		c := newCodec(t)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var err error
		start := time.Now()
		used := taken(func() { err = c.dec.Check(payload, bombReadings) })
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		took := time.Since(start)
		// Besides what a reading takes: tokens, at most four a reading here, twice the text, and a zstd decoder.
		if most := times * (44*bombReadings + 2*bombText + 1<<20); used > most {
			t.Errorf("%s: %d bytes were taken, want at most %d", name, used, most)
		}
		rs, err := c.dec.Decode(nil, payload, bombReadings, math.MinInt64, math.MaxInt64, lookup)
		if err != nil || len(rs) != bombReadings {
			t.Fatalf("%s: %d readings, %v", name, len(rs), err)
		}
		if err := c.dec.Check([]byte{0}, 0); err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		kept := int64(after.HeapAlloc) - int64(before.HeapAlloc)
		if kept > 1<<20 {
			t.Errorf("%s: %d bytes are held afterwards", name, kept)
		}
		t.Logf("%-14s %4d bytes: %v, %d KiB, %d KiB kept", name, len(payload), took, used>>10, kept>>10)
		runtime.KeepAlive(c)
	}
}

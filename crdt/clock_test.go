package crdt_test

import (
	"math"
	"testing"

	"github.com/skerry-edge/skerry/crdt"
)

func TestClock_Last(t *testing.T) {
	tests := []struct {
		first int64
		span  uint64
		want  int64
	}{
		{0, 0, 0},
		{5, 7, 12},
		{-5, 7, 2},
		{math.MinInt64, 0, math.MinInt64},
		{math.MinInt64, math.MaxUint64, math.MaxInt64},
		{math.MinInt64, math.MaxUint64 - 1, math.MaxInt64 - 1},
		{math.MaxInt64, 0, math.MaxInt64},
		{math.MaxInt64, 1, math.MaxInt64},
		{math.MaxInt64 - 1, 1, math.MaxInt64},
		{0, math.MaxUint64, math.MaxInt64},
		{-1, 1 << 63, math.MaxInt64},
	}
	for _, tt := range tests {
		if got := (crdt.Clock{First: tt.first, Span: tt.span}).Last(); got != tt.want {
			t.Errorf("%d + %d: got %d, want %d", tt.first, tt.span, got, tt.want)
		}
	}
}

func TestClockQuality_unknownIsNotKnown(t *testing.T) {
	_, data, _ := feeds(t, key(1))
	b, err := data.Append(crdt.Draft{Clock: crdt.Clock{Quality: 9}, Codec: crdt.CodecColumns})
	if err != nil {
		t.Fatal(err)
	}
	if got := reread(t, b); got.Clock.Quality != 9 || got.Clock.Quality.Known() {
		t.Errorf("quality %d, known %v", got.Clock.Quality, got.Clock.Quality.Known())
	}
}

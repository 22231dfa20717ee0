package sensors_test

import (
	"testing"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// TestTally_showsNobodyForNothing: without a tap an input costs no memory, and a tap that is closed is no tap.
func TestTally_showsNobodyForNothing(t *testing.T) {
	tally := sensors.NewTally("test", "x", time.Now())
	payload := []byte("temp=21.5")
	if n := testing.AllocsPerRun(100, func() { tally.Show("a", payload, len(payload), nil, nil) }); n != 0 {
		t.Errorf("%v allocations without a tap", n)
	}
	one, two := tally.Tap(), tally.Tap()
	for range 1000 {
		tally.Show("a", payload, len(payload), nil, nil)
	}
	one.Close()
	one.Close()
	if !tally.Tapped() {
		t.Error("closing one tap closed the other")
	}
	payload[0] = 'X' // what is shown is a copy
	if in := <-two.Inputs(); string(in.Payload) != "temp=21.5" {
		t.Errorf("shown %q", in.Payload)
	}
	tally.Show("b", nil, 0, nil, nil)
	var last sensors.Input
	for len(two.Inputs()) > 0 {
		last = <-two.Inputs()
	}
	if last.Missed != 1000-256 {
		t.Errorf("missed %d, want 744", last.Missed)
	}
	two.Close()
	if tally.Tapped() {
		t.Error("still tapped")
	}
}

func BenchmarkTallyShow(b *testing.B) {
	tally := sensors.NewTally("test", "x", time.Now())
	payload := []byte("temp=21.5")
	b.ReportAllocs()
	for b.Loop() {
		tally.Show("a", payload, len(payload), nil, nil)
	}
}

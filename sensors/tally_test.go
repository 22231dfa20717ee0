package sensors

import (
	"testing"
	"time"
)

// TestTally_since: the time of a state stays while only the words for it change.
func TestTally_since(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(second), 0).UTC() }
	tally := NewTally("mqtt", "plant", at(0))
	for i, step := range []struct {
		state, text string
		want        int
	}{
		{"waiting", "", 0},
		{"retrying", "connection refused", 2},
		{"retrying", "no route to host", 2},
		{"connected", "", 4},
		{"connected", "what arrives is rejected", 4},
		{"retrying", "connection refused", 6},
	} {
		tally.State(at(i+1), step.state, step.text, "")
		if s := tally.Status(); !s.Since.Equal(at(step.want)) || s.Text != step.text {
			t.Errorf("%s (%s): since %v, text %q, want second %d", step.state, step.text, s.Since, s.Text, step.want)
		}
	}
}

package sensors

import (
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Tally counts what a source saw and keeps its state. Safe for concurrent use; the zero value needs
// a Name and Kind from NewTally.
type Tally struct {
	mu      sync.Mutex
	status  SourceStatus
	samples map[Reason]Sample

	troubles map[string]Trouble // by the part's name

	taps atomic.Pointer[[]*Tap] // written with mu held; nil: nobody taps
}

// NewTally returns a tally for a source that has not started.
func NewTally(kind, name string, now time.Time) *Tally {
	return &Tally{
		status:  SourceStatus{Name: name, Kind: kind, State: "waiting", Since: now.UTC(), Rejected: map[Reason]uint64{}},
		samples: map[Reason]Sample{}, troubles: map[string]Trouble{},
	}
}

// State records the source's state and what is said of it. Since changes only with the state: a trouble whose text changes goes on.
func (t *Tally) State(now time.Time, state, text, hint string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.status.State != state {
		t.status.Since = now.UTC()
	}
	t.status.State, t.status.Text, t.status.Hint = state, text, hint
}

// Decoded counts one input of size bytes that gave the number of readings.
func (t *Tally) Decoded(size, readings int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Offered++
	t.status.Decoded++
	t.status.Bytes += uint64(max(size, 0))
	t.status.Readings += uint64(max(readings, 0))
}

// Repeat counts one input of size bytes that was journalled before.
func (t *Tally) Repeat(size int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Offered++
	t.status.Repeats++
	t.status.Bytes += uint64(max(size, 0))
}

// Reject counts one input that gave no reading because of err, and keeps a sample of it. size is the input's whole
// length, of which input may hold only the beginning.
func (t *Tally) Reject(now time.Time, err *DecodeError, input []byte, size int) {
	quoted := strconv.Quote(string(input[:min(len(input), SampleBytes)]))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Offered++
	t.status.Bytes += uint64(max(size, 0))
	t.status.Rejected[err.Reason]++
	t.samples[err.Reason] = Sample{Reason: err.Reason, What: err.What, Bytes: quoted[1 : len(quoted)-1], Time: now.UTC()}
}

// Aside counts what a decoder said of one input, and of others that did not come.
func (t *Tally) Aside(now time.Time, a Aside) {
	if a.Gap != nil {
		t.Missed(now, a.Gap, 1)
	}
	if a.Unread == 0 && len(a.Answers) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Unread += uint64(max(a.Unread, 0))
	t.status.Answers += uint64(len(a.Answers))
}

// Missed counts inputs that never came to be, because of err: they have no bytes.
func (t *Tally) Missed(now time.Time, err *DecodeError, inputs uint64) {
	if inputs == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Offered += inputs
	t.status.Rejected[err.Reason] += inputs
	t.samples[err.Reason] = Sample{Reason: err.Reason, What: err.What, Time: now.UTC()}
}

// Trouble records what is wrong with the part; an empty text means that nothing is. Since changes only with the text.
func (t *Tally) Trouble(now time.Time, part, text, hint string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	have, lasts := t.troubles[part]
	switch {
	case text == "":
		delete(t.troubles, part)
	case !lasts || have.Text != text:
		t.troubles[part] = Trouble{Name: t.status.Name + "." + part, Text: text, Hint: hint, Since: now.UTC()}
	}
}

// Status returns a copy.
func (t *Tally) Status() SourceStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.status
	s.Rejected = maps.Clone(s.Rejected)
	for _, r := range slices.Sorted(maps.Keys(t.samples)) {
		s.Samples = append(s.Samples, t.samples[r])
	}
	for _, part := range slices.Sorted(maps.Keys(t.troubles)) {
		s.Troubles = append(s.Troubles, t.troubles[part])
	}
	return s
}

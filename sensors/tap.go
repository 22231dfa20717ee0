package sensors

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// What a tap shows of one input, and how many inputs it holds for its reader.
const (
	maxTapBytes    = 1024
	maxTapReadings = 64
	tapQueue       = 256
)

// Input is one piece of raw input and what became of it, as whoever taps a source sees it.
type Input struct {
	Time     time.Time    // when it was decoded
	Topic    string       // the MQTT topic, or which slave and registers; empty on a serial line
	Payload  []byte       // its first 1024 bytes
	Size     int          // bytes of the whole
	Readings []Reading    // the first 64
	Count    int          // readings of the whole
	Fault    *DecodeError // why there is none; nil: it was not rejected
	Pending  bool         // bytes of a serial line that are no frame yet: they will be part of a later input
	Missed   uint64       // inputs since the last one that were not shown, because the reader was too slow
}

// Tap shows the inputs of one source to one reader. A reader that is slow misses inputs, and the source never waits.
type Tap struct {
	tally  *Tally
	inputs chan Input
	missed atomic.Uint64
}

// Inputs is where the inputs arrive. It is never closed.
func (p *Tap) Inputs() <-chan Input { return p.inputs }

// Close ends the tap. Safe to be called twice.
func (p *Tap) Close() {
	p.tally.mu.Lock()
	defer p.tally.mu.Unlock()
	taps := slices.DeleteFunc(slices.Clone(p.tally.tapsLocked()), func(other *Tap) bool { return other == p })
	if len(taps) == 0 {
		p.tally.taps.Store(nil)
		return
	}
	p.tally.taps.Store(&taps)
}

// Tap begins to show what the source takes in from now on. The caller closes it.
func (t *Tally) Tap() *Tap {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &Tap{tally: t, inputs: make(chan Input, tapQueue)}
	taps := append(slices.Clone(t.tapsLocked()), p)
	t.taps.Store(&taps)
	return p
}

func (t *Tally) tapsLocked() []*Tap {
	if taps := t.taps.Load(); taps != nil {
		return *taps
	}
	return nil
}

// Tapped reports whether anyone taps the source. Only then it is worth while to prepare what Show takes.
func (t *Tally) Tapped() bool { return t.taps.Load() != nil }

// Show shows one input to those who tap the source: size is its whole length, of which payload may hold only the beginning. It
// copies what it keeps, never waits, and does nothing when nobody taps.
func (t *Tally) Show(topic string, payload []byte, size int, readings []Reading, fault *DecodeError) {
	if t.taps.Load() != nil {
		t.show(Input{Topic: topic, Payload: payload, Size: size, Readings: readings, Fault: fault})
	}
}

// ShowPending shows bytes of a serial line that are no frame yet. Otherwise it is like Show.
func (t *Tally) ShowPending(payload []byte, size int) {
	if t.taps.Load() != nil {
		t.show(Input{Payload: payload, Size: size, Pending: true})
	}
}

func (t *Tally) show(in Input) {
	taps := t.taps.Load()
	if taps == nil {
		return
	}
	in.Time, in.Count = time.Now().UTC(), len(in.Readings)
	in.Payload = bytes.Clone(in.Payload[:min(len(in.Payload), maxTapBytes)])
	in.Readings = slices.Clone(in.Readings[:min(len(in.Readings), maxTapReadings)])
	for _, p := range *taps {
		own := in
		own.Missed = p.missed.Swap(0)
		select {
		case p.inputs <- own:
		default:
			p.missed.Add(own.Missed + 1)
		}
	}
}

// Raw returns the payload as text, quoted as in Go where it is not printable.
func (in *Input) Raw() string {
	quoted := strconv.Quote(string(in.Payload))
	return quoted[1 : len(quoted)-1]
}

// inputJSON is an Input as JSON. The readings are as Reading.AppendJSON writes them.
type inputJSON struct {
	Time     time.Time         `json:"time"`
	Topic    string            `json:"topic,omitempty"`
	Raw      string            `json:"raw"`
	Size     int               `json:"size"`
	Readings []json.RawMessage `json:"readings"`
	Count    int               `json:"count"`
	Reason   Reason            `json:"reason,omitempty"`
	What     string            `json:"what,omitempty"`
	Pending  bool              `json:"pending,omitempty"`
	Missed   uint64            `json:"missed,omitempty"`
}

// AppendJSON appends the input as the JSON object that scripts see, without a newline. Times of readings have p's digits.
func (in *Input) AppendJSON(dst []byte, p Precision) ([]byte, error) {
	out := inputJSON{
		Time: in.Time.UTC().Truncate(time.Millisecond), Topic: in.Topic, Raw: in.Raw(), Size: in.Size,
		Readings: make([]json.RawMessage, len(in.Readings)), Count: in.Count, Pending: in.Pending, Missed: in.Missed,
	}
	for i := range in.Readings {
		out.Readings[i] = in.Readings[i].AppendJSON(nil, p)
	}
	if in.Fault != nil {
		out.Reason, out.What = in.Fault.Reason, in.Fault.What
	}
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		return dst, fmt.Errorf("write input: %w", err)
	}
	return append(dst, bytes.TrimSuffix(line.Bytes(), []byte("\n"))...), nil
}

// ParseInput reads what AppendJSON wrote. What the types of values are is ParseRow's guess; their text is exact.
func ParseInput(line []byte, table *Table) (Input, error) {
	var have inputJSON
	if err := json.Unmarshal(line, &have); err != nil {
		return Input{}, fmt.Errorf("read input: %w", err)
	}
	payload, err := strconv.Unquote(`"` + have.Raw + `"`)
	if err != nil {
		return Input{}, fmt.Errorf("read input: raw: %w", err)
	}
	in := Input{
		Time: have.Time, Topic: have.Topic, Payload: []byte(payload), Size: have.Size,
		Count: have.Count, Pending: have.Pending, Missed: have.Missed,
	}
	if have.Reason != "" {
		in.Fault = &DecodeError{Reason: have.Reason, What: have.What}
	}
	for _, text := range have.Readings {
		row, err := ParseRow(text, table)
		if err != nil {
			return Input{}, fmt.Errorf("read input: %w", err)
		}
		in.Readings = append(in.Readings, row.Reading)
	}
	return in, nil
}

// Nowhere is a sink that keeps nothing: for a source that is only looked at.
type Nowhere struct{}

// Add implements Sink.
func (Nowhere) Add(_ context.Context, _ Batch, done func(error)) error {
	done(nil)
	return nil
}

// Offer implements Sink.
func (Nowhere) Offer(_ Batch, done func(error)) {
	if done != nil {
		done(nil)
	}
}

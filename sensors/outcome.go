package sensors

import (
	"errors"
	"fmt"
	"time"
)

// ErrDropped is what a dropped batch's done is told: the queue was full and it was the oldest.
var ErrDropped = errors.New("dropped: the queue was full")

// Reason says why input was rejected. It names a counter, so there are few.
type Reason string

// The reasons for which input is rejected.
const (
	ReasonSyntax  Reason = "syntax"   // not of the source's format
	ReasonEmpty   Reason = "empty"    // nothing in it that could be a reading
	ReasonTime    Reason = "time"     // the configured time is missing, unparsable or out of range
	ReasonValue   Reason = "value"    // a value does not fit its column or type
	ReasonName    Reason = "name"     // a series or tag name breaks the contract
	ReasonTooLong Reason = "too_long" // a frame, message or string over its limit
	ReasonSeries  Reason = "series_limit"
	ReasonNoise   Reason = "noise" // bytes on a serial line that are no frame
)

// DecodeError is the reason why one Raw was rejected.
type DecodeError struct {
	Reason Reason
	What   string // for people: which field, what was wrong
}

// Error returns the reason and what was wrong.
func (e *DecodeError) Error() string { return fmt.Sprintf("%s: %s", e.Reason, e.What) }

// SampleBytes is how much of rejected input a status keeps.
const SampleBytes = 200

// Sample is the latest input rejected for one reason.
type Sample struct {
	Reason Reason    `json:"reason"`
	What   string    `json:"what"`
	Bytes  string    `json:"bytes"` // the first 200 bytes, quoted as in Go where not printable
	Time   time.Time `json:"time"`
}

// SourceStatus is what a source says of itself. Sums are exact:
// Offered = Decoded + the sum of Rejected + Repeats.
type SourceStatus struct {
	Name     string            `json:"name"`
	Kind     string            `json:"kind"`           // "serial", "mqtt"
	State    string            `json:"state"`          // "connected", "waiting", "retrying"
	Text     string            `json:"text,omitempty"` // for people: what is wrong
	Hint     string            `json:"hint,omitempty"` // for people: what to do
	Since    time.Time         `json:"since"`          // of the state
	Offered  uint64            `json:"offered"`        // inputs
	Decoded  uint64            `json:"decoded"`        // inputs
	Rejected map[Reason]uint64 `json:"rejected"`       // inputs
	Repeats  uint64            `json:"repeats"`        // inputs
	Readings uint64            `json:"readings"`       // decoded
	Filtered uint64            `json:"filtered"`       // of these, dropped by mapping or dedup
	Bytes    uint64            `json:"bytes"`          // received
	Samples  []Sample          `json:"samples,omitempty"`
}

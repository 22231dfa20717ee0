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

	ReasonChecksum    Reason = "checksum"    // its checksum is missing, or another
	ReasonUnsupported Reason = "unsupported" // right, but of a kind that the format does not read; not worth a line in the log
)

// The reasons of a protocol whose messages rest on earlier ones.
const (
	ReasonNoBirth  Reason = "no_birth" // what it needs was not said before, or is not known any more
	ReasonSequence Reason = "sequence" // it came late, or after a gap: what it means is not certain
	ReasonGap      Reason = "gap"      // inputs that did not come, counted once for all that are missing in a row
)

// The reasons for which a request of a polled source gave no reading.
const (
	ReasonTimeout   Reason = "timeout"    // no answer in time
	ReasonException Reason = "exception"  // the answer is that the request was refused
	ReasonCRC       Reason = "crc"        // the answer was damaged on its way
	ReasonShort     Reason = "short"      // the answer stopped in its middle
	ReasonWrongUnit Reason = "wrong_unit" // another unit answered than the one that was asked
	ReasonLate      Reason = "late"       // an answer to a request that was given up before
	ReasonSkipped   Reason = "skipped"    // a poll whose time had passed before its turn came
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
	Kind     string            `json:"kind"`           // "serial", "mqtt", "modbus"
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
	Unread   uint64            `json:"unread"`         // values of a kind that the format does not read, in inputs that were decoded
	Answers  uint64            `json:"answers"`        // messages to publish to the source, such as requests for a rebirth
	Bytes    uint64            `json:"bytes"`          // received
	Samples  []Sample          `json:"samples,omitempty"`
	Troubles []Trouble         `json:"troubles,omitempty"` // of parts of the source, by name
}

// Trouble is what lasts with one part of a source that works otherwise: a slave on a bus.
type Trouble struct {
	Name  string    `json:"name"` // "cabinet.meter": the source's and the part's
	Text  string    `json:"text"`
	Hint  string    `json:"hint,omitempty"`
	Since time.Time `json:"since"`
}

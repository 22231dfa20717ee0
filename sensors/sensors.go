// Package sensors holds the nouns of the line's beginning: Raw, Reading, Series, Source, Decoder.
//
// A Source receives bytes from one outside world (a serial line, an MQTT broker) and hands them as
// Raw to a Decoder, which turns them into Readings. The package knows devices, never storage.
package sensors

import (
	"context"
	"math"
	"time"
)

// Type is the type of a series' values. Codes are bytes on disk: append-only.
type Type uint8

// The four value types.
const (
	Float  Type = 1 // IEEE 754 double; NaN and infinities are values like any other
	Int    Type = 2 // signed 64-bit integer, exact beyond 2^53
	Bool   Type = 3
	String Type = 4
)

// String returns the type's name as configuration and JSON write it.
func (t Type) String() string {
	switch t {
	case Float:
		return "float"
	case Int:
		return "int"
	case Bool:
		return "bool"
	case String:
		return "string"
	}
	return "unknown"
}

// Quality says how a reading's time was found. It is a bit set; codes are bytes on disk: append-only.
type Quality uint8

// The bits of Quality. Zero: the sensor's own time, taken as given.
const (
	// QualityArrival marks a time that is the time of arrival at this gateway.
	QualityArrival Quality = 1 << 0
	// QualityUnsynced marks an arrival time read from a clock that was not known to be right.
	QualityUnsynced Quality = 1 << 1
)

// Reading is one measured value. Which of Num and Str is meaningful follows from Series.Type.
// The Series pointer is canonical (see Table): two readings are of one series exactly when their
// pointers are equal. Str may share memory with the raw input that it was decoded from only if the
// decoder's contract says so; ours copies.
type Reading struct {
	Series  *Series
	Time    int64  // nanoseconds since 1970-01-01 UTC, without leap seconds
	Num     uint64 // Float: math.Float64bits; Int: two's complement; Bool: 0 or 1
	Str     string // String: the value
	Quality Quality
}

// Float returns the value of a Float reading.
func (r *Reading) Float() float64 { return math.Float64frombits(r.Num) }

// Int returns the value of an Int reading.
func (r *Reading) Int() int64 { return int64(r.Num) } //nolint:gosec // two's complement by definition

// Bool returns the value of a Bool reading.
func (r *Reading) Bool() bool { return r.Num != 0 }

// Value returns the value as float64, int64, bool or string.
func (r *Reading) Value() any {
	switch r.Series.Type {
	case Float:
		return r.Float()
	case Int:
		return r.Int()
	case Bool:
		return r.Bool()
	case String:
		return r.Str
	}
	return nil
}

// Raw is one piece of input as it arrived: an MQTT message, or one frame of a serial line.
// Payload belongs to the caller and is valid only during the call that it is passed to.
type Raw struct {
	Source  string    // the source's configured name
	Topic   string    // the MQTT topic; empty on a serial line
	Payload []byte    // the bytes, without the frame's delimiter
	Arrived time.Time // when, by the gateway's clock
	Quality Quality   // QualityUnsynced when that clock was not known to be right, else 0
}

// Origin is what an MQTT door needs to recognise a message that comes again: see Batch.
type Origin struct {
	Client   string // the client's id (broker inside) or the broker's address (client)
	Hash     uint64 // of topic and payload
	PacketID uint16
}

// Batch is what one Raw became: the readings bound for one collection, to be kept all or not at all.
type Batch struct {
	Source     string
	Collection string
	Readings   []Reading
	Origin     *Origin // nil for QoS 0 and serial input
}

// Decoder turns one Raw into readings. It appends to dst and returns the extended slice.
//
// Outcomes: readings and a nil error; no reading and a nil error (all fields were excluded); or an
// error, then nothing was appended. The error is or wraps a *DecodeError whose Reason is one of the
// constants Reason…; it never means that the decoder cannot go on. A Decoder is not safe for
// concurrent use: each goroutine has its own, sharing one Table.
type Decoder interface {
	Decode(dst []Reading, raw Raw) ([]Reading, error)
}

// Source receives input from one outside world until ctx ends. Run returns nil when ctx ended; it
// retries whatever can be retried, so an error is a fault of configuration. Trouble that lasts shows
// in Status.
type Source interface {
	Run(ctx context.Context) error
	Status() SourceStatus
}

// Sink takes what sources decode: the ingest pipeline, seen from a source.
type Sink interface {
	// Add offers a batch that waits for its durability (QoS 1 and 2): it blocks while the queue is
	// full, until ctx ends. done is called exactly once if and only if Add returned nil: with nil after the
	// fsync that made the batch durable, or with the storage's error. done runs on the committer's
	// goroutine and must not block. The batch's readings belong to the pipeline from the call on.
	Add(ctx context.Context, b Batch, done func(error)) error
	// Offer offers a batch that cannot wait (QoS 0, serial): it never blocks. When the queue is full
	// the oldest offered batch is dropped and counted as a loss. done may be nil; it is called like Add's, with ErrDropped
	// when the batch was dropped.
	Offer(b Batch, done func(error))
}

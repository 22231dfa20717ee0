package crdt

import "math"

// Clock is when a block's readings were made, as its author knew it.
//
// On the wire an array, with the last two elements exactly when Quality is ClockUnsynced:
//
//	[first, span, hybrid, quality]
//	[first, span, hybrid, quality, boot (8 bytes), mono]
type Clock struct {
	First   int64        // the earliest time, nanoseconds since 1970-01-01 UTC
	Span    uint64       // from the earliest to the latest, nanoseconds
	Hybrid  uint64       // hybrid logical clock: milliseconds since 1970 << 16 | counter
	Quality ClockQuality // how sure the author was
	Boot    [8]byte      // which boot's monotonic clock Mono is of; zero unless unsynced
	Mono    uint64       // that clock at First, nanoseconds since boot; zero unless unsynced
}

// Last returns the latest time, nanoseconds since 1970-01-01 UTC. A span that would pass the largest
// time ends there.
func (c Clock) Last() int64 {
	// The distance from First to the largest time always fits a uint64, and two's complement
	// arithmetic gives it.
	room := uint64(math.MaxInt64) - uint64(c.First) //nolint:gosec // two's complement by intent
	if c.Span > room {
		return math.MaxInt64
	}
	return int64(uint64(c.First) + c.Span) //nolint:gosec // two's complement by intent; no overflow: see room
}

// ClockQuality says how sure an author was of its clock. Codes are bytes on disk: append-only.
type ClockQuality uint8

// The qualities. A code that a program does not know means that the time is not known.
const (
	ClockSynced   ClockQuality = 0
	ClockUnsynced ClockQuality = 1
)

// Known reports whether the times can be taken as they are.
func (q ClockQuality) Known() bool { return q == ClockSynced }

package sensors

// Loss is a number of readings that were decoded, or would have been, and are not stored.
type Loss struct {
	Collection string
	Source     string
	First      int64 // time of the earliest, nanoseconds since 1970 UTC
	Last       int64 // time of the latest
	Count      uint64
	Reason     LossReason
}

// LossReason says why readings are lost. Codes are bytes on disk: append-only; crdt's meta feeds use
// the same.
type LossReason uint8

// The reasons of losses that a gateway itself observes before a block exists.
const (
	LostQueueFull LossReason = 1
)

// ClockBase relates arrival times that were read from an unsynced clock to the boot that they were
// read in: time = Base + the boot's monotonic clock, in nanoseconds.
type ClockBase struct {
	Boot [8]byte
	Base int64
}

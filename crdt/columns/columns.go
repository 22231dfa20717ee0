// Package columns packs readings into a payload and back.
package columns

import (
	"errors"
	"fmt"
)

// Limits that both directions keep.
const (
	MaxReadings = 1 << 20  // of one payload
	MaxInflated = 4 << 20  // tokens and bytes of text of one payload
	MaxString   = 64 << 10 // bytes of one value
)

const (
	flagTick = 3 // the tick's code: 0 is 1 ns, 1 is 1 µs, 2 is 1 ms, 3 is 1 s
	flagText = 4

	readingsPerByteLog = 10 // a payload has a byte for so many readings, at least: padding sees to it
	headsPerReading    = 16 // at most so many numbers are in lane 0
)

// ErrCorrupt is wrapped by every error that says that a payload is not one that Encode makes.
var ErrCorrupt = errors.New("corrupt payload")

// ErrTooLarge is wrapped by the errors that say that readings do not fit into one payload.
var ErrTooLarge = errors.New("too large for a payload")

func corrupt(what string) error { return fmt.Errorf("decode columns: %w: %s", ErrCorrupt, what) }

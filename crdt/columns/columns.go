// Package columns packs readings into a payload and back.
//
// # The payload, codec columns/1
//
// A payload holds 1 to 1<<20 readings, sorted by series number, then time. Readings of one series
// are a run. How many readings there are stands outside, in the block. Zero readings are one byte
// 0.
//
//	+-------+---------+-------+--------+--------+-----   -+---------+--------+---------+
//	| flags | origin  | heads | lane 0 | lane 1 | lane 2 … lane 15 | (text) | padding |
//	+-------+---------+-------+--------+--------+-----   -+---------+--------+---------+
//	 byte    uvarint   uvarint
//
// A uvarint is that of encoding/binary, and everything is little-endian. A signed number v is
// written as its zigzag: 2v, or -2v-1 if it is negative. All arithmetic is modulo 1<<64.
//
//   - flags: bits 0 and 1 are the tick, in which all times are: 0 is 1 ns, 1 is 1 µs, 2 is 1
//     ms, 3 is 1 s. Bit 2: there is text. The others are 0.
//   - origin: the zigzag of the first anchor (see times).
//   - heads: how many numbers lane 0 has, at most 16 for each reading. How many the other lanes
//     have follows from the heads in lane 0: they hold the numbers of the runs, run after run, of
//     each run those of its times before those of its values. A lane of no numbers takes no bytes.
//   - text: two uvarints, size and packed. If packed is 0, size bytes follow, else a zstd frame
//     of packed bytes, of that content size.
//   - padding: zero bytes, only as many as it takes to make the payload count/1024 bytes long,
//     so that what a decoder allocates is bounded by what it is given.
//
// A zstd frame is one frame that says its content size, without a dictionary, with a window of at most
// 4 MiB. The tokens of all lanes and the text are at most 4 MiB together.
//
// There are many payloads for the same readings. A decoder takes all that this layout allows, not only what Encode
// makes: shares and shapes that are not the best, a uvarint that is not the shortest, bits that fill up and are not
// zero, times that do not ascend, what stands for nothing. It refuses what cannot be followed: a number, length,
// lane, index or size out of its range, lanes and text that do not end where they should.
//
// # Lanes
//
// A lane is a sequence of numbers of 64 bits. Each has a token of 8 bits and extra bits: a number
// below 16 is its own token and has none; one whose highest bit is bit n has the token 16 + 4(n-4)
// + (the two bits below the highest), and its lowest n-2 bits are the extra bits.
//
//		+--------+-----------+------------+
//		| coding | tokens    | extra bits |   extra bits of all numbers in order, lowest bit first, filled
//		+--------+-----------+------------+   up to a byte with zeros
//		 byte
//
//	  - coding 0 to 8: each token takes so many bits, lowest bit first, filled up to a byte.
//	  - coding 9: a uvarint, and a zstd frame of so many bytes whose content are the tokens.
//	  - coding 16+log, log from 5 to 12: rANS. A table, filled up to a byte; one state of 4 bytes,
//	    or two from 256 tokens on; words of 2 bytes. No others exist.
//
// The table gives the tokens 0, 1, 2, … a share each until the shares add up to 1<<log. A share is
// written by its size, the number of its bits: bits "0" for that of the share before, "100" for one
// more, "101" for one less, "110" for a share of zero, "111" else; the first is relative to log-2.
// After "111" comes a bit, 1 for less, then zeros, a 1: no zero means by two, one by three, and so
// on. After the size come the bits below the highest one. A zero is followed by two bits that say
// how many zeros more there are, and again after three; it leaves the size as it is.
//
// Let start be the sum of the shares of lesser tokens. A state x gives the token whose start and
// share hold x mod 1<<log, and becomes share × (x >> log) + x mod 1<<log - start; if that is below
// 1<<16, it becomes itself × 1<<16 + the next word. Two states take turns, token by token. All end
// at 1<<16.
//
// # Lane 0: heads
//
// Each run has a head. Its first number, control, says what differs from the run before:
//
//	1   the first integer is negative       8   shape of the times
//	2   series number: how many were        16  shape of the values
//	    left out since the run before       32  qualities
//	4   length: zigzag of the change
//
// The parts follow in the order 2, 4, 8, 16, 32, then the times' and the values' own numbers.
// Before the first run the series number is -1, the length 0, the quality 0, and all of both shapes
// is 0, but the multiple is 1.
//
// Qualities are pairs: a quality, and how many readings of the run are left after those that have
// it, until none are left. Without it all readings have the quality that the last one before has.
//
// # Times
//
// The shape is mode + 8 × flags, then the times' lane, then: timeline (modes 0, 1, 2) or the zigzag
// of the change of step (modes 3, 4, 5); fraction (flag 1); from (flag 4). What is not there is 0;
// step stays. A run whose mode is not 0 makes a timeline of its times; they count from 0.
//
//	mode       own number in the head      numbers in the lane, for n readings
//	0 same     -                           none: the times of the timeline, from index "from" on
//	1 subset   -                           n: how many times of the timeline are left out before this one
//	2 follow   zigzag of shift             n: zigzag of time - the timeline's time of that index - shift
//	3 slots    with flag 2: zigzag of      n: zigzag of d = time - due
//	           the change of anchor
//	4 delta    zigzag of change of anchor  n-1: zigzag of distance from the time before - step
//	5 double   zigzag of change of anchor  n-1: zigzag of distance - the distance before, at first step
//
// The anchor is the first time of modes 4 and 5. In mode 3 it is when the first time is due; after
// each time, due moves on by k × (step + fraction/65536), the fraction of due being kept but not
// used in d. k is 1, unless step > 0 and |d| > step/2 (rounded down): then 1 + d/step, rounded to
// the nearest, halves away from zero, as a signed number of 64 bits.
//
// # Values
//
// The shape is kind + 8 × prediction + 32 × flags, then lane + 16 × exponent, then: multiple (flag
// 1), zigzag of drift (flag 2). What is not there is 0, but multiple is 1. With flag 4, which only kinds 0 and 1
// have, the head has the number of patches. The exponent is at most 22. Kinds 4 and 5 have no prediction, no flags.
//
//	kind       own number in the head   a value is
//	0 decimal  (patches)                float: integer, as a float, / 10^exponent
//	1 single   (patches)                float: the same, then rounded to 32 bits
//	2 float    -                        float: its bits b are the integer, but b ^ (1<<63 - 1) if negative
//	3 int      -                        the integer
//	4 bool     2 × flips + first        bool
//	5 string   number of words          string
//
// Of kinds 0 to 3 the first integer of each run is in lane 1, complemented if control says
// negative. The rest is in the values' lane:
//
//	prediction  numbers
//	0 first     none: all are the first integer
//	1 base      n: zigzag of (integer - first integer) / multiple
//	2 delta     n-1: zigzag of distance / multiple - drift, distance being that from the integer before
//	3 double    n-1: zigzag of distance / multiple - the same before, at first drift
//
// Then two numbers for each patch: how many readings lie between it and the patch before, and the
// zigzag of what is to be added to the float, as an integer of kind 2, to get the value.
//
// Bool: one number for each flip: how many readings have the value before it, less one. String:
// unless there is 1 word or as many as readings, n-1 numbers for all readings but the first: 0 for
// the next word, i for the i-th word; then the words' lengths. The words, in order of appearance,
// are the next bytes of the text.
//
// # The road not taken
//
// zstd over bytes: its Huffman codes spend at least one bit a symbol, one table has to serve times
// and all values, and tokens and noise are not told apart. XOR of floats: it takes 5 to 8 times as
// much for decimals, and integer distance of ordered bits is as good for the rest. A dictionary of
// series shapes over several blocks: blocks must stand alone.
package columns

import (
	"errors"
	"fmt"
)

// Limits that both directions keep.
const (
	MaxReadings = 1 << 20  // of one payload
	MaxInflated = 4 << 20  // tokens of all lanes and bytes of text of one payload
	MaxString   = 64 << 10 // bytes of one string
)

const (
	flagTick = 3 // the tick's code
	flagText = 4

	readingsPerByteLog = 10 // a payload has at least a byte for so many readings: padding sees to it
	headsPerReading    = 16 // lane 0 has at most so many numbers for each reading
)

// ErrCorrupt is wrapped by every error that says that a payload is not one that Encode makes.
var ErrCorrupt = errors.New("corrupt payload")

// ErrTooLarge is wrapped by the errors that say that readings do not fit into one payload.
var ErrTooLarge = errors.New("too large for a payload")

func corrupt(what string) error { return fmt.Errorf("decode columns: %w: %s", ErrCorrupt, what) }

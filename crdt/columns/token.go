package columns

import (
	"encoding/binary"
	"math/bits"
)

// A number travels as a token, one byte that says how large it is, and extra bits, which are the
// rest of it. Tokens are what an entropy coder can learn; extra bits are taken as they are.

const direct = 16 // numbers below are their own token

// tokenOf returns the token of v and how many of v's low bits are extra bits.
func tokenOf(v uint64) (token byte, extra uint) {
	if v < direct {
		return byte(v), 0
	}
	n := uint(bits.Len64(v) - 1)                             // 4 to 63
	return byte(direct + (n-4)<<2 + uint(v>>(n-2))&3), n - 2 //nolint:gosec // at most 255
}

// extraBits returns how many extra bits follow a token.
func extraBits(token byte) uint {
	if token < direct {
		return 0
	}
	return uint(token-direct)>>2 + 2
}

// valueOf returns the number of a token and its extra bits.
func valueOf(token byte, extra uint64) uint64 {
	if token < direct {
		return uint64(token)
	}
	return uint64(4|token&3)<<extraBits(token) | extra
}

// zigzag maps small numbers of either sign to small numbers without one.
func zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) } //nolint:gosec // bits as they are

// unzigzag undoes zigzag.
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// bitWriter appends bits to buf, the lowest bit of a byte first.
type bitWriter struct {
	buf  []byte
	word uint64
	n    uint // bits in word, below 64
}

// add appends the low n bits of v, n at most 63; the other bits of v are zero.
func (w *bitWriter) add(v uint64, n uint) {
	w.word |= v << w.n
	if w.n+n < 64 {
		w.n += n
		return
	}
	w.buf = binary.LittleEndian.AppendUint64(w.buf, w.word)
	used := 64 - w.n
	w.word = v >> used // a shift by 64 gives zero
	w.n = n - used
}

// flush appends what is left, filled up with zero bits to a byte, and returns the buffer.
func (w *bitWriter) flush() []byte {
	for n := uint(0); n < w.n; n += 8 {
		w.buf = append(w.buf, byte(w.word>>n)) //nolint:gosec // the low byte
	}
	w.word, w.n = 0, 0
	return w.buf
}

// bitReader reads bits that a bitWriter wrote. Past the end it reads zeros.
type bitReader struct {
	buf []byte
	pos uint64 // in bits
}

// take returns the next n bits, n at most 63.
func (r *bitReader) take(n uint) uint64 {
	at, shift := r.pos>>3, uint(r.pos&7)
	r.pos += uint64(n)
	var word, more uint64
	if at+9 <= uint64(len(r.buf)) {
		b := r.buf[at : at+9]
		word, more = binary.LittleEndian.Uint64(b), uint64(b[8])
	} else if at < uint64(len(r.buf)) {
		var b [9]byte
		copy(b[:], r.buf[at:])
		word, more = binary.LittleEndian.Uint64(b[:]), uint64(b[8])
	}
	return (word>>shift | more<<(64-shift)) & (1<<n - 1)
}

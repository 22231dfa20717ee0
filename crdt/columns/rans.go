package columns

import (
	"encoding/binary"
	"math/bits"
)

// The entropy coder is rANS (Duda, arXiv 1311.2540, section 2.3) over tokens, with one fixed table of
// frequencies a lane. A state is a number of 32 bits, never below ransLow between tokens, and
// gives or takes 16 bits at a time. Two states take turns, so that a processor can work on both.
const (
	ransLow     = 1 << 16
	minLog      = 5 // the frequencies of a table add up to 1<<log
	maxLog      = 12
	ransOneLane = 256 // below so many tokens there is one state
)

// frequencies holds, by token, its share of 1<<log; used is one more than the highest with a share.
type frequencies struct {
	of   [256]uint16
	used int
	log  uint
}

// normalise sets f to the counts of h scaled to a sum of 1<<log. Each token that occurs keeps a
// share of at least 1, so log must allow for that.
func (f *frequencies) normalise(h *histogram, log uint) {
	f.log, f.used = log, h.used
	left := int64(1) << log
	for s := range h.used {
		c := int64(h.of[s])
		share := int64(0)
		if c > 0 {
			share = max(1, (c<<log+int64(h.total)/2)/int64(h.total))
		}
		f.of[s] = uint16(share)
		left -= share
	}
	for ; left > 0; left-- {
		f.of[f.pick(h, 1)]++
	}
	for ; left < 0; left++ {
		f.of[f.pick(h, -1)]--
	}
}

// pick returns the token whose share is best changed by one, up or down.
func (f *frequencies) pick(h *histogram, by int64) int {
	best, bestC, bestD := 0, int64(0), int64(1)
	for s := range h.used {
		c, d := int64(h.of[s]), 2*int64(f.of[s])+by
		switch {
		case c == 0 || by < 0 && f.of[s] < 2:
		case bestC == 0, by > 0 && c*bestD > bestC*d, by < 0 && c*bestD < bestC*d:
			best, bestC, bestD = s, c, d
		}
	}
	return best
}

// appendTo appends the table as bits: the size of each token's share, relative to the size of the
// share before, and the share's bits below its highest. It ends with the share that completes the sum.
func (f *frequencies) appendTo(w *bitWriter) {
	left, size := 1<<f.log, f.firstSize()
	for s := 0; left > 0; s++ {
		share := int(f.of[s])
		if share == 0 {
			w.add(3, 3)
			s += f.appendZeros(w, s+1)
			continue
		}
		now := bits.Len(uint(share))
		switch off := now - size; {
		case off == 0:
			w.add(0, 1)
		case off == 1:
			w.add(1, 3)
		case off == -1:
			w.add(5, 3)
		case off > 0:
			w.add(7, 3)
			w.add(0, 1)
			w.add(1<<(off-2), uint(off-1))
		default:
			w.add(7, 3)
			w.add(1, 1)
			w.add(1<<(-off-2), uint(-off-1))
		}
		size = now
		w.add(uint64(share)&(1<<(size-1)-1), uint(size-1)) //nolint:gosec // positive
		left -= share
	}
}

// appendZeros appends how many shares from s on are zero, and returns it.
func (f *frequencies) appendZeros(w *bitWriter, s int) int {
	n, more := 0, 3
	for more == 3 {
		for more = 0; more < 3 && f.of[s+n] == 0; more++ {
			n++
		}
		w.add(uint64(more), 2)
	}
	return n
}

// firstSize is the size that the first share is relative to.
func (f *frequencies) firstSize() int { return int(f.log) - 2 }

// read reads what appendTo wrote and reports whether it is a table.
func (f *frequencies) read(r *bitReader, log uint) bool {
	f.of, f.log, f.used = [256]uint16{}, log, 0
	left, size := 1<<log, f.firstSize()
	for s := 0; left > 0; s++ {
		if s >= len(f.of) {
			return false
		}
		off, ok := readSize(r)
		if !ok {
			for more := uint64(3); more == 3 && s < len(f.of); {
				more = r.take(2)
				s += int(more) //nolint:gosec // at most 3
			}
			continue
		}
		size += off
		if size < 1 || size > int(log)+1 {
			return false
		}
		share := 1<<(size-1) | int(r.take(uint(size-1))) //nolint:gosec // at most maxLog bits
		if share > left {
			return false
		}
		f.of[s], f.used = uint16(share), s+1 //nolint:gosec // at most 1<<maxLog
		left -= share
	}
	return true
}

// readSize reads by how much the size of a share differs from the one before; ok is false if the share is zero.
func readSize(r *bitReader) (off int, ok bool) {
	if r.take(1) == 0 {
		return 0, true
	}
	switch r.take(2) {
	case 0:
		return 1, true
	case 2:
		return -1, true
	case 1:
		return 0, false
	}
	down := r.take(1) == 1
	for off = 2; off <= maxLog && r.take(1) == 0; {
		off++
	}
	if down {
		off = -off
	}
	return off, true
}

// ransSymbol is what the encoder needs of one token: it replaces the division by a multiplication.
type ransSymbol struct {
	reciprocal uint64
	limit      uint32 // a state above it gives 16 bits first
	bias       uint32
	rest       uint32 // 1<<log less the share
}

// ransEncoder turns tokens into bytes. Its words come last first, hence back.
type ransEncoder struct {
	symbols [256]ransSymbol
	back    []uint16
}

func (e *ransEncoder) prepare(f *frequencies) {
	start := uint32(0)
	for s := range f.used {
		share := uint32(f.of[s])
		if share == 0 {
			continue
		}
		sym := ransSymbol{
			limit: uint32(uint64(share)<<(32-f.log) - 1), //nolint:gosec // at most 1<<32 - 1
			bias:  start,
			rest:  1<<f.log - share,
		}
		if share == 1 {
			sym.reciprocal = ^uint64(0)
			sym.bias += 1<<f.log - 1
		} else {
			sym.reciprocal = ^uint64(0)/uint64(share) + 1
		}
		e.symbols[s] = sym
		start += share
	}
}

// appendTo appends the states and words of tokens.
func (e *ransEncoder) appendTo(dst []byte, tokens []byte, f *frequencies) []byte {
	e.prepare(f)
	if cap(e.back) < len(tokens) {
		e.back = make([]uint16, len(tokens)+len(tokens)/4) // a token gives at most one word
	}
	back := e.back[:cap(e.back)]
	at := len(back)
	even, odd := uint32(ransLow), uint32(ransLow) // of tokens 0, 2, …; of tokens 1, 3, …
	two := len(tokens) >= ransOneLane
	i := len(tokens)
	if two && i&1 == 1 {
		i--
		even, at = e.symbols[tokens[i]].push(even, back, at)
	}
	if two {
		for ; i >= 2; i -= 2 {
			odd, at = e.symbols[tokens[i-1]].push(odd, back, at)
			even, at = e.symbols[tokens[i-2]].push(even, back, at)
		}
	}
	for ; i > 0; i-- {
		even, at = e.symbols[tokens[i-1]].push(even, back, at)
	}
	dst = binary.LittleEndian.AppendUint32(dst, even)
	if two {
		dst = binary.LittleEndian.AppendUint32(dst, odd)
	}
	for _, word := range back[at:] {
		dst = append(dst, byte(word), byte(word>>8)) //nolint:gosec // both bytes of it
	}
	return dst
}

func (s *ransSymbol) push(x uint32, back []uint16, at int) (state uint32, now int) {
	if x > s.limit {
		at--
		back[at] = uint16(x) //nolint:gosec // the low half
		x >>= 16
	}
	q, _ := bits.Mul64(uint64(x), s.reciprocal)
	return x + s.bias + uint32(q)*s.rest, at //nolint:gosec // the quotient is below the state
}

// ransDecoder turns the bytes back. A slot holds its token (8 bits), its place within the token's
// share (12 bits) and the share less one (12 bits).
type ransDecoder struct {
	slots [1 << maxLog]uint32
}

func (d *ransDecoder) prepare(f *frequencies) {
	at := 0
	for s := range f.used {
		share := uint32(f.of[s])
		slots := d.slots[at : at+int(share)]
		for i := range slots {
			slots[i] = uint32(s) | uint32(i)<<8 | (share-1)<<20
		}
		at += int(share)
	}
}

// read fills tokens from src and returns the rest of src and whether all was well: enough bytes, and
// both states where an encoder starts.
func (d *ransDecoder) read(tokens, src []byte, f *frequencies) (rest []byte, ok bool) {
	two := len(tokens) >= ransOneLane
	if len(src) < 4 || two && len(src) < 8 {
		return nil, false
	}
	d.prepare(f)
	even, odd := binary.LittleEndian.Uint32(src), uint32(ransLow)
	src = src[4:]
	if two {
		odd = binary.LittleEndian.Uint32(src)
		src = src[4:]
	}
	log, mask := f.log, uint32(1)<<f.log-1
	i := 0
	if two {
		for ; i+2 <= len(tokens) && len(src) >= 4; i += 2 {
			pair := tokens[i : i+2]
			a, b := d.slots[even&mask&(1<<maxLog-1)], d.slots[odd&mask&(1<<maxLog-1)]
			pair[0], pair[1] = byte(a), byte(b) //nolint:gosec // the low byte
			even = (a>>20+1)*(even>>log) + a>>8&0xfff
			odd = (b>>20+1)*(odd>>log) + b>>8&0xfff
			if even < ransLow {
				even = even<<16 | uint32(binary.LittleEndian.Uint16(src))
				src = src[2:]
			}
			if odd < ransLow {
				odd = odd<<16 | uint32(binary.LittleEndian.Uint16(src))
				src = src[2:]
			}
		}
	}
	for ; i < len(tokens); i++ {
		a := d.slots[even&mask]
		tokens[i] = byte(a) //nolint:gosec // the low byte
		even = (a>>20+1)*(even>>log) + a>>8&0xfff
		if even < ransLow {
			if len(src) < 2 {
				return nil, false
			}
			even = even<<16 | uint32(binary.LittleEndian.Uint16(src))
			src = src[2:]
		}
		if two {
			even, odd = odd, even
		}
	}
	return src, even == ransLow && odd == ransLow
}

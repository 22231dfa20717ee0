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
		f.of[s] = uint16(share) //nolint:gosec // at most 1<<12
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

// appendTo appends the table as bits: for each token its share, in as many bits as what is left of
// the sum needs; after a share of zero two bits that say how many more zeros follow, again after three.
func (f *frequencies) appendTo(w *bitWriter) {
	left := uint64(1) << f.log
	for s := 0; left > 0; s++ {
		v := uint64(f.of[s])
		w.add(v, uint(bits.Len64(left)))
		left -= v
		if v > 0 {
			continue
		}
		for more := 3; more == 3; {
			more = 0
			for more < 3 && f.of[s+1] == 0 {
				more++
				s++
			}
			w.add(uint64(more), 2)
		}
	}
}

// read reads what appendTo wrote and reports whether it is a table.
func (f *frequencies) read(r *bitReader, log uint) bool {
	f.of, f.log, f.used = [256]uint16{}, log, 0
	left := uint64(1) << log
	for s := 0; left > 0; s++ {
		if s >= len(f.of) {
			return false
		}
		v := r.take(uint(bits.Len64(left)))
		if v > left {
			return false
		}
		f.of[s], f.used = uint16(v), s+1 //nolint:gosec // at most 1<<12
		left -= v
		if v > 0 {
			continue
		}
		for more := uint64(3); more == 3 && s < len(f.of); {
			more = r.take(2)
			s += int(more) //nolint:gosec // at most 3
		}
	}
	return true
}

// tableBits returns how many bits appendTo writes.
func (f *frequencies) tableBits() int {
	n, left := 0, int64(1)<<f.log
	for s := 0; left > 0; s++ {
		n += bits.Len64(uint64(left)) //nolint:gosec // positive
		left -= int64(f.of[s])
		if f.of[s] > 0 {
			continue
		}
		for more := 3; more == 3; n += 2 {
			for more = 0; more < 3 && f.of[s+1] == 0; more++ {
				s++
			}
		}
	}
	return n
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
			slots[i] = uint32(s) | uint32(i)<<8 | (share-1)<<20 //nolint:gosec // at most 255 and 1<<12
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

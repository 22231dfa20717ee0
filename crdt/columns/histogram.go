package columns

import "math/bits"

// histogram counts tokens.
type histogram struct {
	of    [256]uint32
	total uint32
	used  int // one more than the highest token
}

func (h *histogram) reset() {
	clear(h.of[:h.used])
	h.total, h.used = 0, 0
}

// add counts tokens.
func (h *histogram) add(tokens []byte) {
	top := byte(0)
	for _, t := range tokens {
		h.of[t]++
		top = max(top, t)
	}
	if len(tokens) > 0 {
		h.used = max(h.used, int(top)+1)
	}
	h.total += uint32(len(tokens)) //nolint:gosec // at most MaxInflated
}

// merge adds the counts of o.
func (h *histogram) merge(o *histogram) {
	for s := range o.used {
		h.of[s] += o.of[s]
	}
	h.total += o.total
	h.used = max(h.used, o.used)
}

// logs holds logarithms to base 2 in steps of 1/256, computed with integers only, so that an
// encoder decides the same on every processor.
type logs [4096 + 1]uint16

func newLogs() *logs {
	l := new(logs)
	for i := 1; i < len(l); i++ {
		n := bits.Len(uint(i)) - 1
		x := uint64(i) << (31 - n) // 1.0 is 1<<31
		v := uint16(n)             //nolint:gosec // at most 12
		for range 8 {
			x = x * x >> 31
			v <<= 1
			if x >= 1<<32 {
				x >>= 1
				v |= 1
			}
		}
		l[i] = v
	}
	return l
}

// of returns the logarithm of v in steps of 1/256; of 0 it returns 0.
func (l *logs) of(v uint32) int {
	shift := max(bits.Len32(v)-12, 0)
	return int(l[v>>shift]) + shift<<8
}

// cost returns about how many bits the tokens of h take in a lane of their own, with its table.
func (l *logs) cost(h *histogram) int {
	if h.total == 0 {
		return 0
	}
	sum, distinct := int64(0), 0
	all := l.of(h.total)
	for s := range h.used {
		if c := h.of[s]; c > 0 {
			sum += int64(c) * int64(all-l.of(c))
			distinct++
		}
	}
	if distinct == 1 {
		return 16
	}
	return int(sum>>8) + 7*distinct + 60
}

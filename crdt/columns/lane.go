package columns

import (
	"encoding/binary"
	"math/bits"
)

// A lane is a sequence of numbers that look alike: its tokens in one of three codings, then its extra bits.
const (
	codingPacked = 0  // to 8: so many bits a token
	codingZstd   = 9  // uvarint length, one zstd frame
	codingRANS   = 16 // plus log: table, states, words
)

const (
	zstdFrom = 256 // tokens: below, a frame hardly ever wins
	textFrom = 48  // the same, for bytes of text
)

// laneWriter packs lanes.
type laneWriter struct {
	rans  ransEncoder
	zstd  deflater
	logs  *logs
	freqs frequencies
	trial frequencies
	hist  histogram
	bits  bitWriter
	table []byte // of a trial
}

// appendLane appends a lane without its extra bits.
func (w *laneWriter) appendLane(dst []byte, tokens []byte) ([]byte, error) {
	w.hist.reset()
	w.hist.add(tokens)
	width := bits.Len8(uint8(max(w.hist.used-1, 0))) //nolint:gosec // at most 255
	best := (len(tokens)*width + 7) / 8
	log, size := w.plan(len(tokens))
	if log == 0 || size >= best {
		log = 0
	} else {
		best = size
	}
	if len(tokens) >= zstdFrom && best > zstdFrom/16 {
		frame, err := w.zstd.deflate(tokens)
		if err != nil {
			return dst, err
		}
		if len(frame)+2 < best {
			dst = append(dst, codingZstd)
			dst = binary.AppendUvarint(dst, uint64(len(frame)))
			return append(dst, frame...), nil
		}
	}
	if log == 0 {
		dst = append(dst, byte(codingPacked+width)) //nolint:gosec // at most 8
		return w.appendPacked(dst, tokens, uint(width)), nil
	}
	w.freqs.normalise(&w.hist, log)
	dst = append(dst, byte(codingRANS+log))
	w.bits.buf = dst
	w.freqs.appendTo(&w.bits)
	dst = w.bits.flush()
	w.bits.buf = nil
	return w.rans.appendTo(dst, tokens, &w.freqs), nil
}

func (w *laneWriter) appendPacked(dst []byte, tokens []byte, width uint) []byte {
	w.bits.buf = dst
	if width > 0 {
		for _, t := range tokens {
			w.bits.add(uint64(t), width)
		}
	}
	dst = w.bits.flush()
	w.bits.buf = nil
	return dst
}

// plain reports whether the last lane has no extra bits.
func (w *laneWriter) plain() bool { return w.hist.used <= direct }

// plan returns the log with which rANS takes the fewest bytes, and about how many; 0 if none can do.
func (w *laneWriter) plan(n int) (log uint, size int) {
	if n < 16 {
		return 0, 0
	}
	distinct := 0
	for s := range w.hist.used {
		if w.hist.of[s] > 0 {
			distinct++
		}
	}
	states := 4
	if n >= ransOneLane {
		states = 8
	}
	for try := uint(minLog); try <= maxLog; try++ {
		if distinct > 1<<try || try > 8 && n < 1<<(try-1) {
			continue
		}
		w.trial.normalise(&w.hist, try)
		sum := int64(0)
		for s := range w.hist.used {
			if c := w.hist.of[s]; c > 0 {
				sum += int64(c) * (int64(try)<<8 - int64(w.logs[w.trial.of[s]]))
			}
		}
		w.bits.buf = w.table[:0]
		w.trial.appendTo(&w.bits)
		w.table = w.bits.flush()
		w.bits.buf = nil
		bytes := int(sum>>11) + len(w.table) + states - 1
		if log != 0 && bytes > size+2 {
			break // it only grows from here
		}
		if log == 0 || bytes < size {
			log, size = try, bytes
		}
	}
	return log, size
}

// laneReader reads the numbers of one lane.
type laneReader struct {
	tokens []byte
	at     int
	extra  bitReader
	plain  bool // there are no extra bits
}

// rest returns how many numbers were not read yet.
func (l *laneReader) rest() int { return len(l.tokens) - l.at }

// next returns the next number; past the end it returns 0.
func (l *laneReader) next() uint64 {
	if l.at >= len(l.tokens) {
		l.at++
		return 0
	}
	t := l.tokens[l.at]
	l.at++
	if t < direct {
		return uint64(t)
	}
	return valueOf(t, l.extra.take(extraBits(t)))
}

// read fills dst with the next numbers. The lane has so many.
func (l *laneReader) read(dst []uint64) {
	tokens := l.tokens[l.at : l.at+len(dst)]
	l.at += len(dst)
	dst = dst[:len(tokens)]
	if l.plain {
		for i, t := range tokens {
			dst[i] = uint64(t)
		}
		return
	}
	for i, t := range tokens {
		if t < direct {
			dst[i] = uint64(t)
		} else {
			dst[i] = valueOf(t, l.extra.take(extraBits(t)))
		}
	}
}

// skip passes over n numbers. The lane has so many.
func (l *laneReader) skip(n int) {
	tokens := l.tokens[l.at : l.at+n]
	l.at += n
	if !l.plain {
		l.extra.pos += sumExtra(tokens)
	}
}

func sumExtra(tokens []byte) uint64 {
	n := uint64(0)
	for _, t := range tokens {
		n += uint64(extraBits(t))
	}
	return n
}

// laneSource takes lanes off a payload.
type laneSource struct {
	rans  ransDecoder
	zstd  inflater
	freqs frequencies
}

// open takes a lane of as many tokens as tokens has room for off src.
func (d *laneSource) open(l *laneReader, tokens, src []byte) (rest []byte, err error) {
	*l = laneReader{tokens: tokens, plain: true}
	if len(tokens) == 0 {
		return src, nil
	}
	if len(src) == 0 {
		return nil, corrupt("a lane is missing")
	}
	coding := src[0]
	src = src[1:]
	switch {
	case coding <= codingPacked+8:
		src, err = readPacked(tokens, src, uint(coding))
	case coding == codingZstd:
		src, err = d.readZstd(tokens, src)
	case coding >= codingRANS+minLog && coding <= codingRANS+maxLog:
		src, err = d.readRANS(tokens, src, uint(coding-codingRANS))
	default:
		err = corrupt("a lane has an unknown coding")
	}
	if err != nil {
		return nil, err
	}
	for _, t := range tokens {
		if t >= direct {
			l.plain = false
			break
		}
	}
	if l.plain {
		return src, nil
	}
	size := (sumExtra(tokens) + 7) / 8
	if size > uint64(len(src)) {
		return nil, corrupt("a lane's extra bits end early")
	}
	l.extra.buf = src[:size:size]
	return src[size:], nil
}

func readPacked(tokens, src []byte, width uint) ([]byte, error) {
	size := (uint64(len(tokens))*uint64(width) + 7) / 8
	if size > uint64(len(src)) {
		return nil, corrupt("a lane ends early")
	}
	if width == 0 {
		clear(tokens)
		return src, nil
	}
	r := bitReader{buf: src[:size]}
	for i := range tokens {
		tokens[i] = byte(r.take(width)) //nolint:gosec // at most 8 bits
	}
	return src[size:], nil
}

func (d *laneSource) readZstd(tokens, src []byte) ([]byte, error) {
	size, n := binary.Uvarint(src)
	if n <= 0 {
		return nil, corrupt("a frame ends early")
	}
	if src = src[n:]; size > uint64(len(src)) {
		return nil, corrupt("a frame ends early")
	}
	if err := d.zstd.inflate(tokens, src[:size]); err != nil {
		return nil, err
	}
	return src[size:], nil
}

func (d *laneSource) readRANS(tokens, src []byte, log uint) ([]byte, error) {
	r := bitReader{buf: src}
	if !d.freqs.read(&r, log) {
		return nil, corrupt("a table of frequencies is none")
	}
	used := (r.pos + 7) / 8
	if used > uint64(len(src)) {
		return nil, corrupt("a table of frequencies ends early")
	}
	src, ok := d.rans.read(tokens, src[used:], &d.freqs)
	if !ok {
		return nil, corrupt("a lane's states do not end where they began")
	}
	return src, nil
}

package serial

import (
	"bytes"
	"fmt"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// spoiltBytes is after how many bytes a piece that is no frame is counted although it has not ended.
const spoiltBytes = 2 << 20

// stamp is when bytes were read.
type stamp struct {
	time    time.Time
	quality sensors.Quality
}

// frame is one piece of the line: a frame, or bytes that are none.
type frame struct {
	payload []byte               // without delimiter, valid until the framer's next call; of a fault the beginning
	size    int                  // bytes that it took off the line, delimiter included
	first   stamp                // when its first byte was read
	fault   *sensors.DecodeError // nil for a frame
}

// framer cuts the bytes of a line into frames. It is pure: bytes and times in, frames out. Every
// byte fed is part of exactly one piece emitted, and at most max bytes (and the delimiter) are held.
//
// A piece that grew too long, or whose beginning was not seen, is spoilt: it goes on to the next
// delimiter (silence, where there is none), is counted once, and its bytes are never decoded.
type framer struct {
	// constant after newFramer
	kind   string
	delim  []byte
	border []int // of each prefix of delim: its longest border (Knuth, Morris, Pratt)
	length int
	max    int
	keep   int // bytes of a piece that are held

	// the current piece
	buf     []byte
	size    int
	matched int // bytes of delim at the end of the piece
	first   stamp
	spoilt  *sensors.DecodeError
}

// newFramer returns the framer for a valid configuration.
func newFramer(c Config) *framer {
	f := &framer{kind: c.Framing, max: c.MaxFrame, keep: c.MaxFrame}
	switch c.Framing {
	case FramingLine:
		f.delim = []byte{'\n'}
		f.keep += len("\r\r\n")
	case FramingDelimiter:
		if delim, err := unescape(c.Delimiter); err == nil {
			f.delim = delim
		}
		f.keep += len(f.delim)
	case FramingLength:
		f.length = c.Length
	}
	f.border = borders(f.delim)
	return f
}

// start begins with a line that was just opened. Without inStep its first bytes may be the rest of a
// frame, so they are skipped as noise up to the first delimiter or silence.
func (f *framer) start(inStep bool) {
	f.reset()
	if !inStep {
		f.spoilt = &sensors.DecodeError{Reason: sensors.ReasonNoise, What: "the rest of a frame that began before the port was opened"}
	}
}

// pending reports whether a piece has begun and not ended.
func (f *framer) pending() bool { return f.size > 0 || f.spoilt != nil }

// feed takes bytes that were read at one time.
func (f *framer) feed(chunk []byte, at stamp, emit func(frame)) {
	for _, b := range chunk {
		if f.size == 0 {
			f.first = at
		}
		f.size++
		if len(f.buf) < f.keep {
			f.buf = append(f.buf, b)
		} else if f.spoilt == nil {
			f.spoilt = f.tooLong()
		}
		switch {
		case f.ends(b):
			emit(f.cut())
			f.reset()
		case f.spoilt != nil && f.size >= spoiltBytes:
			why := f.spoilt
			emit(f.cut())
			matched := f.matched
			f.reset()
			f.spoilt, f.matched = why, matched
		}
	}
}

// idle says that no byte came for the configured silence, or, where frames end with bytes, for so long
// that what comes next is no continuation.
func (f *framer) idle(emit func(frame)) {
	switch f.kind {
	case FramingSilence:
		if f.size > 0 {
			emit(f.cut())
		}
		f.reset()
	case FramingLength:
		f.end(emit)
	default:
		if f.size > 0 && f.spoilt == nil {
			f.spoilt = &sensors.DecodeError{Reason: sensors.ReasonNoise, What: "a frame that stopped in the middle"}
		}
	}
}

// end says that the line ended: what is there is no frame.
func (f *framer) end(emit func(frame)) {
	if f.size > 0 {
		if f.spoilt == nil {
			what := "a frame without its end"
			if f.kind == FramingLength {
				what = fmt.Sprintf("%d of %d bytes of a frame", f.size, f.length)
			}
			f.spoilt = &sensors.DecodeError{Reason: sensors.ReasonNoise, What: what}
		}
		emit(f.cut())
	}
	f.reset()
}

// ends reports whether b, the newest byte of the piece, ends it.
func (f *framer) ends(b byte) bool {
	switch {
	case len(f.delim) > 0:
		for f.matched > 0 && f.delim[f.matched] != b {
			f.matched = f.border[f.matched-1]
		}
		if f.delim[f.matched] == b {
			f.matched++
		}
		return f.matched == len(f.delim)
	case f.kind == FramingLength:
		return f.spoilt == nil && f.size == f.length
	}
	return false
}

// cut returns the piece as it is.
func (f *framer) cut() frame {
	out := frame{payload: f.buf, size: f.size, first: f.first, fault: f.spoilt}
	if out.fault != nil {
		return out
	}
	out.payload = bytes.TrimSuffix(f.buf, f.delim)
	if f.kind == FramingLine {
		out.payload = bytes.TrimSuffix(bytes.TrimPrefix(out.payload, []byte{'\r'}), []byte{'\r'})
	}
	if len(out.payload) > f.max {
		out.fault = f.tooLong()
	}
	return out
}

func (f *framer) reset() {
	f.buf, f.size, f.matched, f.spoilt = f.buf[:0], 0, 0, nil
}

func (f *framer) tooLong() *sensors.DecodeError {
	return &sensors.DecodeError{Reason: sensors.ReasonTooLong, What: fmt.Sprintf("a frame of more than %d bytes", f.max)}
}

// borders returns for each prefix of word the length of its longest proper border.
func borders(word []byte) []int {
	out := make([]int, len(word))
	for i := 1; i < len(word); i++ {
		k := out[i-1]
		for k > 0 && word[k] != word[i] {
			k = out[k-1]
		}
		if word[k] == word[i] {
			k++
		}
		out[i] = k
	}
	return out
}

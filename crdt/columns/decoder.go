package columns

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/skerry-edge/skerry/sensors"
)

// Decoder unpacks payloads. It keeps its buffers from call to call; it is not safe for concurrent use.
type Decoder struct {
	source laneSource
	lanes  [maxLane + 1]laneReader
	tokens []byte
	text   string // all strings of the payload, one after the other
	at     int    // in text: the next run's

	tick   int64
	anchor int64
	all    []int64 // the timelines, one after the other
	lines  []span  // in all
	nums   []uint64
	ints   []uint64
	words  []string // the different ones of a run
}

// NewDecoder returns a decoder. The error is always nil today: the zstd decoder is made at the first frame.
func NewDecoder() (*Decoder, error) { return new(Decoder), nil }

// Lookup says what becomes of a run: it returns the series that its readings belong to, nil to
// leave the run out, or an error that ends decoding.
type Lookup = func(number uint32, t sensors.Type) (*sensors.Series, error)

// Decode appends the readings of a payload to dst, in its order: by number, then time; but a hostile author's times
// may come in any order, and be others than the block's clock says. It takes those
// whose series lookup wants and whose time is at least from and less than to, in nanoseconds; with
// math.MinInt64 and math.MaxInt64 that is all, also a time of math.MaxInt64. lookup is called once
// for each run, in order. The strings of one payload share memory with each other, none with payload.
//
// count is how many readings the payload has. The caller bounds it, since it bounds what is allocated:
// at most 48 bytes a reading that is kept, as much again when dst has to grow, and 40 bytes a reading and twice
// MaxInflated while it runs.
// The error wraps ErrCorrupt unless it is lookup's own; then dst is returned as it was.
func (d *Decoder) Decode(dst []sensors.Reading, payload []byte, count uint32, from, to int64, lookup Lookup) ([]sensors.Reading, error) {
	w := window{from: from, to: to, want: lookup}
	out, err := d.decode(dst, payload, count, &w)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// Check decodes all of a payload and keeps nothing. The error wraps ErrCorrupt.
func (d *Decoder) Check(payload []byte, count uint32) error {
	_, err := d.decode(nil, payload, count, &window{check: true})
	return err
}

// window is what is wanted of a payload.
type window struct {
	from, to int64
	want     Lookup
	check    bool // decode everything, keep nothing
}

func (d *Decoder) decode(dst []sensors.Reading, payload []byte, count uint32, w *window) ([]sensors.Reading, error) {
	d.text, d.at = "", 0
	d.all, d.lines = d.all[:0], d.lines[:0]
	d.trim()
	switch {
	case count == 0 && len(payload) == 1 && payload[0] == 0:
		return dst, nil
	case count == 0 || count > MaxReadings || len(payload) == 0 || uint64(count)>>readingsPerByteLog > uint64(len(payload)):
		return dst, corrupt(fmt.Sprintf("%d bytes cannot hold %d readings", len(payload), count))
	}
	defer d.forget()
	if err := d.open(payload, count); err != nil {
		return dst, err
	}
	h := firstHead()
	before := len(dst)
	for left := int(count); left > 0; left -= h.length {
		if err := h.next(&d.lanes[0], left); err != nil {
			return dst, err
		}
		var err error
		if dst, err = d.run(dst, &h, w, min(left, max(h.length, len(dst)-before))); err != nil {
			return dst, err
		}
	}
	if d.at != len(d.text) {
		return dst, corrupt("there are strings that no run has")
	}
	return dst, nil
}

// trim lets large buffers go.
func (d *Decoder) trim() {
	const keep = 1 << 16
	if cap(d.tokens) > keep {
		d.tokens = nil
	}
	if d.source.zstd.largest > keep {
		d.source.zstd = inflater{}
	}
	if cap(d.all) > keep {
		d.all = nil
	}
	if cap(d.lines) > keep {
		d.lines = nil
	}
	if cap(d.nums) > keep {
		d.nums = nil
	}
	if cap(d.ints) > keep {
		d.ints = nil
	}
	if cap(d.words) > keep {
		d.words = nil
	}
}

// forget lets go of the payload and of the text, which all words are parts of.
func (d *Decoder) forget() {
	clear(d.lanes[:])
	clear(d.words)
	d.text = ""
}

// open takes the lanes and the text off a payload.
func (d *Decoder) open(payload []byte, count uint32) error {
	flags := payload[0]
	if flags&^(flagTick|flagText) != 0 {
		return corrupt("it has unknown flags")
	}
	d.tick = [...]int64{1, 1_000, 1_000_000, 1_000_000_000}[flags&flagTick]
	src := payload[1:]
	origin, n := binary.Uvarint(src)
	if n <= 0 {
		return corrupt("it has no origin")
	}
	d.anchor = unzigzag(origin)
	src = src[n:]
	heads, n := binary.Uvarint(src)
	if n <= 0 || heads > headsPerReading*uint64(count) || heads > MaxInflated {
		return corrupt("it has no heads")
	}
	src = src[n:]
	d.tokens = slices.Grow(d.tokens[:0], int(heads))[:heads]
	src, err := d.source.open(&d.lanes[0], d.tokens, src)
	if err != nil {
		return err
	}
	if src, err = d.openLanes(src, count); err != nil {
		return err
	}
	if flags&flagText != 0 {
		if src, err = d.openText(src); err != nil {
			return err
		}
	}
	return padding(src, len(payload), count)
}

// padding checks the bytes that follow the text.
func padding(rest []byte, size int, count uint32) error {
	least := int(count >> readingsPerByteLog)
	if len(rest) > 0 && size > least {
		return corrupt("there are bytes after its end")
	}
	for _, b := range rest {
		if b != 0 {
			return corrupt("there are bytes after its end")
		}
	}
	return nil
}

// openLanes reads the heads once, to learn how many numbers the other lanes have, and opens them.
func (d *Decoder) openLanes(src []byte, count uint32) ([]byte, error) {
	var counts [maxLane + 1]int
	heads, firsts := d.lanes[laneHeads], 0
	times, lines := 0, 0
	h := firstHead()
	for left := int(count); left > 0; left -= h.length {
		if err := h.next(&heads, left); err != nil {
			return nil, err
		}
		counts[h.lanes[0]] += h.timeNumbers()
		firsts += h.firstNumbers()
		counts[h.lanes[1]] += h.valueNumbers()
		if h.time.mode != timesSame {
			times += h.length
			lines++
		}
	}
	if heads.rest() != 0 {
		return nil, corrupt("there are heads after the last run")
	}
	if counts[laneHeads] != 0 || counts[laneFirsts] != 0 {
		return nil, corrupt("a run uses a lane of heads")
	}
	counts[laneFirsts] = firsts
	total := len(d.tokens)
	for _, n := range counts {
		total += n
	}
	if total > MaxInflated {
		return nil, corrupt("its lanes are too long")
	}
	d.all, d.lines = slices.Grow(d.all, times), slices.Grow(d.lines, lines)
	used := len(d.tokens)
	d.tokens = slices.Grow(d.tokens, total-used)[:total]
	d.lanes[0].tokens = d.tokens[:used]
	var err error
	for lane := laneFirsts; lane <= maxLane; lane++ {
		n := counts[lane]
		if src, err = d.source.open(&d.lanes[lane], d.tokens[used:used+n], src); err != nil {
			return nil, err
		}
		used += n
	}
	return src, nil
}

func (d *Decoder) openText(src []byte) ([]byte, error) {
	size, n := binary.Uvarint(src)
	if n <= 0 || size == 0 || size > MaxInflated-uint64(len(d.tokens)) {
		return nil, corrupt("its text is too long")
	}
	src = src[n:]
	packed, n := binary.Uvarint(src)
	if n <= 0 {
		return nil, corrupt("its text ends early")
	}
	src = src[n:]
	if packed == 0 {
		if size > uint64(len(src)) {
			return nil, corrupt("its text ends early")
		}
		d.text = string(src[:size])
		return src[size:], nil
	}
	if packed > uint64(len(src)) {
		return nil, corrupt("its text ends early")
	}
	text := make([]byte, size)
	if err := d.source.zstd.inflate(text, src[:packed]); err != nil {
		return nil, err
	}
	d.text = string(text)
	return src[packed:], nil
}

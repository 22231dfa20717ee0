package columns

import (
	"encoding/binary"
	"fmt"

	"github.com/skerry-edge/skerry/sensors"
)

// Encoder packs readings. It keeps its buffers from call to call, so that it allocates nothing once
// it has seen readings of a kind; it is not safe for concurrent use.
type Encoder struct {
	groups grouper
	times  timesPlanner
	values valuesPlanner
	lanes  laneSorter
	writer laneWriter

	tick    int64
	runs    []run
	ticks   []int64
	nums    []uint64
	out     []uint64 // the numbers of all runs
	head    []uint64 // the numbers of lane 0
	firsts  []uint64 // the numbers of lane 1
	tokens  []byte
	maximum int // of readings in a call since the buffers were last let go
}

// run is one group's plans.
type run struct {
	number  uint32
	from    int // of its readings
	to      int
	time    timesPlan
	value   valuesPlan
	lanes   [2]uint8 // of times, of values
	quality sensors.Quality
	mixed   bool // its qualities differ
}

// NewEncoder returns an encoder. The error is always nil today: the zstd encoder, which takes most
// of the memory, is made at the first payload that is large enough for it.
func NewEncoder() (*Encoder, error) {
	e := new(Encoder)
	e.lanes.logs = newLogs()
	e.writer.logs = e.lanes.logs
	return e, nil
}

// Encode sorts rs in place by (number, time), stable, and appends its payload to dst. number is
// called once for each series; two series must not have one number. A Bool that is not 0 counts as
// 1; what has no meaning for the series' type (Num of a String, Str of the others) is not kept.
//
// The error wraps ErrTooLarge when rs has more than MaxReadings readings, a string of more than
// MaxString bytes or columns of more than MaxInflated bytes; other errors are mistakes of the
// caller. With an error dst is returned as it was, though rs may be sorted.
//
// Equal readings in equal order make equal bytes, on every processor.
func (e *Encoder) Encode(dst []byte, rs []sensors.Reading, number func(*sensors.Series) uint32) ([]byte, error) {
	if len(rs) > MaxReadings {
		return dst, fmt.Errorf("encode %d readings: want at most %d: %w", len(rs), MaxReadings, ErrTooLarge)
	}
	if len(rs) == 0 {
		return append(dst, 0), nil
	}
	e.trim(len(rs))
	if err := e.groups.sort(rs, number); err != nil {
		return dst, err
	}
	if err := e.plan(rs); err != nil {
		return dst, err
	}
	out, err := e.write(dst, rs)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// trim lets large buffers go once they were not needed for a while.
func (e *Encoder) trim(n int) {
	const keep = 1 << 14
	if e.maximum > keep && n <= keep {
		logs, deflate := e.lanes.logs, e.writer.zstd
		*e = Encoder{}
		e.lanes.logs, e.writer.logs, e.writer.zstd = logs, logs, deflate
		e.writer.zstd.buf = nil
	}
	e.maximum = max(e.maximum, n)
}

// plan makes the plans of all runs.
func (e *Encoder) plan(rs []sensors.Reading) error {
	e.times.reset()
	e.values.text, e.values.last = e.values.text[:0], valuesPlan{step: 1}
	e.runs, e.out = e.runs[:0], e.out[:0]
	e.tick = tickOf(rs)
	for i := range e.groups.groups {
		g := &e.groups.groups[i]
		from := int(g.start)
		to := from + int(g.count)
		e.runs = append(e.runs, run{number: g.number, from: from, to: to})
		if err := e.planRun(&e.runs[i], rs[from:to]); err != nil {
			return err
		}
	}
	return nil
}

func (e *Encoder) planRun(r *run, rs []sensors.Reading) error {
	if cap(e.ticks) < len(rs) {
		e.ticks = make([]int64, len(rs)+len(rs)/4)
		e.nums = make([]uint64, cap(e.ticks))
	}
	ticks, nums := e.ticks[:len(rs)], e.nums[:len(rs)]
	quality := rs[0].Quality
	other := sensors.Quality(0)
	for i := range rs {
		ticks[i], nums[i] = rs[i].Time, rs[i].Num
		other |= rs[i].Quality ^ quality
	}
	divideAll(ticks, e.tick)
	r.quality, r.mixed = quality, other != 0
	e.out, r.time = e.times.add(e.out, ticks)
	var err error
	switch rs[0].Series.Type {
	case sensors.Float:
		e.out, r.value = e.values.floats(e.out, nums)
	case sensors.Int:
		e.out, r.value = e.values.integers(e.out, nums)
	case sensors.Bool:
		e.out, r.value = booleans(e.out, nums)
	case sensors.String:
		e.out, r.value, err = e.values.strings(e.out, rs)
	}
	return err
}

// tickOf returns the largest tick, in nanoseconds, that divides all times.
func tickOf(rs []sensors.Reading) int64 {
	tick := int64(1_000_000_000)
	for i := range rs {
		for rs[i].Time%tick != 0 {
			tick /= 1000
		}
		if tick == 1 {
			break
		}
	}
	return tick
}

// divideAll divides by a tick. Each loop divides by a constant, which is a multiplication.
func divideAll(t []int64, tick int64) {
	switch tick {
	case 1_000_000_000:
		for i := range t {
			t[i] /= 1_000_000_000
		}
	case 1_000_000:
		for i := range t {
			t[i] /= 1_000_000
		}
	case 1_000:
		for i := range t {
			t[i] /= 1_000
		}
	}
}

// write appends the payload that the plans describe.
func (e *Encoder) write(dst []byte, rs []sensors.Reading) ([]byte, error) {
	lanes := e.lanes.assign(e)
	e.heads(rs)
	if len(e.out)+len(e.head)+len(e.firsts)+len(e.values.text) > MaxInflated {
		return dst, fmt.Errorf("encode %d readings: columns of more than %d bytes: %w", len(rs), MaxInflated, ErrTooLarge)
	}
	from := len(dst)
	flags := tickCode(e.tick)
	if len(e.values.text) > 0 {
		flags |= flagText
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, zigzag(e.times.origin))
	dst = binary.AppendUvarint(dst, uint64(len(e.head)))
	dst, err := e.lane(dst, e.head)
	if err == nil {
		dst, err = e.lane(dst, e.firsts)
	}
	for lane := laneRuns; err == nil && lane <= lanes; lane++ {
		dst, err = e.numberedLane(dst, uint8(lane))
	}
	if err == nil && len(e.values.text) > 0 {
		dst, err = e.text(dst)
	}
	if err != nil {
		return dst, err
	}
	for len(dst)-from < len(rs)>>readingsPerByteLog {
		dst = append(dst, 0)
	}
	return dst, nil
}

func tickCode(tick int64) byte {
	switch tick {
	case 1_000_000_000:
		return 3
	case 1_000_000:
		return 2
	case 1_000:
		return 1
	}
	return 0
}

// lane appends one lane that holds numbers.
func (e *Encoder) lane(dst []byte, numbers []uint64) ([]byte, error) {
	if len(numbers) == 0 {
		return dst, nil
	}
	e.tokens = e.tokens[:0]
	for _, v := range numbers {
		t, _ := tokenOf(v)
		e.tokens = append(e.tokens, t)
	}
	dst, err := e.writer.appendLane(dst, e.tokens)
	if e.writer.plain() {
		return dst, err
	}
	w := bitWriter{buf: dst}
	w.extras(numbers)
	return w.flush(), err
}

func (w *bitWriter) extras(numbers []uint64) {
	for _, v := range numbers {
		if v >= direct {
			_, n := tokenOf(v)
			w.add(v&(1<<n-1), n)
		}
	}
}

// numberedLane appends the lane that holds those numbers of the runs that were assigned to it.
func (e *Encoder) numberedLane(dst []byte, lane uint8) ([]byte, error) {
	e.tokens = e.tokens[:0]
	for i := range e.runs {
		for part, s := range e.runs[i].parts() {
			if e.runs[i].lanes[part] == lane {
				e.tokens = append(e.tokens, e.lanes.tokens[s.from:s.to]...)
			}
		}
	}
	if len(e.tokens) == 0 {
		return dst, nil
	}
	dst, err := e.writer.appendLane(dst, e.tokens)
	if e.writer.plain() {
		return dst, err
	}
	w := bitWriter{buf: dst}
	for i := range e.runs {
		for part, s := range e.runs[i].parts() {
			if e.runs[i].lanes[part] == lane {
				w.extras(e.out[s.from:s.to])
			}
		}
	}
	return w.flush(), err
}

func (r *run) parts() [2]span { return [2]span{r.time.out, r.value.out} }

// text appends the strings.
func (e *Encoder) text(dst []byte) ([]byte, error) {
	text := e.values.text
	dst = binary.AppendUvarint(dst, uint64(len(text)))
	if len(text) >= textFrom {
		frame, err := e.writer.zstd.deflate(text)
		if err != nil {
			return dst, err
		}
		if len(frame) < len(text) {
			dst = binary.AppendUvarint(dst, uint64(len(frame)))
			return append(dst, frame...), nil
		}
	}
	dst = append(dst, 0)
	return append(dst, text...), nil
}

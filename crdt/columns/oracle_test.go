package columns

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/skerry-edge/skerry/sensors"
)

// The oracle is a second decoder, written from the layout in the package's doc comment and from
// nothing else: slow, plain, with one function a paragraph. It shares no code with the first.

type oracleReading struct {
	number  uint32
	typ     sensors.Type
	time    int64
	num     uint64
	str     string
	quality byte
}

func named(plain []oracleReading, names *numbered) []sensors.Reading {
	var rs []sensors.Reading
	for _, p := range plain {
		s := names.by[p.number]
		if s.Type != p.typ {
			s = nil
		}
		rs = append(rs, sensors.Reading{Series: s, Time: p.time, Num: p.num, Str: p.str, Quality: sensors.Quality(p.quality)})
	}
	return rs
}

type oracleError string

func (e oracleError) Error() string { return string(e) }

// refuse ends the oracle. It stays plain by leaving the way out to recover.
func refuse(why string) {
	panic(oracleError(why)) //nolint:forbidigo // oracle recovers
}

func oracle(payload []byte, count uint32) (rs []oracleReading, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case oracleError:
			err = r
		default:
			err = fmt.Errorf("%v", r)
		}
	}()
	if count == 0 {
		return nil, nil
	}
	o := &oracleState{src: payload}
	return o.payload(int(count)), nil
}

type oracleState struct {
	src       []byte
	lanes     [16][]uint64
	text      []byte
	timelines [][]int64
	anchor    int64
	seen      map[string]bool // for the tests: what occurs
}

func (o *oracleState) saw(what string, code uint64) {
	if o.seen != nil {
		o.seen[fmt.Sprint(what, " ", code)] = true
	}
}

func (o *oracleState) byte() byte {
	b := o.src[0]
	o.src = o.src[1:]
	return b
}

func (o *oracleState) uvarint() uint64 {
	v, n := binary.Uvarint(o.src)
	if n <= 0 {
		refuse("varint")
	}
	o.src = o.src[n:]
	return v
}

// bitsLow takes bits off a stream, the lowest of each byte first.
type bitsLow struct {
	src []byte
	pos int
}

func (b *bitsLow) take(n int) uint64 {
	v := uint64(0)
	for i := range n {
		v |= uint64(b.src[b.pos/8]>>(b.pos%8)&1) << i
		b.pos++
	}
	return v
}

func sign(v uint64) int64 {
	if v%2 == 1 {
		return -int64(v/2) - 1
	}
	return int64(v / 2)
}

// lane reads a lane of n numbers.
func (o *oracleState) lane(n int) []uint64 {
	if n == 0 {
		return nil
	}
	tokens := make([]byte, n)
	coding := int(o.byte())
	o.saw("coding", uint64(coding))
	switch {
	case coding <= 8:
		size := (n*coding + 7) / 8
		b := bitsLow{src: o.src[:size]}
		for i := range tokens {
			tokens[i] = byte(b.take(coding))
		}
		o.src = o.src[size:]
	case coding == 9:
		tokens = o.zstd(int(o.uvarint()))
	case coding >= 21 && coding <= 28:
		o.rans(tokens, coding-16)
	default:
		refuse("coding")
	}
	if len(tokens) != n {
		refuse("length of a lane")
	}
	values := make([]uint64, n)
	b := bitsLow{src: o.src}
	for i, t := range tokens {
		if t < 16 {
			values[i] = uint64(t)
			continue
		}
		low := int(t-16)/4 + 2
		values[i] = (4+uint64(t)%4)<<low + b.take(low)
	}
	o.src = o.src[(b.pos+7)/8:]
	return values
}

func (o *oracleState) zstd(n int) []byte {
	dec, err := zstd.NewReader(nil)
	if err != nil {
		refuse(err.Error())
	}
	defer dec.Close()
	out, err := dec.DecodeAll(o.src[:n], nil)
	if err != nil {
		refuse(err.Error())
	}
	o.src = o.src[n:]
	return out
}

// rans reads a table, states and words.
func (o *oracleState) rans(tokens []byte, log int) {
	var share, start [256]int
	b := bitsLow{src: o.src}
	left, size := 1<<log, log-2
	for s := 0; left > 0; s++ {
		if b.take(1) == 1 {
			switch b.take(2) {
			case 0:
				size++
			case 2:
				size--
			case 1:
				for zeros := 3; zeros == 3; {
					zeros = int(b.take(2))
					s += zeros
				}
				continue
			case 3:
				direction := 1 - 2*int(b.take(1))
				size += 2 * direction
				for b.take(1) == 0 {
					size += direction
				}
			}
		}
		share[s] = 1<<(size-1) + int(b.take(size-1))
		start[s] = 1<<log - left
		left -= share[s]
		if left < 0 {
			refuse("table")
		}
	}
	o.src = o.src[(b.pos+7)/8:]
	states := make([]uint64, 1)
	if len(tokens) >= 256 {
		states = make([]uint64, 2)
	}
	for i := range states {
		states[i] = uint64(binary.LittleEndian.Uint32(o.src))
		o.src = o.src[4:]
	}
	for i := range tokens {
		x := &states[i%len(states)]
		slot := int(*x % (1 << log))
		s := 0
		for slot < start[s] || slot >= start[s]+share[s] {
			s++
		}
		tokens[i] = byte(s)
		*x = *x>>log*uint64(share[s]) + uint64(slot-start[s])
		if *x < 1<<16 {
			*x = *x<<16 + uint64(binary.LittleEndian.Uint16(o.src))
			o.src = o.src[2:]
		}
	}
	for _, x := range states {
		if x != 1<<16 {
			refuse("state")
		}
	}
}

// oracleRun is one run's head with its shapes.
type oracleRun struct {
	number, length int64
	timeMode       uint64
	timeLane       uint64
	timeline       uint64
	step           int64
	anchored       bool
	fraction       int64
	from           uint64
	timeAnchor     int64

	kind, predict uint64
	valueLane     uint64
	exponent      uint64
	multiple      uint64
	drift         int64
	patched       bool
	negative      bool
	many          uint64
	firstBool     uint64
	quality       byte
	qualities     []byte
}

func (o *oracleState) payload(count int) []oracleReading {
	flags := o.byte()
	tick := []int64{1, 1000, 1000000, 1000000000}[flags%4]
	o.saw("tick", uint64(flags%4))
	o.anchor = sign(o.uvarint())
	o.lanes[0] = o.lane(int(o.uvarint()))
	var runs []oracleRun
	run := oracleRun{number: -1, multiple: 1}
	for len(o.lanes[0]) > 0 {
		run = o.head(run)
		runs = append(runs, run)
	}
	var sizes [16]int
	for i := range runs {
		sizes[runs[i].timeLane] += runs[i].timeNumbers()
		sizes[runs[i].valueLane] += runs[i].valueNumbers()
		if runs[i].kind <= 3 {
			sizes[1]++
		}
	}
	for i := 1; i < 16; i++ {
		o.lanes[i] = o.lane(sizes[i])
	}
	if flags&4 != 0 {
		size := int(o.uvarint())
		packed := int(o.uvarint())
		o.saw("text", uint64(min(packed, 1)))
		if packed > 0 {
			o.text = o.zstd(packed)
		} else {
			o.text, o.src = o.src[:size], o.src[size:]
		}
		if len(o.text) != size {
			refuse("text")
		}
	}
	if len(strings.Trim(string(o.src), "\x00")) > 0 {
		refuse("padding")
	}
	var rs []oracleReading
	for i := range runs {
		rs = append(rs, o.run(&runs[i], tick)...)
	}
	if len(rs) != count {
		refuse("count")
	}
	return rs
}

func (o *oracleState) take(lane uint64) uint64 {
	v := o.lanes[lane][0]
	o.lanes[lane] = o.lanes[lane][1:]
	return v
}

func (o *oracleState) head(r oracleRun) oracleRun {
	control := o.take(0)
	for bit := range uint64(6) {
		if control>>bit&1 != 0 {
			o.saw("control", bit)
		}
	}
	r.negative = control&1 != 0
	r.number++
	if control&2 != 0 {
		r.number += int64(o.take(0))
	}
	if control&4 != 0 {
		r.length += sign(o.take(0))
	}
	if control&8 != 0 {
		shape := o.take(0)
		r.timeMode, r.timeLane = shape%8, o.take(0)
		o.saw("time mode", r.timeMode)
		o.saw("time flags", shape/8)
		r.timeline, r.from, r.fraction = 0, 0, 0
		if r.timeMode <= 2 {
			r.timeline = o.take(0)
		} else {
			r.step += sign(o.take(0))
		}
		r.anchored = shape/8&2 != 0
		if shape/8&1 != 0 {
			r.fraction = int64(o.take(0))
		}
		if shape/8&4 != 0 {
			r.from = o.take(0)
		}
	}
	if control&16 != 0 {
		shape, second := o.take(0), o.take(0)
		r.kind, r.predict = shape%8, shape/8%4
		o.saw("kind", r.kind)
		o.saw("predict", r.predict)
		for bit := range uint64(3) {
			if shape>>(5+bit)&1 != 0 {
				o.saw("value flag", bit)
			}
		}
		r.valueLane, r.exponent = second%16, second/16
		r.multiple, r.drift = 1, 0
		if shape&32 != 0 {
			r.multiple = o.take(0)
		}
		if shape&64 != 0 {
			r.drift = sign(o.take(0))
		}
		r.patched = shape&128 != 0
	}
	r.qualities = nil
	if control&32 != 0 {
		for len(r.qualities) < int(r.length) {
			r.quality = byte(o.take(0))
			after := int(o.take(0))
			for len(r.qualities) < int(r.length)-after {
				r.qualities = append(r.qualities, r.quality)
			}
		}
	} else {
		for range r.length {
			r.qualities = append(r.qualities, r.quality)
		}
	}
	if r.timeMode == 2 || r.timeMode >= 4 || r.timeMode == 3 && r.anchored {
		r.timeAnchor = sign(o.take(0))
	} else {
		r.timeAnchor = 0
	}
	switch {
	case r.kind == 4:
		v := o.take(0)
		r.firstBool, r.many = v%2, v/2
	case r.kind == 5 || r.patched:
		r.many = o.take(0)
	default:
		r.many = 0
	}
	return r
}

func (r *oracleRun) timeNumbers() int {
	switch r.timeMode {
	case 0:
		return 0
	case 1, 2, 3:
		return int(r.length)
	}
	return int(r.length) - 1
}

func (r *oracleRun) valueNumbers() int {
	n, many := int(r.length), int(r.many)
	switch {
	case r.kind == 4:
		return many
	case r.kind == 5 && (many == 1 || many == n):
		return many
	case r.kind == 5:
		return n - 1 + many
	case r.predict == 0:
		return 2 * many
	case r.predict == 1:
		return n + 2*many
	}
	return n - 1 + 2*many
}

func (o *oracleState) run(r *oracleRun, tick int64) []oracleReading {
	rs := make([]oracleReading, r.length)
	for i, t := range o.times(r) {
		rs[i].number, rs[i].time, rs[i].quality = uint32(r.number), t*tick, r.qualities[i]
	}
	switch r.kind {
	case 4:
		o.bools(r, rs)
	case 5:
		o.strings(r, rs)
	default:
		o.numbers(r, rs)
	}
	return rs
}

func (o *oracleState) times(r *oracleRun) []int64 {
	n := int(r.length)
	if r.timeMode == 0 {
		return o.timelines[r.timeline][r.from : int(r.from)+n]
	}
	var t []int64
	switch r.timeMode {
	case 1:
		line := o.timelines[r.timeline]
		for range n {
			line = line[o.take(r.timeLane):]
			t = append(t, line[0])
			line = line[1:]
		}
	case 2:
		for i := range n {
			t = append(t, o.timelines[r.timeline][i]+r.timeAnchor+sign(o.take(r.timeLane)))
		}
	case 3:
		o.anchor += r.timeAnchor
		t = o.slots(r)
	default:
		o.anchor += r.timeAnchor
		t = append(t, o.anchor)
		distance := r.step
		for i := 1; i < n; i++ {
			if r.timeMode == 4 {
				distance = r.step
			}
			distance += sign(o.take(r.timeLane))
			t = append(t, t[i-1]+distance)
		}
	}
	o.timelines = append(o.timelines, t)
	return t
}

// slots computes in 1/65536 ticks with numbers of any size.
func (o *oracleState) slots(r *oracleRun) []int64 {
	period := new(big.Int).Lsh(big.NewInt(r.step), 16)
	period.Add(period, big.NewInt(r.fraction))
	due := new(big.Int).Lsh(big.NewInt(o.anchor), 16)
	var t []int64
	for range r.length {
		off := sign(o.take(r.timeLane))
		floor := new(big.Int).Rsh(due, 16)
		t = append(t, int64(new(big.Int).And(floor.Add(floor, big.NewInt(off)), new(big.Int).SetUint64(math.MaxUint64)).Uint64()))
		slots := int64(1)
		if half := r.step / 2; r.step > 0 && (off > half || off < -half) {
			quotient, rest := off/r.step, off%r.step
			if rest > 0 && rest >= r.step-rest {
				quotient++
			}
			if rest < 0 && -rest >= r.step+rest {
				quotient--
			}
			slots = quotient + 1
		}
		due.Add(due, new(big.Int).Mul(period, big.NewInt(slots)))
	}
	return t
}

// fromOrdered gives the bits of the float with a place among all floats.
func fromOrdered(place int64) uint64 {
	if place < 0 {
		return uint64(place) ^ math.MaxInt64
	}
	return uint64(place)
}

func toOrdered(b uint64) int64 {
	if int64(b) < 0 {
		return int64(b ^ math.MaxInt64)
	}
	return int64(b)
}

func (o *oracleState) numbers(r *oracleRun, rs []oracleReading) {
	first := o.take(1)
	if r.negative {
		first = ^first
	}
	m := make([]uint64, len(rs))
	m[0] = first
	distance := uint64(r.drift)
	for i := range m {
		switch {
		case r.predict == 0:
			m[i] = first
		case r.predict == 1:
			m[i] = first + uint64(sign(o.take(r.valueLane)))*r.multiple
		case i == 0:
		case r.predict == 2:
			m[i] = m[i-1] + (uint64(r.drift)+uint64(sign(o.take(r.valueLane))))*r.multiple
		case r.predict == 3:
			distance += uint64(sign(o.take(r.valueLane)))
			m[i] = m[i-1] + distance*r.multiple
		}
	}
	power, _ := new(big.Float).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(r.exponent)), nil)).Float64()
	for i := range rs {
		rs[i].typ, rs[i].num = sensors.Float, m[i]
		switch r.kind {
		case 0:
			rs[i].num = math.Float64bits(float64(int64(m[i])) / power)
		case 1:
			rs[i].num = math.Float64bits(float64(float32(float64(int64(m[i])) / power)))
		case 2:
			rs[i].num = fromOrdered(int64(m[i]))
		case 3:
			rs[i].typ = sensors.Int
		}
	}
	at := uint64(0)
	for range r.many {
		at += o.take(r.valueLane)
		rs[at].num = fromOrdered(toOrdered(rs[at].num) + sign(o.take(r.valueLane)))
		at++
	}
}

func (o *oracleState) bools(r *oracleRun, rs []oracleReading) {
	value, at := r.firstBool, 0
	for range r.many {
		for range o.take(r.valueLane) + 1 {
			rs[at].num = value
			at++
		}
		value = 1 - value
	}
	for ; at < len(rs); at++ {
		rs[at].num = value
	}
	for i := range rs {
		rs[i].typ = sensors.Bool
	}
}

func (o *oracleState) strings(r *oracleRun, rs []oracleReading) {
	index := make([]uint64, len(rs)) // 0: the next
	switch {
	case r.many == 1:
		for i := 1; i < len(index); i++ {
			index[i] = 1
		}
	case int(r.many) < len(rs):
		for i := 1; i < len(index); i++ {
			index[i] = o.take(r.valueLane)
		}
	}
	var words []string
	for range r.many {
		n := o.take(r.valueLane)
		words = append(words, string(o.text[:n]))
		o.text = o.text[n:]
	}
	next := 0
	for i := range rs {
		rs[i].typ = sensors.String
		if index[i] == 0 {
			rs[i].str = words[next]
			next++
		} else {
			rs[i].str = words[index[i]-1]
		}
	}
}

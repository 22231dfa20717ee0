package columns

import "slices"

// numbers sets d.nums to the values of a run of numbers.
func (d *Decoder) numbers(h *headState) error {
	v, lane := &h.value, &d.lanes[h.lanes[1]]
	d.ints = slices.Grow(d.ints[:0], h.length)[:h.length]
	in := d.ints[:h.integerNumbers()]
	lane.read(in)
	out := d.nums[:h.length]
	now := d.lanes[laneFirsts].next()
	if h.negative {
		now = ^now
	}
	switch v.predict {
	case predictFirst:
		for i := range out {
			out[i] = now
		}
	case predictBase:
		for i, z := range in {
			out[i] = now + uint64(unzigzag(z))*v.step //nolint:gosec // modulo 1<<64, as meant
		}
	case predictDelta:
		out[0] = now
		for i, z := range in {
			now += uint64(unzigzag(z)+v.drift) * v.step //nolint:gosec // modulo 1<<64, as meant
			out[i+1] = now
		}
	case predictDouble:
		out[0] = now
		delta := v.drift
		for i, z := range in {
			delta += unzigzag(z)
			now += uint64(delta) * v.step //nolint:gosec // modulo 1<<64, as meant
			out[i+1] = now
		}
	}
	switch v.kind {
	case kindDecimal, kindSingle:
		render(out, pow10(v.exponent), v.kind == kindSingle)
		return d.patch(h, out)
	case kindFloat:
		for i, b := range out {
			out[i] = disordered(int64(b)) //nolint:gosec // bits as they are
		}
	}
	return nil
}

func render(out []uint64, power float64, single bool) {
	for i, m := range out {
		out[i] = rendered(int64(m), power, single) //nolint:gosec // bits as they are
	}
}

// patch puts the floats right that the integers do not say.
func (d *Decoder) patch(h *headState, out []uint64) error {
	lane := &d.lanes[h.lanes[1]]
	at := uint64(0)
	for range h.value.many {
		gap, off := lane.next(), lane.next()
		if gap >= uint64(len(out)) || at+gap >= uint64(len(out)) {
			return corrupt("a patch is outside its run")
		}
		at += gap
		out[at] = disordered(ordered(out[at]) + unzigzag(off))
		at++
	}
	return nil
}

// bools sets d.nums to the values of a run of booleans.
func (d *Decoder) bools(h *headState) error {
	lane, out := &d.lanes[h.lanes[1]], d.nums[:h.length]
	now := uint64(h.value.first) //nolint:gosec // 0 or 1
	rest := out
	for range h.value.many {
		same := lane.next()
		if same >= uint64(len(rest)-1) { //nolint:gosec // rest is never empty
			return corrupt("a boolean flips outside its run")
		}
		fill(rest[:same+1], now)
		rest = rest[same+1:]
		now ^= 1
	}
	fill(rest, now)
	return nil
}

func fill(out []uint64, v uint64) {
	for i := range out {
		out[i] = v
	}
}

// strings sets d.words to the different strings of a run, and d.nums to which of them its values are.
func (d *Decoder) strings(h *headState) error {
	lane, many := &d.lanes[h.lanes[1]], int(h.value.many) //nolint:gosec // at most the run's length
	which := d.nums[:h.length]
	clear(which)
	if many > 1 && many < h.length {
		lane.read(which[1:])
	}
	clear(d.words)
	d.words = slices.Grow(d.words[:0], many)
	for range many {
		word, err := d.word(lane.next())
		if err != nil {
			return err
		}
		d.words = append(d.words, word)
	}
	if many == 1 {
		return nil
	}
	return spell(which, many)
}

// spell turns indexes into which of so many words they say: 0 is the next, i the i-th. They are counted from 0.
func spell(indexes []uint64, many int) error {
	next := uint64(0)
	for i, index := range indexes {
		switch {
		case index == 0 && next < uint64(many): //nolint:gosec // positive
			indexes[i] = next
			next++
		case index == 0 || index > next:
			return corrupt("a string is missing")
		default:
			indexes[i] = index - 1
		}
	}
	if next != uint64(many) { //nolint:gosec // positive
		return corrupt("a string is used nowhere")
	}
	return nil
}

// word takes the next string off the text.
func (d *Decoder) word(size uint64) (string, error) {
	if size > MaxString || size > uint64(len(d.text)-d.at) { //nolint:gosec // not negative
		return "", corrupt("a string is too long")
	}
	from := d.at
	d.at += int(size)
	return d.text[from:d.at], nil
}

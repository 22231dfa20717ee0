package modbus

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// What one request may ask for, by the specification.
const (
	maxRegistersRead = 125
	maxBitsRead      = 2000
)

// A block is what one request reads: values of one table whose addresses lie near one another.
type block struct {
	table    string
	from, to int // addresses; to is behind the last
	values   []*value
}

func maxRead(table string) int {
	if table == TableCoil || table == TableDiscrete {
		return maxBitsRead
	}
	return maxRegistersRead
}

// join makes as few blocks of the values of one table as gaps of at most gap addresses and the size of a request allow.
func join(table string, values []*value, gap int) []block {
	sorted := slices.Clone(values)
	slices.SortStableFunc(sorted, func(a, b *value) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	if maxRead(table) == maxBitsRead {
		gap *= 16 // as many bits as are in the registers
	}
	var blocks []block
	for _, v := range sorted {
		if n := len(blocks) - 1; n >= 0 && v.from-blocks[n].to <= gap && max(v.to, blocks[n].to)-blocks[n].from <= maxRead(table) {
			blocks[n].to = max(blocks[n].to, v.to)
			blocks[n].values = append(blocks[n].values, v)
			continue
		}
		blocks = append(blocks, block{table: table, from: v.from, to: v.to, values: []*value{v}})
	}
	return blocks
}

// split returns the block in two, where its widest gap is, or else in its middle. A block of one value cannot be split.
func (b block) split() (low, high block, ok bool) {
	if len(b.values) < 2 {
		return b, block{}, false
	}
	at, widest, end := len(b.values)/2, 0, b.values[0].to
	for i, v := range b.values[1:] {
		if v.from-end > widest {
			at, widest = i+1, v.from-end
		}
		end = max(end, v.to)
	}
	return b.of(b.values[:at]), b.of(b.values[at:]), true
}

func (b block) of(values []*value) block {
	part := block{table: b.table, from: values[0].from, to: values[0].to, values: values}
	for _, v := range values {
		part.from, part.to = min(part.from, v.from), max(part.to, v.to)
	}
	return part
}

// String names the block for people: "voltage_l1", or "voltage_l1 … power (input 0 to 13)".
func (b block) String() string {
	if len(b.values) == 1 {
		return "register " + b.values[0].cfg.Name
	}
	first, last := b.values[0].cfg.Name, b.values[len(b.values)-1].cfg.Name
	return "registers " + first + " … " + last + " (" + b.table + " " + strconv.Itoa(b.from) + " to " + strconv.Itoa(b.to-1) + ")"
}

// plan returns the polls of a slave: its values by table and interval, joined.
func plan(s *slave, values []*value, gap int, source time.Duration) []*poll {
	type group struct {
		table    string
		interval time.Duration
	}
	groups := map[group][]*value{}
	var keys []group
	for _, v := range values {
		k := group{v.cfg.Table, v.cfg.interval(s.cfg.interval(source))}
		if groups[k] == nil {
			keys = append(keys, k)
		}
		groups[k] = append(groups[k], v)
	}
	var polls []*poll
	for _, k := range keys {
		for _, b := range join(k.table, groups[k], gap) {
			polls = append(polls, &poll{slave: s, block: b, interval: k.interval})
		}
	}
	return polls
}

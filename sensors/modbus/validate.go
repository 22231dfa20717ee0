package modbus

import (
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/skerry-edge/skerry/sensors"
)

// A checker collects what is wrong with a configuration.
type checker struct {
	fault, warn func(key, what, hint string)
	nearest     func(word string, known []string) string
}

// Validate reports every fault and warning, with the key that it stands at. device is the serial line's, or empty; nearest
// returns the one of known that word was probably meant to be, or "".
func (c Config) Validate(device string, fault, warn func(key, what, hint string), nearest func(word string, known []string) string) {
	v := checker{fault: fault, warn: warn, nearest: nearest}
	if err := sensors.CheckName(c.Name); err != nil {
		fault("name", err.Error(), "")
	}
	switch {
	case c.Address == "" && device == "":
		fault("device", "is missing", `a serial line: device = "/dev/ttyUSB0"; or TCP: address = "tcp://10.0.0.9:502"`)
	case c.Address != "" && device != "":
		fault("address", "stands beside device, and a bus is one of both", "drop address or device; two buses are two sources")
	case c.Address != "":
		v.address(c.Address)
	}
	v.duration("interval", c.Interval, MinInterval, MaxInterval)
	v.duration("timeout", c.Timeout, minTimeout, maxTimeout)
	v.number("retries", c.Retries, 0, maxRetries)
	v.duration("turnaround", c.Turnaround, 0, maxPause)
	v.number("max_gap", c.MaxGap, 0, maxRegistersRead)
	switch {
	case len(c.Slaves) == 0:
		fault("slave", "is missing", "add a section [[source.modbus.slave]] for each slave of the bus")
	case len(c.Slaves) > MaxSlaves:
		fault("slave", fmt.Sprintf("%d slaves, want at most %d", len(c.Slaves), MaxSlaves), "")
	}
	names, units := map[string]bool{}, map[int]bool{}
	for i, s := range c.Slaves {
		below := v.below(fmt.Sprintf("slave[%d].", i))
		below.slave(s, device != "" || strings.HasPrefix(c.Address, schemeRTU))
		if s.Name != "" && names[s.Name] {
			below.fault("name", fmt.Sprintf("two slaves are named %q", s.Name), "the name is a tag of every reading, so rename one")
		}
		if s.UnitID != nil && units[*s.UnitID] {
			below.fault("unit_id", fmt.Sprintf("two slaves have the unit id %d", *s.UnitID), "put the registers of one slave into one section")
		}
		names[s.Name] = true
		if s.UnitID != nil {
			units[*s.UnitID] = true
		}
	}
}

// below returns the checker of an entry.
func (v checker) below(prefix string) checker {
	return checker{
		fault:   func(key, what, hint string) { v.fault(prefix+key, what, hint) },
		warn:    func(key, what, hint string) { v.warn(prefix+key, what, hint) },
		nearest: v.nearest,
	}
}

func (v checker) duration(key string, have, least, most time.Duration) {
	if have < least || have > most {
		v.fault(key, fmt.Sprintf("is %v, want %v to %v", have, least, most), "")
	}
}

func (v checker) number(key string, have, least, most int) {
	if have < least || have > most {
		v.fault(key, fmt.Sprintf("is %d, want %d to %d", have, least, most), "")
	}
}

func (v checker) oneOf(key, have string, known []string) {
	if slices.Contains(known, have) {
		return
	}
	hint := "one of " + strings.Join(known, ", ")
	if near := v.nearest(have, known); near != "" {
		hint = fmt.Sprintf("did you mean %q? It is one of %s", near, strings.Join(known, ", "))
	}
	v.fault(key, fmt.Sprintf("%q is not known", have), hint)
}

func (v checker) address(address string) {
	const hint = `want "tcp://10.0.0.9:502", or "rtuovertcp://10.0.0.9:8899" for a converter that passes RTU frames on`
	rest, ok := strings.CutPrefix(address, schemeTCP)
	if !ok {
		rest, ok = strings.CutPrefix(address, schemeRTU)
	}
	if !ok {
		v.fault("address", fmt.Sprintf("%q begins with no known scheme", address), hint)
		return
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		v.fault("address", fmt.Sprintf("%q is no host and port", rest), hint)
		return
	}
	if n, err := strconv.Atoi(port); host == "" || err != nil || n < 1 || n > 65535 {
		v.fault("address", fmt.Sprintf("%q is no host and port", rest), hint)
	}
}

func (v checker) slave(s SlaveConfig, serial bool) {
	if err := sensors.CheckName(s.Name); err != nil {
		v.fault("name", err.Error(), `it becomes the tag slave: name = "meter"`)
	}
	least := 0
	if serial {
		least = 1 // 0 is for all slaves, and none answers
	}
	switch s.UnitID {
	case nil:
		v.fault("unit_id", "is missing", "the slave's address on the bus, set at the slave; many devices on TCP take 1 or 255")
	default:
		v.number("unit_id", *s.UnitID, least, 255)
	}
	if s.Interval != 0 {
		v.duration("interval", s.Interval, MinInterval, MaxInterval)
	}
	v.oneOf("byte_order", s.ByteOrder, []string{OrderBig, OrderLittle})
	v.oneOf("word_order", s.WordOrder, []string{OrderBig, OrderLittle})
	v.tags(s.Tags)
	switch {
	case len(s.Registers) == 0:
		v.fault("register", "is missing", "add a section [[source.modbus.slave.register]] for each value")
	case len(s.Registers) > MaxRegisters:
		v.fault("register", fmt.Sprintf("%d registers, want at most %d", len(s.Registers), MaxRegisters), "")
	}
	names := map[string]bool{}
	for i, r := range s.Registers {
		below := v.below(fmt.Sprintf("register[%d].", i))
		below.register(r)
		if r.Name != "" && names[r.Name] {
			below.fault("name", fmt.Sprintf("two registers of slave %q are named %q", s.Name, r.Name), "the name is the series, so rename one")
		}
		names[r.Name] = true
	}
}

// tags checks a slave's own tags.
func (v checker) tags(tags map[string]string) {
	if most := sensors.MaxTags - 2; len(tags) > most {
		v.fault("tags", fmt.Sprintf("%d tags, want at most %d", len(tags), most), "")
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		switch err := sensors.CheckName(key); {
		case err != nil:
			v.fault("tags", err.Error(), "")
		case key == tagSlave || key == tagSource:
			v.fault("tags", fmt.Sprintf("the tag %s is set already", key), "")
		case len(tags[key]) > sensors.MaxValue || !utf8.ValidString(tags[key]):
			v.fault("tags", fmt.Sprintf("tag %q: want at most %d bytes of UTF-8", key, sensors.MaxValue), "")
		}
	}
}

func (v checker) register(r RegisterConfig) {
	if err := sensors.CheckName(r.Name); err != nil {
		v.fault("name", err.Error(), `it becomes the series: name = "voltage_l1"`)
	}
	if len(r.Unit) > sensors.MaxUnitBytes || !utf8.ValidString(r.Unit) {
		v.fault("unit", fmt.Sprintf("is %q, want at most %d bytes of UTF-8", r.Unit, sensors.MaxUnitBytes), "")
	}
	if r.Interval != 0 {
		v.duration("interval", r.Interval, MinInterval, MaxInterval)
	}
	v.oneOf("table", r.Table, tables())
	for key, order := range map[string]string{"byte_order": r.ByteOrder, "word_order": r.WordOrder} {
		if order != "" {
			v.oneOf(key, order, []string{OrderBig, OrderLittle})
		}
	}
	v.place(r)
	if r.Type != "" && !slices.Contains(types(), r.Type) {
		v.oneOf("type", r.Type, types())
		return
	}
	v.shape(r)
	v.scaling(r)
	if r.ofBits() && len(r.NoValue) > 0 {
		v.fault("no_value", "is of registers, and "+r.Table+" is a table of bits", "leave it out")
		return
	}
	if len(r.NoValue) > maxNoValues {
		v.fault("no_value", fmt.Sprintf("%d values, want at most %d", len(r.NoValue), maxNoValues), "")
	}
	for _, text := range r.NoValue {
		if _, err := parseNoValue(text, r.kind()); err != nil {
			v.fault("no_value", err.Error(), `a bit pattern "0x8000", a number "-32768" (before scale), or "nan"`)
		}
	}
}

// place checks the addresses.
func (v checker) place(r RegisterConfig) {
	const noted = `addresses here count from 0: the register that a manual calls 40001 is table = "holding", address = 0`
	check := func(key string, at int) bool {
		if at < 0 || at > math.MaxUint16 {
			v.fault(key, fmt.Sprintf("is %d, want 0 to %d", at, math.MaxUint16), noted)
			return false
		}
		return true
	}
	if r.Address == nil {
		v.fault("address", "is missing", "the register's number, from 0")
		return
	}
	if !check("address", *r.Address) || r.ScaleAddress != nil && !check("scale_address", *r.ScaleAddress) {
		return
	}
	first := map[string]int{TableHolding: 40001, TableInput: 30001, TableDiscrete: 10001}[r.Table]
	if at := *r.Address; first != 0 && at >= first && at < first+9999 {
		v.warn("address", fmt.Sprintf("%d looks like a manual's number", at), fmt.Sprintf("if so, write %d: addresses here count from 0", at-first))
	}
	if r.ScaleAddress != nil && r.ofBits() {
		v.fault("scale_address", "is of a table of bits", "only registers are scaled")
		return
	}
	from, to := r.span()
	switch {
	case to > math.MaxUint16+1:
		v.fault("address", fmt.Sprintf("the value ends at %d, behind the last register %d", to-1, math.MaxUint16), "")
	case r.ScaleAddress != nil && to-from > maxRegistersRead:
		v.fault("scale_address", fmt.Sprintf("one request takes at most %d registers, and the value and its scale span %d", maxRegistersRead, to-from), "")
	}
}

// shape checks what belongs together with the type.
func (v checker) shape(r RegisterConfig) {
	kind := r.kind()
	switch {
	case r.ofBits() && kind != TypeBool:
		v.fault("type", fmt.Sprintf("%s is a table of bits, and %s is of registers", r.Table, kind), `leave type out, or set table = "holding" or "input"`)
	case r.ofBits() && r.Bit != nil:
		v.fault("bit", "is of a register, and "+r.Table+" is a table of bits", "leave it out; address names the bit")
	case r.Bit != nil && kind != TypeBool:
		v.fault("bit", "is for type bool", "leave type out")
	case r.Bit != nil:
		v.number("bit", *r.Bit, 0, 15)
	case kind == TypeBool && !r.ofBits():
		v.fault("bit", "is missing", "a bool of a register is one of its bits, 0 (the lowest) to 15")
	}
	switch {
	case kind == TypeString && (r.Length < 1 || r.Length > MaxLength):
		v.fault("length", fmt.Sprintf("is %d, want 1 to %d registers", r.Length, MaxLength), "a string has two bytes a register")
	case kind != TypeString && r.Length != 0:
		v.fault("length", "is for strings", "leave it out: "+kind+" has its own")
	}
}

func (v checker) scaling(r RegisterConfig) {
	numeric := r.kind() != TypeBool && r.kind() != TypeString
	switch {
	case r.scaled() && !numeric:
		v.fault("scale", r.kind()+" is not scaled", "leave scale, offset and scale_address out")
	case r.Scale == 0 || math.IsNaN(r.Scale) || math.IsInf(r.Scale, 0):
		v.fault("scale", fmt.Sprintf("is %v, want a number other than 0", r.Scale), "")
	case math.IsNaN(r.Offset) || math.IsInf(r.Offset, 0):
		v.fault("offset", fmt.Sprintf("is %v, want a number", r.Offset), "")
	}
}

package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A decoder puts the values of a tree into the sections' types, by the tags that these have:
//
//	toml:"name"     the key
//	toml:",inline"  a struct that gives its keys to the section around it
//	secret:"true"   the value is itself a secret, which must not come from the environment
//
// A key with a fault keeps its default, so that each fault is told once.
type decoder struct {
	faults   []Fault
	defaults func(reflect.Type) reflect.Value // an entry of a list before its keys are applied
}

// field is one key that a section's type knows.
type field struct {
	key    string
	index  []int // for FieldByIndex
	kind   reflect.Type
	secret bool
}

// fields lists the keys of a struct type in order, those of inline structs in their place.
func fields(t reflect.Type) []field {
	var all []field
	for f := range t.Fields() {
		key, option, _ := strings.Cut(f.Tag.Get("toml"), ",")
		switch {
		case option == "inline":
			for _, inner := range fields(f.Type) {
				inner.index = append(slices.Clone(f.Index), inner.index...)
				all = append(all, inner)
			}
		case key != "" && f.IsExported():
			all = append(all, field{key: key, index: f.Index, kind: f.Type, secret: f.Tag.Get("secret") == "true"})
		}
	}
	return all
}

func (d *decoder) fault(n *element, key, what, hint string) {
	d.faults = append(d.faults, faultAt(n.pos, key, what, hint))
}

// section puts the keys of the table n into the struct into.
func (d *decoder) section(n *element, key string, into reflect.Value) {
	known := fields(into.Type())
	for _, k := range n.keys {
		value, full := n.table[k], joinKey(key, k)
		i := slices.IndexFunc(known, func(f field) bool { return f.key == k })
		if i < 0 {
			d.unknown(value, full, k, known)
			continue
		}
		if known[i].secret && value.expanded {
			d.fault(value, full, "is a secret and cannot come from the environment", "put it into a file or a systemd credential")
			continue
		}
		d.value(value, full, into.FieldByIndex(known[i].index))
	}
}

// unknown reports a key that nothing knows, with the nearest one.
func (d *decoder) unknown(n *element, full, key string, known []field) {
	names := make([]string, 0, len(known))
	for _, f := range known {
		names = append(names, f.key)
	}
	what, hint := "unknown key", ""
	if n.kind == kindTable || n.kind == kindList {
		what = "unknown section"
	}
	near := Nearest(key, names)
	switch {
	case slices.Contains([]string{"password", "passwd", "secret", "token"}, key) && slices.Contains(names, "password_file"):
		hint = "secrets come from files: write the path of one to password_file"
	case near != "":
		hint = "did you mean " + near + "?"
	case len(names) <= 12:
		hint = "known here: " + strings.Join(names, ", ")
	}
	d.fault(n, full, what, hint)
}

// value puts n into the field into, or reports why it cannot.
func (d *decoder) value(n *element, key string, into reflect.Value) {
	if into.Type() == reflect.TypeFor[time.Duration]() {
		d.duration(n, key, into)
		return
	}
	switch into.Kind() { //nolint:exhaustive // every other kind that sections use is a whole number
	case reflect.Struct:
		if d.want(n, key, kindTable) {
			d.section(n, key, into)
		}
	case reflect.Pointer:
		target := reflect.New(into.Type().Elem())
		before := len(d.faults)
		d.value(n, key, target.Elem())
		if len(d.faults) == before {
			into.Set(target)
		}
	case reflect.Slice:
		d.slice(n, key, into)
	case reflect.Map:
		d.mapping(n, key, into)
	case reflect.String:
		if d.want(n, key, kindString) {
			into.SetString(n.text)
		}
	case reflect.Bool:
		if d.want(n, key, kindBool) {
			into.SetBool(n.text == "true")
		}
	case reflect.Float32, reflect.Float64:
		if d.want(n, key, kindFloat, kindInt) {
			d.float(n, key, into)
		}
	default:
		if d.want(n, key, kindInt) {
			d.integer(n, key, into)
		}
	}
}

// want reports whether n is of one of the kinds; otherwise it is a fault.
func (d *decoder) want(n *element, key string, kinds ...kind) bool {
	if slices.Contains(kinds, n.kind) {
		return true
	}
	hint := ""
	switch {
	case kinds[0] == kindString && (n.kind == kindInt || n.kind == kindFloat || n.kind == kindBool):
		hint = fmt.Sprintf("write %q", n.text)
	case kinds[0] == kindList && n.kind == kindTable:
		hint = "write [[" + key + "]], with two brackets"
	case kinds[0] == kindTable && n.kind == kindList:
		hint = "write [" + key + "], with one bracket"
	case kinds[0] == kindArray:
		hint = "write [ … ]"
	}
	d.fault(n, key, fmt.Sprintf("want %s, have %s", kinds[0], n.kind), hint)
	return false
}

func (d *decoder) duration(n *element, key string, into reflect.Value) {
	if n.kind != kindString {
		d.fault(n, key, "want a duration, have "+n.kind.String(), `write a string with its unit, such as "10s"`)
		return
	}
	value, err := time.ParseDuration(n.text)
	if err != nil {
		d.fault(n, key, quote(n.text)+" is no duration", `write a number with its unit: "500ms", "10s", "2m", "1h30m"`)
		return
	}
	into.SetInt(int64(value))
}

func (d *decoder) integer(n *element, key string, into reflect.Value) {
	text := strings.ReplaceAll(strings.TrimPrefix(n.text, "+"), "_", "")
	if into.CanInt() {
		value, err := strconv.ParseInt(text, 0, 64)
		if err == nil && !into.OverflowInt(value) {
			into.SetInt(value)
			return
		}
	} else if into.CanUint() {
		value, err := strconv.ParseUint(text, 0, 64)
		if err == nil && !into.OverflowUint(value) {
			into.SetUint(value)
			return
		}
	}
	d.fault(n, key, text+" is out of range", "")
}

func (d *decoder) float(n *element, key string, into reflect.Value) {
	text := strings.ReplaceAll(n.text, "_", "")
	value, err := strconv.ParseFloat(text, 64)
	if whole, wholeErr := strconv.ParseInt(text, 0, 64); err != nil && wholeErr == nil {
		value, err = float64(whole), nil // hexadecimal and the like
	}
	if err != nil || into.OverflowFloat(value) {
		d.fault(n, key, n.text+" is out of range", "")
		return
	}
	into.SetFloat(value)
}

// slice replaces the slice into: a list's entries begin with their defaults, an array's elements with nothing.
func (d *decoder) slice(n *element, key string, into reflect.Value) {
	of, kinds := into.Type().Elem(), []kind{kindArray}
	if of.Kind() == reflect.Struct {
		kinds = []kind{kindList, kindArray}
	}
	if !d.want(n, key, kinds...) {
		return
	}
	made := reflect.MakeSlice(into.Type(), 0, len(n.items))
	for _, item := range n.items {
		value := reflect.New(of).Elem()
		if item.kind == kindTable {
			value.Set(d.defaults(of))
		}
		d.value(item, key, value)
		made = reflect.Append(made, value)
	}
	into.Set(made)
}

// mapping replaces the map into: a section whose keys anyone may choose.
func (d *decoder) mapping(n *element, key string, into reflect.Value) {
	if !d.want(n, key, kindTable) {
		return
	}
	made := reflect.MakeMapWithSize(into.Type(), len(n.keys))
	for _, k := range n.keys {
		value := reflect.New(into.Type().Elem()).Elem()
		d.value(n.table[k], joinKey(key, k), value)
		made.SetMapIndex(reflect.ValueOf(k).Convert(into.Type().Key()), value)
	}
	into.Set(made)
}

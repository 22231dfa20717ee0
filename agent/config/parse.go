package config

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxFileBytes bounds one file of the configuration.
const maxFileBytes = 1 << 20

// notTOML is how faults of syntax begin.
const notTOML = "is not TOML"

// maxKeyParts bounds the parts of a dotted key; ours have four.
const maxKeyParts = 16

// A parser turns one file into a tree and collects what is wrong with it.
type parser struct {
	toml   unstable.Parser
	file   string
	ends   []int // offsets of the newlines
	root   *element
	at     *element // the section that keys go to
	faults []Fault
}

// parse returns the tree of one file and whether that is all of it: of a file that is not TOML the tree ends at the first fault.
func parse(file string, text []byte) (tree *element, whole bool, faults []Fault) {
	p := &parser{file: file, root: newTable(pos{file, 1}, madeByHeader)}
	if len(text) > maxFileBytes {
		p.fault(pos{file, 1}, "", fmt.Sprintf("has %d bytes", len(text)), fmt.Sprintf("want at most %d", maxFileBytes))
		return p.root, false, p.faults
	}
	for i, c := range text {
		if c == '\n' {
			p.ends = append(p.ends, i)
		}
	}
	p.at = p.root
	p.toml.Reset(text)
	for p.toml.NextExpression() {
		p.expression(p.toml.Expression())
	}
	whole = p.toml.Error() == nil
	if !whole || len(p.faults) == 0 {
		p.check(text)
	}
	p.root.duplicates("", func(f Fault) { p.faults = append(p.faults, f) })
	return p.root, whole, p.faults
}

// check asks the full decoder, which knows more of TOML's rules than the parser and says where one is broken.
func (p *parser) check(text []byte) {
	var whole map[string]any
	err := toml.Unmarshal(text, &whole)
	if err == nil {
		return
	}
	line := 1
	if at, ok := errors.AsType[*toml.DecodeError](err); ok {
		if row, _ := at.Position(); row > 0 {
			line = row
		}
	}
	p.fault(pos{p.file, line}, "", notTOML+": "+strings.TrimPrefix(err.Error(), "toml: "), "")
}

func (p *parser) fault(at pos, key, what, hint string) {
	p.faults = append(p.faults, faultAt(at, key, what, hint))
}

// expression takes a section's header or one key with its value.
func (p *parser) expression(e *unstable.Node) {
	switch e.Kind { //nolint:exhaustive // the parser returns no other expression but comments
	case unstable.Table, unstable.ArrayTable:
		parts, at := p.key(e)
		p.at = p.header(parts, at, e.Kind == unstable.ArrayTable)
	case unstable.KeyValue:
		p.keyValue(p.at, e)
	default:
	}
}

// key returns the parts of an expression's key and where it begins.
func (p *parser) key(e *unstable.Node) ([]string, pos) {
	var parts []string
	at := pos{p.file, 1}
	for it := e.Key(); it.Next(); {
		part := it.Node()
		if len(parts) == 0 {
			at = p.position(part.Raw)
		}
		parts = append(parts, string(part.Data))
	}
	if len(parts) > maxKeyParts {
		p.fault(at, "", fmt.Sprintf("a key has %d parts", len(parts)), "no key has more than four")
		parts = parts[:maxKeyParts]
	}
	return parts, at
}

// header returns the section that a header opens. What cannot be opened goes to a section that nobody sees.
func (p *parser) header(parts []string, at pos, list bool) *element {
	section, last := p.root, parts[len(parts)-1]
	key := strings.Join(parts, ".")
	refuse := func(have *element) *element {
		p.fault(at, key, "is there twice", fmt.Sprintf("it stands at line %d too, as %s", have.pos.line, have.kind))
		return newTable(at, madeByHeader)
	}
	for _, part := range parts[:len(parts)-1] {
		next := section.table[part]
		if next == nil {
			next = newTable(at, madeImplicitly)
			section.set(part, next)
		}
		if next.kind == kindList && next.made != madeInline {
			next = next.items[len(next.items)-1]
		}
		if next.kind != kindTable || next.made == madeInline {
			return refuse(next)
		}
		section = next
	}
	have, opened := section.table[last], newTable(at, madeByHeader)
	switch {
	case have == nil && list:
		section.set(last, &element{pos: at, kind: kindList, made: madeByHeader, items: []*element{opened}})
	case have == nil:
		section.set(last, opened)
	case list && have.kind == kindList && have.made != madeInline:
		have.items = append(have.items, opened)
	case !list && have.kind == kindTable && have.made == madeImplicitly:
		have.made, have.pos = madeByHeader, at
		return have
	default:
		return refuse(have)
	}
	return opened
}

// keyValue puts one key's value into section.
func (p *parser) keyValue(section *element, e *unstable.Node) {
	parts, at := p.key(e)
	for i, part := range parts[:len(parts)-1] {
		next := section.table[part]
		if next == nil {
			next = newTable(at, madeByDots)
			section.set(part, next)
		}
		if next.kind != kindTable || next.made != madeByDots {
			p.fault(at, strings.Join(parts[:i+1], "."), "is there twice", fmt.Sprintf("it stands at line %d too", next.pos.line))
			return
		}
		section = next
	}
	last := parts[len(parts)-1]
	if have := section.table[last]; have != nil {
		p.fault(at, strings.Join(parts, "."), "is there twice", fmt.Sprintf("it stands at line %d too", have.pos.line))
		return
	}
	section.set(last, p.value(e.Value(), at))
}

// value turns a value into an element. at is where its key stands, for kinds of values whose own position the parser does not tell.
func (p *parser) value(v *unstable.Node, at pos) *element {
	if v.Raw.Length > 0 {
		at = p.position(v.Raw)
	}
	n := &element{pos: at, text: string(v.Data)}
	switch v.Kind { //nolint:exhaustive // the other values are dates and times
	case unstable.String:
		n.kind = kindString
	case unstable.Integer:
		n.kind = kindInt
	case unstable.Float:
		n.kind = kindFloat
	case unstable.Bool:
		n.kind = kindBool
	case unstable.Array:
		n.kind, n.text = kindArray, ""
		for it := v.Children(); it.Next(); {
			if it.Node().Kind != unstable.Comment {
				n.items = append(n.items, p.value(it.Node(), at))
			}
		}
		if len(n.items) > 0 && !slices.ContainsFunc(n.items, func(i *element) bool { return i.kind != kindTable }) {
			n.kind, n.made = kindList, madeInline
		}
	case unstable.InlineTable:
		n = newTable(at, madeByDots)
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				p.keyValue(n, it.Node())
			}
		}
		n.made = madeInline
	default:
		n.kind = kindTime
	}
	return n
}

// position returns where a range of the text begins.
func (p *parser) position(r unstable.Range) pos {
	return pos{p.file, sort.SearchInts(p.ends, int(r.Offset)) + 1}
}

func faultAt(at pos, key, what, hint string) Fault {
	return Fault{File: at.file, Line: at.line, Key: key, What: what, Hint: hint}
}

func joinKey(section, key string) string {
	if section == "" {
		return key
	}
	return section + "." + key
}

func quote(s string) string { return strconv.Quote(s) }
func itoa(i int) string     { return strconv.Itoa(i) }

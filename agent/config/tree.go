package config

import (
	"slices"
	"strings"
)

// pos is where something stands.
type pos struct {
	file string
	line int
}

// kind says what an element is.
type kind uint8

const (
	kindString kind = iota + 1
	kindInt
	kindFloat
	kindBool
	kindTime  // a TOML date or time; no key takes one
	kindArray // [ … ]
	kindTable // [x], x.y = … or { … }
	kindList  // [[x]], or an array of inline tables
)

// String returns the kind as a fault names it.
func (k kind) String() string {
	switch k {
	case kindString:
		return "a string"
	case kindInt:
		return "a whole number"
	case kindFloat:
		return "a number"
	case kindBool:
		return "true or false"
	case kindTime:
		return "a date or time"
	case kindArray:
		return "an array"
	case kindTable:
		return "a section"
	case kindList:
		return "a list of sections"
	}
	return "nothing"
}

// made says how a table came to be; TOML allows to go on with it accordingly.
type made uint8

const (
	madeImplicitly made = iota // as the parent of a section
	madeByHeader               // [x] or [[x]]
	madeByDots                 // x.y = …
	madeInline                 // { … }
)

// An element is one value or section with its position.
type element struct {
	pos      pos
	kind     kind
	made     made                // tables
	text     string              // strings: the value; numbers and booleans: as written
	expanded bool                // strings: the text had ${…}
	items    []*element          // arrays and lists
	keys     []string            // tables: in the order of the file
	table    map[string]*element // tables
}

func newTable(at pos, how made) *element {
	return &element{pos: at, kind: kindTable, made: how, table: map[string]*element{}}
}

// set puts value under key.
func (n *element) set(key string, value *element) {
	if _, have := n.table[key]; !have {
		n.keys = append(n.keys, key)
	}
	n.table[key] = value
}

// find returns the element at a dotted key below the table n, and the nearest one that exists when there is none. Of an array
// element, written "key[2]", it finds the element or else the array.
func (n *element) find(key string) (found *element, exact bool) {
	for part := range strings.SplitSeq(key, ".") {
		part, index, _ := strings.Cut(part, "[")
		next := n.table[part]
		if next == nil {
			return n, false
		}
		n = next
		if i, ok := parseIndex(index); ok && i < len(n.items) {
			n = n.items[i]
		}
	}
	return n, true
}

// parseIndex reads "12]".
func parseIndex(text string) (index int, ok bool) {
	digits, ok := strings.CutSuffix(text, "]")
	if !ok || digits == "" || len(digits) > 6 {
		return 0, false
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, false
		}
		index = index*10 + int(c-'0')
	}
	return index, true
}

// name returns what tells the entry from others of its list, and whether there is such a key: name, or where entries
// have none match.
func (n *element) name() (name string, ok bool) {
	v := n.nameElement()
	if v == nil || v.kind != kindString {
		return "", false
	}
	return v.text, true
}

func (n *element) nameElement() *element { return n.table[n.nameKey()] }

func (n *element) nameKey() string {
	if n.table["name"] == nil && n.table["match"] != nil {
		return "match"
	}
	return "name"
}

// merge puts over, the tree of a later file, over the tree n: sections are merged, entries of lists are added or, where one has
// the same name, override its keys, and everything else replaces.
func (n *element) merge(over *element) {
	for _, key := range over.keys {
		have, with := n.table[key], over.table[key]
		switch {
		case have != nil && have.kind == kindTable && with.kind == kindTable:
			have.merge(with)
		case have != nil && have.kind == kindList && with.kind == kindList:
			have.mergeList(with)
		default:
			n.set(key, with)
		}
	}
}

func (n *element) mergeList(over *element) {
	for _, entry := range over.items {
		name, named := entry.name()
		same := slices.IndexFunc(n.items, func(have *element) bool {
			other, ok := have.name()
			return named && ok && other == name
		})
		if same < 0 {
			n.items = append(n.items, entry)
		} else {
			n.items[same].merge(entry)
		}
	}
}

// duplicates reports the entries of one file's lists that have the name of an earlier one.
func (n *element) duplicates(key string, report func(Fault)) {
	switch n.kind {
	case kindTable:
		for _, k := range n.keys {
			n.table[k].duplicates(joinKey(key, k), report)
		}
	case kindList:
		first := map[string]pos{}
		for _, entry := range n.items {
			entry.duplicates(key, report)
			name, ok := entry.name()
			if !ok {
				continue
			}
			if at, twice := first[name]; twice {
				report(faultAt(entry.nameElement().pos, joinKey(key, entry.nameKey()), "is there twice in this file: "+quote(name),
					"the first stands at line "+itoa(at.line)+"; rename one, or change it in a drop-in"))
				continue
			}
			first[name] = entry.pos
		}
	case kindString, kindInt, kindFloat, kindBool, kindTime, kindArray:
	}
}

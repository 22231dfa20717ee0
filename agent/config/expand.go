package config

import (
	"fmt"
	"strings"
)

// expand replaces ${NAME} and ${NAME:-default} in every string of the tree. As in a shell the default also stands in for a variable
// that is set but empty; $${ is a plain ${.
func (n *element) expand(key string, lookup func(string) (string, bool), report func(Fault)) {
	if n.kind == kindString {
		if !strings.Contains(n.text, "${") {
			return
		}
		text, err := expandText(n.text, lookup)
		if err != nil {
			report(faultAt(n.pos, key, err.Error(), "write ${NAME:-default}, or set the variable; $${ is a plain ${"))
			return
		}
		n.text, n.expanded = text, true
		return
	}
	for _, item := range n.items {
		item.expand(key, lookup, report)
	}
	for _, k := range n.keys {
		n.table[k].expand(joinKey(key, k), lookup, report)
	}
}

func expandText(text string, lookup func(string) (string, bool)) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		if !found {
			out.WriteString(text)
			return out.String(), nil
		}
		if plain, escaped := strings.CutSuffix(before, "$"); escaped {
			out.WriteString(plain + "${")
			text = rest
			continue
		}
		out.WriteString(before)
		inner, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", fmt.Errorf("a ${ has no }")
		}
		name, fallback, hasFallback := strings.Cut(inner, ":-")
		if !isVariable(name) {
			return "", fmt.Errorf("%q names no environment variable", "${"+inner+"}")
		}
		value, set := lookup(name)
		switch {
		case hasFallback && value == "":
			value = fallback
		case !set:
			return "", fmt.Errorf("the environment variable %s is not set", name)
		}
		out.WriteString(value)
		text = after
	}
}

// isVariable reports whether name can name an environment variable.
func isVariable(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

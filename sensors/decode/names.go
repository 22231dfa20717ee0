package decode

import (
	"maps"
	"slices"
	"strings"

	"github.com/skerry-edge/skerry/sensors"
)

// MayName reports whether a series of a source with these topics (none: a serial line) may have a name that glob
// matches, as far as the configuration tells; if not, what is said of such series has no effect. The source's and
// the decoder's configuration must be without faults.
func (c Config) MayName(source string, topics []string, glob string) bool {
	c = c.clone()
	text := c.Series
	if text == "" {
		text = "{field}"
	}
	t, err := parseTemplate(text)
	if err != nil {
		return true
	}
	if !t.uses(partField) {
		return sensors.GlobsMeet(t.glob("*"), glob)
	}
	return slices.ContainsFunc(c.fieldGlobs(source, topics), func(field string) bool {
		return sensors.GlobsMeet(t.glob(field), glob) && !c.renamedAway(t, field, glob)
	})
}

// fieldGlobs lists what fields may be called, after they are renamed.
func (c Config) fieldGlobs(source string, topics []string) []string {
	var fields []string
	switch {
	case c.Format == formatCSV && len(c.Columns) > 0:
		fields = slices.DeleteFunc(slices.Clone(c.Columns), func(name string) bool { return name == "" || name == c.Time })
	case c.Format == formatValue && len(topics) == 0:
		fields = []string{source}
	case c.Format == formatValue:
		for _, topic := range topics {
			leaf := topic[strings.LastIndexByte(topic, '/')+1:]
			if strings.ContainsAny(leaf, "+#{") {
				leaf = "*"
			}
			fields = append(fields, leaf)
		}
	case len(c.Include) > 0:
		fields = slices.Clone(c.Include)
	default:
		fields = []string{"*"}
	}
	var called []string
	for _, field := range fields {
		known := !strings.Contains(field, "*")
		if known && (anyMatch(c.Exclude, field) || len(c.Include) > 0 && !anyMatch(c.Include, field)) {
			continue
		}
		if to, renamed := c.Rename[field]; renamed && known {
			field = to
		}
		called = append(called, field)
	}
	if slices.ContainsFunc(called, func(field string) bool { return strings.Contains(field, "*") }) {
		called = slices.AppendSeq(called, maps.Values(c.Rename))
	}
	return called
}

// renamedAway reports whether glob is the one name of a field that has another: nothing else of the fields that
// field stands for is called so.
func (c Config) renamedAway(t template, field, glob string) bool {
	if t.text != "{field}" || !strings.Contains(field, "*") || strings.Contains(glob, "*") {
		return false
	}
	_, renamed := c.Rename[glob]
	return renamed || glob == c.Time || anyMatch(c.Exclude, glob)
}

// glob returns what t is for any topic and tags, with field for the field's name.
func (t template) glob(field string) string {
	var b strings.Builder
	for _, p := range t.parts {
		switch p.kind {
		case partText:
			b.WriteString(p.text)
		case partField:
			b.WriteString(field)
		case partSource, partTopic, partLevel, partTag:
			b.WriteByte('*')
		}
	}
	return b.String()
}

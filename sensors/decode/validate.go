package decode

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/skerry-edge/skerry/sensors"
)

// maxMaxSeries bounds MaxSeries: a series takes about 1 KiB of memory.
const maxMaxSeries = 1_000_000

// Validate reports all faults that can be seen without the source's topics: the key below the
// source's section, what is wrong, and a hint, which may be empty. New reports the others.
func (c Config) Validate(report func(key, what, hint string)) {
	known(report, "format", c.Format, formats())
	c.validateTime(report)
	c.validateNames(report)
	c.validateValues(report)
	c.validateLayout(report)
	c.validateFormats(report)
	c.validateWords(report)
	if c.MaxSeries < 0 || c.MaxSeries > maxMaxSeries {
		report("max_series", fmt.Sprintf("%d is out of range", c.MaxSeries), fmt.Sprintf("want 1 to %d", maxMaxSeries))
	}
}

func (c Config) validateTime(report func(key, what, hint string)) {
	switch {
	case c.Time != "" && c.Format == formatValue:
		report("time", "format value has no fields", "without time it is the time of arrival")
	case c.Format == formatInflux:
		c.validateInfluxTime(report)
	case c.Format == formatNMEA:
		c.validateNMEATime(report)
	case c.Format == formatSparkplug:
		c.validateSparkplugTime(report)
	case c.Time != "":
		known(report, "time_unit", c.TimeUnit, timeUnits())
	case c.TimeUnit != "":
		report("time_unit", "there is no time", "name the field that holds it: time = \"ts\"")
	}
	c.validateZone(report)
}

func (c Config) validateNames(report func(key, what, hint string)) {
	if _, err := parseTemplate(c.Series); err != nil {
		report("series", err.Error(), "")
	}
	for _, key := range slices.Sorted(maps.Keys(c.Tags)) {
		if err := sensors.CheckName(key); err != nil {
			report("tags."+key, err.Error(), "")
		}
		t, err := parseTemplate(c.Tags[key])
		switch {
		case err != nil:
			report("tags."+key, err.Error(), "")
		case t.uses(partField):
			report("tags."+key, "a tag cannot use {field}", "{field} belongs into series")
		case key == "source" && (c.TagSource == nil || *c.TagSource):
			report("tags."+key, "every reading carries this tag already", "set tag_source = false to set it here")
		}
	}
	if len(c.Tags) >= sensors.MaxTags {
		report("tags", fmt.Sprintf("%d tags", len(c.Tags)), fmt.Sprintf("want at most %d, source and those of the topic included", sensors.MaxTags))
	}
	for _, key := range slices.Sorted(maps.Keys(c.Rename)) {
		if c.Rename[key] == "" {
			report("rename."+key, "name is empty", "exclude = [\""+key+"\"] leaves the field out")
		} else if c.Series == "" {
			if err := sensors.CheckName(c.Rename[key]); err != nil {
				report("rename."+key, err.Error(), "")
			}
		}
	}
}

func (c Config) validateValues(report func(key, what, hint string)) {
	for _, key := range slices.Sorted(maps.Keys(c.Scale)) {
		if v := c.Scale[key]; v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
			report("scale."+key, fmt.Sprintf("cannot scale by %g", v), "")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Offset)) {
		if v := c.Offset[key]; math.IsNaN(v) || math.IsInf(v, 0) {
			report("offset."+key, fmt.Sprintf("cannot add %g", v), "")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Unit)) {
		unit := sensors.Series{Name: "x", Unit: c.Unit[key], Type: sensors.Float}
		if err := unit.Check(); err != nil {
			report("unit."+key, err.Error(), "")
		}
	}
	if c.Type != "" {
		if c.Format != formatValue {
			report("type", "only format value has a type", "")
		} else {
			known(report, "type", c.Type, valueTypes())
		}
	}
}

func (c Config) validateLayout(report func(key, what, hint string)) {
	switch c.Format {
	case formatCSV:
		c.validateColumns(report)
	default:
		if len(c.Columns) > 0 {
			report("columns", "only format csv has columns", "")
		}
		if c.Header {
			report("header", "only format csv has a header", "")
		}
	}
	switch {
	case c.Separator == "":
	case c.Format != formatCSV && c.Format != formatKeyValue:
		report("separator", "only formats csv and keyvalue have a separator", "")
	case len(c.Separator) != 1 || c.Separator[0] < ' ' && c.Separator[0] != '\t' || c.Separator[0] >= 0x7f ||
		strings.ContainsAny(c.Separator, "\"\\=.+-_") || isWordByte(c.Separator[0]):
		report("separator", fmt.Sprintf("%q cannot separate", c.Separator), "want one ASCII character that is part of no name or number, such as \";\" or \"\\t\"")
	}
}

func (c Config) validateColumns(report func(key, what, hint string)) {
	if len(c.Columns) == 0 && !c.Header {
		report("columns", "nothing names the cells", "columns = [\"temp\", \"hum\"], or header = true")
	}
	if len(c.Columns) > MaxFields {
		report("columns", fmt.Sprintf("%d columns", len(c.Columns)), fmt.Sprintf("want at most %d", MaxFields))
	}
	seen := map[string]bool{"": true}
	named := false
	for i, name := range c.Columns {
		name = strings.TrimSpace(name)
		if name != "" && seen[name] {
			report("columns", fmt.Sprintf("column %d: %q is there twice", i+1, name), "")
		}
		named = named || name != ""
		seen[name] = true
	}
	if len(c.Columns) > 0 && !named {
		report("columns", "all columns are skipped", "")
	}
	if c.Time != "" && len(c.Columns) > 0 && !seen[c.Time] {
		report("time", fmt.Sprintf("there is no column %q", c.Time), didYouMean(c.Time, c.Columns))
	}
}

func isWordByte(b byte) bool {
	return isDigit(b) || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// known reports value unless it is one of words.
func known(report func(key, what, hint string), key, value string, words []string) {
	switch {
	case slices.Contains(words, value):
	case value == "":
		report(key, "is missing", "one of "+strings.Join(words, ", "))
	default:
		report(key, fmt.Sprintf("unknown value %q", value), didYouMean(value, words))
	}
}

// didYouMean returns a hint: the nearest of words, or all if none is near.
func didYouMean(got string, words []string) string {
	words = slices.DeleteFunc(slices.Clone(words), func(word string) bool { return word == "" })
	best, least := "", 1+len(got)/2
	for _, word := range words {
		if d := editDistance(strings.ToLower(got), strings.ToLower(word)); d < least {
			best, least = word, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %q?", best)
	case len(words) == 0:
		return ""
	}
	return "one of " + strings.Join(words, ", ")
}

// editDistance returns the number of bytes to insert, delete or replace that makes b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

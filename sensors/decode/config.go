package decode

import (
	"maps"
	"slices"
	"strings"

	"github.com/skerry-edge/skerry/sensors"
)

// Config is the part of a source's configuration that says what its bytes mean. The zero value of
// each field but Format is a usable default.
type Config struct {
	Format string `toml:"format"` // "json", "keyvalue", "csv", "value"

	// Time names the field that holds the time, as a path: "ts", "meta.time". Empty: the time of
	// arrival. The field itself is no reading. TimeUnit is "s", "ms", "us", "ns" or "rfc3339".
	Time     string `toml:"time"`
	TimeUnit string `toml:"time_unit"`

	// Series is a template of the series' name: {field}, {topic}, {topic.N} with N from 1, {source},
	// or any tag. Empty: the field's name. Tags are templates without {field}, by the tag's key; they
	// override tags that the topic gives. TagSource adds the tag source; nil means true.
	Series    string            `toml:"series"`
	Tags      map[string]string `toml:"tags"`
	TagSource *bool             `toml:"tag_source"`

	// The following are keyed by the field's name before Rename. Include and Exclude are globs in
	// which * stands for any characters; no Include includes everything, and Exclude wins. Keys of
	// Scale, Offset and Unit may be globs too: an exact key wins, then the longest glob. A number
	// with a scale or offset becomes a Float, value*scale+offset.
	Include []string           `toml:"include"`
	Exclude []string           `toml:"exclude"`
	Rename  map[string]string  `toml:"rename"`
	Scale   map[string]float64 `toml:"scale"`
	Offset  map[string]float64 `toml:"offset"`
	Unit    map[string]string  `toml:"unit"`

	// Columns names the cells of a csv row; cells of a column named "" are skipped. Header says that
	// lines of names may come: they are skipped, and without Columns they name the cells.
	Columns []string `toml:"columns"`
	Header  bool     `toml:"header"`

	// Separator is one character: between csv cells (default ","), or between keyvalue pairs
	// (default: any of space, tab, comma, semicolon, line end).
	Separator string `toml:"separator"`

	// Type is the type of format value: "auto" (default), "float", "int", "bool", "string".
	Type string `toml:"type"`

	// Types says what type the values of a series become, by the series' name or a glob of names. It is
	// no key of the decoder's: see agent/config.Map.
	Types map[string]sensors.Type

	// MaxSeries bounds the number of series of the source; 0 means DefaultMaxSeries.
	MaxSeries int `toml:"max_series"`
}

// DefaultConfig returns the defaults; Format has none.
func DefaultConfig() Config {
	tag := true
	return Config{TagSource: &tag, MaxSeries: DefaultMaxSeries}
}

// UsesTopic reports whether a template of c uses {topic} or {topic.N}. If none does, what the
// wildcards + and # of a topic stand for is lost.
func UsesTopic(c Config) bool {
	texts := slices.Collect(maps.Values(c.Tags))
	for _, text := range append(texts, c.Series) {
		t, err := parseTemplate(text)
		if err == nil && t.usesTopic() {
			return true
		}
	}
	return false
}

// SeriesLimit returns how many series the source may have.
func (c Config) SeriesLimit() int {
	if c.MaxSeries == 0 {
		return DefaultMaxSeries
	}
	return c.MaxSeries
}

// clone returns a copy that shares nothing with c, with the defaults filled in.
func (c Config) clone() Config {
	tag := c.TagSource == nil || *c.TagSource
	c.TagSource = &tag
	c.Tags, c.Rename, c.Unit = maps.Clone(c.Tags), maps.Clone(c.Rename), maps.Clone(c.Unit)
	c.Scale, c.Offset = maps.Clone(c.Scale), maps.Clone(c.Offset)
	c.Include, c.Exclude = slices.Clone(c.Include), slices.Clone(c.Exclude)
	c.Columns, c.Types = slices.Clone(c.Columns), maps.Clone(c.Types)
	for i, name := range c.Columns {
		c.Columns[i] = strings.TrimSpace(name)
	}
	c.MaxSeries = c.SeriesLimit()
	if c.Format == formatCSV && c.Separator == "" {
		c.Separator = ","
	}
	if c.Type == "" {
		c.Type = typeAuto
	}
	return c
}

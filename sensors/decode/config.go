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
	Format string `toml:"format"` // "json", "keyvalue", "csv", "value", "influx", "nmea", "regex", "sparkplug"

	// Time names the field that holds the time, as a path: "ts", "meta.time". Empty: the time of
	// arrival. The field itself is no reading. TimeUnit is "s", "ms", "us", "ns", "rfc3339" or "iso8601".
	// An iso8601 time without a zone is of TimeZone: "UTC", "Local", or a name such as "Europe/Berlin".
	// Lines of format influx hold their time themselves: Time is empty, TimeUnit is "" for "ns", or a
	// number's unit. Of format nmea Time is "" or "utc", without a unit.
	Time     string `toml:"time"`
	TimeUnit string `toml:"time_unit"`
	TimeZone string `toml:"time_zone"`

	// Series is a template of the series' name: {field}, {topic}, {topic.N} with N from 1, {source},
	// any tag, or a word of the format: {measurement} and {key} of influx, {talker} and {sentence} of nmea, {group}, {node} and {device} of sparkplug. Empty: the field's name. Tags are templates without {field}, by the tag's key; they
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

	// Root is the path of the object of format json that holds the fields; their names begin below it,
	// and what is outside of it is not looked at but Time, which is a path from the top. Empty: the top.
	Root string `toml:"root"`

	// Pattern is the RE2 expression of format regex; its named groups are the fields.
	Pattern string `toml:"pattern"`

	// Sentences are the types that format nmea reads, such as "RMC"; others are skipped. None: all that
	// it knows. Checksum is "" or "required", or "optional".
	Sentences []string `toml:"sentences"`
	Checksum  string   `toml:"checksum"`

	// Rebirth says that edge nodes of format sparkplug may be asked for their birth certificates; nil means true.
	Rebirth *bool `toml:"rebirth"`

	// Texts and numbers, as they are written, that are true, false or no reading, whatever field they are of.
	TrueValues  []string `toml:"true_values"`
	FalseValues []string `toml:"false_values"`
	NullValues  []string `toml:"null_values"`

	// Types says what type the values of a series become, by the series' name or a glob of names. It is
	// no key of the decoder's: see agent/config.Map.
	Types map[string]sensors.Type

	// MaxSeries bounds the number of series of the source; 0 means DefaultMaxSeries.
	MaxSeries int `toml:"max_series"`
}

// DefaultConfig returns the defaults; Format has none.
func DefaultConfig() Config {
	tag, rebirth := true, true
	return Config{TagSource: &tag, Rebirth: &rebirth, MaxSeries: DefaultMaxSeries}
}

// UsesTopic reports whether a template of c uses {topic} or {topic.N}. If none does, what the
// wildcards + and # of a topic stand for is lost. Lines of format influx name their series
// themselves, and of format sparkplug the topic's levels are tags, so for them it is always true.
func UsesTopic(c Config) bool {
	if c.Format == formatInflux || c.Format == formatSparkplug {
		return true
	}
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
	rebirth := c.Rebirth == nil || *c.Rebirth
	c.Rebirth = &rebirth
	c.Tags, c.Rename, c.Unit = maps.Clone(c.Tags), maps.Clone(c.Rename), maps.Clone(c.Unit)
	c.Scale, c.Offset = maps.Clone(c.Scale), maps.Clone(c.Offset)
	c.Include, c.Exclude = slices.Clone(c.Include), slices.Clone(c.Exclude)
	c.Columns, c.Sentences, c.Types = slices.Clone(c.Columns), slices.Clone(c.Sentences), maps.Clone(c.Types)
	c.TrueValues, c.FalseValues, c.NullValues = slices.Clone(c.TrueValues), slices.Clone(c.FalseValues), slices.Clone(c.NullValues)
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
	if c.Format == formatInflux && c.TimeUnit == "" {
		c.TimeUnit = unitNanos
	}
	return c
}

// timeField is the field that holds the time; "" if no field does.
func (c Config) timeField() string {
	if c.Format == formatNMEA {
		return "" // Time says whether sentences give it, not which field
	}
	return c.Time
}

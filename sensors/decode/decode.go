// Package decode turns the raw input of one source into readings.
//
// A Config says how; a Format is the part that all decoders of one source share: the rules made
// ready, and the series seen so far. Each format lives in the file of its name: a walk over the
// bytes that hands names and values to a message, which does everything that formats have in common
// (names, tags, filters, scaling, types, times, limits). To add a format: a constant, a word in
// formats, a case in Decoder, a file.
//
// What all formats promise:
//
//   - One Raw gives all its readings or none. If one field is bad the whole message is rejected, and
//     the error names the field. Fields that are excluded are not looked at.
//   - An integer literal is an Int; it must fit 64 bits, because rounding it silently would store a
//     wrong value. A literal with a fraction or an exponent is a Float.
//   - A series that was a Float once continues as one: integers up to ±2^53 become Float, bigger ones
//     stay exact under the Int definition. So printf's 21 among 21.5 starts no second definition.
//   - null and empty strings, objects, arrays and cells are no readings.
//   - true_values, false_values and null_values are looked at first, before what a text or number says by itself.
//   - What format sparkplug cannot read of a message (templates, data sets, arrays, bytes) is counted, and the rest is taken:
//     a birth certificate with a template in it would otherwise make a whole edge node unreadable (decision 0014).
//   - Strings are copied: readings never point into the raw input.
package decode

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// Limits of one piece of raw input; what passes one is rejected with sensors.ReasonTooLong.
const (
	MaxDepth       = 16       // of nested objects and arrays
	MaxFields      = 4096     // members, elements, pairs or cells of one message
	MaxStringBytes = 64 << 10 // of one value
	MaxPathBytes   = 1024     // of a field's name with the names around it
)

// DefaultMaxSeries is how many series one source may have unless its configuration says otherwise.
const DefaultMaxSeries = 10_000

// The formats, as configuration names them.
const (
	formatJSON     = "json"
	formatKeyValue = "keyvalue"
	formatCSV      = "csv"
	formatValue    = "value"
	formatInflux   = "influx"
	formatNMEA     = "nmea"
	formatRegex    = "regex"

	formatSparkplug = "sparkplug"
)

func formats() []string {
	return []string{formatJSON, formatKeyValue, formatCSV, formatValue, formatInflux, formatNMEA, formatRegex, formatSparkplug}
}

// Format is what the decoders of one source share. Safe for concurrent use; its memory is bounded
// by the source's max_series, whatever topics and names arrive.
type Format struct {
	config    Config // with defaults filled in; not changed after New
	source    string
	patterns  []sensors.TopicPattern
	precision sensors.Precision
	table     *sensors.Table
	rules     *rules
	timeField string // the field that holds the time; "" if there is none
	zone      *time.Location
	perRecord bool // each record has a plan of its own
	types     choice[sensors.Type]
	cacheMax  int64  // bytes, estimated
	edges     *edges // of format sparkplug

	cache atomic.Pointer[cache]

	mu     sync.Mutex
	series map[string]*entry // by AppendKey with type 0; at most MaxSeries
}

// New returns the format of the source that is named source. patterns are the source's topics; none
// means a serial line. Times are rounded down to precision. Series are interned in table: at most
// four definitions (one a type) for each of the c.MaxSeries series. The error joins all faults of c.
func New(c Config, source string, patterns []sensors.TopicPattern, precision sensors.Precision, table *sensors.Table) (*Format, error) {
	var faults []error
	c.Validate(func(key, what, hint string) { faults = append(faults, fault(key, what, hint)) })
	if table == nil {
		faults = append(faults, errors.New("table is missing"))
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("read format of source %q: %w", source, errors.Join(faults...))
	}
	c = c.clone()
	rules, err := newRules(c, patterns)
	if err != nil {
		return nil, fmt.Errorf("read format of source %q: %w", source, err)
	}
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("read format of source %q: time_zone: %w", source, err)
	}
	f := &Format{
		config:    c,
		source:    source,
		patterns:  slices.Clone(patterns),
		precision: precision,
		table:     table,
		rules:     rules,
		timeField: c.timeField(),
		zone:      zone,
		perRecord: c.Format == formatInflux || c.Format == formatNMEA || c.Format == formatSparkplug,
		types:     newChoice(c.Types),
		cacheMax:  4<<20 + int64(c.MaxSeries)<<10,
		series:    make(map[string]*entry),
	}
	f.cache.Store(new(cache))
	if c.Format == formatSparkplug {
		f.edges = newEdges(*c.Rebirth, f.cacheMax)
	}
	return f, nil
}

// Decoder returns a decoder for one goroutine. It is small: what was learnt is in the Format.
func (f *Format) Decoder() sensors.Decoder {
	switch f.config.Format {
	case formatJSON:
		return newJSONDecoder(f)
	case formatKeyValue:
		return newKeyValueDecoder(f)
	case formatCSV:
		return newCSVDecoder(f)
	case formatInflux:
		return newInfluxDecoder(f)
	case formatNMEA:
		return newNMEADecoder(f)
	case formatRegex:
		return newRegexDecoder(f)
	case formatSparkplug:
		return newSparkplugDecoder(f)
	}
	return newValueDecoder(f) // New admits no other
}

func fault(key, what, hint string) error {
	if hint == "" {
		return fmt.Errorf("%s: %s", key, what)
	}
	return fmt.Errorf("%s: %s; %s", key, what, hint)
}

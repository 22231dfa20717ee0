package decode

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/skerry-edge/skerry/sensors"
)

// cache is what a Format remembers so that a field that came before costs one look-up: per topic a
// plan, per field of it what to do. It holds nothing that cannot be made again, so when it is full
// it is replaced by an empty one: topics and names that an attacker makes up cost time, not memory.
type cache struct {
	topics snapshot[*plan]
	bytes  atomic.Int64 // estimated
}

// What an entry of the cache takes besides its strings, roughly.
const (
	planBytes  = 512
	fieldBytes = 320
	tagBytes   = 48
)

// plan is what is known of one topic, or of one kind of record in it: a set of tags that a line of format
// influx has, a type of sentence of format nmea. Safe for concurrent use.
type plan struct {
	cache  *cache
	topic  string
	leaf   string        // the name of a value that has none: the last topic level, or the source's name
	tags   []sensors.Tag // of one key the last counts
	words  []sensors.Tag // what the format's placeholders stand for
	fields snapshot[*field]
}

// field is what to do with the values under one name.
type field struct {
	name    string       // for people
	time    bool         // the field is the time
	dropped bool         // the field is excluded
	entry   *entry       // nil when time or dropped
	want    sensors.Type // what the values become; 0: what they are
	scaled  bool
	scale   scaling
	last    atomic.Pointer[string] // the latest short string, to be used again
}

// isNumber reports whether the values become numbers.
func (fd *field) isNumber() bool { return fd.want == sensors.Float || fd.want == sensors.Int }

// entry is one series with the definitions that it was given, one a type. At most one entry exists
// in a Format for the same name, tags and unit.
type entry struct {
	definition  sensors.Series // Type is not set
	definitions [sensors.String + 1]atomic.Pointer[sensors.Series]
}

// of returns the definition of type t.
func (e *entry) of(t sensors.Type, table *sensors.Table) (*sensors.Series, error) {
	if s := e.definitions[t].Load(); s != nil {
		return s, nil
	}
	want := e.definition
	want.Type = t
	s, err := table.Intern(want)
	if err != nil {
		return nil, reject(sensors.ReasonName, "%v", err)
	}
	e.definitions[t].Store(s)
	return s, nil
}

// has reports whether the series had a value of type t.
func (e *entry) has(t sensors.Type) bool { return e.definitions[t].Load() != nil }

// remember reports whether the cache has room for bytes more; if not, it is replaced.
func (f *Format) remember(c *cache, bytes int64) bool {
	if c.bytes.Add(bytes) <= f.cacheMax {
		return true
	}
	f.cache.CompareAndSwap(c, new(cache))
	return false
}

// planFor returns the plan of a topic; key is the topic.
func (f *Format) planFor(c *cache, topic string, key []byte) (*plan, error) {
	if p, ok := c.topics.find(key); ok {
		return p, nil
	}
	return f.newPlan(c, topic, key, nil, nil)
}

// newPlan makes the plan of a topic, or of records in it that have these words and own tags, and remembers it
// under key.
func (f *Format) newPlan(c *cache, topic string, key []byte, words, own []sensors.Tag) (*plan, error) {
	if len(topic) > sensors.MaxTopicBytes {
		return nil, reject(sensors.ReasonTooLong, "topic has %d bytes, want at most %d", len(topic), sensors.MaxTopicBytes)
	}
	topic = strings.Clone(topic)
	tags, err := f.tagsOf(topic, words, own)
	if err != nil {
		return nil, err
	}
	p := &plan{cache: c, topic: topic, leaf: f.source, tags: tags, words: words}
	if topic != "" {
		p.leaf = topic[strings.LastIndexByte(topic, '/')+1:]
	}
	if f.remember(c, planBytes+2*int64(len(key))+tagBytes*int64(len(own))) {
		p = c.topics.add(string(key), p)
	}
	return p, nil
}

// fieldFor returns what to do with the field path of the plan's topic; unit is what the format says of it.
func (f *Format) fieldFor(p *plan, path []byte, unit string) (*field, error) {
	if fd, ok := p.fields.find(path); ok {
		return fd, nil
	}
	full := string(path)
	fd, err := f.newField(p, full, unit)
	if err != nil {
		return nil, err
	}
	if f.remember(p.cache, fieldBytes+2*int64(len(full))) {
		fd = p.fields.add(full, fd)
	}
	return fd, nil
}

// newField is fieldFor without remembering anything.
func (f *Format) newField(p *plan, full, unit string) (*field, error) {
	name, inside := f.rules.below(full)
	fd := &field{name: name}
	switch {
	case f.timeField != "" && full == f.timeField:
		fd.time = true
	case !inside || f.rules.dropped(name):
		fd.dropped = true
	default:
		var err error
		if fd.entry, err = f.entryFor(p, name, unit); err != nil {
			return nil, err
		}
		fd.want, _ = f.types.of(fd.entry.definition.Name)
		scale, scaled := f.rules.scale.of(name)
		if !scaled {
			scale = 1
		}
		offset, shifted := f.rules.offset.of(name)
		fd.scaled = scaled || shifted
		fd.scale = newScaling(scale, offset)
	}
	return fd, nil
}

// entryFor returns the series of a field, which it makes if there is room for one more.
func (f *Format) entryFor(p *plan, name, unit string) (*entry, error) {
	called := name
	if to, ok := f.rules.rename[name]; ok {
		called = to
	}
	series, err := f.rules.series.expand(scope{source: f.source, topic: p.topic, field: called, tags: p.named(name)})
	if err != nil {
		return nil, err
	}
	if own, ok := f.rules.unit.of(name); ok {
		unit = own
	}
	definition := sensors.Series{Name: series, Tags: sortTags(p.tags), Unit: unit}
	checked := definition
	checked.Type = sensors.Float
	if err := checked.Check(); err != nil {
		return nil, reject(sensors.ReasonName, "field %.64q: %v", name, err)
	}
	key := definition.AppendKey(nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.series[string(key)]; e != nil {
		return e, nil
	}
	if len(f.series) >= f.config.MaxSeries {
		return nil, reject(sensors.ReasonSeries, "field %.64q would be series %d, max_series is %d", name, len(f.series)+1, f.config.MaxSeries)
	}
	e := &entry{definition: definition}
	f.series[string(key)] = e
	return e, nil
}

// named returns what placeholders may name in the series of a field: the format's words, then the tags.
func (p *plan) named(field string) []sensors.Tag {
	if len(p.words) == 0 {
		return p.tags
	}
	named := slices.Clone(p.words)
	if measurement, ok := lastTag(p.words, wordMeasurement); ok {
		named = append(named, sensors.Tag{Key: wordKey, Value: field[len(measurement)+1:]})
	}
	return append(named, p.tags...)
}

// sortTags returns the tags sorted by key; of tags with one key it keeps the last.
func sortTags(tags []sensors.Tag) []sensors.Tag {
	sorted := slices.Clone(tags)
	slices.SortStableFunc(sorted, func(a, b sensors.Tag) int { return strings.Compare(a.Key, b.Key) })
	kept := sorted[:0]
	for i, tag := range sorted {
		if i+1 == len(sorted) || sorted[i+1].Key != tag.Key {
			kept = append(kept, tag)
		}
	}
	return kept
}

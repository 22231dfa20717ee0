package decode

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/skerry-edge/skerry/sensors"
)

// rules are a Config's rules about names, made ready. Immutable.
type rules struct {
	series  template // {field} when the configuration has none
	tags    []tagRule
	include []string
	exclude []string
	rename  map[string]string
	scale   choice[float64]
	offset  choice[float64]
	unit    choice[string]
	root    string               // with a dot behind, or ""
	words   map[string]wordValue // nil if there are none
	pattern *regexp.Regexp       // of format regex
}

// wordValue is what a text means by the configuration; the zero value is nothing.
type wordValue uint8

const (
	wordNull wordValue = iota + 1
	wordTrue
	wordFalse
)

// The placeholders that formats add to those of templates.
const (
	wordMeasurement = "measurement"
	wordKey         = "key"
	wordTalker      = "talker"
	wordSentence    = "sentence"
)

type tagRule struct {
	key   string
	value template
}

// newRules checks what Config.Validate cannot know: whether the topics give what templates use.
func newRules(c Config, patterns []sensors.TopicPattern) (*rules, error) {
	r := &rules{
		include: c.Include,
		exclude: c.Exclude,
		rename:  c.Rename,
		scale:   newChoice(c.Scale),
		offset:  newChoice(c.Offset),
		unit:    newChoice(c.Unit),
		words:   newWords(c),
	}
	if c.Root != "" {
		r.root = c.Root + "."
	}
	text := c.Series
	if text == "" {
		text = "{field}"
	}
	var err error
	if r.pattern, err = regexp.Compile(c.Pattern); err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	if r.series, err = parseTemplate(text); err != nil {
		return nil, fmt.Errorf("series: %w", err)
	}
	for _, key := range slices.Sorted(maps.Keys(c.Tags)) {
		value, err := parseTemplate(c.Tags[key])
		if err != nil {
			return nil, fmt.Errorf("tags.%s: %w", key, err)
		}
		r.tags = append(r.tags, tagRule{key, value})
	}
	return r, r.checkTags(c, patterns)
}

func newWords(c Config) map[string]wordValue {
	if len(c.TrueValues)+len(c.FalseValues)+len(c.NullValues) == 0 {
		return nil
	}
	words := map[string]wordValue{}
	for _, list := range []struct {
		texts []string
		value wordValue
	}{{c.TrueValues, wordTrue}, {c.FalseValues, wordFalse}, {c.NullValues, wordNull}} {
		for _, text := range list.texts {
			words[text] = list.value
		}
	}
	return words
}

// below returns the name that path has below the root, and whether it is there.
func (r *rules) below(path string) (string, bool) {
	if r.root == "" {
		return path, true
	}
	return strings.CutPrefix(path, r.root)
}

func (r *rules) checkTags(c Config, patterns []sensors.TopicPattern) error {
	fromTopic := map[string]bool{}
	for _, p := range patterns {
		tags, _ := p.Match(p.String(), nil) // a pattern matches itself
		for _, tag := range tags {
			fromTopic[tag.Key] = true
		}
	}
	var faults []error
	if *c.TagSource && fromTopic["source"] {
		faults = append(faults, errors.New("topics: {source} would replace the tag source; set tag_source = false or choose another name"))
	}
	check := func(key string, t template, known map[string]bool) {
		if t.usesTopic() && len(patterns) == 0 {
			faults = append(faults, fmt.Errorf("%s: %q: there is no topic on a serial line", key, t.text))
		}
		for _, p := range t.parts {
			if p.kind == partTag && !known[p.text] && (c.Format != formatInflux || key != "series" && p.text == wordKey) {
				faults = append(faults, fmt.Errorf("%s: %q: nothing gives the tag {%s}; %s", key, t.text, p.text,
					didYouMean(p.text, slices.Sorted(maps.Keys(known)))))
			}
		}
	}
	if c.Format == formatNMEA {
		fromTopic[wordTalker], fromTopic[wordSentence] = true, true
	}
	if c.Format == formatSparkplug {
		if len(patterns) == 0 {
			faults = append(faults, errors.New("format: there are no topics on a serial line, and sparkplug needs those of MQTT"))
		}
		for _, p := range patterns {
			if !mayBeSparkplug(p) {
				faults = append(faults, fmt.Errorf("topics: %q takes no message of Sparkplug B; write \"spBv1.0/#\", or \"spBv1.0/GROUP/#\" for one group", p))
			}
		}
		fromTopic[tagGroup], fromTopic[tagNode], fromTopic[tagDevice] = true, true, true
	}
	for _, rule := range r.tags {
		check("tags."+rule.key, rule.value, fromTopic)
	}
	all := maps.Clone(fromTopic)
	for _, rule := range r.tags {
		all[rule.key] = true
	}
	check("series", r.series, all)
	return errors.Join(faults...)
}

// tagsOf returns the tags of every reading with the topic and, where a record has tags, of its own; of one key the
// last counts. words are what the format's placeholders stand for.
func (f *Format) tagsOf(topic string, words, own []sensors.Tag) ([]sensors.Tag, error) {
	var tags []sensors.Tag
	for _, p := range f.patterns {
		var ok bool
		if tags, ok = p.Match(topic, tags); ok {
			break
		}
	}
	tags = append(tags, own...)
	fromTopic := scope{source: f.source, topic: topic, tags: append(slices.Clone(words), tags...)}
	for _, rule := range f.rules.tags {
		value, err := rule.value.expand(fromTopic)
		if err != nil {
			return nil, err
		}
		tags = append(tags, sensors.Tag{Key: rule.key, Value: value})
	}
	if *f.config.TagSource {
		if _, taken := lastTag(own, "source"); taken {
			return nil, reject(sensors.ReasonName, "the line has the tag source, which every reading of this gateway has; set tag_source = false")
		}
		tags = append(tags, sensors.Tag{Key: "source", Value: f.source})
	}
	return tags, nil
}

func (r *rules) dropped(name string) bool {
	return len(r.include) > 0 && !anyMatch(r.include, name) || anyMatch(r.exclude, name)
}

package sensors

import (
	"fmt"
	"strings"
)

// TopicPattern is a topic filter of a source in which {x} stands for one level that becomes the tag x.
// + and # mean what they mean in MQTT. Immutable; safe for concurrent use.
type TopicPattern struct {
	text   string
	levels []string // "+", "#", "{x}" kept as written, or a literal level
}

// MaxTopicBytes is the length to which topics and patterns are limited.
const MaxTopicBytes = 1024

// ParseTopicPattern reads a pattern such as "site/{site}/+/#".
func ParseTopicPattern(text string) (TopicPattern, error) {
	if text == "" {
		return TopicPattern{}, fmt.Errorf("topic is empty")
	}
	if len(text) > MaxTopicBytes || strings.ContainsRune(text, 0) {
		return TopicPattern{}, fmt.Errorf("topic %.32q…: want at most %d bytes, none of them zero", text, MaxTopicBytes)
	}
	levels := strings.Split(text, "/")
	seen := map[string]bool{}
	for i, level := range levels {
		name, isTag := tagOf(level)
		switch {
		case isTag:
			if err := CheckName(name); err != nil {
				return TopicPattern{}, fmt.Errorf("topic %q: {%s}: %w", text, name, err)
			}
			if seen[name] {
				return TopicPattern{}, fmt.Errorf("topic %q: {%s} is there twice", text, name)
			}
			seen[name] = true
		case level == "#" && i != len(levels)-1:
			return TopicPattern{}, fmt.Errorf("topic %q: # must be the last level", text)
		case level != "#" && level != "+" && strings.ContainsAny(level, "+#{}"):
			return TopicPattern{}, fmt.Errorf("topic %q: level %q: +, # and {name} must be a whole level", text, level)
		}
	}
	return TopicPattern{text: text, levels: levels}, nil
}

// String returns the pattern as it was written.
func (p TopicPattern) String() string { return p.text }

// HasWildcard reports whether the pattern has a + or #, that is, levels that become no tag.
func (p TopicPattern) HasWildcard() bool {
	for _, level := range p.levels {
		if level == "+" || level == "#" {
			return true
		}
	}
	return false
}

// Filter returns the pattern as an MQTT topic filter.
func (p TopicPattern) Filter() string {
	out := make([]string, len(p.levels))
	for i, level := range p.levels {
		if _, isTag := tagOf(level); isTag {
			level = "+"
		}
		out[i] = level
	}
	return strings.Join(out, "/")
}

// Match reports whether topic matches, and appends the tags that it gives to tags. As in MQTT, a
// topic that starts with $ matches no pattern that starts with a wildcard.
func (p TopicPattern) Match(topic string, tags []Tag) ([]Tag, bool) {
	given := len(tags)
	rest, more := topic, true
	for i, level := range p.levels {
		if level == "#" {
			if i == 0 && strings.HasPrefix(topic, "$") {
				return tags[:given], false
			}
			return tags, true
		}
		if !more {
			return tags[:given], false
		}
		var part string
		part, rest, more = strings.Cut(rest, "/")
		name, isTag := tagOf(level)
		switch {
		case isTag || level == "+":
			if i == 0 && strings.HasPrefix(part, "$") {
				return tags[:given], false
			}
			if isTag {
				tags = append(tags, Tag{Key: name, Value: part})
			}
		case level != part:
			return tags[:given], false
		}
	}
	if more {
		return tags[:given], false
	}
	return tags, true
}

func tagOf(level string) (string, bool) {
	if len(level) >= 2 && level[0] == '{' && level[len(level)-1] == '}' {
		return level[1 : len(level)-1], true
	}
	return "", false
}

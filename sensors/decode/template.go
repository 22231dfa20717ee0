package decode

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/skerry-edge/skerry/sensors"
)

// template is a text with placeholders in braces. Immutable.
type template struct {
	text  string
	parts []part
}

type partKind uint8

const (
	partText partKind = iota
	partField
	partSource
	partTopic
	partLevel
	partTag
)

type part struct {
	kind  partKind
	text  string // partText: the text; partTag: the tag's key
	level int    // partLevel: from 1
}

func parseTemplate(text string) (template, error) {
	t := template{text: text}
	for rest := text; rest != ""; {
		open := strings.IndexAny(rest, "{}")
		if open < 0 {
			t.parts = append(t.parts, part{kind: partText, text: rest})
			break
		}
		if open > 0 {
			t.parts = append(t.parts, part{kind: partText, text: rest[:open]})
		}
		length := strings.IndexAny(rest[open+1:], "{}")
		if rest[open] != '{' || length < 0 || rest[open+1+length] != '}' {
			return template{}, fmt.Errorf("%q: { and } do not match", text)
		}
		p, err := placeholder(rest[open+1 : open+1+length])
		if err != nil {
			return template{}, fmt.Errorf("%q: %w", text, err)
		}
		t.parts = append(t.parts, p)
		rest = rest[open+length+2:]
	}
	return t, nil
}

func placeholder(name string) (part, error) {
	switch name {
	case "field":
		return part{kind: partField}, nil
	case "source":
		return part{kind: partSource}, nil
	case "topic":
		return part{kind: partTopic}, nil
	}
	if number, ok := strings.CutPrefix(name, "topic."); ok {
		level, err := strconv.Atoi(number)
		if err != nil || level < 1 || level > sensors.MaxTopicBytes {
			return part{}, fmt.Errorf("{%s}: want a level's number, from 1", name)
		}
		return part{kind: partLevel, level: level}, nil
	}
	if err := sensors.CheckName(name); err != nil {
		return part{}, fmt.Errorf("{%s}: %w", name, err)
	}
	return part{kind: partTag, text: name}, nil
}

func (t template) uses(kind partKind) bool {
	for _, p := range t.parts {
		if p.kind == kind {
			return true
		}
	}
	return false
}

func (t template) usesTopic() bool { return t.uses(partTopic) || t.uses(partLevel) }

// scope is what placeholders stand for.
type scope struct {
	source, topic, field string
	tags                 []sensors.Tag // of one key the last counts
}

// expand returns the text for c; the error is a *sensors.DecodeError.
func (t template) expand(c scope) (string, error) {
	if len(t.parts) == 1 && t.parts[0].kind == partText {
		return t.text, nil
	}
	var b strings.Builder
	for _, p := range t.parts {
		switch p.kind {
		case partText:
			b.WriteString(p.text)
		case partField:
			b.WriteString(c.field)
		case partSource:
			b.WriteString(c.source)
		case partTopic:
			b.WriteString(c.topic)
		case partLevel:
			level, ok := levelOf(c.topic, p.level)
			if !ok {
				return "", reject(sensors.ReasonName, "template %q: topic %.64q has no level %d", t.text, c.topic, p.level)
			}
			b.WriteString(level)
		case partTag:
			value, ok := lastTag(c.tags, p.text)
			if !ok {
				return "", reject(sensors.ReasonName, "template %q: topic %.64q gives no tag %q", t.text, c.topic, p.text)
			}
			b.WriteString(value)
		}
	}
	return b.String(), nil
}

func levelOf(topic string, n int) (string, bool) {
	for level := range strings.SplitSeq(topic, "/") {
		if n--; n == 0 {
			return level, true
		}
	}
	return "", false
}

func lastTag(tags []sensors.Tag, key string) (string, bool) {
	for _, tag := range slices.Backward(tags) {
		if tag.Key == key {
			return tag.Value, true
		}
	}
	return "", false
}

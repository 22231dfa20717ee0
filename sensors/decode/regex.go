package decode

import (
	"bytes"
	"regexp"
	"unicode/utf8"

	"github.com/skerry-edge/skerry/sensors"
)

// regexDecoder finds an RE2 expression in the input. The texts of its named groups are typed as those of format keyvalue
// are: numbers, true, false, nan, inf, or strings; blanks around them are cut off, and what is empty then, or had no part
// in the match, is no reading.
//
// Each match is a record with a time of its own; the next one begins after it, and what stands between is not looked at.
// Input without a match is rejected. Line ends behind the input are cut off first, so that $ is its end. The input need
// not be UTF-8, only the groups; a byte that is none matches like the character U+FFFD.
type regexDecoder struct {
	message
	pattern *regexp.Regexp
	groups  [][]byte // names; nil where a group has none
}

func newRegexDecoder(f *Format) *regexDecoder {
	d := &regexDecoder{message: message{format: f}, pattern: f.rules.pattern}
	for _, name := range d.pattern.SubexpNames() {
		var group []byte
		if name != "" {
			group = []byte(name)
		}
		d.groups = append(d.groups, group)
	}
	return d
}

// Decode implements sensors.Decoder.
func (d *regexDecoder) Decode(dst []sensors.Reading, raw sensors.Raw) ([]sensors.Reading, error) {
	err := d.start(dst, raw)
	if err == nil {
		err = d.matches(bytes.TrimRight(raw.Payload, "\r\n"))
	}
	return d.finish(err)
}

func (d *regexDecoder) matches(text []byte) error {
	first := d.pattern.FindSubmatchIndex(text)
	if first == nil {
		if len(text) == 0 {
			return nil
		}
		return reject(sensors.ReasonSyntax, "the pattern is not in %.64q", text)
	}
	if first[1] == len(text) {
		return d.match(text, first)
	}
	// The library cannot go on from the first match, so this is the rare case.
	for _, at := range d.pattern.FindAllSubmatchIndex(text, MaxFields+1) {
		if err := d.match(text, at); err != nil {
			return err
		}
	}
	return nil
}

// match makes a record of one match; at holds where each group begins and ends.
func (d *regexDecoder) match(text []byte, at []int) error {
	d.begin()
	if err := d.count(); err != nil {
		return err
	}
	for i, name := range d.groups {
		if name == nil || at[2*i] < 0 {
			continue
		}
		value := bytes.TrimSpace(text[at[2*i]:at[2*i+1]])
		if len(value) == 0 {
			continue
		}
		if err := d.count(); err != nil {
			return err
		}
		fd, err := d.field(name)
		if err != nil {
			return err
		}
		if fd == nil {
			continue
		}
		if !utf8.Valid(value) {
			return reject(sensors.ReasonSyntax, "field %.64q: %.64q is not UTF-8", name, value)
		}
		if err := d.text(fd, value); err != nil {
			return err
		}
	}
	return d.end()
}

package decode

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/skerry-edge/skerry/sensors"
)

// message is one Raw while it is decoded: what a format's decoder hands its names and values to.
// Each decoder embeds one and uses it again. One Raw may hold several records, each with a time of
// its own: the objects of a JSON array, the rows of a CSV file.
type message struct {
	format *Format
	plan   *plan // of the topic; nil between calls
	raw    sensors.Raw

	out    []sensors.Reading
	first  int  // where this Raw's readings begin in out
	record int  // where this record's begin
	fields int  // seen in this Raw
	quiet  bool // something was there that is rightly no reading

	timed bool // the record's time was seen
	time  int64

	key     []byte // scratch: the topic, and what else chooses the plan
	scratch []byte // scratch: text without its escapes
}

// keptScratch bounds the memory that an idle decoder keeps of messages past, in bytes.
const keptScratch = 16 << 10

// start begins with raw, whose readings go after dst. Formats whose records choose their own plan begin without one.
func (m *message) start(dst []sensors.Reading, raw sensors.Raw) error {
	m.raw, m.out, m.first, m.fields, m.quiet = raw, dst, len(dst), 0, false
	m.begin()
	if m.format.perRecord {
		return nil
	}
	m.key = append(m.key[:0], raw.Topic...)
	var err error
	m.plan, err = m.format.planFor(m.format.cache.Load(), raw.Topic, m.key)
	return err
}

// finish ends the Raw that start began. It is all or nothing.
func (m *message) finish(err error) ([]sensors.Reading, error) {
	if err == nil && len(m.out) == m.first && !m.quiet {
		err = reject(sensors.ReasonEmpty, "there is no value in %d bytes", len(m.raw.Payload))
	}
	if cap(m.scratch) > keptScratch {
		m.scratch = nil
	}
	out := m.out
	m.out, m.plan, m.raw = nil, nil, sensors.Raw{} // an idle decoder keeps no plan of a cache that was replaced
	if err != nil {
		clear(out[m.first:])
		return out[:m.first], err
	}
	return out, nil
}

// begin begins a record.
func (m *message) begin() { m.record, m.timed, m.time = len(m.out), false, 0 }

// end gives the record's readings their time.
func (m *message) end() error {
	if len(m.out) == m.record {
		return nil
	}
	at, quality := m.time, sensors.Quality(0)
	if !m.timed {
		if m.format.timeField != "" {
			return reject(sensors.ReasonTime, "field %.64q, the time, is missing", m.format.timeField)
		}
		at, quality = m.format.precision.Round(m.raw.Arrived.UnixNano()), sensors.QualityArrival|m.raw.Quality
	}
	for i := m.record; i < len(m.out); i++ {
		m.out[i].Time, m.out[i].Quality = at, quality
	}
	return nil
}

// count counts one more field of this Raw.
func (m *message) count() error {
	if m.fields++; m.fields > MaxFields {
		return reject(sensors.ReasonTooLong, "more than %d fields", MaxFields)
	}
	return nil
}

// field returns what to do with the values under path; nil means: nothing.
func (m *message) field(path []byte) (*field, error) { return m.fieldIn(path, "") }

// fieldIn is field for a format that knows the unit, which the configuration's replaces.
func (m *message) fieldIn(path []byte, unit string) (*field, error) {
	if len(path) > MaxPathBytes {
		return nil, reject(sensors.ReasonTooLong, "field %.64q…: name has %d bytes, want at most %d", path, len(path), MaxPathBytes)
	}
	fd, err := m.format.fieldFor(m.plan, path, unit)
	if err != nil {
		return nil, err
	}
	if fd.dropped {
		m.quiet = true
		return nil, nil //nolint:nilnil // documented: nothing to do
	}
	return fd, nil
}

// text appends the value of a format that knows only text: a number, a boolean, or else a string.
func (m *message) text(fd *field, text []byte) error {
	if fd.time {
		return m.setTime(fd, text)
	}
	if done, err := m.word(fd, text); done {
		return err
	}
	if kind, whole := classify(text); kind != notNumber {
		return m.number(fd, text, kind, whole)
	}
	if v, ok := boolean(text); ok {
		return m.bool(fd, v)
	}
	if v, ok := special(text); ok {
		return m.float(fd, v)
	}
	return m.string(fd, text)
}

// word appends what the configuration says that the text means, if it says so.
func (m *message) word(fd *field, text []byte) (done bool, err error) {
	if m.format.rules.words == nil {
		return false, nil
	}
	switch m.format.rules.words[string(text)] {
	case wordNull:
		m.quiet = true
		return true, nil
	case wordTrue:
		return true, m.bool(fd, true)
	case wordFalse:
		return true, m.bool(fd, false)
	}
	return false, nil
}

// boolean reads true and false in any case.
func boolean(text []byte) (value, ok bool) {
	switch {
	case len(text) == 4 && bytes.EqualFold(text, []byte("true")):
		return true, true
	case len(text) == 5 && bytes.EqualFold(text, []byte("false")):
		return false, true
	}
	return false, false
}

func (m *message) bool(fd *field, v bool) error {
	if fd.scaled && fd.isNumber() { // scaled as the number that it is to be
		whole := int64(0)
		if v {
			whole = 1
		}
		return m.number(fd, nil, wholeNumber, whole)
	}
	var num uint64
	if v {
		num = 1
	}
	return m.put(fd, sensors.Bool, num, "")
}

// keptString is the length up to which a field's latest string is kept to be used again: states
// and modes repeat, and then cost no allocation.
const keptString = 64

// string appends a copy of text, which is UTF-8; an empty text is no reading.
func (m *message) string(fd *field, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	if fd.want != 0 && fd.want != sensors.String {
		return m.read(fd, text)
	}
	if len(text) > MaxStringBytes {
		return reject(sensors.ReasonTooLong, "field %.64q: string has %d bytes, want at most %d", fd.name, len(text), MaxStringBytes)
	}
	if last := fd.last.Load(); last != nil && *last == string(text) {
		return m.put(fd, sensors.String, 0, *last)
	}
	s := string(text)
	if len(s) <= keptString {
		fd.last.Store(&s)
	}
	return m.put(fd, sensors.String, 0, s)
}

// put appends a value, as the type that its series is to have.
func (m *message) put(fd *field, t sensors.Type, num uint64, str string) error {
	if fd.want != 0 && fd.want != t {
		return m.convert(fd, t, num, str)
	}
	return m.append(fd, t, num, str)
}

func (m *message) append(fd *field, t sensors.Type, num uint64, str string) error {
	series, err := fd.entry.of(t, m.format.table)
	if err != nil {
		return err
	}
	m.out = append(m.out, sensors.Reading{Series: series, Num: num, Str: str})
	return nil
}

// setTime takes the record's time from text.
func (m *message) setTime(fd *field, text []byte) error {
	if m.timed {
		return reject(sensors.ReasonTime, "field %.64q, the time, is there twice", fd.name)
	}
	ns, err := m.format.parseTime(text, m.raw.Arrived)
	if err != nil {
		return reject(sensors.ReasonTime, "field %.64q: %.64q: %v", fd.name, text, err)
	}
	m.timed, m.time = true, m.format.precision.Round(ns)
	return nil
}

// checkText reports why the payload cannot be text.
func checkText(payload []byte) error {
	if !utf8.Valid(payload) {
		return reject(sensors.ReasonSyntax, "input is not UTF-8")
	}
	return nil
}

// maxWhat bounds what a DecodeError says, in bytes: input is quoted in it, and it is kept.
const maxWhat = 240

// reject returns a *sensors.DecodeError.
func reject(reason sensors.Reason, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if len(what) > maxWhat {
		what = strings.ToValidUTF8(what[:maxWhat], "") + "…"
	}
	return &sensors.DecodeError{Reason: reason, What: what}
}

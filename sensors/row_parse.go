package sensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// ParseRow reads one line that AppendTypedJSON or AppendJSON wrote, perhaps with more keys or another order. Without a
// type, a number that has neither a point nor an exponent and fits becomes an Int, other numbers a Float; so the row has
// the text that it had, which is all that views need, and may have another type. Nothing in the row refers to line. The series comes from table.
func ParseRow(line []byte, table *Table) (Row, error) {
	if row, ok := parsePlain(line, table); ok {
		return row, nil
	}
	var object struct {
		Time   string            `json:"time"`
		Series string            `json:"series"`
		Tags   map[string]string `json:"tags"`
		Value  json.RawMessage   `json:"value"`
		Unit   string            `json:"unit"`
		Author string            `json:"author"`
		Type   string            `json:"type"`
	}
	if err := json.Unmarshal(line, &object); err != nil {
		return Row{}, fmt.Errorf("parse row: %w", err)
	}
	row := Row{Author: object.Author}
	var err error
	if row.Time, err = parseTime(object.Time); err != nil {
		return Row{}, fmt.Errorf("parse row: %w", err)
	}
	series := Series{Name: object.Series, Unit: object.Unit}
	for key, value := range object.Tags {
		series.Tags = append(series.Tags, Tag{Key: key, Value: value})
	}
	if len(object.Value) > 0 && object.Value[0] == '"' {
		series.Type = String
		if err := json.Unmarshal(object.Value, &row.Str); err != nil {
			return Row{}, fmt.Errorf("parse row: value: %w", err)
		}
	} else if series.Type, row.Num, err = parseScalar(object.Value); err != nil {
		return Row{}, fmt.Errorf("parse row: %w", err)
	}
	if !row.retype(&series.Type, object.Type) {
		return Row{}, fmt.Errorf("parse row: value: %.40q is no value of type %.40q", object.Value, object.Type)
	}
	if row.Series, err = table.Intern(series); err != nil {
		return Row{}, fmt.Errorf("parse row: %w", err)
	}
	return row, nil
}

// parsePlain reads exactly what AppendJSON writes when no string needs an escape. False means nothing but that the
// long way must be tried.
func parsePlain(line []byte, table *Table) (Row, bool) {
	s := scanner{rest: line}
	s.literal(`{"time":`)
	when := s.quoted()
	s.literal(`,"series":`)
	name := s.quoted()
	s.literal(`,"tags":{`)
	tags := make([]Tag, 0, 4)
	for !s.failed && !bytes.HasPrefix(s.rest, []byte{'}'}) && len(tags) < MaxTags {
		if len(tags) > 0 {
			s.literal(`,`)
		}
		key := s.quoted()
		s.literal(`:`)
		tags = append(tags, Tag{Key: string(key), Value: string(s.quoted())})
	}
	s.literal(`},"value":`)
	var row Row
	kind := String
	if !s.failed && len(s.rest) > 0 && s.rest[0] == '"' {
		row.Str = string(s.quoted())
	} else {
		end := max(bytes.IndexByte(s.rest, ','), 0)
		var err error
		if kind, row.Num, err = parseScalar(s.rest[:end]); err != nil {
			return Row{}, false
		}
		s.rest = s.rest[end:]
	}
	s.literal(`,"unit":`)
	unit := s.quoted()
	s.literal(`,"author":`)
	row.Author = string(s.quoted())
	var given []byte
	if bytes.HasPrefix(s.rest, []byte{','}) {
		s.literal(`,"type":`)
		given = s.quoted()
	}
	s.literal(`}`)
	var ok bool
	row.Time, ok = parsePlainTime(when)
	if s.failed || len(s.rest) > 0 || !ok || !utf8.Valid(line) || !row.retype(&kind, string(given)) {
		return Row{}, false
	}
	var err error
	row.Series, err = table.Intern(Series{Name: string(name), Tags: tags, Unit: string(unit), Type: kind})
	return row, err == nil
}

// retype gives a value, whose type was guessed from its text, the type of that name; "" leaves it. False: it has no such
// type.
func (r *Row) retype(kind *Type, name string) bool {
	guess := *kind
	switch name {
	case "", guess.String():
		return true
	case Float.String():
		*kind = Float
	default:
		return false
	}
	if guess == Int {
		r.Num = math.Float64bits(float64(r.Int()))
		return true
	}
	f := math.NaN()
	switch r.Str {
	case "NaN":
	case "+Inf":
		f = math.Inf(1)
	case "-Inf":
		f = math.Inf(-1)
	default:
		return false
	}
	r.Num, r.Str = math.Float64bits(f), ""
	return guess == String
}

// scanner reads JSON that has no escapes and no spaces; after a failure it stays failed.
type scanner struct {
	rest   []byte
	failed bool
}

func (s *scanner) literal(text string) {
	if s.failed || len(s.rest) < len(text) || string(s.rest[:len(text)]) != text {
		s.failed = true
		return
	}
	s.rest = s.rest[len(text):]
}

func (s *scanner) quoted() []byte {
	if s.failed || len(s.rest) == 0 || s.rest[0] != '"' {
		s.failed = true
		return nil
	}
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			text := s.rest[1:i]
			s.rest = s.rest[i+1:]
			return text
		case c == '\\' || c < ' ':
			s.failed = true
			return nil
		}
	}
	s.failed = true
	return nil
}

// parseScalar reads a JSON number, true or false.
func parseScalar(text []byte) (Type, uint64, error) {
	switch string(text) {
	case "true":
		return Bool, 1, nil
	case "false":
		return Bool, 0, nil
	case "-0":
		return Float, math.Float64bits(math.Copysign(0, -1)), nil
	case "":
		return 0, 0, errors.New("value: missing")
	}
	for _, c := range text { // not hexadecimal, infinities or underscores, which strconv also takes
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			return 0, 0, fmt.Errorf("value: %.40q is no number", text)
		}
	}
	if !bytes.ContainsAny(text, ".eE") {
		if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			return Int, uint64(n), nil //nolint:gosec // two's complement by definition
		}
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0, 0, fmt.Errorf("value: %.40q is no number", text)
	}
	return Float, math.Float64bits(f), nil
}

// parsePlainTime reads the texts that AppendTime writes.
func parsePlainTime(text []byte) (int64, bool) {
	n := len(text)
	if n != len("2006-01-02T15:04:05.000Z") && n != len("2006-01-02T15:04:05.000000Z") && n != len("2006-01-02T15:04:05.000000000Z") {
		return 0, false
	}
	if text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' || text[19] != '.' || text[n-1] != 'Z' {
		return 0, false
	}
	var field [7]int
	for i, at := range [...][2]int{{0, 4}, {5, 7}, {8, 10}, {11, 13}, {14, 16}, {17, 19}, {20, n - 1}} {
		for _, c := range text[at[0]:at[1]] {
			if c < '0' || c > '9' {
				return 0, false
			}
			field[i] = field[i]*10 + int(c-'0')
		}
	}
	for range 9 - (n - 21) {
		field[6] *= 10
	}
	year, month, day, hour, minute, second := field[0], field[1], field[2], field[3], field[4], field[5]
	if month < 1 || month > 12 || day < 1 || day > 28 && day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	return instant(time.Date(year, time.Month(month), day, hour, minute, second, field[6], time.UTC))
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func parseTime(text string) (int64, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, fmt.Errorf("time: %w", err)
	}
	ns, ok := instant(t)
	if !ok {
		return 0, fmt.Errorf("time: %q is out of range", text)
	}
	return ns, nil
}

// instant returns t in nanoseconds since 1970 and whether that fits.
func instant(t time.Time) (int64, bool) {
	ns := t.UnixNano()
	return ns, time.Unix(0, ns).Equal(t)
}

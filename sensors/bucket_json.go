package sensors

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// AppendJSON appends the bucket as the JSON object that scripts see, without a newline:
//
//	{"time":"2026-08-20T12:00:00.000Z","series":"temp","tags":{"room":"1"},"unit":"°C","mean":21.5,"min":20}
//
// The aggregates are those of list, which Values belong to, in its order; those that the bucket has not are left out. Texts
// are as in Row.AppendJSON.
func (b *Bucket) AppendJSON(dst []byte, p Precision, list []Aggregate) []byte {
	dst = append(dst, `{"time":"`...)
	dst = AppendTime(dst, b.Time, p)
	dst = append(dst, `","series":`...)
	dst = appendQuoted(dst, b.Series.Name)
	dst = append(dst, `,"tags":`...)
	dst = appendTags(dst, b.Series.Tags)
	dst = append(dst, `,"unit":`...)
	dst = appendQuoted(dst, b.Series.Unit)
	for i, v := range b.Values {
		if v.Type == 0 {
			continue
		}
		dst = append(dst, ',', '"')
		dst = append(dst, list[i].String()...)
		dst = append(dst, '"', ':')
		dst = v.appendJSON(dst)
	}
	return append(dst, '}')
}

// AppendTypedJSON appends what AppendJSON does with a last key more, "type": that of the series.
func (b *Bucket) AppendTypedJSON(dst []byte, p Precision, list []Aggregate) []byte {
	dst = b.AppendJSON(dst, p, list)
	dst = append(dst[:len(dst)-1], `,"type":"`...)
	dst = append(dst, b.Series.Type.String()...)
	return append(dst, `"}`...)
}

// appendJSON appends a value as a row has it.
func (v Value) appendJSON(dst []byte) []byte {
	switch v.Type {
	case String:
		return appendQuoted(dst, v.Str)
	case Float:
		if f := math.Float64frombits(v.Num); math.IsNaN(f) || math.IsInf(f, 0) {
			dst = append(dst, '"')
			dst = appendFloat(dst, f)
			return append(dst, '"')
		}
		return appendFloat(dst, math.Float64frombits(v.Num))
	case Int:
		return strconv.AppendInt(dst, int64(v.Num), 10) //nolint:gosec // two's complement by definition
	case Bool:
		return strconv.AppendBool(dst, v.Num != 0)
	}
	return append(dst, "null"...)
}

// ParseBucket reads one line that AppendTypedJSON wrote, perhaps with more keys or another order. Values are those of list; a
// key that is not there leaves none. Nothing in the bucket refers to line. The series comes from table.
func ParseBucket(line []byte, table *Table, list []Aggregate) (Bucket, error) {
	var object struct {
		Time   string            `json:"time"`
		Series string            `json:"series"`
		Tags   map[string]string `json:"tags"`
		Unit   string            `json:"unit"`
		Type   string            `json:"type"`
	}
	if err := json.Unmarshal(line, &object); err != nil {
		return Bucket{}, fmt.Errorf("parse bucket: %w", err)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(line, &keys); err != nil {
		return Bucket{}, fmt.Errorf("parse bucket: %w", err)
	}
	b := Bucket{Values: make([]Value, len(list))}
	var err error
	if b.Time, err = parseTime(object.Time); err != nil {
		return Bucket{}, fmt.Errorf("parse bucket: %w", err)
	}
	series := Series{Name: object.Series, Unit: object.Unit}
	for t := Float; t <= String; t++ {
		if t.String() == object.Type {
			series.Type = t
		}
	}
	for key, value := range object.Tags {
		series.Tags = append(series.Tags, Tag{Key: key, Value: value})
	}
	if b.Series, err = table.Intern(series); err != nil {
		return Bucket{}, fmt.Errorf("parse bucket: %w", err)
	}
	for i, a := range list {
		text, has := keys[a.String()]
		if !has {
			continue
		}
		if b.Values[i], err = parseAggregate(text, a, series.Type); err != nil {
			return Bucket{}, fmt.Errorf("parse bucket: %s: %w", a, err)
		}
	}
	return b, nil
}

// parseAggregate reads the value that a has for a series of type t.
func parseAggregate(text []byte, a Aggregate, t Type) (Value, error) {
	switch a {
	case AggCount:
		t = Int
	case AggMean, AggStdDev:
		t = Float
	case AggSum, AggMin, AggMax, AggFirst, AggLast:
	}
	row := Row{}
	guess := String
	var err error
	if len(text) > 0 && text[0] == '"' {
		err = json.Unmarshal(text, &row.Str)
	} else {
		guess, row.Num, err = parseScalar(text)
	}
	if err != nil {
		return Value{}, err //nolint:wrapcheck // the caller says what it read
	}
	if a == AggSum && t == Int && guess == Float {
		t = Float // it does not fit an integer
	}
	if !row.retype(&guess, t.String()) {
		return Value{}, fmt.Errorf("%.40q is no value of type %s", text, t)
	}
	return Value{Type: t, Num: row.Num, Str: row.Str}, nil
}

package decode

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerry-edge/skerry/sensors"
)

// jsonDecoder reads one JSON text a Raw. Each number, boolean and string in it becomes a reading
// that is named by the path to it: "a.b", "a.0". An object at the top is one record. Of an array at
// the top each object is a record; its other elements, like a bare value at the top, are named like
// a value of format value (and the element's number). An object with a name twice is a syntax error,
// as RFC 7493 has it: which of the two values is meant, nobody knows.
type jsonDecoder struct {
	message
	tokens *jsontext.Decoder
	in     bytes.Buffer // what tokens reads; jsontext reads a bytes.Buffer in place
	path   []byte       // of the value that comes next
}

func newJSONDecoder(f *Format) *jsonDecoder {
	d := &jsonDecoder{message: message{format: f}}
	d.tokens = jsontext.NewDecoder(&d.in)
	return d
}

// Decode implements sensors.Decoder.
func (d *jsonDecoder) Decode(dst []sensors.Reading, raw sensors.Raw) ([]sensors.Reading, error) {
	err := d.start(dst, raw)
	if err == nil {
		d.in = *bytes.NewBuffer(raw.Payload)
		d.tokens.Reset(&d.in)
		err = d.top()
		if len(raw.Payload) > keptScratch {
			// What jsontext keeps for the next message, the payload too, would stay with an idle decoder.
			d.in = bytes.Buffer{}
			d.tokens = jsontext.NewDecoder(&d.in)
		}
	}
	return d.finish(err)
}

func (d *jsonDecoder) top() error {
	d.path = d.path[:0]
	var err error
	if kind := d.tokens.PeekKind(); kind == jsontext.KindBeginObject {
		err = d.object(1, false)
	} else if kind == jsontext.KindBeginArray {
		err = d.list()
	} else {
		d.path = append(d.path, d.plan.leaf...)
		err = d.value(0)
	}
	if errors.Is(err, io.EOF) {
		return reject(sensors.ReasonEmpty, "there is nothing but white space")
	}
	if err == nil {
		err = d.end()
	}
	if err != nil {
		return err
	}
	if _, err := d.tokens.ReadToken(); !errors.Is(err, io.EOF) {
		return reject(sensors.ReasonSyntax, "there is more after the end of the JSON text")
	}
	return nil
}

// list reads the array at the top.
func (d *jsonDecoder) list() error {
	if err := d.token(); err != nil {
		return err
	}
	for i := 0; ; i++ {
		kind := d.tokens.PeekKind()
		if kind == jsontext.KindEndArray {
			return d.token()
		}
		if err := d.count(); err != nil {
			return err
		}
		d.begin()
		d.path = d.path[:0]
		var err error
		if kind == jsontext.KindBeginObject {
			err = d.object(2, false)
		} else {
			d.path = append(append(d.path, d.plan.leaf...), '.')
			d.path = strconv.AppendInt(d.path, int64(i), 10)
			err = d.value(1)
		}
		if err == nil {
			err = d.end()
		}
		if err != nil {
			return err
		}
	}
}

// value reads the value at d.path, which depth objects and arrays are around.
func (d *jsonDecoder) value(depth int) error {
	kind := d.tokens.PeekKind()
	if kind == jsontext.KindBeginObject {
		return d.object(depth+1, true)
	}
	if kind == jsontext.KindBeginArray {
		return d.array(depth + 1)
	}
	lit, err := d.tokens.ReadValue()
	if err != nil {
		return d.syntax(err)
	}
	if kind == jsontext.KindNull {
		return nil
	}
	fd, err := d.field(d.path)
	if err != nil || fd == nil {
		return err
	}
	if kind == jsontext.KindString {
		if lit, err = d.unquote(lit); err != nil {
			return err
		}
	}
	switch {
	case fd.time && (kind == jsontext.KindNumber || kind == jsontext.KindString):
		return d.setTime(fd, lit)
	case fd.time:
		return reject(sensors.ReasonTime, "field %.64q: the time is %s", fd.name, lit)
	case kind == jsontext.KindNumber || kind == jsontext.KindString:
		if done, err := d.word(fd, lit); done {
			return err
		}
	}
	switch kind { //nolint:exhaustive // the rest is true or false
	case jsontext.KindNumber:
		sort, whole := classify(lit)
		return d.number(fd, lit, sort, whole)
	case jsontext.KindString:
		return d.string(fd, lit)
	}
	return d.bool(fd, kind == jsontext.KindTrue)
}

// object reads the object at d.path; nested says whether that path is part of its members' names.
func (d *jsonDecoder) object(depth int, nested bool) error {
	if err := d.enter(depth); err != nil {
		return err
	}
	outer := len(d.path)
	for d.tokens.PeekKind() != jsontext.KindEndObject {
		if err := d.count(); err != nil {
			return err
		}
		lit, err := d.tokens.ReadValue()
		if err != nil {
			return d.syntax(err)
		}
		name, err := d.unquote(lit)
		if err != nil {
			return err
		}
		d.path = d.path[:outer]
		if nested {
			d.path = append(d.path, '.')
		}
		if err := d.extend(name); err != nil {
			return err
		}
		if err := d.value(depth); err != nil {
			return err
		}
	}
	d.path = d.path[:outer]
	return d.token()
}

func (d *jsonDecoder) array(depth int) error {
	if err := d.enter(depth); err != nil {
		return err
	}
	outer := len(d.path)
	for i := 0; d.tokens.PeekKind() != jsontext.KindEndArray; i++ {
		if err := d.count(); err != nil {
			return err
		}
		d.path = strconv.AppendInt(append(d.path[:outer], '.'), int64(i), 10)
		if err := d.value(depth); err != nil {
			return err
		}
	}
	d.path = d.path[:outer]
	return d.token()
}

func (d *jsonDecoder) enter(depth int) error {
	if depth > MaxDepth {
		return reject(sensors.ReasonTooLong, "field %.64q: nested deeper than %d", d.path, MaxDepth)
	}
	return d.token()
}

// extend puts a name at the end of the path, which would otherwise grow with the depth and the names.
func (d *jsonDecoder) extend(name []byte) error {
	if len(d.path)+len(name) > MaxPathBytes {
		return reject(sensors.ReasonTooLong, "field %.64q…: name has more than %d bytes", name, MaxPathBytes)
	}
	d.path = append(d.path, name...)
	return nil
}

// token reads a brace or bracket.
func (d *jsonDecoder) token() error {
	_, err := d.tokens.ReadToken()
	return d.syntax(err)
}

// unquote returns the text of a JSON string, which is valid: jsontext has read it.
func (d *jsonDecoder) unquote(lit []byte) ([]byte, error) {
	if len(lit) >= 2 && bytes.IndexByte(lit, '\\') < 0 {
		return lit[1 : len(lit)-1], nil
	}
	var err error
	d.scratch, err = jsontext.AppendUnquote(d.scratch[:0], lit)
	return d.scratch, d.syntax(err)
}

// syntax makes jsontext's errors ours. The end of the input before any value stays io.EOF.
func (d *jsonDecoder) syntax(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return reject(sensors.ReasonSyntax, "%v", err)
}

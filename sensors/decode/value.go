package decode

import (
	"bytes"

	"github.com/skerry-edge/skerry/sensors"
)

// The types of format value, as configuration names them.
const (
	typeAuto   = "auto"
	typeFloat  = "float"
	typeInt    = "int"
	typeBool   = "bool"
	typeString = "string"
)

func valueTypes() []string { return []string{typeAuto, typeFloat, typeInt, typeBool, typeString} }

// valueDecoder reads a Raw that is one value, named by the last level of its topic or, on a serial
// line, by the source. White space around the value is cut off. Type auto takes numbers, true, false,
// nan and inf for what they are and all else for a string; the others reject what does not fit. Type
// bool also takes 1 and 0, on and off.
type valueDecoder struct {
	message
}

func newValueDecoder(f *Format) *valueDecoder {
	return &valueDecoder{message{format: f}}
}

// Decode implements sensors.Decoder.
func (d *valueDecoder) Decode(dst []sensors.Reading, raw sensors.Raw) ([]sensors.Reading, error) {
	err := d.start(dst, raw)
	if err == nil {
		err = checkText(raw.Payload)
	}
	if err == nil {
		err = d.only(bytes.TrimSpace(raw.Payload))
	}
	if err == nil {
		err = d.end()
	}
	return d.finish(err)
}

func (d *valueDecoder) only(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	d.key = append(d.key[:0], d.plan.leaf...)
	fd, err := d.field(d.key)
	if err != nil || fd == nil {
		return err
	}
	if done, err := d.word(fd, text); done {
		return err
	}
	kind, whole := classify(text)
	switch d.format.config.Type {
	case typeString:
		return d.string(fd, text)
	case typeBool:
		if v, ok := boolean(text); ok {
			return d.bool(fd, v)
		}
		if v, ok := onOff(text); ok {
			return d.bool(fd, v)
		}
	case typeInt:
		if kind == wholeNumber || kind == hugeNumber {
			return d.number(fd, text, kind, whole)
		}
	case typeFloat:
		if kind == wholeNumber || kind == hugeNumber {
			kind = realNumber
		}
		if kind == realNumber {
			return d.number(fd, text, kind, whole)
		}
		if v, ok := special(text); ok {
			return d.float(fd, v)
		}
	default:
		return d.text(fd, text)
	}
	return reject(sensors.ReasonValue, "%.64q is not of type %s", text, d.format.config.Type)
}

func onOff(text []byte) (value, ok bool) {
	switch {
	case bytes.EqualFold(text, []byte("on")), string(text) == "1":
		return true, true
	case bytes.EqualFold(text, []byte("off")), string(text) == "0":
		return false, true
	}
	return false, false
}

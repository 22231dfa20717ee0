package decode

import (
	"bytes"

	"github.com/skerry-edge/skerry/sensors"
)

// keyValueDecoder reads pairs such as temp=21.5 hum=40 state="on fire". One Raw is one record,
// whatever line ends are in it. A quoted value is a string, in which \ stands before " and \, and
// \n and \t mean what they mean in Go; other values are numbers, true, false, nan, inf, or strings.
// A key without a value (temp=) is skipped.
type keyValueDecoder struct {
	message
	separator byte // 0: any of space, tab, line end, comma, semicolon
}

func newKeyValueDecoder(f *Format) *keyValueDecoder {
	d := &keyValueDecoder{message: message{format: f}}
	if f.config.Separator != "" {
		d.separator = f.config.Separator[0]
	}
	return d
}

// Decode implements sensors.Decoder.
func (d *keyValueDecoder) Decode(dst []sensors.Reading, raw sensors.Raw) ([]sensors.Reading, error) {
	err := d.start(dst, raw)
	if err == nil {
		err = checkText(raw.Payload)
	}
	if err == nil {
		err = d.pairs(raw.Payload)
	}
	if err == nil {
		err = d.end()
	}
	return d.finish(err)
}

func (d *keyValueDecoder) pairs(rest []byte) error {
	for {
		for len(rest) > 0 && (d.separates(rest[0]) || isSpace(rest[0])) {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return nil
		}
		var err error
		if rest, err = d.pair(rest); err != nil {
			return err
		}
	}
}

// pair reads the pair at the beginning of rest and returns what follows.
func (d *keyValueDecoder) pair(rest []byte) ([]byte, error) {
	if err := d.count(); err != nil {
		return nil, err
	}
	at := 0
	for at < len(rest) && rest[at] != '=' && !d.separates(rest[at]) {
		at++
	}
	if at == len(rest) || rest[at] != '=' {
		return nil, reject(sensors.ReasonSyntax, "%.64q: want key=value", rest[:at])
	}
	key := bytes.TrimSpace(rest[:at])
	if len(key) == 0 {
		return nil, reject(sensors.ReasonSyntax, "%.64q: there is no key before =", rest)
	}
	rest = rest[at+1:]
	if d.separator != 0 {
		rest = trimLeft(rest, d.separator)
	}
	if len(rest) > 0 && rest[0] == '"' {
		return d.quoted(key, rest[1:])
	}
	end := 0
	for end < len(rest) && !d.separates(rest[end]) {
		end++
	}
	if value := bytes.TrimSpace(rest[:end]); len(value) > 0 {
		fd, err := d.field(key)
		if err != nil {
			return nil, err
		}
		if fd != nil {
			if err := d.text(fd, value); err != nil {
				return nil, err
			}
		}
	}
	return rest[end:], nil
}

// quoted reads the value of which rest begins after the opening quote.
func (d *keyValueDecoder) quoted(key, rest []byte) ([]byte, error) {
	d.scratch = d.scratch[:0]
	for i := 0; i < len(rest); i++ {
		c := rest[i]
		switch {
		case c == '"':
			rest = rest[i+1:]
			if d.separator != 0 {
				rest = trimLeft(rest, d.separator)
			}
			if len(rest) > 0 && !d.separates(rest[0]) {
				return nil, reject(sensors.ReasonSyntax, "field %.64q: want a separator after the closing quote", key)
			}
			return rest, d.quotedValue(key)
		case c == '\\' && i+1 < len(rest):
			i++
			switch c = rest[i]; c {
			case 'n':
				c = '\n'
			case 't':
				c = '\t'
			case '"', '\\':
			default:
				return nil, reject(sensors.ReasonSyntax, "field %.64q: unknown escape \\%c", key, c)
			}
			d.scratch = append(d.scratch, c)
		default:
			d.scratch = append(d.scratch, c)
		}
	}
	return nil, reject(sensors.ReasonSyntax, "field %.64q: the quote is not closed", key)
}

func (d *keyValueDecoder) quotedValue(key []byte) error {
	fd, err := d.field(key)
	if err != nil || fd == nil {
		return err
	}
	if fd.time {
		return d.setTime(fd, d.scratch)
	}
	if done, err := d.word(fd, d.scratch); done {
		return err
	}
	return d.string(fd, d.scratch)
}

func (d *keyValueDecoder) separates(c byte) bool {
	if d.separator != 0 {
		return c == d.separator || c == '\n'
	}
	return c == ',' || c == ';' || isSpace(c)
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// trimLeft cuts off blanks that are not the separator.
func trimLeft(text []byte, separator byte) []byte {
	for len(text) > 0 && text[0] != separator && (text[0] == ' ' || text[0] == '\t' || text[0] == '\r') {
		text = text[1:]
	}
	return text
}

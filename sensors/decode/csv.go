package decode

import (
	"bytes"
	"slices"

	"github.com/skerry-edge/skerry/sensors"
)

// csvDecoder reads rows as RFC 4180 has them; blanks around cells without quotes are cut off. Each row
// is a record. Rows have a cell for each column, and may have empty ones behind. Quotes say nothing
// about the type: cells are numbers, true, false, nan, inf, or strings; empty ones are skipped.
//
// With header = true the first row of a Raw may be a header: a row in which each cell is a name, that
// is, not empty, not true, false, nan or inf, and not beginning with a digit, sign or point. It names
// the cells of the rows after it unless columns does. What a serial line's header says holds for the
// frames after it, until the next header; of an MQTT message it holds for that message alone.
type csvDecoder struct {
	message
	separator byte
	names     [][]byte // of the cells; nil while unknown
	header    []byte   // the row that gave names, as it came
	cells     [][]byte // scratch: of the latest row
}

func newCSVDecoder(f *Format) *csvDecoder {
	d := &csvDecoder{message: message{format: f}, separator: f.config.Separator[0]}
	for _, name := range f.config.Columns {
		d.names = append(d.names, []byte(name))
	}
	return d
}

// Decode implements sensors.Decoder.
func (d *csvDecoder) Decode(dst []sensors.Reading, raw sensors.Raw) ([]sensors.Reading, error) {
	err := d.start(dst, raw)
	if err == nil {
		err = checkText(raw.Payload)
	}
	if err == nil {
		err = d.rows(raw.Payload)
	}
	return d.finish(err)
}

func (d *csvDecoder) rows(rest []byte) error {
	header := d.format.config.Header
	named := len(d.format.config.Columns) > 0
	known := named || d.raw.Topic == "" && d.names != nil
	for len(rest) > 0 {
		before := rest
		var err error
		if rest, err = d.row(rest); err != nil {
			return err
		}
		if len(d.cells) == 1 && len(d.cells[0]) == 0 {
			continue // a blank line
		}
		if header && isHeader(d.cells) {
			if !named {
				d.setHeader(before[:len(before)-len(rest)])
			}
			header, known, d.quiet = false, true, true
			continue
		}
		header = false
		if !known {
			return reject(sensors.ReasonSyntax, "a row came before any header")
		}
		if err := d.values(); err != nil {
			return err
		}
	}
	return nil
}

// values makes readings of the latest row.
func (d *csvDecoder) values() error {
	d.begin()
	for i, cell := range d.cells {
		if err := d.count(); err != nil {
			return err
		}
		if len(cell) == 0 || i < len(d.names) && len(d.names[i]) == 0 {
			d.quiet = d.quiet || len(cell) > 0
			continue
		}
		if i >= len(d.names) {
			return reject(sensors.ReasonSyntax, "row has %d cells, want %d", len(d.cells), len(d.names))
		}
		fd, err := d.field(d.names[i])
		if err != nil {
			return err
		}
		if fd == nil {
			continue
		}
		if err := d.text(fd, cell); err != nil {
			return err
		}
	}
	if len(d.cells) < len(d.names) {
		return reject(sensors.ReasonSyntax, "row has %d cells, want %d", len(d.cells), len(d.names))
	}
	return d.end()
}

func isHeader(cells [][]byte) bool {
	for _, cell := range cells {
		if len(cell) == 0 || isDigit(cell[0]) || bytes.IndexByte([]byte("+-."), cell[0]) >= 0 {
			return false
		}
		if _, ok := boolean(cell); ok {
			return false
		}
		if _, ok := special(cell); ok {
			return false
		}
	}
	return true
}

func (d *csvDecoder) setHeader(row []byte) {
	if d.names != nil && bytes.Equal(d.header, row) {
		return
	}
	d.header = append(d.header[:0], row...)
	d.names = make([][]byte, len(d.cells))
	for i, cell := range d.cells {
		d.names[i] = slices.Clone(cell)
	}
}

// row cuts the first row of rest into d.cells and returns what follows it.
func (d *csvDecoder) row(rest []byte) ([]byte, error) {
	d.cells, d.scratch = d.cells[:0], d.scratch[:0]
	for {
		if len(d.cells) == MaxFields {
			return nil, reject(sensors.ReasonTooLong, "row has more than %d cells", MaxFields)
		}
		rest = trimLeft(rest, d.separator)
		var cell []byte
		if len(rest) > 0 && rest[0] == '"' {
			var err error
			if cell, rest, err = d.quoted(rest[1:]); err != nil {
				return nil, err
			}
			rest = trimLeft(rest, d.separator)
		} else {
			end := 0
			for end < len(rest) && rest[end] != d.separator && rest[end] != '\n' {
				end++
			}
			cell, rest = bytes.TrimRight(rest[:end], " \t\r"), rest[end:]
		}
		d.cells = append(d.cells, cell)
		switch {
		case len(rest) == 0:
			return nil, nil
		case rest[0] == '\n':
			return rest[1:], nil
		case rest[0] != d.separator:
			return nil, reject(sensors.ReasonSyntax, "cell %d: want a separator after the closing quote", len(d.cells))
		}
		rest = rest[1:]
	}
}

// quoted reads the cell of which rest begins after the opening quote.
func (d *csvDecoder) quoted(rest []byte) (cell, after []byte, err error) {
	begin := len(d.scratch)
	for {
		end := bytes.IndexByte(rest, '"')
		if end < 0 {
			return nil, nil, reject(sensors.ReasonSyntax, "cell %d: the quote is not closed", len(d.cells)+1)
		}
		d.scratch = append(d.scratch, rest[:end]...)
		rest = rest[end+1:]
		if len(rest) == 0 || rest[0] != '"' {
			return d.scratch[begin:], rest, nil
		}
		d.scratch = append(d.scratch, '"')
		rest = rest[1:]
	}
}

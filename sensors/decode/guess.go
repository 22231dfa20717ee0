package decode

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/skerry-edge/skerry/sensors"
)

// Guess is what raw input is likely to be.
type Guess struct {
	Format   string   // as configuration names it; empty: none that is known reads most of the input
	Columns  []string // of format csv
	Header   bool     // of format csv: the first line names the columns
	Pieces   int      // lines or messages that were looked at
	Read     int      // of these, how many Format reads
	Garbage  float64  // share of bytes that are no printable text, 0 to 1
	Readings []sensors.Reading
}

// maxGuessed is how many pieces are looked at.
const maxGuessed = 200

// GuessLine guesses the format of the bytes of a serial line. Its first and last line may be incomplete, and are not looked at
// when there are others.
func GuessLine(raw []byte) Guess {
	lines := bytes.Split(raw, []byte("\n"))
	if len(lines) > 2 {
		lines = lines[1 : len(lines)-1]
	}
	var pieces [][]byte
	for _, line := range lines {
		if line = bytes.Trim(line, "\r"); len(line) > 0 {
			pieces = append(pieces, line)
		}
	}
	g := GuessPieces(pieces)
	g.Garbage = garbage(raw)
	return g
}

// GuessPieces guesses the format of whole lines or messages.
func GuessPieces(pieces [][]byte) Guess {
	pieces = pieces[:min(len(pieces), maxGuessed)]
	best := Guess{Pieces: len(pieces), Garbage: garbage(bytes.Join(pieces, nil))}
	for _, c := range guessedConfigs(pieces) {
		read, readings := readAs(c, pieces)
		// The formats stand from the strictest on, so a later one must read more.
		if read > best.Read && 2*read > len(pieces) {
			best.Format, best.Columns, best.Header, best.Read, best.Readings = c.Format, c.Columns, c.Header, read, readings
		}
	}
	return best
}

// guessedConfigs returns what is tried, the strictest format first.
func guessedConfigs(pieces [][]byte) []Config {
	if len(pieces) == 0 {
		return nil
	}
	configs := []Config{{Format: formatNMEA}, {Format: formatValue, Type: "float"}, {Format: formatJSON}}
	// To influx, "temp=21.5" in "temp=21.5 hum=40" is a measurement: nobody means that.
	if end := bytes.IndexAny(pieces[0], ", "); end > 0 && !bytes.ContainsRune(pieces[0][:end], '=') {
		configs = append(configs, Config{Format: formatInflux})
	}
	configs = append(configs, Config{Format: formatKeyValue})
	cells := bytes.Split(pieces[0], []byte(","))
	if len(cells) < 2 || len(cells) > 64 {
		return configs
	}
	csv := Config{Format: formatCSV, Header: true}
	names := map[string]bool{}
	for i, cell := range cells {
		name := strings.TrimSpace(string(cell))
		if sensors.CheckName(name) != nil || names[name] || strings.ContainsFunc(name[:1], func(r rune) bool { return !unicode.IsLetter(r) }) {
			csv.Header = false
		}
		names[name] = true
		csv.Columns = append(csv.Columns, fmt.Sprintf("column%d", i+1))
	}
	if csv.Header {
		for i, cell := range cells {
			csv.Columns[i] = strings.TrimSpace(string(cell))
		}
	}
	return append(configs, csv)
}

// readAs counts the pieces that a format reads as at least one number or boolean.
func readAs(c Config, pieces [][]byte) (read int, first []sensors.Reading) {
	f, err := New(c, "guess", nil, sensors.Milliseconds, sensors.NewTable())
	if err != nil {
		return 0, nil
	}
	d := f.Decoder()
	for _, piece := range pieces {
		readings, err := d.Decode(nil, sensors.Raw{Source: "guess", Payload: piece, Arrived: time.Now()})
		if err != nil || len(readings) == 0 && c.Format != formatCSV {
			continue
		}
		for i := range readings {
			if readings[i].Series.Type != sensors.String {
				read++
				if first == nil {
					first = readings
				}
				break
			}
		}
	}
	return read, first
}

// garbage returns the share of bytes that are no printable text.
func garbage(raw []byte) float64 {
	if len(raw) == 0 {
		return 0
	}
	bad := 0
	for i := 0; i < len(raw); {
		r, size := utf8.DecodeRune(raw[i:])
		if r == utf8.RuneError && size <= 1 || !unicode.IsPrint(r) && r != '\n' && r != '\r' && r != '\t' {
			bad += size
		}
		i += size
	}
	return float64(bad) / float64(len(raw))
}

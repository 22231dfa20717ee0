package decode

import (
	"bytes"
	"slices"

	"github.com/skerry-edge/skerry/sensors"
)

// nmeaDecoder reads sentences of NMEA 0183, each a record, one a line:
//
//	$GPRMC,220516,A,5133.82,N,00042.24,W,173.8,231.8,130694,004.2,W*70
//
// What a sentence holds is listed in sentences. Names and units are the same from whatever sentence a quantity comes:
// latitude and longitude in degrees, north and east positive; speeds in knots, depths in metres, directions in degrees.
// An empty field is no reading; a sentence that says that it is not valid has none. The talker, GP in GPRMC, is not
// looked at; placeholders are {talker} and {sentence}. A tag block \…\ before a sentence is skipped.
//
// With Time "utc" RMC, ZDA, GGA, GLL and GNS are at the time that they hold. Those without a date are of the day that
// makes their time nearest to the latest that had one, on a serial line also in frames before; without such a one to
// the time of arrival, if that is known to be right. All other sentences have the time of arrival.
type nmeaDecoder struct {
	message
	checked bool // a checksum must be there
	types   []string
	parts   [][]byte // scratch: the sentence, cut at commas
	fields  [][]byte // parts without the first, the address
	talker  []byte   // of the sentence, as GP
	kind    []byte   // its type, as RMC
	foreign bool     // it is encapsulated, or a maker's own

	known   bool  // utc and arrived are known
	utc     int64 // the latest time with a date, nanoseconds since 1970
	arrived int64 // when it came
}

func newNMEADecoder(f *Format) *nmeaDecoder {
	return &nmeaDecoder{message: message{format: f}, checked: f.config.Checksum != checksumOptional, types: f.config.Sentences}
}

// What Config.Checksum may be.
const (
	checksumRequired = "required"
	checksumOptional = "optional"
)

// timeUTC is what Config.Time is if sentences give the time.
const timeUTC = "utc"

// Decode implements sensors.Decoder.
func (d *nmeaDecoder) Decode(dst []sensors.Reading, raw sensors.Raw) ([]sensors.Reading, error) {
	err := d.start(dst, raw)
	if err == nil {
		err = checkText(raw.Payload)
	}
	if err == nil {
		d.known = d.known && raw.Topic == ""
		err = d.lines(raw.Payload)
	}
	clear(d.parts) // an idle decoder holds no input
	d.talker, d.kind = nil, nil
	return d.finish(err)
}

// lines reads sentences. Those of types that nobody knows are rejected if there is nothing else.
func (d *nmeaDecoder) lines(rest []byte) error {
	var unsupported error
	supported := false
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if err := d.count(); err != nil {
			return err
		}
		if err := d.split(line); err != nil {
			return err
		}
		if len(d.types) > 0 && !slices.Contains(d.types, string(d.kind)) {
			d.quiet = true
			continue
		}
		read := sentences(d.kind)
		if read == nil || d.foreign {
			unsupported = reject(sensors.ReasonUnsupported, "sentences %.64s%.64s are not read", d.talker, d.kind)
			continue
		}
		supported = true
		if err := d.sentence(read); err != nil {
			return err
		}
	}
	if supported {
		return nil
	}
	return unsupported
}

func (d *nmeaDecoder) sentence(read func(*nmeaDecoder) error) error {
	d.begin()
	d.quiet = true
	if err := d.choose(""); err != nil {
		return err
	}
	if err := read(d); err != nil {
		return err
	}
	return d.end()
}

// split checks the sentence and cuts it into d.talker, d.kind and d.fields.
func (d *nmeaDecoder) split(line []byte) error {
	if line[0] == '\\' {
		end := bytes.IndexByte(line[1:], '\\')
		if end < 0 {
			return reject(sensors.ReasonSyntax, "the tag block is not closed")
		}
		line = line[end+2:]
	}
	if len(line) == 0 || line[0] != '$' && line[0] != '!' {
		return reject(sensors.ReasonSyntax, "%.64q does not begin with $ or !", line)
	}
	d.foreign = line[0] == '!'
	body, sum, there := bytes.Cut(line[1:], []byte("*"))
	if there || d.checked {
		if err := checksum(body, sum, there); err != nil {
			return err
		}
	}
	d.parts = d.parts[:0]
	for more := true; more; {
		if len(d.parts) == MaxFields {
			return reject(sensors.ReasonTooLong, "sentence has more than %d fields", MaxFields)
		}
		var one []byte
		one, body, more = bytes.Cut(body, []byte(","))
		d.parts = append(d.parts, one)
	}
	address := d.parts[0]
	d.fields = d.parts[1:]
	switch {
	case len(address) == 0 || bytes.ContainsFunc(address, func(r rune) bool { return r < '0' || r > 'Z' || r > '9' && r < 'A' }):
		return reject(sensors.ReasonSyntax, "%.64q is no sentence", line)
	case address[0] == 'P': // one of a maker's own
		d.foreign = true
		d.talker, d.kind = address[:1], address[1:]
	case len(address) == 5:
		d.talker, d.kind = address[:2], address[2:]
	default:
		d.talker, d.kind = nil, address
	}
	return nil
}

// checksum compares the sum, two hexadecimal digits, with that of the sentence.
func checksum(body, text []byte, there bool) error {
	var sum byte
	for _, c := range body {
		sum ^= c
	}
	if !there {
		return reject(sensors.ReasonChecksum, `%.64q has none; checksum = "optional" takes such sentences`, body)
	}
	const digits = "0123456789ABCDEF"
	if len(text) != 2 || upper(text[0]) != digits[sum>>4] || upper(text[1]) != digits[sum&15] {
		return reject(sensors.ReasonChecksum, "it says %.8q, the sentence has %02X", text, sum)
	}
	return nil
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - ('a' - 'A')
	}
	return c
}

// choose makes d.plan that of the topic, the talker, the type of sentence and what else tells its fields apart. Zero
// bytes stand between the parts of the plan's key.
func (d *nmeaDecoder) choose(more string) error {
	d.key = append(append(d.key[:0], d.raw.Topic...), 0)
	d.key = append(append(d.key, d.talker...), 0)
	d.key = append(append(d.key, d.kind...), 0)
	d.key = append(d.key, more...)
	c := d.format.cache.Load()
	if p, ok := c.topics.find(d.key); ok {
		d.plan = p
		return nil
	}
	words := []sensors.Tag{{Key: wordTalker, Value: string(d.talker)}, {Key: wordSentence, Value: string(d.kind)}}
	var err error
	d.plan, err = d.format.newPlan(c, d.raw.Topic, d.key, words, nil)
	return err
}

// at returns field i, without blanks; of a field that is not there, nothing.
func (d *nmeaDecoder) at(i int) []byte {
	if i >= len(d.fields) {
		return nil
	}
	return bytes.TrimSpace(d.fields[i])
}

// is reports whether field i is the letter.
func (d *nmeaDecoder) is(i int, letter byte) bool {
	text := d.at(i)
	return len(text) == 1 && text[0] == letter
}

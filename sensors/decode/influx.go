package decode

import (
	"bytes"
	"errors"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/skerry-edge/skerry/sensors"
)

// influxDecoder reads lines of InfluxDB's line protocol, each a record with a time of its own:
//
//	measurement,tag=a,other=b field=21.5,count=3i,on=t,state="idle" 1700000000000000000
//
// A field is named measurement.field. The line's tags become tags of its series, over those of the topic and under
// those of the configuration. Placeholders are {measurement}, {key}, which is the field's own name, and each tag of
// the line. A line without a time has that of arrival.
//
// 3i is an Int, 3u too if it fits, 3 and 3.0 are Floats. Words for true are t, T, true, True, TRUE, for false
// likewise. Comments and empty lines are skipped.
type influxDecoder struct {
	message
	path []byte // measurement.field
	tags int    // of the line
}

func newInfluxDecoder(f *Format) *influxDecoder { return &influxDecoder{message: message{format: f}} }

// Decode implements sensors.Decoder.
func (d *influxDecoder) Decode(dst []sensors.Reading, raw sensors.Raw) ([]sensors.Reading, error) {
	err := d.start(dst, raw)
	if err == nil {
		err = d.lines(raw.Payload)
	}
	return d.finish(err)
}

func (d *influxDecoder) lines(payload []byte) error {
	// The library's decoder cannot be used again. It stays on the stack but for its buffer, which is one allocation a
	// message.
	lines := *lineprotocol.NewDecoderWithBytes(payload)
	for number := 1; lines.Next(); number++ {
		d.begin()
		err := d.line(&lines)
		if err == nil {
			err = d.end()
		}
		if err != nil {
			return d.atLine(number, err)
		}
	}
	return nil
}

// atLine says which line is bad, where the library does not.
func (d *influxDecoder) atLine(number int, err error) error {
	if rejected, ok := errors.AsType[*sensors.DecodeError](err); ok {
		if number == 1 {
			return err
		}
		return reject(rejected.Reason, "entry %d: %s", number, rejected.What)
	}
	return reject(sensors.ReasonSyntax, "%v", err)
}

func (d *influxDecoder) line(lines *lineprotocol.Decoder) error {
	if err := d.count(); err != nil {
		return err
	}
	measurement, err := lines.Measurement()
	if err != nil {
		return err
	}
	if len(measurement) > MaxPathBytes {
		return reject(sensors.ReasonTooLong, "measurement %.64q… has %d bytes, want at most %d", measurement, len(measurement), MaxPathBytes)
	}
	d.path = append(append(d.path[:0], measurement...), '.')
	if err := d.series(lines, measurement); err != nil {
		return err
	}
	if err := d.values(lines, len(d.path)); err != nil {
		return err
	}
	stamp, err := lines.TimeBytes()
	if err != nil || stamp == nil {
		return err
	}
	ns, err := parseTime(stamp, d.format.config.TimeUnit)
	if err != nil {
		return reject(sensors.ReasonTime, "time %.64q: %v", stamp, err)
	}
	d.timed, d.time = true, d.format.precision.Round(ns)
	return nil
}

// maxTagsBytes bounds what names a line's series: its measurement, tags and values.
const maxTagsBytes = 16 << 10

// series finds the plan of the line's topic, measurement and tags. Zero bytes stand between the parts of its key: neither
// MQTT's topics nor line protocol have any.
func (d *influxDecoder) series(lines *lineprotocol.Decoder, measurement []byte) error {
	d.key = append(append(d.key[:0], d.raw.Topic...), 0)
	d.key = append(d.key, measurement...)
	for d.tags = 0; ; d.tags++ {
		key, value, err := lines.NextTag()
		if err != nil {
			return err
		}
		if key == nil {
			break
		}
		if len(d.key)+len(key)+len(value) > len(d.raw.Topic)+maxTagsBytes {
			return reject(sensors.ReasonTooLong, "measurement and tags have more than %d bytes", maxTagsBytes)
		}
		d.key = append(append(d.key, 0), key...)
		d.key = append(append(d.key, 0), value...)
	}
	c := d.format.cache.Load()
	if p, ok := c.topics.find(d.key); ok {
		d.plan = p
		return nil
	}
	parts := bytes.Split(d.key[len(d.raw.Topic)+1:], []byte{0})
	words := []sensors.Tag{{Key: wordMeasurement, Value: string(parts[0])}}
	own := make([]sensors.Tag, 0, d.tags)
	for i := 1; i+1 < len(parts); i += 2 {
		key := string(parts[i])
		if _, twice := lastTag(own, key); twice {
			return reject(sensors.ReasonSyntax, "tag %.64q is there twice", key)
		}
		own = append(own, sensors.Tag{Key: key, Value: string(parts[i+1])})
	}
	var err error
	d.plan, err = d.format.newPlan(c, d.raw.Topic, d.key, words, own)
	return err
}

// values makes readings of the line's fields; outer is the length of the path before a field's name.
func (d *influxDecoder) values(lines *lineprotocol.Decoder, outer int) error {
	for n := 0; ; n++ {
		key, kind, value, err := lines.NextFieldBytes()
		if err != nil {
			return err
		}
		if key == nil {
			if n == 0 {
				return reject(sensors.ReasonSyntax, "measurement %.64q has no fields", d.path[:outer-1])
			}
			return nil
		}
		if err := d.count(); err != nil {
			return err
		}
		if outer+len(key) > MaxPathBytes {
			return reject(sensors.ReasonTooLong, "field %.64q… of %.64q: name has more than %d bytes", key, d.path[:outer-1], MaxPathBytes)
		}
		d.path = append(d.path[:outer], key...)
		fd, err := d.field(d.path)
		if err != nil {
			return err
		}
		if fd == nil {
			continue
		}
		if err := d.value(fd, kind, value); err != nil {
			return err
		}
	}
}

func (d *influxDecoder) value(fd *field, kind lineprotocol.ValueKind, value []byte) error {
	if done, err := d.word(fd, value); done {
		return err
	}
	switch kind {
	case lineprotocol.String:
		return d.string(fd, value)
	case lineprotocol.Bool:
		if v, ok := influxBool(value); ok {
			return d.bool(fd, v)
		}
	case lineprotocol.Int, lineprotocol.Uint:
		if sort, whole := classify(value); sort == hugeNumber || sort == wholeNumber {
			return d.number(fd, value, sort, whole)
		}
	case lineprotocol.Float:
		if sort, _ := classify(value); sort != notNumber {
			return d.number(fd, value, realNumber, 0)
		}
	case lineprotocol.Unknown:
	}
	return reject(sensors.ReasonSyntax, "field %.64q: %.64q is no value", fd.name, value)
}

// influxBool reads the words that InfluxDB takes.
func influxBool(word []byte) (value, ok bool) {
	switch string(word) {
	case "t", "T", "true", "True", "TRUE":
		return true, true
	case "f", "F", "false", "False", "FALSE":
		return false, true
	}
	return false, false
}

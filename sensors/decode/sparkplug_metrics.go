package decode

import (
	"encoding/binary"
	"iter"
	"maps"
	"math"
	"strings"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

func mapsKeys(m map[string]*birth) iter.Seq[string] { return maps.Keys(m) }

// metrics calls do for each metric of the payload, with its place among them, until do fails.
func (d *sparkplugDecoder) metrics(do func(i int, m *wireMetric) error) error {
	i := 0
	for rest := d.raw.Payload; len(rest) > 0; {
		var f wireField
		var err error
		if f, rest, err = nextField(rest); err != nil {
			return reject(sensors.ReasonSyntax, "payload: %v", err)
		}
		if f.number != 2 {
			continue
		}
		if d.metric, err = readMetric(f.bytes); err != nil {
			return reject(sensors.ReasonSyntax, "metric %d: %v", i+1, err)
		}
		if err := do(i, &d.metric); err != nil {
			return err
		}
		i++
	}
	return nil
}

// session returns the bdSeq of a birth or death, which tells sessions of an edge node apart.
func (d *sparkplugDecoder) session() (n uint64, ok bool, err error) {
	err = d.metrics(func(_ int, m *wireMetric) error {
		if string(m.name) == "bdSeq" && !m.null && (m.holds == holdsInt || m.holds == holdsLong) {
			n, ok = m.value, true
		}
		return nil
	})
	return n, ok, err
}

// define reads a birth certificate, without its values.
func (d *sparkplugDecoder) define(p *wirePayload) (*birth, error) {
	b, err := d.format.edges.reserve(p.metrics, len(d.raw.Payload))
	if err != nil {
		return nil, err
	}
	b.metrics = make([]bornMetric, p.metrics)
	b.byAlias, b.byName = make(map[uint64]*bornMetric, p.metrics), make(map[string]*bornMetric, p.metrics)
	err = d.metrics(func(i int, m *wireMetric) error {
		born := &b.metrics[i]
		if len(m.name) == 0 || len(m.name) > MaxPathBytes {
			return reject(sensors.ReasonSyntax, "metric %d of the birth: name has %d bytes, want 1 to %d", i+1, len(m.name), MaxPathBytes)
		}
		unit, err := unitOf(m.properties)
		if err != nil {
			return reject(sensors.ReasonSyntax, "metric %.64q: properties: %v", m.name, err)
		}
		*born = bornMetric{name: string(m.name), unit: unit, alias: m.alias, aliased: m.aliased, datatype: m.datatype}
		born.command = born.name == "bdSeq" || strings.HasPrefix(born.name, "Node Control/") || strings.HasPrefix(born.name, "Device Control/")
		if b.byName[born.name] != nil {
			return reject(sensors.ReasonSyntax, "metric %.64q is in the birth twice", m.name)
		}
		b.byName[born.name] = born
		if !m.aliased {
			return nil
		}
		if other := b.byAlias[m.alias]; other != nil {
			return reject(sensors.ReasonSyntax, "metrics %.64q and %.64q of the birth have one alias, %d", other.name, m.name, m.alias)
		}
		b.byAlias[m.alias] = born
		return nil
	})
	if err != nil {
		d.format.edges.free(b)
		return nil, err
	}
	return b, nil
}

// values makes readings of the metrics: those of the birth itself, or of data that rests on it.
func (d *sparkplugDecoder) values(e *edge, b *birth, p *wirePayload, isBirth bool) error {
	return d.metrics(func(i int, m *wireMetric) error {
		var born *bornMetric
		if isBirth {
			born = &b.metrics[i]
		} else {
			var err error
			if born, err = d.find(e, b, m); err != nil {
				return err
			}
		}
		return d.value(born, m, p)
	})
}

// find returns the metric of the birth that data means.
func (d *sparkplugDecoder) find(e *edge, b *birth, m *wireMetric) (*bornMetric, error) {
	var born *bornMetric
	switch {
	case len(m.name) > 0:
		if born = b.byName[string(m.name)]; born == nil {
			return nil, d.noBirth(e, "metric %.64q is in no birth", m.name)
		}
		if m.aliased && e.sound && (!born.aliased || m.alias != born.alias) {
			return nil, d.noBirth(e, "metric %.64q has alias %d, which it has not by its birth", m.name, m.alias)
		}
	case !m.aliased:
		return nil, reject(sensors.ReasonSyntax, "a metric has neither a name nor an alias")
	case !e.sound:
		d.ask(e)
		return nil, reject(sensors.ReasonSequence, "alias %d: messages before this one are missing, so it may mean something else now", m.alias)
	default:
		if born = b.byAlias[m.alias]; born == nil {
			return nil, d.noBirth(e, "alias %d is in no birth", m.alias)
		}
	}
	switch {
	case m.datatype == born.datatype:
	case m.datatype != 0: // so the birth is another than the one that data rests on
		e.sound = false
		return nil, d.noBirth(e, "metric %.64q has datatype %d, by its birth %d", born.name, m.datatype, born.datatype)
	case !e.sound:
		d.ask(e)
		return nil, reject(sensors.ReasonSequence, "metric %.64q has no datatype, and messages before this one are missing", born.name)
	}
	return born, nil
}

// value appends the metric's value, if it has one that is read.
func (d *sparkplugDecoder) value(born *bornMetric, m *wireMetric, p *wirePayload) error {
	if born.command || m.null || m.holds == 0 {
		return nil
	}
	if born.field == nil {
		fd, err := d.format.newField(d.plan, born.name, born.unit)
		if err != nil {
			return err
		}
		born.field = fd
	}
	fd := born.field
	if fd.dropped {
		return nil
	}
	from := len(d.out)
	read, err := d.typed(fd, born.datatype, m)
	if err != nil {
		return err
	}
	if !read {
		d.aside.Unread++
	}
	stamp := m.stamp
	if stamp == 0 {
		stamp = p.stamp
	}
	return d.at(from, stamp)
}

// at gives the readings from there on a time in ms; 0 is that of arrival.
func (d *sparkplugDecoder) at(from int, stamp uint64) error {
	var at int64
	var quality sensors.Quality
	switch {
	case len(d.out) == from:
		return nil
	case stamp == 0:
		at, quality = d.raw.Arrived.UnixNano(), sensors.QualityArrival|d.raw.Quality
	case stamp > math.MaxInt64/uint64(time.Millisecond):
		return reject(sensors.ReasonTime, "%d ms: %v", stamp, errTimeRange)
	default:
		at = int64(stamp) * int64(time.Millisecond) // within range by the case above
	}
	for i := from; i < len(d.out); i++ {
		d.out[i].Time, d.out[i].Quality = d.format.precision.Round(at), quality
	}
	return nil
}

// rebirthRequest returns the command by which an edge node publishes its births again.
func rebirthRequest(group, node string, now time.Time) sensors.Message {
	stamp := uint64(max(now.UnixMilli(), 0))
	const name = "Node Control/Rebirth"
	metric := append([]byte{1<<3 | wireBytes, byte(len(name))}, name...)
	metric = binary.AppendUvarint(append(metric, 3<<3|wireVarint), stamp)
	metric = append(metric, 4<<3|wireVarint, kindBoolean, holdsBool<<3|wireVarint, 1)
	payload := binary.AppendUvarint([]byte{1<<3 | wireVarint}, stamp)
	payload = append(binary.AppendUvarint(append(payload, 2<<3|wireBytes), uint64(len(metric))), metric...)
	return sensors.Message{Topic: "spBv1.0/" + group + "/NCMD/" + node, Payload: payload}
}

package decode

import (
	"bytes"
	"strconv"

	"github.com/skerry-edge/skerry/sensors"
)

// The units of NMEA's quantities.
const (
	degrees   = "°"
	knots     = "kn"
	metres    = "m"
	celsius   = "°C"
	hectopasc = "hPa"
	percent   = "%"
	noUnit    = ""
	perMinute = "°/min"
)

// ratio converts units: v*mul/div, which is nearer to the decimal than v times a rounded quotient.
type ratio struct{ mul, div float64 }

func (r ratio) of(v float64) float64 { return float64(v*r.mul) / r.div }

// The units that are converted; a knot is 1852 metres an hour.
func same() ratio            { return ratio{1, 1} }
func knotsOfMPS() ratio      { return ratio{3600, 1852} }
func knotsOfKPH() ratio      { return ratio{1000, 1852} }
func knotsOfMPH() ratio      { return ratio{1_609_344, 1_852_000} }
func metresOfFeet() ratio    { return ratio{3048, 10_000} }
func metresOfFathoms() ratio { return ratio{18_288, 10_000} }
func hPaOfInches() ratio     { return ratio{33.8638866667, 1} } // of mercury

// parse returns the number in field i; there says whether it is not empty.
func (d *nmeaDecoder) parse(i int, name string) (v float64, there bool, err error) {
	text := d.at(i)
	if len(text) == 0 {
		return 0, false, nil
	}
	if kind, _ := classify(text); kind == notNumber {
		return 0, false, reject(sensors.ReasonValue, "field %s: %.64q is no number", name, text)
	}
	v, err = strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0, false, reject(sensors.ReasonValue, "field %s: number %.40q is out of range", name, text)
	}
	return v, true, nil
}

// give appends a reading.
func (d *nmeaDecoder) give(name, unit string, v float64) error {
	d.scratch = append(d.scratch[:0], name...)
	fd, err := d.fieldIn(d.scratch, unit)
	if err != nil || fd == nil {
		return err
	}
	return d.float(fd, v)
}

// numberAt appends a reading of the number in field i, if it is there.
func (d *nmeaDecoder) numberAt(i int, name, unit string) error {
	v, there, err := d.parse(i, name)
	if err != nil || !there {
		return err
	}
	return d.give(name, unit, v)
}

// whole appends a reading of the whole number in field i, if it is there.
func (d *nmeaDecoder) whole(i int, name string) error {
	text := d.at(i)
	if len(text) == 0 {
		return nil
	}
	kind, v := classify(text)
	if kind != wholeNumber {
		return reject(sensors.ReasonValue, "field %s: %.64q is no whole number", name, text)
	}
	d.scratch = append(d.scratch[:0], name...)
	fd, err := d.fieldIn(d.scratch, noUnit)
	if err != nil || fd == nil {
		return err
	}
	return d.number(fd, text, kind, v)
}

// signed appends a reading of the number in field i, negative if field i+1 is the letter minus, as W is for a variation.
func (d *nmeaDecoder) signed(i int, name string, plus, minus byte) error {
	v, there, err := d.parse(i, name)
	if err != nil || !there {
		return err
	}
	switch {
	case d.is(i+1, minus):
		v = -v
	case !d.is(i+1, plus):
		return reject(sensors.ReasonValue, "field %s: %.64q is neither %c nor %c", name, d.at(i+1), plus, minus)
	}
	return d.give(name, degrees, v+0) // no -0
}

// choiceAt is a field that holds a quantity in one of several units, and what makes it the reading's.
type choiceAt struct {
	field int
	unit  ratio
}

// first appends a reading of the first of the fields that is not empty.
func (d *nmeaDecoder) first(name, unit string, fields ...choiceAt) error {
	for _, at := range fields {
		v, there, err := d.parse(at.field, name)
		if err != nil {
			return err
		}
		if there {
			return d.give(name, unit, at.unit.of(v))
		}
	}
	return nil
}

// speedIn appends the speed in field i, whose unit field i+1 says.
func (d *nmeaDecoder) speedIn(i int, name string) error {
	v, there, err := d.parse(i, name)
	if err != nil || !there {
		return err
	}
	switch {
	case d.is(i+1, 'N'):
	case d.is(i+1, 'M'):
		v = knotsOfMPS().of(v)
	case d.is(i+1, 'K'):
		v = knotsOfKPH().of(v)
	case d.is(i+1, 'S'):
		v = knotsOfMPH().of(v)
	default:
		return reject(sensors.ReasonValue, "field %s: unknown unit %.64q", name, d.at(i+1))
	}
	return d.give(name, knots, v)
}

// position appends latitude and longitude of the four fields from i on.
func (d *nmeaDecoder) position(i int) error {
	if err := d.angle(i, "latitude", 'N', 'S', 90); err != nil {
		return err
	}
	return d.angle(i+2, "longitude", 'E', 'W', 180)
}

// angle reads degrees and minutes, such as 5133.82: the minutes have two digits before the point.
func (d *nmeaDecoder) angle(i int, name string, plus, minus byte, most float64) error {
	text := d.at(i)
	if len(text) == 0 {
		return nil
	}
	if !isDigit(text[0]) {
		return reject(sensors.ReasonValue, "field %s: %.64q is no angle", name, text)
	}
	// In units of the last decimal of a minute, so that only the division rounds.
	whole, fraction, _ := bytes.Cut(text, []byte("."))
	const longest = 9 // decimals; more are less than a micrometre
	fraction = fraction[:min(len(fraction), longest)]
	kind, number := classify(whole)
	scale := int64(1)
	var decimals int64
	for _, c := range fraction {
		if !isDigit(c) {
			kind = notNumber
		}
		scale, decimals = scale*10, decimals*10+int64(c-'0')
	}
	if kind != wholeNumber {
		return reject(sensors.ReasonValue, "field %s: %.64q is no angle", name, text)
	}
	if number/100 > int64(most) || number%100 >= 60 {
		return reject(sensors.ReasonValue, "field %s: %.64q is out of range", name, text)
	}
	minutes := (number/100*60+number%100)*scale + decimals
	angle := float64(minutes) / float64(60*scale)
	if angle > most {
		return reject(sensors.ReasonValue, "field %s: %.64q is out of range", name, text)
	}
	switch {
	case d.is(i+1, minus):
		angle = -angle
	case !d.is(i+1, plus):
		return reject(sensors.ReasonValue, "field %s: %.64q is neither %c nor %c", name, d.at(i+1), plus, minus)
	}
	return d.give(name, degrees, angle+0) // no -0
}

package decode

import (
	"strconv"

	"github.com/skerry-edge/skerry/sensors"
)

// sentences returns what reads the sentences of a type; nil if nobody does. docs/config.md lists them.
func sentences(kind []byte) func(*nmeaDecoder) error { //nolint:cyclop // a table
	switch string(kind) {
	case "RMC":
		return (*nmeaDecoder).rmc
	case "GGA":
		return (*nmeaDecoder).gga
	case "GNS":
		return (*nmeaDecoder).gns
	case "GLL":
		return (*nmeaDecoder).gll
	case "VTG":
		return (*nmeaDecoder).vtg
	case "ZDA":
		return (*nmeaDecoder).zda
	case "VHW":
		return (*nmeaDecoder).vhw
	case "HDT":
		return func(d *nmeaDecoder) error { return d.numberAt(0, "heading", degrees) }
	case "HDM":
		return func(d *nmeaDecoder) error { return d.numberAt(0, "heading_magnetic", degrees) }
	case "HDG":
		return (*nmeaDecoder).hdg
	case "ROT":
		return (*nmeaDecoder).rot
	case "DBT":
		return func(d *nmeaDecoder) error { return d.depth("depth") }
	case "DBS":
		return func(d *nmeaDecoder) error { return d.depth("depth_surface") }
	case "DBK":
		return func(d *nmeaDecoder) error { return d.depth("depth_keel") }
	case "DPT":
		return (*nmeaDecoder).dpt
	case "MWV":
		return (*nmeaDecoder).mwv
	case "MWD":
		return (*nmeaDecoder).mwd
	case "VWR":
		return func(d *nmeaDecoder) error { return d.wind("apparent") }
	case "VWT":
		return func(d *nmeaDecoder) error { return d.wind("true") }
	case "MTW":
		return func(d *nmeaDecoder) error { return d.temperature("water_temperature") }
	case "MTA":
		return func(d *nmeaDecoder) error { return d.temperature("air_temperature") }
	case "MMB":
		return func(d *nmeaDecoder) error { return d.pressure(0) }
	case "MDA":
		return (*nmeaDecoder).mda
	case "XDR":
		return (*nmeaDecoder).xdr
	}
	return nil
}

// sentenceTypes are those that sentences knows.
func sentenceTypes() []string {
	return []string{
		"RMC", "GGA", "GNS", "GLL", "VTG", "ZDA", "VHW", "HDT", "HDM", "HDG", "ROT", "DBT", "DBS", "DBK", "DPT",
		"MWV", "MWD", "VWR", "VWT", "MTW", "MTA", "MMB", "MDA", "XDR",
	}
}

// all returns the first error of steps, which are done.
func all(steps ...error) error {
	for _, err := range steps {
		if err != nil {
			return err
		}
	}
	return nil
}

// rmc: time, A or V, position, speed, course, date, variation, mode.
func (d *nmeaDecoder) rmc() error {
	if !d.is(1, 'A') || d.is(11, 'N') {
		return nil
	}
	if err := d.dated(0, 8); err != nil {
		return err
	}
	if err := d.position(2); err != nil {
		return err
	}
	return all(d.numberAt(6, "speed", knots), d.numberAt(7, "course", degrees), d.signed(9, "variation", 'E', 'W'))
}

// gga: time, position, quality, satellites, HDOP, altitude, M, separation, M, age, station. Quality 0 is no fix.
func (d *nmeaDecoder) gga() error {
	if err := d.undated(0); err != nil {
		return err
	}
	if err := all(d.whole(5, "fix_quality"), d.whole(6, "satellites")); err != nil {
		return err
	}
	if len(d.at(5)) == 0 || d.is(5, '0') {
		return nil
	}
	return all(d.position(1), d.numberAt(7, "hdop", noUnit), d.numberAt(8, "altitude", metres))
}

// gns: time, position, a letter a system, satellites, HDOP, altitude, separation, age, station. All N is no fix.
func (d *nmeaDecoder) gns() error {
	if err := d.undated(0); err != nil {
		return err
	}
	if err := d.whole(6, "satellites"); err != nil {
		return err
	}
	fixed := false
	for _, mode := range d.at(5) {
		fixed = fixed || mode != 'N'
	}
	if !fixed {
		return nil
	}
	return all(d.position(1), d.numberAt(7, "hdop", noUnit), d.numberAt(8, "altitude", metres))
}

// gll: position, time, A or V, mode.
func (d *nmeaDecoder) gll() error {
	if d.is(5, 'V') || d.is(6, 'N') {
		return nil
	}
	if err := d.undated(4); err != nil {
		return err
	}
	return d.position(0)
}

// vtg: course, T, magnetic course, M, knots, N, km/h, K, mode.
func (d *nmeaDecoder) vtg() error {
	if d.is(8, 'N') {
		return nil
	}
	return all(d.numberAt(0, "course", degrees), d.numberAt(2, "course_magnetic", degrees),
		d.first("speed", knots, choiceAt{4, same()}, choiceAt{6, knotsOfKPH()}))
}

// vhw: heading, T, magnetic heading, M, knots, N, km/h, K.
func (d *nmeaDecoder) vhw() error {
	return all(d.numberAt(0, "heading", degrees), d.numberAt(2, "heading_magnetic", degrees),
		d.first("speed_water", knots, choiceAt{4, same()}, choiceAt{6, knotsOfKPH()}))
}

// hdg: magnetic heading, deviation, E or W, variation, E or W.
func (d *nmeaDecoder) hdg() error {
	return all(d.numberAt(0, "heading_magnetic", degrees), d.signed(1, "deviation", 'E', 'W'), d.signed(3, "variation", 'E', 'W'))
}

// rot: degrees a minute, A or V.
func (d *nmeaDecoder) rot() error {
	if d.is(1, 'V') {
		return nil
	}
	return d.numberAt(0, "rate_of_turn", perMinute)
}

// depth: feet, f, metres, M, fathoms, F.
func (d *nmeaDecoder) depth(name string) error {
	return d.first(name, metres, choiceAt{2, same()}, choiceAt{0, metresOfFeet()}, choiceAt{4, metresOfFathoms()})
}

// dpt: metres below the transducer, offset of the transducer, range.
func (d *nmeaDecoder) dpt() error {
	return all(d.numberAt(0, "depth", metres), d.numberAt(1, "depth_offset", metres))
}

// mwv: angle, R or T, speed, unit, A or V.
func (d *nmeaDecoder) mwv() error {
	switch {
	case d.is(4, 'V'):
		return nil
	case d.is(1, 'R'):
		return all(d.numberAt(0, "wind_angle_apparent", degrees), d.speedIn(2, "wind_speed_apparent"))
	case d.is(1, 'T'):
		return all(d.numberAt(0, "wind_angle_true", degrees), d.speedIn(2, "wind_speed_true"))
	case len(d.at(0)) == 0 && len(d.at(2)) == 0:
		return nil
	}
	return reject(sensors.ReasonValue, "wind: reference %.64q is neither R nor T", d.at(1))
}

// mwd: direction, T, magnetic direction, M, knots, N, m/s, M.
func (d *nmeaDecoder) mwd() error { return d.windFrom(0) }

// windFrom reads the eight fields of MWD from i on.
func (d *nmeaDecoder) windFrom(i int) error {
	return all(d.numberAt(i, "wind_direction", degrees), d.numberAt(i+2, "wind_direction_magnetic", degrees),
		d.first("wind_speed", knots, choiceAt{i + 4, same()}, choiceAt{i + 6, knotsOfMPS()}))
}

// wind is VWR or VWT: angle to the bow, L or R, knots, N, m/s, M, km/h, K. The reading is clockwise from the bow.
func (d *nmeaDecoder) wind(which string) error {
	name := "wind_angle_" + which
	v, there, err := d.parse(0, name)
	if err != nil {
		return err
	}
	if there {
		switch {
		case d.is(1, 'L'):
			if v > 0 {
				v = 360 - v
			}
		case !d.is(1, 'R'):
			return reject(sensors.ReasonValue, "field %s: %.64q is neither L nor R", name, d.at(1))
		}
		if err := d.give(name, degrees, v); err != nil {
			return err
		}
	}
	return d.first("wind_speed_"+which, knots, choiceAt{2, same()}, choiceAt{4, knotsOfMPS()}, choiceAt{6, knotsOfKPH()})
}

// temperature: degrees, C.
func (d *nmeaDecoder) temperature(name string) error {
	if unit := d.at(1); len(unit) > 0 && !d.is(1, 'C') {
		return reject(sensors.ReasonValue, "field %s: unknown unit %.64q", name, unit)
	}
	return d.numberAt(0, name, celsius)
}

// pressure: inches of mercury, I, bars, B, from field i on.
func (d *nmeaDecoder) pressure(i int) error {
	const name = "pressure"
	v, there, err := d.parse(i+2, name)
	if err != nil {
		return err
	}
	if there {
		return d.give(name, hectopasc, thousandfold(v))
	}
	return d.first(name, hectopasc, choiceAt{i, hPaOfInches()})
}

// thousandfold returns v*1000 as the nearest float to the decimal: 1.0132 becomes 1013.2.
func thousandfold(v float64) float64 {
	var buf [32]byte
	text := strconv.AppendFloat(buf[:0], v, 'f', -1, 64)
	if r, err := strconv.ParseFloat(string(append(text, "e3"...)), 64); err == nil {
		return r
	}
	return v * 1000
}

// mda: inches, I, bars, B, air temperature, C, water temperature, C, humidity, absolute humidity, dew point, C, and MWD.
func (d *nmeaDecoder) mda() error {
	return all(d.pressure(0), d.numberAt(4, "air_temperature", celsius), d.numberAt(6, "water_temperature", celsius),
		d.numberAt(8, "humidity", percent), d.numberAt(10, "dew_point", celsius), d.windFrom(12))
}

// xdr: type, value, unit and name of each transducer. The reading is named xdr.NAME, or by the type if there is none.
func (d *nmeaDecoder) xdr() error {
	for i := 0; i+1 < len(d.fields); i += 4 {
		if err := d.count(); err != nil {
			return err
		}
		name := d.at(i + 3)
		if len(name) == 0 {
			name = d.at(i)
		}
		if len(name) > MaxPathBytes-len("xdr.") {
			return reject(sensors.ReasonTooLong, "transducer %.64q…: name has %d bytes", name, len(name))
		}
		v, there, err := d.parse(i+1, "xdr")
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		// The unit is part of the plan, so that a transducer whose unit changes is another series.
		unit := xdrUnit(d.at(i), d.at(i+2))
		if err := d.choose(unit); err != nil {
			return err
		}
		d.scratch = append(append(d.scratch[:0], "xdr."...), name...)
		fd, err := d.fieldIn(d.scratch, unit)
		if err != nil {
			return err
		}
		if fd != nil {
			if err := d.float(fd, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// xdrUnit says what the letter of a unit means for a type of transducer.
func xdrUnit(kind, unit []byte) string {
	switch string(unit) {
	case "A", "K", "N", "V":
		return string(unit)
	case "B":
		return "bar"
	case "C":
		return celsius
	case "D":
		return degrees
	case "H":
		return "Hz"
	case "I":
		return "l/s"
	case "M":
		if string(kind) == "V" {
			return "m³"
		}
		return metres
	case "P":
		if string(kind) == "P" {
			return "Pa"
		}
		return percent
	case "R":
		return "1/min"
	case "S":
		return "‰"
	}
	return ""
}

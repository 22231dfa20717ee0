package decode

import (
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// dated takes the record's time from a time and a date, 220516.00 and 130694, if the configuration wants it.
func (d *nmeaDecoder) dated(clock, date int) error {
	if d.format.config.Time == "" {
		return nil
	}
	text := d.at(date)
	if len(text) == 0 && len(d.at(clock)) == 0 {
		return nil
	}
	day, ok1 := digits(text, 0)
	month, ok2 := digits(text, 2)
	year, ok3 := digits(text, 4)
	if !ok1 || !ok2 || !ok3 || len(text) != 6 {
		return reject(sensors.ReasonTime, "date %.64q: want ddmmyy", text)
	}
	year += 2000
	if year >= 2080 { // GPS began in 1980
		year -= 100
	}
	return d.onDay(clock, year, month, day)
}

// zda: time, day, month, year. It has no readings, but says what day it is.
func (d *nmeaDecoder) zda() error {
	if d.format.config.Time == "" || len(d.at(0)) == 0 || len(d.at(3)) == 0 {
		return nil
	}
	var parts [3]int
	for i := range parts {
		kind, v := classify(d.at(1 + i))
		if kind != wholeNumber || v < 0 || v > 9999 {
			return reject(sensors.ReasonTime, "date %.64q: want a number", d.at(1+i))
		}
		parts[i] = int(v)
	}
	return d.onDay(0, parts[2], parts[1], parts[0])
}

func (d *nmeaDecoder) onDay(clock, year, month, day int) error {
	since, err := timeOfDay(d.at(clock))
	if err != nil {
		return err
	}
	midnight := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if midnight.Day() != day || midnight.Month() != time.Month(month) {
		return reject(sensors.ReasonTime, "there is no day %d of month %d in %d", day, month, year)
	}
	if year < 1970 || year > 2261 {
		return reject(sensors.ReasonTime, "year %d: %v", year, errTimeRange)
	}
	d.take(midnight.UnixNano() + since)
	d.known, d.utc, d.arrived = true, midnight.UnixNano()+since, d.raw.Arrived.UnixNano()
	return nil
}

// undated takes the record's time from a time of day, if the configuration wants it and the day is known.
func (d *nmeaDecoder) undated(clock int) error {
	if d.format.config.Time == "" || len(d.at(clock)) == 0 {
		return nil
	}
	since, err := timeOfDay(d.at(clock))
	if err != nil {
		return err
	}
	const day = int64(24 * time.Hour)
	arrived := d.raw.Arrived.UnixNano()
	near := arrived
	switch {
	case d.known && distance(arrived, d.arrived) < day/2:
		near = d.utc
	case d.raw.Quality&sensors.QualityUnsynced != 0:
		return nil
	}
	at := near - near%day + since
	switch {
	case at-near > day/2:
		at -= day
	case near-at > day/2:
		at += day
	}
	if at < 0 {
		return reject(sensors.ReasonTime, "time %.64q: %v", d.at(clock), errTimeRange)
	}
	d.take(at)
	if d.known && near == d.utc {
		d.utc, d.arrived = at, arrived
	}
	return nil
}

func (d *nmeaDecoder) take(ns int64) { d.timed, d.time = true, d.format.precision.Round(ns) }

// timeOfDay returns the nanoseconds since midnight of a time such as 220516 or 220516.00. A leap second is the next one.
func timeOfDay(text []byte) (int64, error) {
	hour, ok1 := digits(text, 0)
	minute, ok2 := digits(text, 2)
	_, ok3 := digits(text, 4)
	if !ok1 || !ok2 || !ok3 || len(text) > 6 && text[6] != '.' {
		return 0, reject(sensors.ReasonTime, "time %.64q: want hhmmss", text)
	}
	second, err := parseDecimal(text[4:], 9)
	if err != nil || hour > 23 || minute > 59 || second >= int64(61*time.Second) {
		return 0, reject(sensors.ReasonTime, "time %.64q is out of range", text)
	}
	return int64(time.Duration(hour)*time.Hour+time.Duration(minute)*time.Minute) + second, nil
}

// digits returns the number of the two digits at i.
func digits(text []byte, i int) (int, bool) {
	if i+2 > len(text) || !isDigit(text[i]) || !isDigit(text[i+1]) {
		return 0, false
	}
	return int(text[i]-'0')*10 + int(text[i+1]-'0'), true
}

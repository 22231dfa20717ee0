package decode

import (
	"bytes"
	"errors"
	"math"
	"time"
)

// The units of time, as configuration names them.
const (
	unitSeconds = "s"
	unitMillis  = "ms"
	unitMicros  = "us"
	unitNanos   = "ns"
	unitRFC3339 = "rfc3339"
	unitISO8601 = "iso8601" // with or without a zone
)

func timeUnits() []string {
	return []string{unitSeconds, unitMillis, unitMicros, unitNanos, unitRFC3339, unitISO8601}
}

var (
	errTimeNumber = errors.New("want a number")
	errTimeRange  = errors.New("want a time from 1970 to 2262")
	errTimeText   = errors.New("want a time such as 2026-01-02T15:04:05Z")
)

// parseTime returns the nanoseconds since 1970 that text means in the configured unit. Of the two hours that one local
// time has when summer ends, it takes the one that is nearer to arrived.
func (f *Format) parseTime(text []byte, arrived time.Time) (int64, error) {
	if f.config.TimeUnit == unitISO8601 {
		return parseISO8601(bytes.TrimSpace(text), f.zone, arrived)
	}
	return parseTime(text, f.config.TimeUnit)
}

// parseTime returns the nanoseconds since 1970 that text means in the unit, exactly; what is finer
// than a nanosecond is cut off. Times before 1970 or beyond int64 (in the year 2262) are errors.
func parseTime(text []byte, unit string) (int64, error) {
	text = bytes.TrimSpace(text)
	switch unit {
	case unitSeconds:
		return parseDecimal(text, 9)
	case unitMillis:
		return parseDecimal(text, 6)
	case unitMicros:
		return parseDecimal(text, 3)
	case unitNanos:
		return parseDecimal(text, 0)
	}
	return parseRFC3339(text)
}

// parseDecimal returns the number text times 10^shift, rounded down, without going through floats.
func parseDecimal(text []byte, shift int) (int64, error) {
	if kind, _ := classify(text); kind == notNumber {
		return 0, errTimeNumber
	}
	negative := text[0] == '-'
	if negative || text[0] == '+' {
		text = text[1:]
	}
	mantissa := text
	if at := bytes.IndexAny(text, "eE"); at >= 0 {
		mantissa = text[:at]
		exponent, err := parseExponent(text[at+1:])
		if err != nil {
			return 0, err
		}
		shift += exponent
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	var sum int64
	var lost bool
	// The digit at weight w (0: the ones) counts 10^(w+shift).
	weight := len(whole) - 1 + shift
	for _, digits := range [2][]byte{whole, fraction} {
		for _, c := range digits {
			digit := int64(c - '0')
			if weight < 0 {
				lost = lost || digit != 0
			} else if sum > (math.MaxInt64-digit)/10 {
				return 0, errTimeRange
			} else {
				sum = sum*10 + digit
			}
			weight--
		}
	}
	for ; weight >= 0 && sum > 0; weight-- {
		if sum > math.MaxInt64/10 {
			return 0, errTimeRange
		}
		sum *= 10
	}
	if negative && (sum > 0 || lost) {
		return 0, errTimeRange
	}
	return sum, nil
}

// maxExponent bounds exponents so that sums of them cannot overflow.
const maxExponent = 1 << 20

func parseExponent(text []byte) (int, error) {
	kind, value := classify(text)
	if kind != wholeNumber || value > maxExponent || value < -maxExponent {
		return 0, errTimeRange
	}
	return int(value), nil
}

// parseRFC3339 reads a time with any offset. As the RFC allows, T and Z may be small, and T a space.
func parseRFC3339(text []byte) (int64, error) {
	const shortest, longest = len("2006-01-02T15:04:05Z"), 64
	if len(text) < shortest || len(text) > longest {
		return 0, errTimeText
	}
	// time.Time reads UTC without allocating, so the offset is taken off and counted here.
	var buf [longest]byte
	local := append(buf[:0], text...)
	var offset time.Duration
	if last := local[len(local)-1]; last == 'Z' || last == 'z' {
		local = local[:len(local)-1]
	} else {
		var ok bool
		at := len(local) - len("+00:00")
		if offset, ok = parseOffset(local[at:]); !ok {
			return 0, errTimeText
		}
		local = local[:at]
	}
	local = append(local, 'Z')
	if local[10] == ' ' || local[10] == 't' {
		local[10] = 'T'
	}
	var t time.Time
	if err := t.UnmarshalText(local); err != nil {
		return 0, errTimeText
	}
	t = t.Add(-offset)
	return nanoseconds(t.Unix(), int64(t.Nanosecond()))
}

// nanoseconds returns a time in nanoseconds since 1970 if int64 holds it.
func nanoseconds(seconds, nanos int64) (int64, error) {
	if seconds < 0 || seconds > (math.MaxInt64-nanos)/int64(time.Second) {
		return 0, errTimeRange
	}
	return seconds*int64(time.Second) + nanos, nil
}

func parseOffset(text []byte) (time.Duration, bool) {
	if text[0] != '+' && text[0] != '-' || text[3] != ':' ||
		!isDigit(text[1]) || !isDigit(text[2]) || !isDigit(text[4]) || !isDigit(text[5]) {
		return 0, false
	}
	hours := int(text[1]-'0')*10 + int(text[2]-'0')
	minutes := int(text[4]-'0')*10 + int(text[5]-'0')
	if hours > 23 || minutes > 59 {
		return 0, false
	}
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if text[0] == '-' {
		offset = -offset
	}
	return offset, true
}

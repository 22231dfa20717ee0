package main

import (
	"strings"
	"time"
)

// whenHint is what a time on the command line may look like.
const whenHint = "want RFC 3339 (2026-08-20T12:00:00Z), a date (2026-08-20, midnight here), relative (-90s, -30m, -1h, -7d, -2w, -1d12h), or now"

// parseWhen reads a time of the command line into nanoseconds since 1970: RFC 3339; a date, which is its midnight in
// zone; a span before now of weeks, days of 24 hours, hours, minutes and seconds; or "now". A time before 1970 is the
// time 0.
func parseWhen(flag, text string, now time.Time, zone *time.Location) (int64, error) {
	fault := func(what string) (int64, error) {
		return 0, usageError(whenHint, "--%s %q: %s", flag, text, what)
	}
	var t time.Time
	span, isSpan := strings.CutPrefix(text, "-")
	switch {
	case text == "now":
		t = now
	case isSpan:
		back, ok := parseSpan(span)
		if !ok {
			return fault("not a span of time")
		}
		t = now.Add(-back)
	default:
		var err error
		if t, err = time.Parse(time.RFC3339Nano, text); err != nil {
			if t, err = time.ParseInLocation(time.DateOnly, text, zone); err != nil {
				return fault("not a time")
			}
		}
	}
	if t.Before(time.Unix(0, 0)) {
		return 0, nil
	}
	ns := t.UnixNano()
	if !time.Unix(0, ns).Equal(t) {
		return fault("after the year 2261")
	}
	return ns, nil
}

// parseSpan reads numbers with units, such as 1d12h.
func parseSpan(text string) (time.Duration, bool) {
	const longest = 100 * 365 * 24 * time.Hour // reaches before 1970, and a Duration holds it
	var total time.Duration
	for len(text) > 0 {
		digits := 0
		var n time.Duration
		for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' && n < longest/10 {
			n = n*10 + time.Duration(text[digits]-'0')
			digits++
		}
		if digits == 0 || digits == len(text) {
			return 0, false
		}
		unit, ok := spanUnit(text[digits])
		if !ok || n > (longest-total)/unit {
			return 0, false
		}
		total += n * unit //nolint:durationcheck // n is a number, a Duration so that it cannot overflow unseen
		text = text[digits+1:]
	}
	return total, total > 0
}

func spanUnit(letter byte) (time.Duration, bool) {
	const day = 24 * time.Hour
	switch letter {
	case 's':
		return time.Second, true
	case 'm':
		return time.Minute, true
	case 'h':
		return time.Hour, true
	case 'd':
		return day, true
	case 'w':
		return 7 * day, true
	}
	return 0, false
}

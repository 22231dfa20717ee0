package decode

import (
	"time"
	_ "time/tzdata" // zones by name, also where the system has none
)

// parseISO8601 reads a date and time with or without a zone: Z, +02:00, +0200 or +02. Without one the time is that of
// clocks in zone; of two that a clock showed twice it is the one nearer to arrived, and one that a clock skipped is taken
// as if it had not been set yet.
func parseISO8601(text []byte, zone *time.Location, arrived time.Time) (int64, error) {
	const shortest, longest = len("2006-01-02T15:04:05"), 64
	if len(text) < shortest || len(text) > longest {
		return 0, errTimeText
	}
	end := shortest
	if end < len(text) && text[end] == '.' {
		end++
		for end < len(text) && isDigit(text[end]) {
			end++
		}
	}
	rest := text[end:]
	var buf [longest + 8]byte
	whole := append(buf[:0], text[:end]...)
	switch {
	case len(rest) == 0:
		return localTime(append(whole, 'Z'), zone, arrived)
	case len(rest) == len("+02"):
		return parseRFC3339(append(append(whole, rest...), ":00"...))
	case len(rest) == len("+0200"):
		whole = append(whole, rest[:3]...)
		whole = append(whole, ':')
		return parseRFC3339(append(whole, rest[3:]...))
	}
	return parseRFC3339(text)
}

// localTime reads text as UTC and then takes the offset of the zone off.
func localTime(text []byte, zone *time.Location, arrived time.Time) (int64, error) {
	if text[10] == ' ' || text[10] == 't' {
		text[10] = 'T'
	}
	var t time.Time
	if err := t.UnmarshalText(text); err != nil {
		return 0, errTimeText
	}
	const day = 24 * 60 * 60
	clock := t.Unix()
	before := clock - offsetAt(clock-day, zone)
	after := clock - offsetAt(clock+day, zone)
	seconds := before
	if after != before && after+offsetAt(after, zone) == clock {
		if before+offsetAt(before, zone) != clock || distance(after, arrived.Unix()) < distance(before, arrived.Unix()) {
			seconds = after
		}
	}
	return nanoseconds(seconds, int64(t.Nanosecond()))
}

// offsetAt returns the seconds that clocks in zone are ahead of UTC at a time, in seconds since 1970.
func offsetAt(seconds int64, zone *time.Location) int64 {
	_, offset := time.Unix(seconds, 0).In(zone).Zone()
	return int64(offset)
}

func distance(a, b int64) int64 { return max(a-b, b-a) }

package sensors

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends the row as the JSON object that scripts see, without a newline:
//
//	{"time":"2026-08-20T12:00:00.000Z","series":"temp","tags":{"room":"1"},"value":21.5,"unit":"°C","author":"12D3…"}
//
// The keys are always these, in this order; tags are in key order; the time has p's digits, cut, not rounded. NaN and
// the infinities are the strings "NaN", "+Inf" and "-Inf". A float is the shortest text that reads back as the
// same float, so a whole one has no point: type Float is not told from Int by the text, nor the string "NaN" from the
// float. Bytes of a string that are not UTF-8 become U+FFFD.
func (r *Row) AppendJSON(dst []byte, p Precision) []byte {
	dst = r.appendMembers(dst, p)
	dst = append(dst, `,"author":`...)
	dst = appendQuoted(dst, r.Author)
	return append(dst, '}')
}

// AppendJSON appends the reading as Row.AppendJSON does, without the author.
func (r *Reading) AppendJSON(dst []byte, p Precision) []byte {
	return append(r.appendMembers(dst, p), '}')
}

// appendMembers appends the object without its end.
func (r *Reading) appendMembers(dst []byte, p Precision) []byte {
	dst = append(dst, `{"time":"`...)
	dst = AppendTime(dst, r.Time, p)
	dst = append(dst, `","series":`...)
	dst = appendQuoted(dst, r.Series.Name)
	dst = append(dst, `,"tags":`...)
	dst = appendTags(dst, r.Series.Tags)
	dst = append(dst, `,"value":`...)
	dst = Value{r.Series.Type, r.Num, r.Str}.appendJSON(dst)
	dst = append(dst, `,"unit":`...)
	return appendQuoted(dst, r.Series.Unit)
}

// AppendTypedJSON appends what AppendJSON does with a last key more, "type": the value's type ("float", "int", "bool",
// "string"), so that ParseRow gives back the same row.
func (r *Row) AppendTypedJSON(dst []byte, p Precision) []byte {
	dst = r.AppendJSON(dst, p)
	dst = append(dst[:len(dst)-1], `,"type":"`...)
	dst = append(dst, r.Series.Type.String()...)
	return append(dst, `"}`...)
}

// AppendValue appends the value as plain text, which is the text that AppendJSON writes, without quotes and escapes.
func (r *Reading) AppendValue(dst []byte) []byte {
	switch r.Series.Type {
	case Float:
		return appendFloat(dst, r.Float())
	case Int:
		return strconv.AppendInt(dst, r.Int(), 10)
	case Bool:
		return strconv.AppendBool(dst, r.Bool())
	case String:
		return append(dst, r.Str...)
	}
	return dst
}

// appendFloat writes f as JSON.stringify does: the exponent only where the plain digits would be long.
func appendFloat(dst []byte, f float64) []byte {
	abs := math.Abs(f)
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "+Inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-Inf"...)
	case abs != 0 && (abs < 1e-6 || abs >= 1e21):
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
		if n := len(dst); dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' { // e-09 becomes e-9
			dst[n-2] = dst[n-1]
			dst = dst[:n-1]
		}
		return dst
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

func appendTags(dst []byte, tags []Tag) []byte {
	dst = append(dst, '{')
	for i := range tags {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendQuoted(dst, tags[i].Key)
		dst = append(dst, ':')
		dst = appendQuoted(dst, tags[i].Value)
	}
	return append(dst, '}')
}

// appendQuoted writes s as a JSON string.
func appendQuoted(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	kept := 0 // s[:kept] is written
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[kept:i]...)
				dst = append(dst, "\ufffd"...)
				kept = i + 1
			}
			i += size
			continue
		}
		dst = append(dst, s[kept:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		kept = i
	}
	dst = append(dst, s[kept:]...)
	return append(dst, '"')
}

// AppendTime appends ns (nanoseconds since 1970 UTC) as RFC 3339 in UTC with exactly p's digits after the second;
// what is finer is cut towards the past. A p that is none of the constants has nine digits.
func AppendTime(dst []byte, ns int64, p Precision) []byte {
	const day = 86400
	seconds, rest := floorDiv(ns, int64(time.Second))
	days, second := floorDiv(seconds, day)

	// Days since 1970 to a date, by Howard Hinnant's chrono-compatible algorithm: eras of 400 years from March.
	era, dayOfEra := floorDiv(days+719468, 146097)
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	marchMonth := (5*dayOfYear + 2) / 153
	dayOfMonth := dayOfYear - (153*marchMonth+2)/5 + 1
	month, year := marchMonth+3, yearOfEra+era*400
	if month > 12 {
		month -= 12
		year++
	}

	dst = appendDigits(dst, year, 4)
	dst = append(dst, '-')
	dst = appendDigits(dst, month, 2)
	dst = append(dst, '-')
	dst = appendDigits(dst, dayOfMonth, 2)
	dst = append(dst, 'T')
	dst = appendDigits(dst, second/3600, 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, second/60%60, 2)
	dst = append(dst, ':')
	dst = appendDigits(dst, second%60, 2)
	dst = append(dst, '.')
	switch p {
	case Milliseconds:
		dst = appendDigits(dst, rest/1_000_000, 3)
	case Microseconds:
		dst = appendDigits(dst, rest/1_000, 6)
	case Nanoseconds:
		dst = appendDigits(dst, rest, 9)
	default:
		dst = appendDigits(dst, rest, 9)
	}
	return append(dst, 'Z')
}

// floorDiv divides towards the past: the rest is never negative.
func floorDiv(a, b int64) (quotient, rest int64) {
	quotient, rest = a/b, a%b
	if rest < 0 {
		quotient, rest = quotient-1, rest+b
	}
	return quotient, rest
}

func appendDigits(dst []byte, n int64, width int) []byte {
	var buf [9]byte
	for i := width - 1; i >= 0; i-- {
		buf[i] = '0' + byte(n%10) //nolint:gosec // a digit
		n /= 10
	}
	return append(dst, buf[:width]...)
}

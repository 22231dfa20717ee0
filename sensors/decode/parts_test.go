package decode

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

func TestParseTime(t *testing.T) {
	const bad = -1
	for _, c := range []struct {
		text, unit string
		want       int64
	}{
		{"0", unitSeconds, 0},
		{"1700000000", unitSeconds, 1_700_000_000_000_000_000},
		{"1700000000.123", unitSeconds, 1_700_000_000_123_000_000},
		{"1700000000.1234567891", unitSeconds, 1_700_000_000_123_456_789},
		{" 1700000000.5\n", unitSeconds, 1_700_000_000_500_000_000},
		{"+1700000000", unitSeconds, 1_700_000_000_000_000_000},
		{"0001.50", unitSeconds, 1_500_000_000},
		{".5", unitSeconds, 500_000_000},
		{"5.", unitSeconds, 5_000_000_000},
		{"1.7e9", unitSeconds, 1_700_000_000_000_000_000},
		{"17E+08", unitSeconds, 1_700_000_000_000_000_000},
		{"1700000000123e-3", unitSeconds, 1_700_000_000_123_000_000},
		{"0e99999", unitSeconds, 0},
		{"1e-99999", unitSeconds, 0},
		{"-0", unitSeconds, 0},
		{"-0.0", unitSeconds, 0},
		{"9223372036.854775807", unitSeconds, math.MaxInt64},
		{"9223372036.854775808", unitSeconds, bad},
		{"9223372037", unitSeconds, bad},
		{"1e99999", unitSeconds, bad},
		{"1e99999999999999999999", unitSeconds, bad},
		{"99999999999999999999999999999999", unitSeconds, bad},
		{"-1", unitSeconds, bad},
		{"-0.0000000001", unitSeconds, bad},
		{"", unitSeconds, bad},
		{"-", unitSeconds, bad},
		{".", unitSeconds, bad},
		{"1e", unitSeconds, bad},
		{"nan", unitSeconds, bad},
		{"0x10", unitSeconds, bad},
		{"2026-01-02T03:04:05Z", unitSeconds, bad},
		{"1700000000123", unitMillis, 1_700_000_000_123_000_000},
		{"1700000000123.456", unitMillis, 1_700_000_000_123_456_000},
		{"9223372036854.775807", unitMillis, math.MaxInt64},
		{"1700000000123456", unitMicros, 1_700_000_000_123_456_000},
		{"1700000000123456789", unitNanos, 1_700_000_000_123_456_789},
		{"1700000000123456789.9", unitNanos, 1_700_000_000_123_456_789},
		{"9223372036854775807", unitNanos, math.MaxInt64},
		{"9223372036854775808", unitNanos, bad},
		{"1970-01-01T00:00:00Z", unitRFC3339, 0},
		{"2023-11-14T22:13:20.123456789Z", unitRFC3339, 1_700_000_000_123_456_789},
		{"2023-11-15T00:13:20+02:00", unitRFC3339, 1_700_000_000_000_000_000},
		{"2023-11-14t14:43:20.5-07:30", unitRFC3339, 1_700_000_000_500_000_000},
		{"2023-11-14 22:13:20z", unitRFC3339, 1_700_000_000_000_000_000},
		{"2023-11-14T22:13:20-00:00", unitRFC3339, 1_700_000_000_000_000_000},
		{"2262-04-11T23:47:16.854775807Z", unitRFC3339, math.MaxInt64},
		{"2262-04-11T23:47:16.854775808Z", unitRFC3339, bad},
		{"1969-12-31T23:59:59.999999999Z", unitRFC3339, bad},
		{"1970-01-01T00:00:00+01:00", unitRFC3339, bad},
		{"9999-12-31T23:59:59Z", unitRFC3339, bad},
		{"2023-11-14T22:13:20", unitRFC3339, bad},
		{"2023-11-14", unitRFC3339, bad},
		{"2023-02-29T00:00:00Z", unitRFC3339, bad},
		{"2023-11-14T22:13:20+24:00", unitRFC3339, bad},
		{"2023-11-14T22:13:20+0200", unitRFC3339, bad},
		{"1700000000.000000000", unitRFC3339, bad},
		{"", unitRFC3339, bad},
	} {
		got, err := parseTime([]byte(c.text), c.unit)
		if err != nil {
			got = bad
		}
		if got != c.want {
			t.Errorf("%q in %s: %d (%v), want %d", c.text, c.unit, got, err, c.want)
		}
	}
}

func FuzzTime(f *testing.F) {
	f.Add("1700000000.123", "2023-11-15T00:13:20.5+02:00")
	f.Add("-1.5e-3", "1970-01-01T00:00:00Z")
	f.Fuzz(func(t *testing.T, number, text string) {
		if got, err := parseTime([]byte(number), unitSeconds); err == nil {
			// big.Rat is a second reading of the same number.
			want, ok := new(big.Rat).SetString(strings.TrimSpace(number))
			if !ok {
				t.Skip() // an exponent beyond big.Rat's patience
			}
			want.Mul(want, big.NewRat(1_000_000_000, 1))
			floor := new(big.Int).Div(want.Num(), want.Denom())
			if !floor.IsInt64() || floor.Int64() != got {
				t.Errorf("%q: %d, want %s", number, got, floor)
			}
		}
		if got, err := parseTime([]byte(text), unitRFC3339); err == nil {
			if want, err := time.Parse(time.RFC3339Nano, text); err == nil && want.UnixNano() != got {
				t.Errorf("%q: %d, want %d", text, got, want.UnixNano())
			}
		}
	})
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		text string
		kind numberKind
		want int64
	}{
		{"0", wholeNumber, 0},
		{"-0", wholeNumber, 0},
		{"+7", wholeNumber, 7},
		{"007", wholeNumber, 7},
		{"9223372036854775807", wholeNumber, math.MaxInt64},
		{"-9223372036854775808", wholeNumber, math.MinInt64},
		{"00000000000000000000000000009223372036854775807", wholeNumber, math.MaxInt64},
		{"9223372036854775808", hugeNumber, 0},
		{"-9223372036854775809", hugeNumber, 0},
		{"18446744073709551615", hugeNumber, 0},
		{"18446744073709551616", hugeNumber, 0},
		{"99999999999999999999999", hugeNumber, 0},
		{"-18446744073709551617", hugeNumber, 0},
		{"1.", realNumber, 0},
		{".5", realNumber, 0},
		{"-1.5e+10", realNumber, 0},
		{"1e5", realNumber, 0},
		{"", notNumber, 0},
		{"+", notNumber, 0},
		{".", notNumber, 0},
		{"e5", notNumber, 0},
		{"1e", notNumber, 0},
		{"1e+", notNumber, 0},
		{"1.5.5", notNumber, 0},
		{"1 ", notNumber, 0},
		{"0x1", notNumber, 0},
		{"1_000", notNumber, 0},
		{"--1", notNumber, 0},
		{"１", notNumber, 0},
	} {
		if kind, got := classify([]byte(c.text)); kind != c.kind || got != c.want {
			t.Errorf("%q: kind %d, %d, want %d, %d", c.text, kind, got, c.kind, c.want)
		}
	}
}

func TestGlobMatch(t *testing.T) {
	for _, c := range []struct {
		glob, name string
		want       bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"*", "", true},
		{"*", "a.b", true},
		{"a*", "a", true},
		{"a*", "ba", false},
		{"*a", "ba", true},
		{"*a", "ab", false},
		{"a*b*c", "aXbYc", true},
		{"a*b*c", "abc", true},
		{"a*b*c", "acb", false},
		{"a*a", "a", false},
		{"**", "x", true},
		{"*.*", "a.b", true},
		{"*.*", "ab", false},
		{"", "", true},
		{"", "a", false},
		{"a?", "ab", false},
		{"[a]", "a", false},
		{"*ab", "aab", true},
		{"*ab*ab", "ab", false},
	} {
		if got := sensors.MatchGlob(c.glob, c.name); got != c.want {
			t.Errorf("%q matches %q: %v, want %v", c.glob, c.name, got, c.want)
		}
	}
}

func TestChoice(t *testing.T) {
	c := newChoice(map[string]int{"*": 1, "temp*": 2, "temp.x": 3, "*.x": 4})
	for name, want := range map[string]int{"hum": 1, "temp1": 2, "temp.x": 3, "hum.x": 4} {
		if got, ok := c.of(name); !ok || got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	if _, ok := newChoice(map[string]int{"a": 1}).of("b"); ok {
		t.Error("b is there")
	}
}

func TestSnapshot(t *testing.T) {
	var s snapshot[int]
	for i := range 100 {
		key := fmt.Sprint(i)
		if _, ok := s.find([]byte(key)); ok {
			t.Fatalf("%s is there", key)
		}
		if got := s.add(key, i); got != i {
			t.Fatalf("add %s: %d", key, got)
		}
		if got := s.add(key, -1); got != i {
			t.Fatalf("add %s again: %d", key, got)
		}
		for j := range i + 1 {
			if got, ok := s.find([]byte(fmt.Sprint(j))); !ok || got != j {
				t.Fatalf("find %d: %d, %v", j, got, ok)
			}
		}
	}
	for range 200 {
		s.find([]byte("99"))
	}
	if m := s.read.Load(); m == nil || len(*m) != 100 || s.next != nil {
		t.Error("what was added is not published after many reads")
	}
}

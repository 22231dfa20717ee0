package main

import (
	"testing"
	"time"
)

func TestParseWhen(t *testing.T) {
	zone := time.FixedZone("CEST", 2*60*60)
	now := time.Date(2026, 8, 20, 12, 0, 0, 500, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-08-20T12:00:00Z":           time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC),
		"2026-08-20T12:00:00.25+02:00":   time.Date(2026, 8, 20, 10, 0, 0, 250e6, time.UTC),
		"2026-08-20T12:00:00.000000001Z": time.Date(2026, 8, 20, 12, 0, 0, 1, time.UTC),
		"2026-08-20":                     time.Date(2026, 8, 19, 22, 0, 0, 0, time.UTC),
		"now":                            now,
		"-90s":                           now.Add(-90 * time.Second),
		"-30m":                           now.Add(-30 * time.Minute),
		"-1h":                            now.Add(-time.Hour),
		"-7d":                            now.Add(-7 * 24 * time.Hour),
		"-2w":                            now.Add(-14 * 24 * time.Hour),
		"-1d12h":                         now.Add(-36 * time.Hour),
		"-99y":                           {},
		"1960-01-01":                     time.Unix(0, 0),
		"-4000w":                         time.Unix(0, 0),
	} {
		got, err := parseWhen("from", text, now, zone)
		if want.IsZero() {
			if err == nil {
				t.Errorf("%s: got %d, want an error", text, got)
			}
			continue
		}
		if err != nil || got != want.UnixNano() {
			t.Errorf("%s: got %s, %v, want %s", text, time.Unix(0, got).UTC(), err, want)
		}
	}
	for _, text := range []string{"", "-", "-1", "-h", "-1h2", "1h", "-0h", "--1h", "-99999999999999999999h", "-9223372036854775807s", "-5000000w5000000w", "yesterday", "2026-13-01", "2300-01-01", "12:00", "-1.5h"} {
		if got, err := parseWhen("from", text, now, zone); err == nil || exitCode(err) != exitUsage {
			t.Errorf("%q: got %d, %v, want a usage error", text, got, err)
		}
	}
}

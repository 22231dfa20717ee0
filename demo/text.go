package demo

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/skerry-edge/skerry/sensors"
)

// label returns name{tag=value,…}, without the tag source.
func label(s *sensors.Series) string {
	var tags []string
	for _, t := range s.Tags {
		if t.Key != "source" {
			tags = append(tags, t.Key+"="+t.Value)
		}
	}
	if tags == nil {
		return s.Name
	}
	return s.Name + "{" + strings.Join(tags, ",") + "}"
}

// format returns the value as people read it.
func format(r sensors.Reading) string {
	if r.Series.Type == sensors.Float {
		return strconv.FormatFloat(r.Float(), 'g', 8, 64)
	}
	return fmt.Sprint(r.Value())
}

// clip makes s one line of at most width characters, without control characters.
func clip(s string, width int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '·'
		}
		return r
	}, s)
	if count(s) <= width {
		return s
	}
	if width < 1 {
		return ""
	}
	runes := []rune(s)
	return string(runes[:width-1]) + "…"
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

func pad(s string, width int) string     { return s + strings.Repeat(" ", max(width-count(s), 0)) }
func padLeft(s string, width int) string { return strings.Repeat(" ", max(width-count(s), 0)) + s }
func count(s string) int                 { return utf8.RuneCountInString(s) }
func isFinite(f float64) bool            { return !math.IsNaN(f) && !math.IsInf(f, 0) }

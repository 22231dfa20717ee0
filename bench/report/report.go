// Package report prints what was measured against its goals.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
)

// Row is one figure of the table.
type Row struct {
	Group  string   `json:"group"`
	Name   string   `json:"name"`
	How    string   `json:"how"`
	Figure float64  `json:"figure"`
	Unit   string   `json:"unit"`
	Ratio  *float64 `json:"ratio,omitempty"` // within this run
	Of     string   `json:"of,omitempty"`    // to what
	Goal   string   `json:"goal,omitempty"`
	Met    *bool    `json:"met,omitempty"`
}

// Against returns the row with its figure's ratio to another one; without, when that is zero.
func (r Row) Against(of string, figure float64) Row {
	if figure == 0 {
		return r
	}
	ratio := r.Figure / figure
	r.Ratio, r.Of = &ratio, of
	return r
}

// RatioAtLeast returns the row with a goal for its ratio, which Against has set.
func (r Row) RatioAtLeast(goal float64) Row {
	return r.goal(fmt.Sprintf("≥ %s ×", Number(goal)), r.Ratio != nil && *r.Ratio >= goal)
}

// RatioAtMost is RatioAtLeast for what should be small.
func (r Row) RatioAtMost(goal float64) Row {
	return r.goal(fmt.Sprintf("≤ %s ×", Number(goal)), r.Ratio != nil && *r.Ratio <= goal)
}

// AtLeast returns the row with a goal for its figure.
func (r Row) AtLeast(goal float64) Row {
	return r.goal(fmt.Sprintf("≥ %s %s", Number(goal), r.Unit), r.Figure >= goal)
}

// AtMost returns the row with a goal for its figure.
func (r Row) AtMost(goal float64) Row {
	return r.goal(fmt.Sprintf("≤ %s %s", Number(goal), r.Unit), r.Figure <= goal)
}

func (r Row) goal(text string, met bool) Row {
	r.Goal, r.Met = text, &met
	return r
}

// Markdown writes the rows as one table.
func Markdown(w io.Writer, rows []Row) error {
	lines := []string{"| row | how | figure | unit | ratio | goal | met |", "|---|---|--:|---|--:|--:|---|"}
	for i := range rows {
		lines = append(lines, rows[i].String())
	}
	if _, err := fmt.Fprintln(w, strings.Join(lines, "\n")); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	return nil
}

// String returns the row as a line of the table.
func (r Row) String() string {
	ratio, met := "", ""
	if r.Ratio != nil {
		ratio = fmt.Sprintf("%s × %s", Number(*r.Ratio), r.Of)
	}
	switch {
	case r.Met != nil && *r.Met:
		met = "yes"
	case r.Met != nil:
		met = "**no**"
	}
	return "| " + strings.Join([]string{r.Group + ": " + r.Name, r.How, Number(r.Figure), r.Unit, ratio, r.Goal, met}, " | ") + " |"
}

// Score counts the rows with a goal, and those that meet it.
func Score(rows []Row) (met, goals int) {
	for i := range rows {
		if rows[i].Met == nil {
			continue
		}
		goals++
		if *rows[i].Met {
			met++
		}
	}
	return met, goals
}

// JSON writes the rows one a line.
func JSON(w io.Writer, rows []Row) error {
	enc := json.NewEncoder(w)
	for i := range rows {
		if err := enc.Encode(&rows[i]); err != nil {
			return fmt.Errorf("print row: %w", err)
		}
	}
	return nil
}

// Number writes three significant digits, and commas between thousands.
func Number(f float64) string {
	switch a := math.Abs(f); {
	case f == 0:
		return "0"
	case a < 1:
		return fmt.Sprintf("%.3g", f)
	case a < 10:
		return fmt.Sprintf("%.2f", f)
	case a < 100:
		return fmt.Sprintf("%.1f", f)
	case a < 1e15:
		return thousands(int64(math.Round(f)))
	default:
		return fmt.Sprintf("%g", f)
	}
}

func thousands(n int64) string {
	if n > -1000 && n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), max(n%1000, -(n%1000)))
}

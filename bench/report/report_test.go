package report

import (
	"strings"
	"testing"
)

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		in   float64
		want string
	}{
		{0, "0"}, {0.01234, "0.0123"}, {1.2345, "1.23"}, {12.345, "12.3"}, {123.45, "123"}, {1234.5, "1,235"}, {1_000_007, "1,000,007"}, {-1234, "-1,234"},
	} {
		if got := Number(c.in); got != c.want {
			t.Errorf("Number(%v) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestRow_goals(t *testing.T) {
	r := Row{Figure: 130, Unit: "messages/s"}
	for _, c := range []struct {
		name string
		row  Row
		goal string
		met  bool
	}{
		{"ratio reached", r.Against("x", 100).RatioAtLeast(1.3), "≥ 1.30 ×", true},
		{"ratio missed", r.Against("x", 101).RatioAtLeast(1.3), "≥ 1.30 ×", false},
		{"ratio without a base", r.Against("x", 0).RatioAtLeast(1.3), "≥ 1.30 ×", false},
		{"small ratio", r.Against("x", 100).RatioAtMost(1.2), "≤ 1.20 ×", false},
		{"figure reached", r.AtLeast(130), "≥ 130 messages/s", true},
		{"figure too large", r.AtMost(129), "≤ 129 messages/s", false},
	} {
		if c.row.Goal != c.goal || *c.row.Met != c.met {
			t.Errorf("%s: goal %q met %t, want %q %t", c.name, c.row.Goal, *c.row.Met, c.goal, c.met)
		}
	}
}

func TestMarkdown_oneLineARow(t *testing.T) {
	var text strings.Builder
	if err := Markdown(&text, []Row{Row{Group: "g", Name: "n", How: "h", Figure: 2, Unit: "s"}.Against("base", 4).RatioAtMost(0.4)}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if want := "| g: n | h | 2.00 | s | 0.5 × base | ≤ 0.4 × | **no** |"; len(lines) != 3 || lines[2] != want {
		t.Errorf("got %q, want the third line to be %q", lines, want)
	}
}

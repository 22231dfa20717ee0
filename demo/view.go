package demo

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"

	"github.com/skerry-edge/skerry/sensors"
)

// Limits of a View.
const (
	maxSeries = 256 // shown at all; more are counted
	maxPoints = 600 // of the chart
	minChart  = 6   // lines of a chart, its title included
	mostChart = 14
)

// View keeps the newest value of each series and the latest values of one of them, and draws them as
// text. It knows nothing of terminals: callers write frames where they like. Not safe for concurrent use.
type View struct {
	charted string          // name of the series in the chart
	chart   *sensors.Series // the first with that name; nil until then
	points  []float64
	latest  map[string]cell // by the series' key
	rows    uint64
	hidden  uint64 // rows of series beyond maxSeries
}

// cell is the newest value of one series.
type cell struct {
	series *sensors.Series
	label  string
	value  string
	time   int64
}

// Screen is the room for one frame, and what stands around the values.
type Screen struct {
	Width, Height int    // characters and lines
	Title, Foot   string // may have several lines; "" for none
}

// NewView returns a view that charts the first series with the given name.
func NewView(charted string) *View {
	return &View{charted: charted, latest: make(map[string]cell)}
}

// Add takes rows in the order in which they became durable.
func (v *View) Add(rows ...sensors.Row) {
	for _, row := range rows {
		v.rows++
		key := string(row.Series.AppendKey(nil))
		if _, known := v.latest[key]; !known && len(v.latest) >= maxSeries {
			v.hidden++
			continue
		}
		v.latest[key] = cell{series: row.Series, label: label(row.Series), value: format(row.Reading), time: row.Time}
		v.addPoint(row, key)
	}
}

func (v *View) addPoint(row sensors.Row, key string) {
	if v.chart == nil && row.Series.Name == v.charted && row.Series.Type == sensors.Float {
		v.chart = row.Series
	}
	if v.chart == nil || string(v.chart.AppendKey(nil)) != key {
		return
	}
	if len(v.points) == maxPoints {
		v.points = append(v.points[:0], v.points[1:]...)
	}
	v.points = append(v.points, row.Float())
}

// Rows returns the number of rows added.
func (v *View) Rows() uint64 { return v.rows }

// Frame draws title, chart, table and foot in at most s.Height lines of at most s.Width characters,
// without a newline at the end. What has no room is left out, the table's end first.
func (v *View) Frame(s Screen, now time.Time) string {
	head, foot := split(s.Title), split(s.Foot)
	room := s.Height - len(head) - len(foot)
	table := v.table(s.Width, now)
	chart := v.plot(s.Width, min(max(room-len(table), room/2)-1, mostChart))
	if chart != nil {
		chart = append(chart, "")
	}
	if most := max(room-len(chart), 0); len(table) > most {
		table = table[:most]
	}
	lines := slices.Concat(head, chart, table, foot)
	if len(lines) > s.Height {
		lines = lines[:max(s.Height, 0)]
	}
	for i := range lines {
		lines[i] = clip(lines[i], s.Width)
	}
	return strings.Join(lines, "\n")
}

// Line draws the newest values as one line of at most width characters, or of any length when width
// is 0: "temp=21.53 hum=40.1 power{sensor=meter-1}=412.5".
func (v *View) Line(width int) string {
	var parts []string
	for _, c := range v.sorted() {
		parts = append(parts, c.label+"="+c.value+c.series.Unit)
	}
	if width <= 0 {
		width = math.MaxInt
	}
	return clip(strings.Join(parts, " "), width)
}

// table returns a line for each series, with a heading.
func (v *View) table(width int, now time.Time) []string {
	cells := v.sorted()
	if len(cells) == 0 {
		return []string{"no values yet"}
	}
	name, value := len("SERIES"), len("VALUE")
	for _, c := range cells {
		name = max(name, count(c.label))
		value = max(value, count(c.value))
	}
	value = min(value, max(width/3, 8))
	name = min(name, max(width-value-len("  ")-len("  UNIT  1h0m0.0s"), 8))
	lines := []string{pad("SERIES", name) + "  " + padLeft("VALUE", value) + "  UNIT  AGE"}
	for _, c := range cells {
		age := max(now.Sub(time.Unix(0, c.time)), 0).Truncate(100 * time.Millisecond)
		lines = append(lines, pad(clip(c.label, name), name)+"  "+padLeft(clip(c.value, value), value)+
			"  "+pad(c.series.Unit, 4)+"  "+age.String())
	}
	if v.hidden > 0 {
		lines = append(lines, "and "+strconv.FormatUint(v.hidden, 10)+" rows of more series")
	}
	return lines
}

// sorted returns the cells by source, other tags and name.
func (v *View) sorted() []cell {
	cells := make([]cell, 0, len(v.latest))
	for _, c := range v.latest {
		cells = append(cells, c)
	}
	slices.SortFunc(cells, func(a, b cell) int {
		sourceA, _ := a.series.Tag("source")
		sourceB, _ := b.series.Tag("source")
		return cmp.Or(cmp.Compare(sourceB, sourceA), cmp.Compare(a.tags(), b.tags()), cmp.Compare(a.label, b.label),
			cmp.Compare(a.series.Unit, b.series.Unit), cmp.Compare(a.series.Type, b.series.Type))
	})
	return cells
}

func (c cell) tags() string { return strings.TrimPrefix(c.label, c.series.Name) }

// plot draws the chart in the given number of lines, or returns nil where it has no room or no values. Values are scaled to 0…1 first, because the
// library multiplies them by the height over their range, which overflows for large values close together.
func (v *View) plot(width, height int) []string {
	if height < minChart || len(v.points) < 2 {
		return nil
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range v.points {
		if isFinite(p) {
			low, high = min(low, p), max(high, p)
		}
	}
	if low > high || !isFinite(high-low) {
		return nil
	}
	span := high - low
	scaled := make([]float64, len(v.points))
	for i, p := range v.points {
		switch {
		case !isFinite(p):
			scaled[i] = math.NaN()
		case span > 0:
			scaled[i] = (p - low) / span
		}
	}
	digits := max(0, min(6, 2-int(math.Floor(math.Log10(max(span, 1e-6))))))
	tick := func(at float64) string { return " " + strconv.FormatFloat(low+at*span, 'f', digits, 64) }
	room := width - max(count(tick(0)), count(tick(1))) - 4
	if room < 10 {
		return nil
	}
	title := label(v.chart)
	if v.chart.Unit != "" {
		title += " (" + v.chart.Unit + ")"
	}
	drawn := asciigraph.Plot(scaled, asciigraph.Width(room), asciigraph.Height(height-2), asciigraph.YAxisValueFormatter(tick))
	return append([]string{title}, strings.Split(drawn, "\n")...)
}

package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/guptarohit/asciigraph"

	"github.com/skerry-edge/skerry/agent/api"
)

// The size of a chart, in characters and lines.
const (
	leastChartWidth  = 30
	leastChartHeight = 8
	leastRows        = 3 // of the chart itself
	mostChartSize    = 1000
	tickWidth        = 10 // of the axis' numbers
	chartMargin      = tickWidth + 3
	mostPlotted      = 8 // series: more are not told apart
)

// chart draws the values of some series over time as text: one column for each span of time, the mean of the readings in it, or the
// last of booleans. Owned by one goroutine.
type chart struct {
	title         string
	from, to      int64 // what the time axis shows; to is exclusive
	every         time.Duration
	zone          *time.Location
	width, height int
	colours       bool
	series        []*plotted
}

// plotted is one series of a chart.
type plotted struct {
	series  *api.Series
	label   string
	columns map[int64]slot // by their first moment
}

// slot is what the readings in one span came to.
type slot struct {
	sum, count  float64 // of readings that are numbers
	least, most float64
	last        float64
	lastTime    int64
}

func (p *plotted) value(at int64) float64 {
	c, has := p.columns[at]
	switch v := c.sum / c.count; {
	case !has, math.IsInf(v, 0):
		return math.NaN()
	case p.series.Type == api.Bool:
		return c.last
	default:
		return v
	}
}

// add takes one value that became durable.
func (p *plotted) add(at, ns int64, v float64) {
	c, has := p.columns[at]
	if !has || ns >= c.lastTime {
		c.last, c.lastTime = v, ns
	}
	if !math.IsNaN(v) {
		if c.count == 0 {
			c.least, c.most = v, v
		}
		c.sum, c.count, c.least, c.most = c.sum+v, c.count+1, min(c.least, v), max(c.most, v)
	}
	p.columns[at] = c
}

// starts returns the first moments of the columns.
func (c *chart) starts() []int64 {
	var all []int64
	for at := api.BucketStart(c.from, c.every); at < c.to && len(all) <= mostChartSize; at += int64(c.every) {
		all = append(all, at)
	}
	return all
}

// values returns a series' columns, with small holes filled: where readings come more seldom than columns, what lies between two is
// no gap. A hole is small when it is at most twice as long as holes typically are, if there are enough to tell.
func (c *chart) values(p *plotted, starts []int64) []float64 {
	values := make([]float64, 0, len(starts)+1)
	var filled, steps []int
	for i, at := range starts {
		v := p.value(at)
		values = append(values, v)
		if math.IsNaN(v) {
			continue
		}
		if len(filled) > 0 {
			steps = append(steps, i-filled[len(filled)-1])
		}
		filled = append(filled, i)
	}
	if len(filled) < 4 {
		return values
	}
	slices.Sort(steps)
	most := 2 * steps[(len(steps)-1)/2]
	for i := 1; i < len(filled); i++ {
		a, b := filled[i-1], filled[i]
		if b-a > most {
			continue
		}
		for at := a + 1; at < b; at++ {
			values[at] = values[a]
			if p.series.Type != api.Bool {
				values[at] += (values[b] - values[a]) * float64(at-a) / float64(b-a)
			}
		}
	}
	return values
}

// lines draws: a head, the chart, its axis of time, and a line for each series.
func (c *chart) lines() []string {
	starts := c.starts()
	data := make([][]float64, 0, len(c.series))
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range c.series {
		values := c.values(p, starts)
		for _, v := range values {
			if !math.IsNaN(v) {
				low, high = min(low, v), max(high, v)
			}
		}
		data = append(data, append(values, math.NaN())) // the library draws a column up to the next value
	}
	legend := c.legend()
	if most := c.height - 3 - leastRows; len(legend) > most {
		legend = append(legend[:most-1], clipText(fmt.Sprintf("  and %d more", len(legend)-most+1), c.width))
	}
	rows := c.height - 3 - len(legend)
	out := []string{c.head()}
	if low > high || math.IsInf(high-low, 0) {
		out = append(out, "", "  no numbers to draw", "")
	} else {
		out = append(out, c.plot(data, low, high, rows)...)
	}
	return append(append(out, c.axis(len(starts))...), legend...)
}

// head says what the columns are.
func (c *chart) head() string {
	text := c.title + ": mean of " + everyText(c.every) + " a column"
	units := map[string]bool{}
	for _, p := range c.series {
		units[p.series.Unit] = true
	}
	if unit := c.series[0].series.Unit; len(units) == 1 && unit != "" {
		text += ", in " + printable(unit)
	}
	return clipText(text, c.width)
}

// plot draws the lines. Values are scaled to 0…1 first, because the library multiplies them by the height over their range,
// which overflows for large values close together.
func (c *chart) plot(data [][]float64, low, high float64, rows int) []string {
	span := high - low
	if span == 0 {
		span = max(math.Abs(low), 1) / 10
		low -= span / 2
	}
	for _, values := range data {
		for i := range values {
			values[i] = (values[i] - low) / span
		}
	}
	digits := min(max(int(math.Ceil(-math.Log10(span/float64(rows)))), 0), 6) // neighbours differ
	tick := func(at float64) string {
		text := strconv.FormatFloat(low+at*span, 'f', digits, 64)
		if len(text) > tickWidth {
			text = strconv.FormatFloat(low+at*span, 'g', 3, 64)
		}
		return strings.Repeat(" ", max(tickWidth-len(text), 0)) + text
	}
	options := []asciigraph.Option{
		asciigraph.Height(rows - 1), asciigraph.LowerBound(0), asciigraph.UpperBound(1), asciigraph.YAxisValueFormatter(tick),
	}
	if c.colours {
		options = append(options, asciigraph.SeriesColors(chartColours()...))
	} else if len(data) > 1 {
		var marks []asciigraph.CharSet
		for _, mark := range chartMarks() {
			marks = append(marks, asciigraph.CreateCharSet(mark))
		}
		options = append(options, asciigraph.SeriesChars(marks...))
	}
	return strings.Split(asciigraph.PlotMany(data, options...), "\n")
}

// chartColours are told apart on dark and on light ground.
func chartColours() []asciigraph.AnsiColor {
	return []asciigraph.AnsiColor{33, 208, 35, 197, 134, 37, 178, 245}
}

// chartMarks stand for colours where there are none.
func chartMarks() []string { return []string{"*", "+", "o", "x", "#", "@", "%", "&"} }

// axis draws the axis of time, with the times of its ends and its middle.
func (c *chart) axis(columns int) []string {
	line := strings.Repeat(" ", chartMargin-1) + "└" + strings.Repeat("─", columns)
	first, last := time.Unix(0, c.from).In(c.zone), time.Unix(0, c.to).In(c.zone)
	middle := first.Add(last.Sub(first) / 2)
	layout, begin := "15:04:05", "2006-01-02 15:04:05"
	switch span := last.Sub(first); {
	case span >= 2*24*time.Hour:
		layout, begin = "01-02 15:04", "2006-01-02 15:04"
	case span < 10*time.Second:
		layout, begin = "15:04:05.000", "2006-01-02 15:04:05.000"
	}
	left, right := first.Format(begin), last.Format(layout+" MST")
	if columns < len(left)+len(right)+2 {
		left = first.Format(layout)
	}
	between := middle.Format(layout)
	pads := columns - len(left) - len(right)
	label := left
	if at := columns/2 - len(between)/2; at > len(left)+1 && at+len(between)+1 < columns-len(right) {
		label += strings.Repeat(" ", at-len(left)) + between
		pads = columns - len(right) - at - len(between)
	}
	label += strings.Repeat(" ", max(pads, 1)) + right
	indent := chartMargin
	if over := chartMargin + len(label) - c.width; over > 0 {
		indent = max(chartMargin-over, 0)
	}
	return []string{line, clipText(strings.Repeat(" ", indent)+label, c.width)}
}

// legend returns a line for each series: mark, name, last value, extremes.
func (c *chart) legend() []string {
	heads := [...]string{"", "last ", "min ", "max "}
	rows := make([][4]string, 0, len(c.series))
	var widths [4]int
	for _, p := range c.series {
		row := [4]string{p.label, "-", "-", "-"}
		last, least, most, has := p.extremes()
		if has {
			row[1], row[2], row[3] = floatText(last, 6), floatText(least, 6), floatText(most, 6)
		}
		if unit := printable(p.series.Unit); unit != "" {
			row[1] += " " + unit
		}
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
		rows = append(rows, row)
	}
	var lines []string
	widths[0] = min(widths[0], max(c.width-9-len("last min max ")-widths[1]-widths[2]-widths[3], 8))
	for i, row := range rows {
		var b strings.Builder
		for j, cell := range row {
			b.WriteString("  " + heads[j])
			pad(&b, clipText(cell, widths[j]), widths[j], false)
		}
		text := clipText(strings.TrimRight(b.String(), " "), c.width-1)
		mark := "─"
		switch {
		case c.colours:
			mark = chartColours()[i%mostPlotted].String() + "■" + asciigraph.Default.String()
		case len(rows) > 1:
			mark = chartMarks()[i%mostPlotted]
		}
		lines = append(lines, mark+text[1:])
	}
	return lines
}

// extremes returns the latest value, and the least and largest in what the chart shows.
func (p *plotted) extremes() (last, least, most float64, has bool) {
	var at int64
	least, most = math.NaN(), math.NaN()
	for _, c := range p.columns {
		if !has || c.lastTime >= at {
			last, at = c.last, c.lastTime
		}
		has = true
		if c.count > 0 {
			if math.IsNaN(least) {
				least, most = c.least, c.most
			}
			least, most = min(least, c.least), max(most, c.most)
		}
	}
	return last, least, most, has
}

// labels names the series: by their names, and by those tags in which series of one name differ.
func (c *chart) labels() {
	for _, p := range c.series {
		var tags []string
		for _, tag := range p.series.Tags {
			for _, other := range c.series {
				if value, has := other.series.Tag(tag.Key); other.series.Name == p.series.Name && (!has || value != tag.Value) {
					tags = append(tags, tag.Key+"="+tag.Value)
					break
				}
			}
		}
		p.label = printable(p.series.Name)
		if len(tags) > 0 {
			p.label += "{" + printable(strings.Join(tags, ",")) + "}"
		}
	}
}

// everyText writes a span as --every takes it, in at most two units.
func everyText(d time.Duration) string {
	day := 24 * time.Hour
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d >= u.unit && d%u.unit == 0 {
			return fmt.Sprintf("%d%s", d/u.unit, u.name)
		}
	}
	if d < 10*time.Second {
		return fmt.Sprintf("%dms", d.Milliseconds())
	}
	return strings.ReplaceAll(d.String(), "m0s", "m")
}

// clipText cuts text that is longer than width.
func clipText(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	if width < 1 {
		return ""
	}
	return string([]rune(text)[:width-1]) + "…"
}

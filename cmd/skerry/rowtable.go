package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/skerry-edge/skerry/agent/api"
)

// screenful is how many rows decide how wide a table's columns are.
const screenful = 100

// rowTable writes rows for people while they come: time, series, value, unit, tags. The first screenful decides the
// columns' widths; a later cell that is wider makes its column wider from there on.
type rowTable struct {
	out    io.Writer
	zone   *time.Location
	layout string
	limit  int // columns of the terminal; 0 = lines are not cut
	hold   int // rows to look at before the first is written
	widths [5]int
	held   []tableRow
	began  bool
	line   strings.Builder
}

// tableRow is a row's cells.
type tableRow struct {
	cells  [5]string
	number bool // the value is one
}

// newRowTable returns a table for a result, of which a screenful is looked at first.
func newRowTable(out io.Writer, zone *time.Location, p api.Precision) *rowTable {
	layout := "2006-01-02 15:04:05." + strings.Repeat("0", int(min(p, api.Nanoseconds))) + " MST"
	t := &rowTable{out: out, zone: zone, layout: layout, limit: terminalWidth(out), hold: screenful}
	t.widen(tableHead())
	return t
}

// newLiveTable returns a table in which each row is written at once.
func newLiveTable(out io.Writer, zone *time.Location, p api.Precision) *rowTable {
	t := newRowTable(out, zone, p)
	t.hold = 0
	t.widths = [5]int{utf8.RuneCountInString(time.Now().In(zone).Format(t.layout)), 16, 10, 5, 0}
	return t
}

func tableHead() tableRow {
	return tableRow{cells: [5]string{"TIME", "SERIES", "VALUE", "UNIT", "TAGS"}, number: true}
}

// add takes one row.
func (t *rowTable) add(row *api.Row) error {
	r := tableRow{number: row.Series.Type == api.Float || row.Series.Type == api.Int}
	r.cells = [5]string{
		time.Unix(0, row.Time).In(t.zone).Format(t.layout),
		printable(row.Series.Name),
		printable(string(row.AppendValue(nil))),
		printable(row.Series.Unit),
		tagsCell(row.Series.Tags),
	}
	if len(t.held) < t.hold && !t.began {
		t.held = append(t.held, r)
		return nil
	}
	if err := t.begin(); err != nil {
		return err
	}
	t.widen(r)
	return t.write(r)
}

// begin writes the head and what was held.
func (t *rowTable) begin() error {
	if t.began {
		return nil
	}
	t.began = true
	for _, r := range t.held {
		t.widen(r)
	}
	if err := t.write(tableHead()); err != nil {
		return err
	}
	for _, r := range t.held {
		if err := t.write(r); err != nil {
			return err
		}
	}
	t.held = nil
	return nil
}

func (t *rowTable) widen(r tableRow) {
	for i, cell := range r.cells {
		t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell))
	}
}

func (t *rowTable) write(r tableRow) error {
	t.line.Reset()
	for i, cell := range r.cells {
		pad(&t.line, cell, t.widths[i], i == 2 && r.number)
		t.line.WriteString("  ")
	}
	line := strings.TrimRight(t.line.String(), " ")
	if t.limit > 0 && utf8.RuneCountInString(line) > t.limit {
		line = string([]rune(line)[:t.limit-1]) + "…"
	}
	if _, err := io.WriteString(t.out, line+"\n"); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// tagsCell writes tags as k=v; a value in which a space or quote would mislead is quoted.
func tagsCell(tags []api.Tag) string {
	var b strings.Builder
	for i, tag := range tags {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(printable(tag.Key))
		b.WriteByte('=')
		if tag.Value == "" || strings.ContainsAny(tag.Value, ` "=`) {
			fmt.Fprintf(&b, "%q", tag.Value)
		} else {
			b.WriteString(printable(tag.Value))
		}
	}
	return b.String()
}

package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/skerry-edge/skerry/agent/api"
)

// screenful is how many rows decide how wide a table's columns are.
const screenful = 100

// shortestTag is how many characters of a tag's value stay at least where a line has no room for all.
const shortestTag = 6

// liveTable writes rows for people while they come. The first screenful decides the columns' widths; a later cell that is wider
// makes its column wider from there on. Numbers are aligned on their points. The last column is tags, which are shortened
// where the terminal has no room for them.
type liveTable struct {
	out     io.Writer
	limit   int // columns of the terminal; 0 = lines are not cut
	hold    int // rows to look at before the first is written
	columns []liveColumn
	held    []liveRow
	began   bool
	line    strings.Builder
}

// liveColumn is a column and how wide it is so far.
type liveColumn struct {
	head   string
	number bool // its head stands on the right
	plain  int  // characters of a cell that is no number
	whole  int  // of a number, before its point
	part   int  // from the point on
}

func (c *liveColumn) width() int {
	return max(utf8.RuneCountInString(c.head), c.plain, c.whole+c.part)
}

// liveRow is a row's cells, and its tags.
type liveRow struct {
	cells []liveCell
	tags  []api.Tag
}

type liveCell struct {
	text   string
	number bool
}

// newLiveTable returns a table of columns, before that of the tags.
func newLiveTable(out io.Writer, hold int, columns ...liveColumn) *liveTable {
	return &liveTable{out: out, limit: terminalWidth(out), hold: hold, columns: columns}
}

// add takes one row.
func (t *liveTable) add(r liveRow) error {
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
func (t *liveTable) begin() error {
	if t.began {
		return nil
	}
	t.began = true
	for _, r := range t.held {
		t.widen(r)
	}
	if err := t.writeHead(); err != nil {
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

func (t *liveTable) widen(r liveRow) {
	for i, cell := range r.cells {
		c := &t.columns[i]
		if !cell.number {
			c.plain = max(c.plain, utf8.RuneCountInString(cell.text))
			continue
		}
		whole, part := splitNumber(cell.text)
		c.whole, c.part = max(c.whole, len(whole)), max(c.part, len(part))
	}
}

// splitNumber cuts a number before its point.
func splitNumber(text string) (whole, part string) {
	at := strings.IndexByte(text, '.')
	if at < 0 {
		return text, ""
	}
	return text[:at], text[at:]
}

func (t *liveTable) writeHead() error {
	t.line.Reset()
	for i := range t.columns {
		c := &t.columns[i]
		pad(&t.line, c.head, c.width(), c.number)
		t.line.WriteString("  ")
	}
	t.line.WriteString("TAGS")
	return t.end()
}

func (t *liveTable) write(r liveRow) error {
	t.line.Reset()
	used := 0
	for i, cell := range r.cells {
		c := &t.columns[i]
		text := cell.text
		if cell.number {
			_, part := splitNumber(text)
			text += strings.Repeat(" ", c.part-len(part))
		}
		pad(&t.line, text, c.width(), cell.number)
		t.line.WriteString("  ")
		used += c.width() + 2
	}
	t.line.WriteString(shortTags(r.tags, t.limit-used, t.limit > 0))
	return t.end()
}

// end writes the line.
func (t *liveTable) end() error {
	line := strings.TrimRight(t.line.String(), " ")
	if t.limit > 0 && utf8.RuneCountInString(line) > t.limit {
		line = string([]rune(line)[:t.limit-1]) + "…"
	}
	if _, err := io.WriteString(t.out, line+"\n"); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// shortTags writes tags so that they take at most room characters, if that can be had by cutting values that are longer than
// six.
func shortTags(tags []api.Tag, room int, cut bool) string {
	text := writeTags(tags, 0)
	if !cut || utf8.RuneCountInString(text) <= room {
		return text
	}
	longest := 0
	for _, tag := range tags {
		longest = max(longest, utf8.RuneCountInString(tag.Value))
	}
	for n := longest - 1; n >= shortestTag; n-- {
		if text = writeTags(tags, n); utf8.RuneCountInString(text) <= room {
			break
		}
	}
	return text
}

// writeTags writes tags as k=v, with values of at most so many characters; 0 = any. A value in which a space or quote would mislead
// is quoted.
func writeTags(tags []api.Tag, most int) string {
	var b strings.Builder
	for i, tag := range tags {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(printable(tag.Key))
		b.WriteByte('=')
		value := tag.Value
		if runes := []rune(value); most > 0 && len(runes) > most { // what tells values apart is often at their ends
			value = string(runes[:most/2]) + "…" + string(runes[len(runes)-(most-1)/2:])
		}
		if value == "" || strings.ContainsAny(value, ` "=`) {
			fmt.Fprintf(&b, "%q", value)
		} else {
			b.WriteString(printable(value))
		}
	}
	return b.String()
}

package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
)

// rowTable writes rows for people while they come: time, series, value, unit, tags.
type rowTable struct {
	*liveTable

	zone   *time.Location
	layout string
}

// timeLayout is how people read a reading's time.
func timeLayout(p api.Precision) string {
	return "2006-01-02 15:04:05." + strings.Repeat("0", int(min(p, api.Nanoseconds))) + " MST"
}

// newRowTable returns a table for a result, of which a screenful is looked at first.
func newRowTable(out io.Writer, zone *time.Location, p api.Precision) *rowTable {
	columns := []liveColumn{{head: "TIME"}, {head: "SERIES"}, {head: "VALUE", number: true}, {head: "UNIT"}}
	return &rowTable{newLiveTable(out, screenful, columns...), zone, timeLayout(p)}
}

// newTailTable returns a table in which each row is written at once.
func newTailTable(out io.Writer, zone *time.Location, p api.Precision) *rowTable {
	t := newRowTable(out, zone, p)
	t.hold = 0
	t.columns[0].plain = len(time.Now().In(zone).Format(t.layout))
	t.columns[1].plain, t.columns[2].whole, t.columns[2].part, t.columns[3].plain = 16, 7, 3, 5
	return t
}

// addRow takes one row.
func (t *rowTable) addRow(row *api.Row) error {
	return t.add(liveRow{cells: []liveCell{
		{text: time.Unix(0, row.Time).In(t.zone).Format(t.layout)},
		{text: printable(row.Series.Name)},
		{text: printable(string(row.AppendValue(nil))), number: isNumber(row.Series.Type)},
		{text: printable(row.Series.Unit)},
	}, tags: row.Series.Tags})
}

func isNumber(t api.Type) bool { return t == api.Float || t == api.Int }

// bucketTable writes buckets for people: time, series, unit, the aggregates, tags.
type bucketTable struct {
	*liveTable

	zone   *time.Location
	layout string
	list   []api.Aggregate
}

func newBucketTable(out io.Writer, zone *time.Location, every time.Duration, p api.Precision, list []api.Aggregate) *bucketTable {
	columns := []liveColumn{{head: "TIME"}, {head: "SERIES"}, {head: "UNIT"}}
	for _, a := range list {
		columns = append(columns, liveColumn{head: strings.ToUpper(a.String()), number: true})
	}
	layout := "2006-01-02 15:04:05 MST"
	switch {
	case every%time.Second != 0:
		layout = timeLayout(p)
	case every%time.Minute == 0:
		layout = "2006-01-02 15:04 MST"
	}
	return &bucketTable{newLiveTable(out, screenful, columns...), zone, layout, list}
}

// addBucket takes one bucket.
func (t *bucketTable) addBucket(b *api.Bucket) error {
	cells := []liveCell{{text: time.Unix(0, b.Time).In(t.zone).Format(t.layout)}, {text: printable(b.Series.Name)}, {text: printable(b.Series.Unit)}}
	for _, v := range b.Values {
		cells = append(cells, liveCell{text: printable(valueText(v)), number: isNumber(v.Type)})
	}
	return t.add(liveRow{cells, b.Series.Tags})
}

// valueText writes a value for people: of floats, about eight digits.
func valueText(v api.Value) string {
	f, _ := v.Number()
	if v.Type != api.Float || math.IsNaN(f) || math.IsInf(f, 0) {
		return string(v.AppendText(nil))
	}
	return floatText(f, 8)
}

// floatText writes about so many digits of a float, without zeros at the end.
func floatText(f float64, digits int) string {
	size := 0
	if f != 0 {
		size = int(math.Floor(math.Log10(math.Abs(f))))
	}
	if size < -5 || size >= 15 {
		return strconv.FormatFloat(f, 'g', digits, 64)
	}
	text := strconv.FormatFloat(f, 'f', max(digits-1-max(size, 0), 0), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// writeBuckets writes buckets in a format. That a table has none is said to people.
func writeBuckets(stdout, stderr io.Writer, format string, d api.Division, buckets api.Buckets) error {
	if format != "table" {
		return exportBuckets(stdout, format, d, buckets)
	}
	return writeTableOf(stdout, stderr, func(out io.Writer) (*liveTable, func() (uint64, error)) {
		table := newBucketTable(out, time.Local, d.Every, buckets.Precision, d.Aggregates)
		return table.liveTable, func() (count uint64, err error) {
			for b, err := range buckets.Seq {
				if err != nil {
					return count, err
				}
				if err := table.addBucket(&b); err != nil {
					return count, fmt.Errorf("write bucket: %w", err)
				}
				count++
			}
			return count, nil
		}
	})
}

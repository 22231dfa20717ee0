package export

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/skerry-edge/skerry/sensors"
)

// A Parquet file has these columns, in this order. docs/formats.md describes them.
//
//	time          int64, TIMESTAMP in UTC, of the collection's precision
//	series        string
//	tags          MAP of string to string
//	value         double, null unless the reading is a number; of an integer the nearest double
//	value_int     int64, null unless the reading is an integer
//	value_bool    boolean, null unless the reading is one
//	value_string  string, null unless the reading is one
//	unit          string, empty where the series has none
//	author        string, a peer ID
//
// These are its leaves, as its writer counts them.
const (
	columnTime = iota
	columnSeries
	columnTagKey
	columnTagValue
	columnValue
	columnInt
	columnBool
	columnString
	columnUnit
	columnAuthor
	columnCount
)

// The bounds of what the writer holds in memory: one row group, encoded. docs/limits.md lists them.
const (
	maxGroupRows  = 128 << 10
	maxGroupBytes = 8 << 20   // of strings
	maxDictionary = 256 << 10 // bytes of a column's dictionary in a row group; what follows is written plain
	maxBatchRows  = 512       // handed to the columns at once
	maxBatchBytes = 1 << 20   // of strings in it
	maxPage       = 128 << 10 // bytes of a page, before it is encoded
	seriesBytes   = 400       // that a series of the row group takes beside its strings, about
)

// About is what a Parquet file says of where it comes from, as key-value metadata "skerry.collection" and so on.
type About struct {
	Collection string
	Gateway    string // name
	Peer       string // its peer ID
	Version    string // of the program
	Digest     string // hex of the heads digest when the export began
}

func (a About) options() []parquet.WriterOption {
	return []parquet.WriterOption{
		parquet.CreatedBy("skerry", a.Version, ""),
		parquet.KeyValueMetadata("skerry.collection", a.Collection),
		parquet.KeyValueMetadata("skerry.gateway", a.Gateway),
		parquet.KeyValueMetadata("skerry.peer", a.Peer),
		parquet.KeyValueMetadata("skerry.version", a.Version),
		parquet.KeyValueMetadata("skerry.digest", a.Digest),
	}
}

// Parquet writes rows, which are in order of time, as a Parquet file, with times of p's digits, and returns how many rows.
// It holds one row group in memory, some MB. It stops at the first error, of rows or of w; then what was written is no
// Parquet file.
func Parquet(w io.Writer, p sensors.Precision, about About, rows iter.Seq2[sensors.Row, error]) (int64, error) {
	t := newParquetTable(w, p, about)
	var count int64
	for row, err := range rows {
		if err != nil {
			return count, err
		}
		if err := t.add(&row); err != nil {
			return count, fmt.Errorf("write rows: %w", err)
		}
		count++
	}
	if err := t.close(); err != nil {
		return count, fmt.Errorf("write rows: %w", err)
	}
	return count, nil
}

// orderedGroup is a group whose fields have an order.
type orderedGroup struct {
	parquet.Group
	names []string
}

// Fields returns the fields in the order of names.
func (o orderedGroup) Fields() []parquet.Field {
	fields := o.Group.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int {
		return slices.Index(o.names, a.Name()) - slices.Index(o.names, b.Name())
	})
	return fields
}

func parquetSchema(p sensors.Precision) *parquet.Schema {
	text := parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
	return parquet.NewSchema("readings", orderedGroup{
		names: []string{"time", "series", "tags", "value", "value_int", "value_bool", "value_string", "unit", "author"},
		Group: parquet.Group{
			"time":         parquet.Encoded(parquet.Timestamp(timeUnit(p)), &parquet.DeltaBinaryPacked),
			"series":       text,
			"tags":         parquet.Map(text, text),
			"value":        parquet.Optional(parquet.Encoded(parquet.Leaf(parquet.DoubleType), &parquet.RLEDictionary)),
			"value_int":    parquet.Optional(parquet.Encoded(parquet.Int(64), &parquet.DeltaBinaryPacked)),
			"value_bool":   parquet.Optional(parquet.Leaf(parquet.BooleanType)),
			"value_string": parquet.Optional(text),
			"unit":         text,
			"author":       text,
		},
	})
}

func timeUnit(p sensors.Precision) parquet.TimeUnit {
	switch p {
	case sensors.Milliseconds:
		return parquet.Millisecond
	case sensors.Microseconds:
		return parquet.Microsecond
	case sensors.Nanoseconds:
		return parquet.Nanosecond
	}
	return parquet.Nanosecond
}

// parquetTable writes rows by columns.
type parquetTable struct {
	file      *parquet.GenericWriter[any]
	columns   []*parquet.ColumnWriter
	precision sensors.Precision

	batch      [columnCount][]parquet.Value // rows for the columns, and the bytes of strings in them
	batchRows  int64
	batchBytes int64
	groupRows  int64 // of the row group, without the batch
	groupBytes int64
	series     map[*sensors.Series]*seriesValues // those of the row group
	author     parquet.Value                     // of the last row
	authorText string
}

// seriesValues is what every row of a series has.
type seriesValues struct {
	name, unit       parquet.Value
	tagKeys, tagVals []parquet.Value // with their levels
}

func newParquetTable(w io.Writer, p sensors.Precision, about About) *parquetTable {
	options := append(about.options(),
		parquetSchema(p),
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedDefault}),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("time"))),
		parquet.PageBufferSize(maxPage),
		parquet.DictionaryMaxBytes(maxDictionary),
		parquet.DataPageStatistics(false),      // those of the row groups and the page index are there
		parquet.SkipPageBounds("value_string"), // which may be long, and would stand in the footer
	)
	t := &parquetTable{file: parquet.NewGenericWriter[any](w, options...), precision: p, series: map[*sensors.Series]*seriesValues{}}
	t.columns = t.file.ColumnWriters()
	return t
}

// parquetText makes a value of a string column without nulls.
func parquetText(text string, column int) parquet.Value {
	return parquet.ByteArrayValue([]byte(text)).Level(0, 0, column)
}

// of returns the values of a series.
func (t *parquetTable) of(s *sensors.Series) *seriesValues {
	v := t.series[s]
	if v != nil {
		return v
	}
	v = &seriesValues{name: parquetText(s.Name, columnSeries), unit: parquetText(s.Unit, columnUnit)}
	t.batchBytes += seriesBytes + int64(len(s.Name)+len(s.Unit))
	for i, tag := range s.Tags {
		next := min(i, 1) // repetition level: 0 begins a row's list
		v.tagKeys = append(v.tagKeys, parquetText(tag.Key, columnTagKey).Level(next, 1, columnTagKey))
		v.tagVals = append(v.tagVals, parquetText(tag.Value, columnTagValue).Level(next, 1, columnTagValue))
		t.batchBytes += int64(len(tag.Key) + len(tag.Value))
	}
	if len(s.Tags) == 0 {
		v.tagKeys = []parquet.Value{parquet.NullValue().Level(0, 0, columnTagKey)}
		v.tagVals = []parquet.Value{parquet.NullValue().Level(0, 0, columnTagValue)}
	}
	t.series[s] = v
	return v
}

func (t *parquetTable) put(column int, values ...parquet.Value) {
	t.batch[column] = append(t.batch[column], values...)
}

// add takes a row. Nothing of it is referred to afterwards but its strings.
func (t *parquetTable) add(row *sensors.Row) error {
	s := t.of(row.Series)
	if row.Author != t.authorText || t.author.IsNull() {
		t.author, t.authorText = parquetText(row.Author, columnAuthor), row.Author
	}
	tick := t.precision.Tick()
	t.put(columnTime, parquet.Int64Value(t.precision.Round(row.Time)/tick).Level(0, 0, columnTime))
	t.put(columnSeries, s.name)
	t.put(columnTagKey, s.tagKeys...)
	t.put(columnTagValue, s.tagVals...)
	t.putValue(row)
	t.put(columnUnit, s.unit)
	t.put(columnAuthor, t.author)
	if t.batchRows++; t.batchRows < maxBatchRows && t.batchBytes < maxBatchBytes {
		return nil
	}
	if err := t.flush(); err != nil {
		return err
	}
	if t.groupRows < maxGroupRows && t.groupBytes < maxGroupBytes {
		return nil
	}
	t.groupRows, t.groupBytes = 0, 0
	clear(t.series)
	return t.file.Flush()
}

// putValue fills the four columns of a value, of which one is not null, or two.
func (t *parquetTable) putValue(row *sensors.Row) {
	var number, whole, boolean, text parquet.Value
	switch row.Series.Type {
	case sensors.Float:
		number = parquet.DoubleValue(row.Float())
	case sensors.Int:
		number, whole = parquet.DoubleValue(float64(row.Int())), parquet.Int64Value(row.Int())
	case sensors.Bool:
		boolean = parquet.BooleanValue(row.Bool())
	case sensors.String:
		text = parquet.ByteArrayValue([]byte(strings.ToValidUTF8(row.Str, "\ufffd")))
		t.batchBytes += int64(len(row.Str))
	}
	for i, v := range [...]parquet.Value{number, whole, boolean, text} {
		defined := 1
		if v.IsNull() {
			defined = 0
		}
		t.put(columnValue+i, v.Level(0, defined, columnValue+i))
	}
}

// flush hands the batch to the columns.
func (t *parquetTable) flush() error {
	if t.batchRows == 0 {
		return nil // the library computes a bad pointer of no values
	}
	for i, column := range t.columns {
		if _, err := column.WriteRowValues(t.batch[i]); err != nil {
			return err
		}
		clear(t.batch[i]) // lets go of long strings
		t.batch[i] = t.batch[i][:0]
	}
	t.groupRows, t.groupBytes = t.groupRows+t.batchRows, t.groupBytes+t.batchBytes
	t.batchRows, t.batchBytes = 0, 0
	return nil
}

// close writes what is left and the footer.
func (t *parquetTable) close() error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.file.Close()
}

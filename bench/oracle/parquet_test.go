package oracle

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/skerry-edge/skerry/export"
	"github.com/skerry-edge/skerry/sensors"
)

// maker makes rows, a step after each other.
type maker struct {
	t     *testing.T
	table *sensors.Table
	at    int64
	step  int64
	rows  []sensors.Row
}

func (m *maker) add(s sensors.Series, value any) {
	m.t.Helper()
	r := sensors.Reading{Time: m.at}
	switch v := value.(type) {
	case float64:
		s.Type, r.Num = sensors.Float, math.Float64bits(v)
	case int64:
		s.Type, r.Num = sensors.Int, uint64(v)
	case bool:
		if s.Type = sensors.Bool; v {
			r.Num = 1
		}
	case string:
		s.Type, r.Str = sensors.String, v
	}
	var err error
	if r.Series, err = m.table.Intern(s); err != nil {
		m.t.Fatal(err)
	}
	m.rows = append(m.rows, sensors.Row{Reading: r, Author: "12D3KooWGate"})
	m.at += m.step
}

// write exports the rows.
func (m *maker) write(p sensors.Precision) []byte {
	m.t.Helper()
	var out bytes.Buffer
	n, err := export.Parquet(&out, p, export.About{Collection: "climate", Gateway: "gate", Peer: "12D3KooWGate", Version: "v1", Digest: "ab"}, func(yield func(sensors.Row, error) bool) {
		for _, row := range m.rows {
			if !yield(row, nil) {
				return
			}
		}
	})
	if err != nil || n != int64(len(m.rows)) {
		m.t.Fatal(n, err)
	}
	return out.Bytes()
}

// open reads a file with Apache Arrow.
func open(t *testing.T, raw []byte) (*file.Reader, arrow.Table) {
	t.Helper()
	reader, err := file.NewParquetReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	arrowReader, err := pqarrow.NewFileReader(reader, pqarrow.ArrowReadProperties{BatchSize: 1000}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	table, err := arrowReader.ReadTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(table.Release)
	return reader, table
}

// TestParquet_arrow: Apache Arrow reads the types, nulls, maps and every value.
func TestParquet_arrow(t *testing.T) {
	m := &maker{t: t, table: sensors.NewTable(), at: 1_787_227_200_123_456_789, step: 1e9}
	tags := []sensors.Tag{{Key: "a", Value: ""}, {Key: "raum", Value: "Küche ☃ 𝄞"}}
	values := []any{21.5, 21.0, math.NaN(), math.Inf(1), math.Inf(-1), int64(1<<53 + 1), int64(math.MinInt64), int64(math.MaxInt64), true, false, "", "日本\n", "NaN"}
	for i, value := range values {
		m.add(sensors.Series{Name: fmt.Sprintf("s%d", i%4), Unit: "°C", Tags: tags[:i%3]}, value)
	}
	for p, unit := range map[sensors.Precision]arrow.TimeUnit{sensors.Milliseconds: arrow.Millisecond, sensors.Microseconds: arrow.Microsecond, sensors.Nanoseconds: arrow.Nanosecond} {
		reader, table := open(t, m.write(p))
		for i, want := range []struct {
			name     string
			kind     arrow.DataType
			nullable bool
		}{
			{"time", &arrow.TimestampType{Unit: unit, TimeZone: "UTC"}, false},
			{"series", arrow.BinaryTypes.String, false},
			{"tags", nil, false},
			{"value", arrow.PrimitiveTypes.Float64, true},
			{"value_int", arrow.PrimitiveTypes.Int64, true},
			{"value_bool", arrow.FixedWidthTypes.Boolean, true},
			{"value_string", arrow.BinaryTypes.String, true},
			{"unit", arrow.BinaryTypes.String, false},
			{"author", arrow.BinaryTypes.String, false},
		} {
			field := table.Schema().Field(i)
			if field.Name != want.name || field.Nullable != want.nullable || want.kind != nil && !arrow.TypeEqual(field.Type, want.kind) {
				t.Errorf("column %d: got %v, want %v", i, field, want)
			}
		}
		for _, key := range []string{"collection", "gateway", "peer", "version", "digest"} {
			if reader.MetaData().KeyValueMetadata().FindValue("skerry."+key) == nil {
				t.Errorf("no skerry.%s in the metadata", key)
			}
		}
		compare(t, m.rows, p, table)
	}
}

// cells returns a column's values: nil for null.
func cells(t *testing.T, table arrow.Table, column int) []any {
	t.Helper()
	var all []any
	for _, chunk := range table.Column(column).Data().Chunks() {
		for i := range chunk.Len() {
			if chunk.IsNull(i) {
				all = append(all, nil)
				continue
			}
			switch c := chunk.(type) {
			case *array.Timestamp:
				all = append(all, int64(c.Value(i)))
			case *array.String:
				all = append(all, c.Value(i))
			case *array.Float64:
				all = append(all, c.Value(i))
			case *array.Int64:
				all = append(all, c.Value(i))
			case *array.Boolean:
				all = append(all, c.Value(i))
			case *array.Map:
				from, to := c.ValueOffsets(i)
				text := ""
				for j := from; j < to; j++ {
					text += c.Keys().ValueStr(int(j)) + "=" + c.Items().ValueStr(int(j)) + ";"
				}
				all = append(all, text)
			default:
				t.Fatalf("column %d is a %T", column, c)
			}
		}
	}
	return all
}

// compare compares what was read with the rows.
func compare(t *testing.T, rows []sensors.Row, p sensors.Precision, table arrow.Table) {
	t.Helper()
	if table.NumRows() != int64(len(rows)) {
		t.Fatalf("%d rows, want %d", table.NumRows(), len(rows))
	}
	var columns [9][]any
	for i := range columns {
		columns[i] = cells(t, table, i)
	}
	for i := range rows {
		r := &rows[i]
		tags := ""
		for _, tag := range r.Series.Tags {
			tags += tag.Key + "=" + tag.Value + ";"
		}
		want := [9]any{p.Round(r.Time) / p.Tick(), r.Series.Name, tags, nil, nil, nil, nil, r.Series.Unit, r.Author}
		switch v := r.Value().(type) {
		case float64:
			want[3] = v
		case int64:
			want[3], want[4] = float64(v), v
		case bool:
			want[5] = v
		case string:
			want[6] = v
		}
		for c := range columns {
			if got := fmt.Sprintf("%T %v", columns[c][i], columns[c][i]); got != fmt.Sprintf("%T %v", want[c], want[c]) {
				t.Errorf("row %d, column %d: got %s, want %T %v", i, c, got, want[c], want[c])
			}
		}
	}
}

// TestParquet_arrowReadsMany: several row groups, dictionaries that overflow, and statistics that prune.
func TestParquet_arrowReadsMany(t *testing.T) {
	const n = 300_000
	m := &maker{t: t, table: sensors.NewTable(), at: time.Date(2026, 8, 20, 0, 0, 0, 0, time.UTC).UnixNano(), step: 1e6}
	for i := range n {
		s := sensors.Series{Name: fmt.Sprintf("s%d", i%50), Tags: []sensors.Tag{{Key: "n", Value: fmt.Sprint(i % 3)}}}
		switch {
		case i%1000 == 0:
			s.Name = "text"
			m.add(s, fmt.Sprint("t", i))
		case i < 200_000:
			m.add(s, math.Sqrt(float64(i))) // distinct: more than a dictionary holds
		default:
			m.add(s, float64(i%7))
		}
	}
	reader, table := open(t, m.write(sensors.Milliseconds))
	compare(t, m.rows, sensors.Milliseconds, table)
	next := m.rows[0].Time / 1e6
	for g := range reader.NumRowGroups() {
		group := reader.MetaData().RowGroup(g)
		column, err := group.ColumnChunk(0)
		if err != nil {
			t.Fatal(err)
		}
		stats, err := column.Statistics()
		if err != nil {
			t.Fatal(err)
		}
		typed, is := stats.(*metadata.Int64Statistics)
		if !is || typed.Min() != next || typed.Max() != next+group.NumRows()-1 {
			t.Errorf("row group %d: statistics of time %v, want from %d", g, stats, next)
		}
		next += group.NumRows()
	}
	if reader.NumRowGroups() != 3 {
		t.Errorf("%d row groups, want 3", reader.NumRowGroups())
	}
}

func TestParquet_arrowReadsNone(t *testing.T) {
	m := &maker{t: t, table: sensors.NewTable()}
	_, table := open(t, m.write(sensors.Milliseconds))
	if table.NumRows() != 0 || table.NumCols() != 9 {
		t.Errorf("%d rows, %d columns, want 0 and 9", table.NumRows(), table.NumCols())
	}
}

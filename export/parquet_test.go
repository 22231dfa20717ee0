package export

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/skerry-edge/skerry/sensors"
)

// parquetRow is how the library that writes a file reads it; package oracle of the bench module has another reader.
type parquetRow struct {
	Time   int64             `parquet:"time,timestamp(nanosecond)"`
	Series string            `parquet:"series"`
	Tags   map[string]string `parquet:"tags"`
	Value  *float64          `parquet:"value,optional"`
	Int    *int64            `parquet:"value_int,optional"`
	Bool   *bool             `parquet:"value_bool,optional"`
	String *string           `parquet:"value_string,optional"`
	Unit   string            `parquet:"unit"`
	Author string            `parquet:"author"`
}

// text shows a row in one line.
func (r *parquetRow) text() string {
	show := func(v any, null bool) string {
		if null {
			return "null"
		}
		return fmt.Sprint(v)
	}
	parts := []string{fmt.Sprint(r.Time), r.Series, fmt.Sprint(r.Tags)}
	var f float64
	var i int64
	var b bool
	var s string
	if r.Value != nil {
		f = *r.Value
	}
	if r.Int != nil {
		i = *r.Int
	}
	if r.Bool != nil {
		b = *r.Bool
	}
	if r.String != nil {
		s = *r.String
	}
	parts = append(parts, show(f, r.Value == nil), show(i, r.Int == nil), show(b, r.Bool == nil), show(s, r.String == nil), r.Unit, r.Author)
	return strings.Join(parts, "|")
}

// writeParquet writes rows and reads them back.
func writeParquet(t *testing.T, p sensors.Precision, all []sensors.Row) (*parquet.File, []parquetRow) {
	t.Helper()
	var out bytes.Buffer
	about := About{Collection: "climate", Gateway: "gate", Peer: "12D3", Version: "v1", Digest: "ab"}
	count, err := Parquet(&out, p, about, seq(all, nil))
	if err != nil || count != int64(len(all)) {
		t.Fatalf("wrote %d rows, %v", count, err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	back, err := parquet.Read[parquetRow](bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return file, back
}

func TestParquet_schema(t *testing.T) {
	for p, unit := range map[sensors.Precision]string{sensors.Milliseconds: "MILLIS", sensors.Microseconds: "MICROS", sensors.Nanoseconds: "NANOS"} {
		file, back := writeParquet(t, p, nil) // a collection without rows
		want := `message readings {
	required int64 time (TIMESTAMP(isAdjustedToUTC=true,unit=` + unit + `));
	required binary series (STRING);
	required group tags (MAP) {
		repeated group key_value {
			required binary key (STRING);
			required binary value (STRING);
		}
	}
	optional double value;
	optional int64 value_int (INT(64,true));
	optional boolean value_bool;
	optional binary value_string (STRING);
	required binary unit (STRING);
	required binary author (STRING);
}`
		if diff := cmp.Diff(want, file.Schema().String()); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if len(back) != 0 || file.NumRows() != 0 {
			t.Errorf("got %d rows", len(back))
		}
		for key, want := range map[string]string{"collection": "climate", "gateway": "gate", "peer": "12D3", "version": "v1", "digest": "ab"} {
			if got, _ := file.Lookup("skerry." + key); got != want {
				t.Errorf("skerry.%s: got %q, want %q", key, got, want)
			}
		}
		if got := file.Metadata().CreatedBy; !strings.HasPrefix(got, "skerry version v1") {
			t.Errorf("created by %q", got)
		}
	}
}

// typedRows are values of every type, one a second.
func typedRows(t *testing.T) []sensors.Row {
	t.Helper()
	table := sensors.NewTable()
	var all []sensors.Row
	add := func(s sensors.Series, num uint64, str string) {
		series, err := table.Intern(s)
		if err != nil {
			t.Fatal(err)
		}
		at := int64(1_787_227_200_123_456_789) + int64(len(all))*1e9
		all = append(all, sensors.Row{Reading: sensors.Reading{Series: series, Time: at, Num: num, Str: str}, Author: "12D3"})
	}
	tags := []sensors.Tag{{Key: "a", Value: ""}, {Key: "raum", Value: "Küche ☃ 𝄞"}}
	for _, f := range []float64{21.5, 21, math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 5e-324} {
		add(sensors.Series{Name: "f", Unit: "°C", Type: sensors.Float, Tags: tags}, math.Float64bits(f), "")
	}
	for _, i := range []int64{1<<53 + 1, math.MinInt64, math.MaxInt64, 0} {
		add(sensors.Series{Name: "i", Type: sensors.Int}, uint64(i), "")
	}
	for _, b := range []uint64{0, 1} {
		add(sensors.Series{Name: "b", Type: sensors.Bool, Tags: tags[:1]}, b, "")
	}
	for _, s := range []string{"", "a\nb", "a\xff", "日本"} {
		add(sensors.Series{Name: "s", Type: sensors.String}, 0, s)
	}
	all[0].Time = -1 // before 1970, rounded towards the past
	return all
}

func TestParquet_values(t *testing.T) {
	_, back := writeParquet(t, sensors.Nanoseconds, typedRows(t))
	var got []string
	for _, row := range back {
		got = append(got, row.text())
	}
	tags := "map[a: raum:Küche ☃ 𝄞]"
	want := []string{
		"-1|f|" + tags + "|21.5|null|null|null|°C|12D3",
		"1787227201123456789|f|" + tags + "|21|null|null|null|°C|12D3",
		"1787227202123456789|f|" + tags + "|NaN|null|null|null|°C|12D3",
		"1787227203123456789|f|" + tags + "|+Inf|null|null|null|°C|12D3",
		"1787227204123456789|f|" + tags + "|-Inf|null|null|null|°C|12D3",
		"1787227205123456789|f|" + tags + "|-0|null|null|null|°C|12D3",
		"1787227206123456789|f|" + tags + "|5e-324|null|null|null|°C|12D3",
		"1787227207123456789|i|map[]|9.007199254740992e+15|9007199254740993|null|null||12D3",
		"1787227208123456789|i|map[]|-9.223372036854776e+18|-9223372036854775808|null|null||12D3",
		"1787227209123456789|i|map[]|9.223372036854776e+18|9223372036854775807|null|null||12D3",
		"1787227210123456789|i|map[]|0|0|null|null||12D3",
		"1787227211123456789|b|map[a:]|null|null|false|null||12D3",
		"1787227212123456789|b|map[a:]|null|null|true|null||12D3",
		"1787227213123456789|s|map[]|null|null|null|||12D3",
		"1787227214123456789|s|map[]|null|null|null|a\nb||12D3",
		"1787227215123456789|s|map[]|null|null|null|a\ufffd||12D3",
		"1787227216123456789|s|map[]|null|null|null|日本||12D3",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for p, want := range map[sensors.Precision][2]int64{sensors.Milliseconds: {-1, 1787227201123}, sensors.Microseconds: {-1, 1787227201123456}} {
		file, _ := writeParquet(t, p, typedRows(t)[:2])
		values := make([]parquet.Value, 2)
		pages := file.RowGroups()[0].ColumnChunks()[columnTime].Pages()
		page, err := pages.ReadPage()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := page.Values().ReadValues(values); n != 2 || err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(n, err)
		}
		if got := [2]int64{values[0].Int64(), values[1].Int64()}; got != want {
			t.Errorf("%d digits: got times %v, want %v", p, got, want)
		}
		if err := pages.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// many yields n rows with 3 series, a millisecond apart; str makes the values of strings.
func many(t *testing.T, n int, str func(i int) string) func(func(sensors.Row, error) bool) {
	t.Helper()
	table := sensors.NewTable()
	var series [3]*sensors.Series
	for i := range series {
		s := sensors.Series{Name: fmt.Sprintf("s%d", i), Type: sensors.Float, Tags: []sensors.Tag{{Key: "k", Value: fmt.Sprint(i)}}}
		if str != nil {
			s.Type = sensors.String
		}
		var err error
		if series[i], err = table.Intern(s); err != nil {
			t.Fatal(err)
		}
	}
	return func(yield func(sensors.Row, error) bool) {
		for i := range n {
			row := sensors.Row{Reading: sensors.Reading{Series: series[i%3], Time: int64(i) * 1e6, Num: math.Float64bits(float64(i))}, Author: "12D3"}
			if str != nil {
				row.Num, row.Str = 0, str(i)
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// TestParquet_rowGroups: they are bounded by rows and by bytes, sorted, and say their bounds.
func TestParquet_rowGroups(t *testing.T) {
	for name, test := range map[string]struct {
		n, groups int
		str       func(int) string
	}{
		"by rows":       {2*maxGroupRows + 10, 3, nil},
		"by bytes":      {100, 3, func(i int) string { return strings.Repeat(string(rune('a'+i%26)), 200<<10) }},
		"just one more": {maxGroupRows + 1, 2, nil},
	} {
		var out bytes.Buffer
		count, err := Parquet(&out, sensors.Milliseconds, About{}, many(t, test.n, test.str))
		if err != nil || count != int64(test.n) {
			t.Fatalf("%s: wrote %d rows, %v", name, count, err)
		}
		file, err := parquet.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatal(err)
		}
		groups := file.Metadata().RowGroups
		if len(groups) != test.groups || file.NumRows() != int64(test.n) {
			t.Errorf("%s: %d row groups with %d rows, want %d with %d", name, len(groups), file.NumRows(), test.groups, test.n)
		}
		next := int64(0)
		for _, group := range groups {
			if len(group.SortingColumns) != 1 || group.SortingColumns[0].ColumnIdx != columnTime || group.SortingColumns[0].Descending {
				t.Errorf("%s: sorted by %v, want by time", name, group.SortingColumns)
			}
			stats := group.Columns[columnTime].MetaData.Statistics
			first, last := parquet.Int64.Value(stats.MinValue).Int64(), parquet.Int64.Value(stats.MaxValue).Int64()
			if first != next || last != next+group.NumRows-1 {
				t.Errorf("%s: times %d to %d, want %d on for %d rows", name, first, last, next, group.NumRows)
			}
			next += group.NumRows
			if text := group.Columns[columnString].MetaData.Statistics; len(text.MaxValue) > 0 {
				t.Errorf("%s: the footer has a value of %d bytes", name, len(text.MaxValue))
			}
		}
	}
}

// TestParquet_boundedMemory: a row group is held, never the file: memory does not grow with row groups of a MiB each.
func TestParquet_boundedMemory(t *testing.T) {
	const groups = 16
	noise := rand.New(rand.NewPCG(1, 2))
	var held []uint64 // with a full row group in memory
	rows := many(t, groups*maxGroupRows, nil)
	_, err := Parquet(io.Discard, sensors.Milliseconds, About{}, func(yield func(sensors.Row, error) bool) {
		rows(func(row sensors.Row, err error) bool {
			if row.Time/1e6%maxGroupRows == maxGroupRows-1 {
				var now runtime.MemStats
				runtime.GC()
				runtime.GC() // what pools gave up
				runtime.ReadMemStats(&now)
				held = append(held, now.HeapAlloc)
			}
			row.Num = noise.Uint64()
			return yield(row, err)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	first, last := slices.Max(held[:4]), slices.Max(held[groups-4:])
	t.Logf("%d MiB at first, %d in the end", first>>20, last>>20)
	if last > first+4<<20 || last > 40<<20 {
		t.Errorf("holds %d bytes in the end, %d at first", last, first)
	}
}

func TestParquet_errors(t *testing.T) {
	broken := errors.New("broken")
	if count, err := Parquet(io.Discard, sensors.Milliseconds, About{}, seq(rows(t), broken)); !errors.Is(err, broken) || count != 3 {
		t.Errorf("rows that break: %d, %v", count, err)
	}
	if _, err := Parquet(failing{}, sensors.Milliseconds, About{}, seq(rows(t), nil)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("into a closed file: %v", err)
	}
	if _, err := Parquet(failing{}, sensors.Milliseconds, About{}, many(t, maxGroupRows+1, nil)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a row group into a closed file: %v", err)
	}
}

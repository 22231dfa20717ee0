package export

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
)

func rows(tb testing.TB) []sensors.Row {
	tb.Helper()
	table := sensors.NewTable()
	intern := func(s sensors.Series) *sensors.Series {
		series, err := table.Intern(s)
		if err != nil {
			tb.Fatal(err)
		}
		return series
	}
	temp := intern(sensors.Series{Name: "temp", Unit: "°C", Type: sensors.Float, Tags: []sensors.Tag{{Key: "room", Value: "a;b=c\\d"}, {Key: "source", Value: `x,"y"`}}})
	text := intern(sensors.Series{Name: `say, "it"`, Type: sensors.String})
	return []sensors.Row{
		{Reading: sensors.Reading{Series: temp, Time: 1_787_227_200_123_000_000, Num: math.Float64bits(21.5)}, Author: "12D3A"},
		{Reading: sensors.Reading{Series: temp, Time: 1_787_227_200_124_000_000, Num: math.Float64bits(math.NaN())}, Author: "12D3A"},
		{Reading: sensors.Reading{Series: text, Time: 1_787_227_200_125_000_000, Str: "two\nlines, \"quoted\""}, Author: "12D3A"},
	}
}

func seq(all []sensors.Row, last error) func(func(sensors.Row, error) bool) {
	return func(yield func(sensors.Row, error) bool) {
		for _, row := range all {
			if !yield(row, nil) {
				return
			}
		}
		if last != nil {
			yield(sensors.Row{}, last)
		}
	}
}

func TestRows_csv(t *testing.T) {
	var out bytes.Buffer
	count, err := Rows(&out, FormatCSV, sensors.Milliseconds, seq(rows(t), nil))
	if err != nil || count != 3 {
		t.Fatalf("got %d, %v", count, err)
	}
	want := "time,series,tags,value,unit,author\n" +
		"2026-08-20T12:00:00.123Z,temp,\"room=a\\;b\\=c\\\\d;source=x,\"\"y\"\"\",21.5,°C,12D3A\n" +
		"2026-08-20T12:00:00.124Z,temp,\"room=a\\;b\\=c\\\\d;source=x,\"\"y\"\"\",NaN,°C,12D3A\n" +
		"2026-08-20T12:00:00.125Z,\"say, \"\"it\"\"\",,\"two\nlines, \"\"quoted\"\"\",,12D3A\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	records, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if got := records[3]; got[1] != `say, "it"` || got[3] != "two\nlines, \"quoted\"" {
		t.Errorf("read back: %q", got)
	}
}

func TestRows_ndjson(t *testing.T) {
	var out bytes.Buffer
	if _, err := Rows(&out, FormatNDJSON, sensors.Microseconds, seq(rows(t)[:1], nil)); err != nil {
		t.Fatal(err)
	}
	want := `{"time":"2026-08-20T12:00:00.123000Z","series":"temp","tags":{"room":"a;b=c\\d","source":"x,\"y\""},"value":21.5,"unit":"°C","author":"12D3A"}` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestRows_emptyAndErrors(t *testing.T) {
	for format, want := range map[Format]string{FormatCSV: csvHeader, FormatNDJSON: ""} {
		var out bytes.Buffer
		if count, err := Rows(&out, format, sensors.Milliseconds, seq(nil, nil)); err != nil || count != 0 || out.String() != want {
			t.Errorf("%s of nothing: %d, %v, %q", format, count, err, out.String())
		}
		out.Reset()
		broken := errors.New("broken")
		if count, err := Rows(&out, format, sensors.Milliseconds, seq(rows(t), broken)); !errors.Is(err, broken) || count != 3 || !strings.Contains(out.String(), "21.5") {
			t.Errorf("%s that breaks: %d, %v, %q", format, count, err, out.String())
		}
		if _, err := Rows(failing{}, format, sensors.Milliseconds, seq(rows(t), nil)); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s into a closed file: %v", format, err)
		}
	}
	if _, err := Rows(io.Discard, FormatParquet, sensors.Milliseconds, seq(nil, nil)); err == nil {
		t.Error("no format of text: no error")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestFormatOf(t *testing.T) {
	for path, want := range map[string]Format{"a.csv": FormatCSV, "/x/b.CSV": FormatCSV, "c.d.ndjson": FormatNDJSON, "a.parquet": FormatParquet, "b.Car": FormatCAR, "a.xls": "", "csv": "", "": ""} {
		got, err := FormatOf(path)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v", path, got, err)
		}
		if err != nil && !strings.Contains(err.Error(), ".csv, .ndjson") {
			t.Errorf("%s: %q does not name the formats", path, err)
		}
	}
}

func TestFile_wholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.csv")
	write := func(text string, last error) error {
		return File(path, func(w io.Writer) error {
			if _, err := io.WriteString(w, text); err != nil {
				return err
			}
			return last
		})
	}
	if err := write("one", nil); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := write("two", broken); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "one" {
		t.Errorf("after a failure: %q, %v", got, err)
	}
	if err := write("three", nil); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "three" {
		t.Errorf("after a success: %q, %v", got, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := File(filepath.Join(dir, "none", "x"), func(io.Writer) error { return nil }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
}

func BenchmarkRows(b *testing.B) {
	all := rows(b)[:1]
	for _, format := range Formats() {
		b.Run(string(format), func(b *testing.B) {
			b.ReportAllocs()
			endless := func(yield func(sensors.Row, error) bool) {
				for b.Loop() {
					if !yield(all[0], nil) {
						return
					}
				}
			}
			var err error
			switch format {
			case FormatCSV, FormatNDJSON:
				_, err = Rows(io.Discard, format, sensors.Milliseconds, endless)
			case FormatParquet:
				_, err = Parquet(io.Discard, sensors.Milliseconds, About{}, endless)
			case FormatCAR:
				b.Skip("has no rows")
			}
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}

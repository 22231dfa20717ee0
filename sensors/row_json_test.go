package sensors

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func rowOf(tb testing.TB, table *Table, s Series, ns int64, value any) Row {
	tb.Helper()
	switch value.(type) {
	case float64:
		s.Type = Float
	case int64:
		s.Type = Int
	case bool:
		s.Type = Bool
	case string:
		s.Type = String
	}
	series, err := table.Intern(s)
	if err != nil {
		tb.Fatal(err)
	}
	row := Row{Reading: Reading{Series: series, Time: ns}, Author: "12D3KooWA"}
	switch v := value.(type) {
	case float64:
		row.Num = math.Float64bits(v)
	case int64:
		row.Num = uint64(v)
	case bool:
		if v {
			row.Num = 1
		}
	case string:
		row.Str = v
	}
	return row
}

func TestRow_AppendJSON_golden(t *testing.T) {
	table := NewTable()
	noon := time.Date(2026, 8, 20, 12, 0, 0, 123456789, time.UTC).UnixNano()
	plain := Series{Name: "temp", Unit: "°C", Tags: []Tag{{"source", "weather"}, {"room", `a"b\`}}}
	for _, test := range []struct {
		p     Precision
		value any
		want  string
	}{
		{Milliseconds, 21.5, `{"time":"2026-08-20T12:00:00.123Z","series":"temp","tags":{"room":"a\"b\\","source":"weather"},"value":21.5,"unit":"°C","author":"12D3KooWA"}`},
		{Microseconds, 21.0, `{"time":"2026-08-20T12:00:00.123456Z","series":"temp","tags":{"room":"a\"b\\","source":"weather"},"value":21,"unit":"°C","author":"12D3KooWA"}`},
		{Nanoseconds, "a\n\x01\x7f\t\r", `{"time":"2026-08-20T12:00:00.123456789Z","series":"temp","tags":{"room":"a\"b\\","source":"weather"},"value":"a\n\u0001` + "\x7f" + `\t\r","unit":"°C","author":"12D3KooWA"}`},
	} {
		row := rowOf(t, table, plain, noon, test.value)
		if diff := cmp.Diff(test.want, string(row.AppendJSON(nil, test.p))); diff != "" {
			t.Errorf("%v: -want +got\n%s", test.value, diff)
		}
	}
	bare := rowOf(t, table, Series{Name: "up"}, 0, true)
	want := `{"time":"1970-01-01T00:00:00.000Z","series":"up","tags":{},"value":true,"unit":"","author":"12D3KooWA"}`
	if got := string(bare.AppendJSON(nil, Milliseconds)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRow_AppendJSON_values(t *testing.T) {
	table := NewTable()
	for _, test := range []struct {
		value any
		want  string
		text  string
	}{
		{math.NaN(), `"NaN"`, "NaN"},
		{math.Inf(1), `"+Inf"`, "+Inf"},
		{math.Inf(-1), `"-Inf"`, "-Inf"},
		{math.Copysign(0, -1), `-0`, "-0"},
		{1e21, `1e+21`, "1e+21"},
		{1e20, `100000000000000000000`, "100000000000000000000"},
		{1e-7, `1e-7`, "1e-7"},
		{-1.5e-10, `-1.5e-10`, "-1.5e-10"},
		{5e-324, `5e-324`, "5e-324"},
		{0.1, `0.1`, "0.1"},
		{int64(math.MinInt64), `-9223372036854775808`, "-9223372036854775808"},
		{int64(1<<53 + 1), `9007199254740993`, "9007199254740993"},
		{"a\xff", "\"a\ufffd\"", "a\xff"},
		{false, `false`, "false"},
	} {
		row := rowOf(t, table, Series{Name: "v"}, 0, test.value)
		line := row.AppendJSON(nil, Milliseconds)
		var object struct{ Value json.RawMessage }
		if err := json.Unmarshal(line, &object); err != nil {
			t.Errorf("%v: %v in %s", test.value, err, line)
		}
		if string(object.Value) != test.want {
			t.Errorf("%v: got %s, want %s", test.value, object.Value, test.want)
		}
		if got := string(row.AppendValue(nil)); got != test.text {
			t.Errorf("%v: got text %s, want %s", test.value, got, test.text)
		}
	}
}

func TestAppendTime_likeTheLibrary(t *testing.T) {
	seed := drawSeed(t)
	random := rand.New(rand.NewPCG(seed, 0))
	times := []int64{0, -1, 1, math.MaxInt64, math.MinInt64, time.Date(2000, 2, 29, 23, 59, 59, 999999999, time.UTC).UnixNano(), time.Date(2100, 3, 1, 0, 0, 0, 0, time.UTC).UnixNano() - 1}
	for range 20000 {
		times = append(times, int64(random.Uint64()))
	}
	for _, ns := range times {
		for p, layout := range map[Precision]string{
			Milliseconds: "2006-01-02T15:04:05.000Z", Microseconds: "2006-01-02T15:04:05.000000Z", Nanoseconds: "2006-01-02T15:04:05.000000000Z",
		} {
			if got, want := string(AppendTime(nil, ns, p)), time.Unix(0, ns).UTC().Format(layout); got != want {
				t.Fatalf("%d: got %s, want %s", ns, got, want)
			}
		}
		if back, ok := parsePlainTime(AppendTime(nil, ns, Nanoseconds)); !ok || back != ns {
			t.Fatalf("%d came back as %d, %v", ns, back, ok)
		}
	}
}

func TestParseRow_keepsTheText(t *testing.T) {
	seed := drawSeed(t)
	random := rand.New(rand.NewPCG(seed, 0))
	table, client := NewTable(), NewTable()
	for i := range 5000 {
		var value any
		switch i % 5 {
		case 0:
			value = math.Float64frombits(random.Uint64())
		case 1:
			value = float64(random.IntN(1000)) / 10
		case 2:
			value = int64(random.Uint64())
		case 3:
			value = random.IntN(2) == 0
		case 4:
			value = fmt.Sprintf("%c\n%c", rune(random.IntN(0x3000)), rune(random.IntN(0x80)))
		}
		s := Series{Name: fmt.Sprintf("s%d", i%7), Unit: "m/s²"}
		for k := range i % 4 {
			s.Tags = append(s.Tags, Tag{fmt.Sprint("k", k), fmt.Sprintf(`v"%c`, rune(random.IntN(0x300)))})
		}
		row := rowOf(t, table, s, int64(random.Uint64()), value)
		line := row.AppendJSON(nil, Nanoseconds)
		back, err := ParseRow(line, client)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if diff := cmp.Diff(string(line), string(back.AppendJSON(nil, Nanoseconds))); diff != "" {
			t.Fatal(diff)
		}
		typed := row.AppendTypedJSON(nil, Nanoseconds)
		if back, err = ParseRow(typed, client); err != nil {
			t.Fatalf("%s: %v", typed, err)
		}
		if got, want := fmt.Sprint(back.Series.Type, back.Value()), fmt.Sprint(row.Series.Type, row.Value()); got != want {
			t.Fatalf("%s: got %s, want %s", typed, got, want)
		}
		if diff := cmp.Diff(string(typed), string(back.AppendTypedJSON(nil, Nanoseconds))); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestParseRow_types(t *testing.T) {
	table := NewTable()
	for _, value := range []any{
		21.0, 0.0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 1e18, math.MaxFloat64, float64(1 << 62), 0.1,
		int64(21), int64(1<<53 + 1), int64(math.MinInt64), true, false, "21", "NaN", "+Inf", "", "a\"b",
	} {
		row := rowOf(t, table, Series{Name: "v"}, 0, value)
		back, err := ParseRow(row.AppendTypedJSON(nil, Milliseconds), table)
		if err != nil || back.Series != row.Series || fmt.Sprint(back.Value()) != fmt.Sprint(value) {
			t.Errorf("%T %v: got %v of %v, %v", value, value, back.Value(), back.Series, err)
		}
	}
	for _, bad := range []string{`"x","type":"float"`, `true,"type":"float"`, `1.5,"type":"int"`, `1,"type":"string"`, `"1","type":"int"`, `1,"type":"number"`, `"NaN","type":"int"`} {
		value, kind, _ := strings.Cut(bad, ",")
		line := `{"time":"2026-02-20T12:00:00.000Z","series":"x","tags":{},"value":` + value + `,"unit":"","author":"",` + kind + `}`
		if row, err := ParseRow([]byte(line), table); err == nil {
			t.Errorf("%s: got %v, want an error", bad, row.Value())
		}
	}
}

func TestParseRow_otherShapes(t *testing.T) {
	table := NewTable()
	row, err := ParseRow([]byte(`{ "later":[1], "author":"A", "value": 2.50, "series":"x", "unit":"", "tags":{"b":"2","a":"1"}, "time":"2026-08-20T14:00:00.5+02:00"}`), table)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"time":"2026-08-20T12:00:00.500Z","series":"x","tags":{"a":"1","b":"2"},"value":2.5,"unit":"","author":"A"}`
	if got := string(row.AppendJSON(nil, Milliseconds)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, bad := range []string{
		``, `{}`, `[]`, `null`, `{"time":"2026-08-20T12:00:00.000Z","series":"x","tags":{},"unit":"","author":""}`,
		`{"time":"2026-02-30T12:00:00.000Z","series":"x","tags":{},"value":1,"unit":"","author":""}`,
		`{"time":"2026-02-20T12:00:00.000Z","series":"_x","tags":{},"value":1,"unit":"","author":""}`,
		`{"time":"2026-02-20T12:00:00.000Z","series":"x","tags":{},"value":null,"unit":"","author":""}`,
		`{"time":"2026-02-20T12:00:00.000Z","series":"x","tags":{},"value":[1,2],"unit":"","author":""}`,
		`{"time":"2026-02-20T12:00:00.000Z","series":"x","tags":{},"value":0x10,"unit":"","author":""}`,
		`{"time":"9999-02-20T12:00:00.000Z","series":"x","tags":{},"value":1,"unit":"","author":""}`,
		`{"time":"2026-02-20T12:00:00.000Z","series":"x","tags":{},"value":1,"unit":"","author":""`,
	} {
		if row, err := ParseRow([]byte(bad), table); err == nil {
			t.Errorf("%s: got %v, want an error", bad, row)
		}
	}
}

func FuzzParseRow(f *testing.F) {
	f.Add([]byte(`{"time":"2026-08-20T12:00:00.123Z","series":"temp","tags":{"room":"a"},"value":21.5,"unit":"C","author":"12"}`))
	f.Add([]byte(`{"time":"2026-08-20T12:00:00.123Z","series":"temp","tags":{},"value":"\u0000","unit":"C","author":"12"}`))
	f.Add([]byte(`{"time":"2026-08-20T12:00:00.123Z","series":"temp","tags":{},"value":"-Inf","unit":"C","author":"12","type":"float"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		table := NewTable()
		row, err := ParseRow(line, table)
		if err != nil {
			return
		}
		once := row.AppendJSON(nil, Nanoseconds)
		again, err := ParseRow(once, table)
		if err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		if diff := cmp.Diff(string(once), string(again.AppendJSON(nil, Nanoseconds))); diff != "" {
			t.Fatal(diff)
		}
		typed := row.AppendTypedJSON(nil, Nanoseconds)
		if again, err = ParseRow(typed, table); err != nil || again.Series != row.Series {
			t.Fatalf("%s: %v, %v", typed, again.Series, err)
		}
		if !json.Valid(once) {
			t.Fatalf("not JSON: %s", once)
		}
	})
}

func BenchmarkRow_AppendJSON(b *testing.B) {
	row := rowOf(b, NewTable(), Series{Name: "temperature", Unit: "°C", Tags: []Tag{{"site", "north"}, {"source", "weather"}}}, 1_787_000_000_123_000_000, 21.57)
	row.Author = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = row.AppendJSON(buf[:0], Milliseconds)
	}
}

func BenchmarkParseRow(b *testing.B) {
	table := NewTable()
	row := rowOf(b, table, Series{Name: "temperature", Unit: "C", Tags: []Tag{{"site", "north"}, {"source", "weather"}}}, 1_787_000_000_123_000_000, 21.57)
	row.Author = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
	line := row.AppendJSON(nil, Milliseconds)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRow(line, table); err != nil {
			b.Fatal(err)
		}
	}
}

// drawSeed returns the seed of a random test: SKERRY_SEED replays one that was logged.
func drawSeed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("SKERRY_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SKERRY_SEED=%d", seed)
	return seed
}

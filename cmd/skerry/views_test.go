package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/api/apitest"
)

// viewTime is the time of the first row: 2026-08-20T12:00:00.123Z.
const viewTime = 1_787_227_200_123_000_000

// viewRows fills a backend with a few rows of every kind.
func viewRows(t *testing.T) *apitest.Memory {
	t.Helper()
	m := apitest.NewMemory(api.ID{Name: "pump-house-3", Peer: "12D3KooWGate", Fingerprint: "ab cd"})
	m.Configure("climate", api.Milliseconds)
	m.Configure("empty", api.Microseconds)
	table := api.NewTable()
	add := func(ns int64, s api.Series, num uint64, str string) {
		series, err := table.Intern(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Add(t.Context(), "climate", []api.Reading{{Series: series, Time: ns, Num: num, Str: str}}); err != nil {
			t.Fatal(err)
		}
	}
	cellar := []api.Tag{{Key: "room", Value: "wine cellar"}, {Key: "source", Value: "weather"}}
	add(viewTime, api.Series{Name: "temp", Unit: "°C", Type: api.Float, Tags: cellar}, math.Float64bits(21.5), "")
	add(viewTime+1e9, api.Series{Name: "pressure", Unit: "Pa", Type: api.Int, Tags: cellar[1:]}, 101_325, "")
	add(viewTime+2e9, api.Series{Name: "door", Type: api.Bool}, 1, "")
	add(viewTime+3e9, api.Series{Name: "say", Type: api.String}, 0, "\x1b[31mred")
	return m
}

// serveViews serves a backend and returns its socket.
func serveViews(t *testing.T, backend api.Backend) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "skerry") //nolint:usetesting // t.TempDir's paths are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	listener, err := api.ListenUnix(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- api.NewServer(backend, api.Options{}).Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-served, os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return socket
}

// skerry runs one command line.
func skerry(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = execute(t.Context(), args, strings.NewReader(""), &out, &errOut)
	return code, out.String(), errOut.String()
}

func TestViews_golden(t *testing.T) {
	socket := serveViews(t, viewRows(t))
	for _, test := range []struct {
		args           string
		code           int
		stdout, stderr string
	}{
		{"query climate", 0, `TIME                          SERIES          VALUE  UNIT  TAGS
2026-08-20 14:00:00.123 CEST  temp             21.5  °C    room="wine cellar" source=weather
2026-08-20 14:00:01.123 CEST  pressure     101325    Pa    source=weather
2026-08-20 14:00:02.123 CEST  door      true
2026-08-20 14:00:03.123 CEST  say       \x1b[31mred
`, ""},
		{"query climate --newest --limit 1 --series p*", 0, `TIME                          SERIES     VALUE  UNIT  TAGS
2026-08-20 14:00:01.123 CEST  pressure  101325  Pa    source=weather
`, ""},
		{"query climate --from 2026-08-20T12:00:01.123Z --to 2026-08-20T12:00:02.123Z --format json", 0, `{"time":"2026-08-20T12:00:01.123Z","series":"pressure","tags":{"source":"weather"},"value":101325,"unit":"Pa","author":"12D3KooWGate"}
`, ""},
		{"query climate --tag source=weather --tag room=attic --format csv", 0, "time,series,tags,value,unit,author\n", ""},
		{"query climate --series temp --format csv", 0, `time,series,tags,value,unit,author
2026-08-20T12:00:00.123Z,temp,room=wine cellar;source=weather,21.5,°C,12D3KooWGate
`, ""},
		{"query climate --every 1m --agg count,last,mean", 0, `TIME                   SERIES    UNIT  COUNT         LAST      MEAN  TAGS
2026-08-20 14:00 CEST  door                1  true
2026-08-20 14:00 CEST  pressure  Pa        1     101325    101325    source=weather
2026-08-20 14:00 CEST  say                 1  \x1b[31mred
2026-08-20 14:00 CEST  temp      °C        1         21.5      21.5  room="wine cellar" source=weather
`, ""},
		{"query climate --every 1s --agg min --newest --limit 1 --format json", 0, `{"time":"2026-08-20T12:00:01.000Z","series":"pressure","tags":{"source":"weather"},"unit":"Pa","min":101325}
`, ""},
		{"query climate --every 1h --agg first,mean,stddev --format csv", 0, `time,series,tags,unit,first,mean,stddev
2026-08-20T12:00:00.000Z,door,,,true,,
2026-08-20T12:00:00.000Z,pressure,source=weather,Pa,101325,101325,NaN
2026-08-20T12:00:00.000Z,say,,,` + "\x1b[31mred" + `,,
2026-08-20T12:00:00.000Z,temp,room=wine cellar;source=weather,°C,21.5,21.5,NaN
`, ""},
		{"query empty --every 1h", 0, "TIME  SERIES  UNIT  COUNT  MEAN  MIN  MAX  TAGS\n", "no rows\n"},
		{"query climate --agg mean", 2, "", "error: --agg needs --every\nhint: for example: --every 1h --agg mean\n"},
		{"query climate --every 1h --agg avg", 2, "", "error: --agg: aggregate \"avg\": want some of count,sum,mean,min,max,first,last,stddev, with commas between them\nhint: the average is called mean\n"},
		{"query climate --every 1us", 2, "", "error: --every: \"1us\" is no span: want a number with its unit, such as 500ms, 10s, 15m, 1h, 1d or 1w\n"},
		{"query climate --every 1h --author nobody", 1, "", "error: no such author: \"nobody\"\n"},
		{"query empty", 0, "TIME  SERIES  VALUE  UNIT  TAGS\n", "no rows\n"},
		{"query empty --format json", 0, "", ""},
		{"query empty --format csv", 0, "time,series,tags,value,unit,author\n", ""},
		{"query nothing", 1, "", "error: no such collection: \"nothing\"; known are: climate, empty\n"},
		{"collections", 0, `NAME     KIND    READINGS  BLOCKS  SIZE  FIRST                     LAST                      DIGEST        COMPLETE
climate  events         4       1   4 B  2026-08-20 14:00:00 CEST  2026-08-20 14:00:03 CEST  000000000000  yes
empty    events         0       0   0 B  -                         -                         000000000000  yes
`, ""},
		{"verify", 0, `COLLECTION  BLOCKS  READINGS  COMPLETE  DIGEST
climate          1         4  yes       000000000000
empty            0         0  yes       000000000000
ok: no damage
`, ""},
		{"query", 2, "", "error: COLLECTION is missing\nhint: for example: skerry query climate; the names: skerry collections\n"},
		{"query climate --format xml", 2, "", "error: --format \"xml\": want table, json or csv\n"},
		{"query climate --limit 0", 2, "", "error: --limit 0: want at least 1\nhint: leave --limit out for all rows\n"},
		{"query climate --tag room", 2, "", "error: --tag \"room\": want k=v\nhint: for example: --tag room=cellar\n"},
		{"query climate --from -1x", 2, "", "error: --from \"-1x\": not a span of time\nhint: " + whenHint + "\n"},
		{"query climate --from -1h --to -2h", 2, "", "error: --to is not after --from: nothing lies between\nhint: --from is inclusive, --to exclusive\n"},
		{"export climate --out x.xls", 2, "", "error: --out: file \"x.xls\": the name must end in one of .csv, .ndjson, .parquet, .car\n"},
		{"export climate --out x.csv --from -1h --to -2h", 2, "", "error: --to is not after --from: nothing lies between\nhint: --from is inclusive, --to exclusive\n"},
		{"export climate --out x.car --series t*", 2, "", "error: --series: a .car file holds the whole collection\nhint: leave it out, or write .parquet, .csv or .ndjson\n"},
		{"export climate --out x.car --tag a=b --from -1h", 2, "", "error: --from: a .car file holds the whole collection\nhint: leave it out, or write .parquet, .csv or .ndjson\n"},
		{"export nothing --out x.parquet", 1, "", "error: no such collection: \"nothing\"; known are: climate, empty\n"},
		{"export nothing --out x.car", 1, "", "error: no such collection: \"nothing\"; known are: climate, empty\n"},
		{"tail nothing", 1, "", "error: no such collection: \"nothing\"; known are: climate, empty\n"},
	} {
		args := strings.Fields(test.args)
		code, stdout, stderr := skerry(t, append(args, "--socket", socket)...)
		if code != test.code {
			t.Errorf("%s: exit code %d, want %d", test.args, code, test.code)
		}
		if diff := cmp.Diff(test.stdout, stdout); diff != "" {
			t.Errorf("%s: stdout: -want +got\n%s", test.args, diff)
		}
		if diff := cmp.Diff(test.stderr, stderr); diff != "" {
			t.Errorf("%s: stderr: -want +got\n%s", test.args, diff)
		}
	}
}

func TestViews_json(t *testing.T) {
	socket := serveViews(t, viewRows(t))
	_, stdout, _ := skerry(t, "collections", "--json", "--socket", socket)
	var collections []map[string]any
	if err := json.Unmarshal([]byte(stdout), &collections); err != nil {
		t.Fatal(err)
	}
	if len(collections) != 2 || collections[0]["name"] != "climate" || collections[0]["first"] != "2026-08-20T12:00:00.123Z" || collections[1]["first"] != nil {
		t.Errorf("collections --json: %s", stdout)
	}
	for _, key := range []string{"name", "kind", "readings", "blocks", "bytes", "first", "last", "digest"} {
		if _, ok := collections[1][key]; !ok {
			t.Errorf("collections --json: no key %s in %s", key, stdout)
		}
	}
	_, stdout, _ = skerry(t, "status", "--json", "--socket", socket)
	var status map[string]any
	if err := json.Unmarshal([]byte(stdout), &status); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"parts", "queues", "disk", "clock", "health"} {
		if _, ok := status[key]; !ok {
			t.Errorf("status --json: no key %s in %s", key, stdout)
		}
	}
	empty := apitest.NewMemory(api.ID{Name: "a", Peer: "b"})
	if _, stdout, _ := skerry(t, "collections", "--json", "--socket", serveViews(t, empty)); stdout != "[]\n" {
		t.Errorf("collections --json without any: %q", stdout)
	}
}

func TestVerify_damage(t *testing.T) {
	m := viewRows(t)
	seq := uint64(7)
	m.SetDamage(api.Damage{Feed: "0a0b", Seq: &seq, Reason: "hash differs"}, api.Damage{File: "journal/1.log", Reason: "record cut"})
	socket := serveViews(t, m)
	code, stdout, stderr := skerry(t, "verify", "--socket", socket)
	want := "damaged: feed 0a0b: block 7: hash differs\ndamaged: file journal/1.log: record cut\n"
	if code != exitDamage || !strings.HasSuffix(stdout, want) || stderr != "error: verify store: damage found: 2 things are not as it should be\n" {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	code, stdout, _ = skerry(t, "verify", "--json", "--socket", socket)
	var v struct {
		OK     bool
		Damage []map[string]any
	}
	if err := json.Unmarshal([]byte(stdout), &v); err != nil || v.OK || len(v.Damage) != 2 || v.Damage[0]["feed"] != "0a0b" || code != exitDamage {
		t.Errorf("exit code %d, %v\n%s", code, err, stdout)
	}
}

func TestViews_noAgent(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	for _, args := range []string{"status", "collections", "query climate", "tail climate", "verify", "export climate --out " + socket + ".csv"} {
		code, stdout, stderr := skerry(t, append(strings.Fields(args), "--socket", socket)...)
		if code != exitUnreachable || stdout != "" || !strings.HasPrefix(stderr, "error: agent not reachable at "+socket) || !strings.Contains(stderr, "\nhint: ") {
			t.Errorf("%s: exit code %d\n%s%s", args, code, stdout, stderr)
		}
	}
	if _, err := os.Stat(socket + ".csv"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("export left a file: %v", err)
	}
}

// closing is a pipe whose reader went away after the first write.
type closing struct{ writes int }

func (c *closing) Write(b []byte) (int, error) {
	if c.writes++; c.writes > 1 {
		return 0, &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}
	}
	return len(b), nil
}

func TestQuery_closedPipe(t *testing.T) {
	m := viewRows(t)
	row := api.Reading{Series: &api.Series{Name: "x", Type: api.Float}, Time: viewTime}
	many := make([]api.Reading, 5000)
	for i := range many {
		many[i] = row
	}
	if err := m.Add(t.Context(), "climate", many); err != nil {
		t.Fatal(err)
	}
	socket := serveViews(t, m)
	for _, format := range formats() {
		var stderr bytes.Buffer
		if code := execute(t.Context(), []string{"query", "climate", "--format", format, "--socket", socket}, nil, &closing{}, &stderr); code != 0 || stderr.Len() != 0 {
			t.Errorf("%s: exit code %d, stderr %q", format, code, stderr.String())
		}
	}
}

func TestStatus_agentThatHangsUp(t *testing.T) {
	err := &api.UnreachableError{Socket: "skerry.sock", Err: &net.OpError{Op: "write", Net: "unix", Err: os.NewSyscallError("write", syscall.EPIPE)}}
	var stderr bytes.Buffer
	report(&stderr, err)
	if code := exitCode(err); code != exitUnreachable || stderr.Len() == 0 {
		t.Errorf("exit code %d, stderr %q", code, stderr.String())
	}
}

// startTail runs tail until stop is called; the test reads what it writes.
func startTail(t *testing.T, args ...string) (lines *bufio.Reader, stop func() (code int, stderr string)) {
	t.Helper()
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancelCause(t.Context())
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- execute(ctx, append([]string{"tail"}, args...), nil, writer, &stderr)
		_ = writer.Close()
	}()
	return bufio.NewReader(reader), func() (int, string) {
		cancel(errInterrupted)
		return <-code, stderr.String()
	}
}

func TestTail_liveRows(t *testing.T) {
	m := viewRows(t)
	socket := serveViews(t, m)
	lines, stop := startTail(t, "climate", "--socket", socket)
	read := func(want string) {
		t.Helper()
		if got, err := lines.ReadString('\n'); err != nil || got != want {
			t.Fatalf("%v\n got %q\nwant %q", err, got, want)
		}
	}
	read("TIME                          SERIES                 VALUE  UNIT   TAGS\n")
	series := &api.Series{Name: "temp", Unit: "°C", Type: api.Float, Tags: []api.Tag{{Key: "room", Value: "1"}}}
	if err := m.Add(t.Context(), "climate", []api.Reading{{Series: series, Time: viewTime, Num: math.Float64bits(-3.25)}}); err != nil {
		t.Fatal(err)
	}
	read("2026-08-20 14:00:00.123 CEST  temp                   -3.25  °C     room=1\n")
	if code, stderr := stop(); code != 0 || stderr != "" {
		t.Errorf("after Ctrl-C: exit code %d, stderr %q", code, stderr)
	}
}

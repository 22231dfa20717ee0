package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/api/apitest"
	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// section is a part of docs/api.md.
type section struct {
	title    string
	text     string
	rows     [][]string // of tables, without their heads
	examples []example
}

// example is a request and the answer that the page shows; "" = none.
type example struct{ accept, url, answer string }

// readDocs reads the page.
func readDocs(t *testing.T) []section {
	t.Helper()
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var sections []section
	for part := range strings.SplitSeq("\n"+string(page), "\n#") {
		title, text, _ := strings.Cut(part, "\n")
		s := section{title: strings.TrimLeft(title, "# "), text: text}
		for line := range strings.Lines(text) {
			if cells := strings.Split(strings.TrimSpace(line), " | "); len(cells) > 1 && !strings.HasPrefix(cells[0], "|-") {
				cells[0] = strings.TrimPrefix(cells[0], "| ")
				s.rows = append(s.rows, cells)
			}
		}
		blocks := regexp.MustCompile("(?s)```(\\w+)\n(.*?)```").FindAllStringSubmatch(text, -1)
		for i, block := range blocks {
			if block[1] != "sh" {
				continue
			}
			url := regexp.MustCompile(`^curl (?:-H 'Accept: ([^']*)' )?'(http://skerry/[^']*)'\n$`).FindStringSubmatch(block[2])
			if url == nil {
				t.Fatalf("%s: %q is no request that this test understands", s.title, block[2])
			}
			e := example{accept: url[1], url: url[2]}
			if i+1 < len(blocks) && (blocks[i+1][1] == "json" || blocks[i+1][1] == "text") {
				e.answer = blocks[i+1][2]
			}
			s.examples = append(s.examples, e)
		}
		sections = append(sections, s)
	}
	return sections
}

// names returns what stands in backquotes in the first column of a section's tables.
func (s section) names() []string {
	var all []string
	for _, row := range s.rows {
		for _, quoted := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[0], -1) {
			all = append(all, quoted[1])
		}
	}
	return all
}

func find(t *testing.T, sections []section, title string) section {
	t.Helper()
	i := slices.IndexFunc(sections, func(s section) bool { return s.title == title })
	if i < 0 {
		t.Fatalf("docs/api.md has no section %q", title)
	}
	return sections[i]
}

func TestDocs_routes(t *testing.T) {
	sections := readDocs(t)
	var documented, served []string
	for _, s := range sections {
		if strings.HasPrefix(s.title, "GET ") {
			documented = append(documented, s.title)
		}
	}
	for _, route := range api.Routes() {
		title := route.Method + " " + route.Path
		served = append(served, title)
		s := find(t, sections, title)
		if !strings.HasPrefix(s.text, "\n"+route.Does+"\n") {
			t.Errorf("%s: the section does not begin with %q", title, route.Does)
		}
		if route.Access != api.Read {
			t.Errorf("%s: the page says that all routes read", title)
		}
		if len(s.examples) == 0 {
			t.Errorf("%s: no example", title)
		}
		if len(route.Params) > 0 || strings.Contains(s.text, "| parameter |") {
			if diff := cmp.Diff(route.Params, s.names()); diff != "" {
				t.Errorf("%s: parameters: -served +documented\n%s", title, diff)
			}
		}
	}
	if diff := cmp.Diff(served, documented); diff != "" {
		t.Errorf("routes: -served +documented\n%s", diff)
	}
}

func TestDocs_codes(t *testing.T) {
	want, got := api.Codes(), find(t, readDocs(t), "Errors").names()
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-sent +documented\n%s", diff)
	}
}

func TestDocs_metrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(api.NewMetrics())
	socket, _ := serve(t, newMemory(), api.Options{Prometheus: promhttp.HandlerFor(registry, promhttp.HandlerOpts{})})
	_, body := get(t, socket, "http://skerry/metrics")
	for _, name := range find(t, readDocs(t), "GET /metrics").names() {
		// A counter without labels yet shows nothing.
		if name != "skerry_api_requests_total" && !strings.Contains(body, "\n"+name) {
			t.Errorf("documented %s is not in\n%s", name, body)
		}
	}
}

func TestDocs_statusFields(t *testing.T) {
	var want []string
	fields("", reflect.TypeFor[api.Status](), &want)
	got := find(t, readDocs(t), "Status").names()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-sent +documented\n%s", diff)
	}
}

// fields appends the paths of a type's JSON fields.
func fields(path string, kind reflect.Type, out *[]string) {
	for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice {
		if kind.Kind() == reflect.Slice {
			path += "[]"
		}
		kind = kind.Elem()
	}
	if kind.Kind() != reflect.Struct || kind == reflect.TypeFor[time.Time]() {
		*out = append(*out, path)
		return
	}
	for field := range kind.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		fields(strings.TrimPrefix(path+"."+name, "."), field.Type, out)
	}
}

// docsBackend holds what the page's examples show.
func docsBackend(t *testing.T) (m *apitest.Memory, next sensors.Reading) {
	t.Helper()
	m = apitest.NewMemory(api.ID{Name: "pump-house-3", Peer: "12D3KooWGate", Fingerprint: "ab cd"})
	m.Configure("climate", sensors.Milliseconds)
	m.Configure("spare", sensors.Milliseconds)
	m.Source("weather")
	weather := sensors.Tag{Key: "source", Value: "weather"}
	at := time.Date(2026, 8, 20, 12, 0, 0, 123e6, time.UTC).UnixNano()
	temp := &sensors.Series{Name: "temp", Unit: "°C", Type: sensors.Float, Tags: []sensors.Tag{{Key: "room", Value: "cellar"}, weather}}
	readings := []sensors.Reading{
		{Series: temp, Time: at, Num: math.Float64bits(21.5)},
		{Series: &sensors.Series{Name: "pressure", Unit: "Pa", Type: sensors.Int, Tags: []sensors.Tag{weather}}, Time: at + 1e9, Num: 101_325},
		{Series: &sensors.Series{Name: "state", Type: sensors.String, Tags: []sensors.Tag{weather}}, Time: at + 2e9, Str: "dry"},
	}
	for _, part := range [][]sensors.Reading{readings[:2], readings[2:]} { // the first two get into a block
		if err := m.Add(t.Context(), "climate", part); err != nil {
			t.Fatal(err)
		}
	}
	seq := uint64(7)
	m.SetDamage(api.Damage{Feed: "0a0b0c", Seq: &seq, Reason: "the hash differs"})
	return m, sensors.Reading{Series: temp, Time: at + 3e9, Num: math.Float64bits(21.75)}
}

// get asks over the socket and returns status and body.
func get(t *testing.T, socket, url string) (int, string) {
	t.Helper()
	response := open(t, socket, url) //nolint:bodyclose // open closes it when the test ends
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func open(t *testing.T, socket, url string, headers ...string) *http.Response {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	})
	return response
}

func TestDocs_examples(t *testing.T) {
	m, next := docsBackend(t)
	sections := readDocs(t)
	var status api.Status
	decoder := json.NewDecoder(strings.NewReader(find(t, sections, "GET /v1/status").examples[0].answer))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&status); err != nil {
		t.Fatalf("the example of a status: %v", err)
	}
	m.SetStatus(status)
	registry := prometheus.NewRegistry()
	socket, _ := serve(t, m, api.Options{Prometheus: promhttp.HandlerFor(registry, promhttp.HandlerOpts{})})
	count := 0
	var tails []example // last, because they add rows
	for _, s := range sections {
		for _, e := range s.examples {
			count++
			if strings.Contains(e.url, "/v1/tail") {
				tails = append(tails, e)
				continue
			}
			if strings.Contains(e.url, "/v1/blocks") {
				checkBlocksExample(t, socket, e)
				continue
			}
			if strings.Contains(e.url, "/v1/tap?") {
				checkTapExample(t, m, next, socket, e)
				continue
			}
			code, body := get(t, socket, e.url)
			if (code == http.StatusOK) == (s.title == "Errors") {
				t.Errorf("%s: status %d", e.url, code)
			}
			if e.answer == "" {
				continue
			}
			if strings.HasPrefix(e.answer, `{"time"`) { // rows are exact to the byte
				if diff := cmp.Diff(e.answer, body); diff != "" {
					t.Errorf("%s: -documented +sent\n%s", e.url, diff)
				}
				continue
			}
			if diff := cmp.Diff(anyJSON(t, e.answer), anyJSON(t, body)); diff != "" {
				t.Errorf("%s: -documented +sent\n%s", e.url, diff)
			}
		}
	}
	for _, e := range tails {
		checkTailExample(t, m, next, socket, e)
	}
	if count < len(api.Routes()) {
		t.Errorf("ran %d examples, want one for each of %d routes", count, len(api.Routes()))
	}
}

// checkBlocksExample reads the answer as a CAR.
func checkBlocksExample(t *testing.T, socket string, e example) {
	t.Helper()
	response := open(t, socket, e.url) //nolint:bodyclose // open closes it when the test ends
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || kind != "application/vnd.ipld.car; version=1" {
		t.Fatalf("%s: status %d, type %q", e.url, response.StatusCode, kind)
	}
	if blocks, unsealed := response.Header.Get(api.BlocksHeader), response.Header.Get(api.UnsealedHeader); blocks != "3" || unsealed != "1" {
		t.Errorf("%s: %s blocks, %s unsealed, want 3 and 1", e.url, blocks, unsealed)
	}
	car, err := crdt.NewCARReader(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if _, err = car.Next(); err != nil {
			if i != 3 || !errors.Is(err, io.EOF) {
				t.Errorf("%s: after %d blocks: %v", e.url, i, err)
			}
		}
	}
}

func checkTailExample(t *testing.T, m *apitest.Memory, next sensors.Reading, socket string, e example) {
	t.Helper()
	response := open(t, socket, e.url, "Accept", e.accept) //nolint:bodyclose // open closes it when the test ends
	if got := response.Header.Get(api.PrecisionHeader); got != "3" {
		t.Errorf("%s: precision %q", e.url, got)
	}
	before, err := m.Collections(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if before[0].Readings < 3 {
		t.Fatalf("%s: %d readings, want the examples' 3", e.url, before[0].Readings)
	}
	if err := m.Add(t.Context(), "spare", []sensors.Reading{next}); err != nil { // another collection's row is not shown
		t.Fatal(err)
	}
	if err := m.Add(t.Context(), "climate", []sensors.Reading{next}); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len(e.answer))
	if _, err := io.ReadFull(response.Body, answer); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e.answer, string(answer)); diff != "" {
		t.Errorf("%s: -documented +sent\n%s", e.url, diff)
	}
}

// checkTapExample shows the inputs of which the page shows the lines.
func checkTapExample(t *testing.T, m *apitest.Memory, next sensors.Reading, socket string, e example) {
	t.Helper()
	response := open(t, socket, e.url) //nolint:bodyclose // open closes it when the test ends
	if got := response.Header.Get(api.PrecisionHeader); got != "3" {
		t.Errorf("%s: precision %q", e.url, got)
	}
	weather := m.Source("weather")
	weather.Show("", []byte("room=cellar temp=21.75"), 24, []sensors.Reading{next}, nil)
	weather.Show("", []byte("tem\xf0=2x"), 9, nil, &sensors.DecodeError{Reason: sensors.ReasonSyntax, What: "temp: \"2x\" is no number"})
	lines := bufio.NewReader(response.Body)
	var got strings.Builder
	for range 2 {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString(regexp.MustCompile(`^\{"time":"[^"]*"`).ReplaceAllString(line, `{"time":"2026-08-20T12:00:03.124Z"`))
	}
	if diff := cmp.Diff(e.answer, got.String()); diff != "" {
		t.Errorf("%s: -documented +sent\n%s", e.url, diff)
	}
}

func anyJSON(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

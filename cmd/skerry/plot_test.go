package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/api/apitest"
)

// plotRows fills a backend with two hours of a temperature in two rooms, one with a gap, a door, and a text.
func plotRows(t *testing.T) *apitest.Memory {
	t.Helper()
	m := apitest.NewMemory(api.ID{Name: "pump-house-3", Peer: "12D3KooWGate", Fingerprint: "ab cd"})
	m.Configure("climate", api.Milliseconds)
	var readings []api.Reading
	series := func(name, unit string, kind api.Type, tags ...api.Tag) *api.Series {
		return &api.Series{Name: name, Unit: unit, Type: kind, Tags: tags}
	}
	cellar := series("temp", "°C", api.Float, api.Tag{Key: "room", Value: "cellar"}, api.Tag{Key: "source", Value: "weather"})
	attic := series("temp", "°C", api.Float, api.Tag{Key: "room", Value: "attic"}, api.Tag{Key: "source", Value: "weather"})
	door, state, level := series("door", "", api.Bool), series("state", "", api.String), series("level", "mm", api.Int)
	for i := range int64(120) {
		at := viewTime + i*60e9
		x := float64(i) / 120 * 2 * math.Pi
		add := func(s *api.Series, num uint64, str string) {
			readings = append(readings, api.Reading{Series: s, Time: at, Num: num, Str: str})
		}
		add(cellar, math.Float64bits(12+3*math.Sin(x)), "")
		if i < 40 || i >= 80 {
			add(attic, math.Float64bits(14+2*math.Cos(x)), "")
		}
		if i%10 == 0 {
			add(door, uint64(i/30%2), "")
			add(level, uint64(1000+i), "")
		}
		add(state, 0, fmt.Sprint("state ", i))
	}
	if err := m.Add(t.Context(), "climate", readings); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPlot_golden(t *testing.T) {
	socket := serveViews(t, plotRows(t))
	for _, test := range []struct {
		args           string
		code           int
		stdout, stderr string
	}{
		{"temp --width 60 --height 14", 0, `climate: mean of 160s a column, in °C
       16.0 ┼*****                                  ******
       15.1 ┤    ***++++++++                    *****
       14.2 ┤    ++++****  ++++              ****
       13.4 ┤ ++++      ****  +++         ****
       12.5 ┼++                 +++
       11.6 ┤                     ++++                 +++
       10.8 ┤                        +++             +++
        9.9 ┤                          ++++       ++++
        9.0 ┤                             +++++++++
            └─────────────────────────────────────────────
             2026-08-20 14:00:00             15:59:00 CEST
* temp{room=attic}   last 15.9973 °C  min 13  max 16
+ temp{room=cellar}  last 11.843 °C   min 9   max 15
`, ""},
		{"temp --tag room=attic --width 40 --height 9 --from 2026-08-20T12:00:00Z --to 2026-08-20T15:00:00Z", 0, `climate: mean of 7m a column, in °C
       16.0 ┼──╮            ╭─╴
       15.3 ┤  ╰╮          ╭╯
       14.6 ┤   ╰╮        ╭╯
       13.9 ┤    ╰╮      ╭╯
       13.2 ┤     ╰╴    ╶╯
            └───────────────────────────
             14:00:00      17:00:00 CEST
─ temp  last 15.9973 °C  min 13  max 16
`, ""},
		{"door level --width 60 --height 10", 0, `climate: mean of 150s a column
       1110 ┼+++++++++++++++++++++++++++++++++++++++++++++
        832 ┤
        555 ┤
        278 ┤
          0 ┼*********************************************
            └─────────────────────────────────────────────
             2026-08-20 14:00:00             15:50:00 CEST
* door   last 1        min 0     max 1
+ level  last 1110 mm  min 1000  max 1110
`, ""},
		{"nothing", 0, "", "no readings of nothing\n"},
		{"nothing no*", 0, "", "no readings of nothing, no*\n"},
		{"state", 1, "", "error: plot: state: text has no height\nhint: see it with: skerry query climate\n"},
		{"temp state", 1, "", "error: plot: state: text has no height\nhint: see it with: skerry query climate\n"},
		{"st*", 1, "", "error: plot: state: text has no height\nhint: see it with: skerry query climate\n"},
		{"temp --every 1s --width 80", 2, "", "error: --every 1s: 7141 columns, there is room for 66\nhint: want at least --every 110s\n"},
		{"temp --every 1y", 2, "", "error: --every: \"1y\" is no span: want a number with its unit, such as 500ms, 10s, 15m, 1h, 1d or 1w\n"},
		{"temp --width 5", 2, "", "error: --width 5: want 30 to 1000\n"},
		{"temp --follow", 2, "", "error: --follow draws on a terminal only\nhint: to see rows as they come elsewhere: skerry tail climate\n"},
		{"temp --follow --to now", 2, "", "error: --follow goes on: it has no --to\nhint: leave one of them out\n"},
		{"", 2, "", "error: want COLLECTION and SERIES\nhint: for example: skerry plot climate temp; the names: skerry query climate --newest --limit 20\n"},
	} {
		args := append([]string{"plot", "climate"}, strings.Fields(test.args)...)
		code, stdout, stderr := skerry(t, append(args, "--socket", socket)...)
		if code != test.code {
			t.Errorf("%s: exit code %d, want %d", test.args, code, test.code)
		}
		if diff := cmp.Diff(strings.Split(test.stdout, "\n"), strings.Split(stdout, "\n")); diff != "" {
			t.Errorf("%s: stdout: -want +got\n%s\n%s", test.args, diff, stdout)
		}
		if diff := cmp.Diff(test.stderr, stderr); diff != "" {
			t.Errorf("%s: stderr: -want +got\n%s", test.args, diff)
		}
	}
}

// TestPlot_readme: the chart of README.md is one that the program draws.
func TestPlot_readme(t *testing.T) {
	_, stdout, _ := skerry(t, "plot", "climate", "temp", "--width", "60", "--height", "14", "--socket", serveViews(t, plotRows(t)))
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := "    " + strings.ReplaceAll(strings.TrimSpace(stdout), "\n", "\n    "); !strings.Contains(string(readme), want) {
		t.Errorf("README.md lacks\n%s", want)
	}
}

// TestLiveChart_draws lets rows come far faster than frames, then resizes and interrupts.
func TestLiveChart_draws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := apitest.NewMemory(api.ID{Name: "gate", Peer: "12D3KooWGate"})
		m.Configure("climate", api.Milliseconds)
		temp := &api.Series{Name: "temp", Unit: "°C", Type: api.Float}
		stored := api.Reading{Series: temp, Time: time.Now().Add(-time.Minute).UnixNano(), Num: math.Float64bits(17)}
		if err := m.Add(t.Context(), "climate", []api.Reading{stored}); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		p := &plotting{backend: m, q: api.Query{Collection: "climate", From: time.Now().Add(-5 * time.Minute).UnixNano()}, patterns: []string{"t*"}, now: time.Now().UnixNano()}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.followOn(ctx, &out) }()
		synctest.Wait()
		for range 5000 {
			time.Sleep(time.Millisecond) // the bubble's time
			r := api.Reading{Series: temp, Time: time.Now().UnixNano(), Num: math.Float64bits(19)}
			other := api.Reading{Series: &api.Series{Name: "hum", Type: api.Float}, Time: time.Now().UnixNano()}
			text := api.Reading{Series: &api.Series{Name: "text", Type: api.String}, Time: time.Now().UnixNano(), Str: "x"}
			if err := m.Add(t.Context(), "climate", []api.Reading{r, other, text}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		time.Sleep(10 * time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		text := out.String()
		if !strings.HasPrefix(text, enterScreen) || !strings.HasSuffix(text, leaveScreen) {
			t.Errorf("the terminal's screen is not given back: %q … %q", text[:20], text[len(text)-20:])
		}
		frames := strings.Split(text, beginFrame)[1:]
		if n := len(frames); n < 30 || n > 40 { // 5 a second for 5 s, then one a second for 10 s
			t.Errorf("%d frames", n)
		}
		first, last := frames[0], frames[len(frames)-1]
		if !strings.Contains(first, "min 17") || !strings.Contains(last, "last 19 °C  min 17  max 19") || strings.Contains(last, "hum") || strings.Contains(last, "text") {
			t.Errorf("first frame\n%s\nlast frame\n%s", first, last)
		}
	})
}

func TestPlot_tooMany(t *testing.T) {
	m := plotRows(t)
	for i := range 9 {
		s := &api.Series{Name: fmt.Sprint("many", i%2), Type: api.Int, Tags: []api.Tag{{Key: "n", Value: fmt.Sprint(i)}}}
		if err := m.Add(t.Context(), "climate", []api.Reading{{Series: s, Time: viewTime + int64(i)*1e9}}); err != nil {
			t.Fatal(err)
		}
	}
	socket := serveViews(t, m)
	code, _, stderr := skerry(t, "plot", "climate", "many*", "--socket", socket)
	if want := "error: plot: more than 8 series, of the names many0, many1, …\nhint: choose some of them: by name, or with --tag k=v\n"; code != 1 || stderr != want {
		t.Errorf("exit code %d\n got %q\nwant %q", code, stderr, want)
	}
	code, stdout, stderr := skerry(t, "plot", "climate", "*", "--tag", "n=3", "--socket", socket)
	if code != 0 || stderr != "" || !strings.Contains(stdout, "many1") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// TestChart_fits draws charts of every size: no line is longer than the width, and there are no more than the height.
func TestChart_fits(t *testing.T) {
	for width := leastChartWidth; width < 140; width += 7 {
		for height := leastChartHeight; height < 40; height += 3 {
			for _, scale := range []float64{0, 1e-9, 1, 1e6, 1e300, -1e12} {
				c := &chart{title: strings.Repeat("collection", 5), zone: time.UTC, width: width, height: height, from: viewTime, to: viewTime + 3600e9}
				p := &plotting{}
				if err := p.lay(c, c.from, c.to); err != nil {
					t.Fatal(err)
				}
				for i := range 2 {
					s, err := c.of(&api.Series{Name: "series", Type: api.Float, Tags: []api.Tag{{Key: "n", Value: strings.Repeat(fmt.Sprint(i), 30)}}})
					if err != nil {
						t.Fatal(err)
					}
					for j, at := range c.starts() {
						s.add(at, at, scale*float64(j%7))
					}
				}
				c.labels()
				lines := c.lines()
				if len(lines) > height {
					t.Errorf("%dx%d, scale %g: %d lines", width, height, scale, len(lines))
				}
				for _, line := range lines {
					if n := utf8.RuneCountInString(line); n > width {
						t.Errorf("%dx%d, scale %g: %d characters: %q", width, height, scale, n, line)
					}
				}
			}
		}
	}
}

func TestChart_holesAndGaps(t *testing.T) {
	nan := math.NaN()
	for _, test := range []struct {
		kind api.Type
		have []float64
		want []float64
	}{
		{api.Float, []float64{1, 2, 3, nan, 5, 6, nan, nan, 9, 10}, []float64{1, 2, 3, 4, 5, 6, nan, nan, 9, 10}},
		{api.Float, []float64{nan, 0, nan, nan, 3, nan, nan, 6, nan, nan, nan, 10, nan, nan, nan, nan, nan, nan, 17, nan}, []float64{nan, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, nan, nan, nan, nan, nan, nan, 17, nan}},
		{api.Bool, []float64{1, nan, 0, nan, 1, nan, 0}, []float64{1, 1, 0, 0, 1, 1, 0}},
		{api.Float, []float64{1, nan, 3}, []float64{1, nan, 3}},
		{api.Float, []float64{1, 2, math.Inf(1), 4, 5, 6}, []float64{1, 2, 3, 4, 5, 6}},
	} {
		c := &chart{every: time.Second}
		p := &plotted{series: &api.Series{Type: test.kind}, columns: map[int64]slot{}}
		var starts []int64
		for i, v := range test.have {
			starts = append(starts, int64(i)*1e9)
			if !math.IsNaN(v) {
				p.add(int64(i)*1e9, int64(i)*1e9, v)
			}
		}
		got := c.values(p, starts)
		if !slices.EqualFunc(got, test.want, func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }) {
			t.Errorf("of %v: got %v, want %v", test.have, got, test.want)
		}
	}
}

func TestRoundSpan(t *testing.T) {
	for ns, want := range map[int64]string{1: "1ms", 35_294e6: "36s", 99e6: "99ms", 101e6: "110ms", 999e6: "1s", 3_600e9: "1h", 86_399e9: "1d", 100_000e9: "27h46m40s"} {
		if got := everyText(roundSpan(ns)); got != want {
			t.Logf("%d: %s, want %s", ns, got, want)
		}
		if got := roundSpan(ns); int64(got) < ns || float64(got) > 1.11*float64(ns)+1e6 {
			t.Errorf("%d: got %v", ns, got)
		}
	}
}

package demo

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
)

// row returns a row of a series with tags given as key, value, ….
func row(at int64, name, unit string, value float64, tags ...string) sensors.Row {
	s := &sensors.Series{Name: name, Unit: unit, Type: sensors.Float}
	for i := 0; i+1 < len(tags); i += 2 {
		s.Tags = append(s.Tags, sensors.Tag{Key: tags[i], Value: tags[i+1]})
	}
	return sensors.Row{Reading: sensors.Reading{Series: s, Time: at, Num: math.Float64bits(value)}, Author: "12D3KooW"}
}

func filled() *View {
	v := NewView("temp")
	for i := range 30 {
		at := int64(i) * int64(time.Second)
		v.Add(row(at, "temp", "°C", 20+3*math.Sin(float64(i)/5), "source", "weather"))
		v.Add(row(at, "power", "W", 412.5, "sensor", "meter-1", "source", "meters"))
	}
	v.Add(row(0, "hum", "%", 40, "source", "weather"))
	return v
}

func TestView_drawsChartAndTable(t *testing.T) {
	got := filled().Frame(Screen{Width: 50, Height: 16, Title: "skerry demo", Foot: "Ctrl-C stops"}, time.Unix(30, 0))
	want := strings.TrimPrefix(`
skerry demo
temp (°C)
  22.98 ┤      ╭───────╮
  22.13 ┤    ╭─╯       ╰──╮
  21.28 ┤ ╭──╯            ╰─╮
  20.43 ┼─╯                 ╰─╮
  19.57 ┤                     ╰─╮
  18.72 ┤                       ╰─╮            ╭
  17.87 ┤                         ╰──╮      ╭──╯
  17.01 ┤                            ╰──────╯

SERIES                     VALUE  UNIT  AGE
hum                           40  %     30s
temp                   18.606193  °C    1s
power{sensor=meter-1}      412.5  W     1s
Ctrl-C stops`, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%s", diff, got)
	}
}

func TestView_fitsAnyScreen(t *testing.T) {
	v := filled()
	for width := range 130 {
		for height := range 40 {
			frame := v.Frame(Screen{Width: width, Height: height, Title: "title", Foot: "foot"}, time.Unix(30, 0))
			lines := strings.Split(frame, "\n")
			if height == 0 && frame != "" || height > 0 && len(lines) > height {
				t.Fatalf("%d×%d: %d lines", width, height, len(lines))
			}
			for _, line := range lines {
				if count(line) > width {
					t.Fatalf("%d×%d: line of %d characters: %q", width, height, count(line), line)
				}
			}
		}
	}
}

func TestView_drawsStrangeValues(t *testing.T) {
	for _, values := range [][]float64{
		{math.NaN(), math.NaN()},
		{math.Inf(1), 1, 2},
		{math.NaN(), 1, math.Inf(-1), 2},
		{-math.MaxFloat64, math.MaxFloat64},
		{1e300, 1e300 + 1e290},
		{1e12, 1e12 + 0.001},
		{0, 0, 0},
		{5e-324, 0},
	} {
		v := NewView("x")
		for i, value := range values {
			v.Add(row(int64(i), "x", "", value))
		}
		frame := v.Frame(Screen{Width: 80, Height: 24}, time.Unix(1, 0))
		if !strings.Contains(frame, "SERIES") || len(frame) > 1<<14 {
			t.Errorf("%v: %d bytes: %.200s", values, len(frame), frame)
		}
	}
}

func TestView_boundsWhatItKeeps(t *testing.T) {
	v := NewView("temp")
	for i := range 3 * maxPoints {
		v.Add(row(int64(i), "temp", "", float64(i)), row(int64(i), fmt.Sprint("s", i), "", 1))
	}
	if len(v.points) != maxPoints || v.points[maxPoints-1] != 3*maxPoints-1 || len(v.latest) != maxSeries || v.Rows() != 6*maxPoints {
		t.Errorf("%d points, %d series, %d rows", len(v.points), len(v.latest), v.Rows())
	}
	if frame := v.Frame(Screen{Width: 80, Height: 1000}, time.Unix(0, 0)); !strings.Contains(frame, "rows of more series") {
		t.Error("the frame does not say that series are missing")
	}
}

func TestView_drawsOneLine(t *testing.T) {
	v := NewView("temp")
	v.Add(row(0, "temp", "°C", 21.53, "source", "weather"), row(0, "power", "W", 412.5, "sensor", "meter-1", "source", "meters"))
	text := &sensors.Series{Name: "note", Type: sensors.String}
	v.Add(sensors.Row{Reading: sensors.Reading{Series: text, Str: "a\nb\x1b[31m"}})
	if diff := cmp.Diff("temp=21.53°C power{sensor=meter-1}=412.5W note=a·b·[31m", v.Line(0)); diff != "" {
		t.Error(diff)
	}
	if got := v.Line(10); got != "temp=21.5…" {
		t.Errorf("got %q", got)
	}
}

func TestView_hasNothingToDrawYet(t *testing.T) {
	if got := NewView("temp").Frame(Screen{Width: 40, Height: 10, Title: "t"}, time.Unix(0, 0)); got != "t\nno values yet" {
		t.Errorf("got %q", got)
	}
}

package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/agent/api"
)

func TestShortTags(t *testing.T) {
	tags := []api.Tag{{Key: "room", Value: "the wine cellar below"}, {Key: "sensor", Value: "28-0316a27900ff"}, {Key: "source", Value: "weather"}}
	for room, want := range map[int]string{
		100: `room="the wine cellar below" sensor=28-0316a27900ff source=weather`,
		60:  `room="the win…r below" sensor=28-0316a27900ff source=weather`,
		50:  `room="the w…elow" sensor=28-03…00ff source=weather`,
		10:  `room=the…ow sensor=28-…ff source=wea…er`,
		-5:  `room=the…ow sensor=28-…ff source=wea…er`,
	} {
		got := shortTags(tags, room, true)
		if got != want {
			t.Errorf("in %d: got %s, want %s", room, got, want)
		}
		if n := utf8.RuneCountInString(got); room >= 50 && n > room {
			t.Errorf("in %d: %d characters", room, n)
		}
	}
	if got, want := shortTags(tags, 10, false), writeTags(tags, 0); got != want {
		t.Errorf("without a terminal: got %s, want %s", got, want)
	}
}

func TestLiveTable_alignsPoints(t *testing.T) {
	var out strings.Builder
	table := newLiveTable(&out, 3, liveColumn{head: "A"}, liveColumn{head: "VALUE", number: true})
	for _, value := range []string{"1.25", "-100", "NaN", "7.5", "12345.678901"} {
		if err := table.add(liveRow{cells: []liveCell{{text: "x"}, {text: value, number: true}}}); err != nil {
			t.Fatal(err)
		}
	}
	want := `A    VALUE  TAGS
x     1.25
x  -100
x   NaN
x     7.5
x  12345.678901
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestFloatText(t *testing.T) {
	for f, want := range map[float64]string{0: "0", 21.5: "21.5", 1489.568316667: "1489.5683", 1e9: "1000000000", 0.1 + 0.2: "0.3", -0.000012345678: "-0.0000123", 1e-9: "1e-09", 1e300: "1e+300"} {
		if got := floatText(f, 8); got != want {
			t.Errorf("%g: got %s, want %s", f, got, want)
		}
	}
}

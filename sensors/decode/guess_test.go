package decode_test

import (
	"strings"
	"testing"

	"github.com/skerry-edge/skerry/sensors/decode"
)

func TestGuessLine_knowsTheFormats(t *testing.T) {
	for want, lines := range map[string]string{
		"keyvalue": "temp=21.5 hum=40\r\n", "json": `{"t":21.5,"ok":true}` + "\n", "value": "21.5\n",
		"influx": "weather,room=a temp=21.5,hum=40i 1772366400000000000\n",
		"nmea":   "$GPGGA,092750.000,5321.6802,N,00630.3372,W,1,8,1.03,61.7,M,55.2,M,,*76\r\n",
		"csv":    "21.5,40,dry\n", "": "hello there\n",
	} {
		g := decode.GuessLine([]byte("cut off 1\n" + strings.Repeat(lines, 5) + "te"))
		if g.Format != want || g.Pieces != 5 || want != "" && (g.Read != 5 || len(g.Readings) == 0) || g.Garbage != 0 {
			t.Errorf("%q: got %+v, want %s", lines, g, want)
		}
	}
	g := decode.GuessLine([]byte("temp,hum\n21.5,40\n21.6,41\n21.7,42\n"))
	if g.Format != "csv" {
		t.Errorf("got %+v, want csv", g)
	}
	g = decode.GuessLine([]byte("\xfe\x80\x00\xc3\xf8\n\xfe\xf8\x80"))
	if g.Format != "" || g.Garbage < 0.8 {
		t.Errorf("got %+v, want garbage", g)
	}
}

func FuzzGuessLine(f *testing.F) {
	f.Add([]byte("temp=21.5 hum=40\n"))
	f.Add([]byte("a,b\n1,2\n"))
	f.Add([]byte("\xff\x00,\n,\n,"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		g := decode.GuessLine(raw)
		if g.Read > g.Pieces || g.Garbage < 0 || g.Garbage > 1 || (g.Format == "") != (g.Read == 0) {
			t.Errorf("got %+v", g)
		}
	})
}

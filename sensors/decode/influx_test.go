package decode

import (
	"fmt"
	"strings"
	"testing"

	"github.com/skerry-edge/skerry/sensors"
)

func TestInflux(t *testing.T) {
	no := false
	runCases(t, formatInflux, []decodeCase{
		{name: "float", payload: "weather temp=21.5,n=3", want: []string{"weather.temp float 21.5", "weather.n float 3"}},
		{name: "int", payload: "m a=3i,b=-9223372036854775808i,c=9223372036854775807i", want: []string{"m.a int 3", "m.b int -9223372036854775808", "m.c int 9223372036854775807"}},
		{name: "unsigned", payload: "m a=18u,b=9223372036854775807u", want: []string{"m.a int 18", "m.b int 9223372036854775807"}},
		{name: "too big an int", payload: "m a=9223372036854775808i", reason: sensors.ReasonValue, what: "m.a"},
		{name: "too big an unsigned", payload: "m ok=1,a=9223372036854775808u", reason: sensors.ReasonValue, what: "beyond 64 bits"},
		{name: "negative unsigned", payload: "m a=-1u", want: []string{"m.a int -1"}},
		{name: "no int", payload: "m a=1.5i", reason: sensors.ReasonSyntax, what: "m.a"},
		{name: "true", payload: "m a=t,b=T,c=true,d=True,e=TRUE", want: []string{"m.a bool true", "m.b bool true", "m.c bool true", "m.d bool true", "m.e bool true"}},
		{name: "false", payload: "m a=f,b=F,c=false,d=False,e=FALSE", want: []string{"m.a bool false", "m.b bool false", "m.c bool false", "m.d bool false", "m.e bool false"}},
		{name: "no boolean", payload: "m a=tRue", reason: sensors.ReasonSyntax, what: "tRue"},
		{name: "exponent", payload: "m a=-1.5e3,b=1e-7", want: []string{"m.a float -1500", "m.b float 1e-07"}},
		{name: "no number", payload: "m a=1_000", reason: sensors.ReasonSyntax},
		{name: "out of range", payload: "m a=1e999", reason: sensors.ReasonValue},
		{name: "string", payload: `m a="on \"fire\" \\ here, there",b="",c="x=1 2"`, want: []string{`m.a string on "fire" \ here, there`, "m.c string x=1 2"}},
		{name: "line end in a string", payload: "m a=\"x\ny\" 1700000000000000000\nm a=\"z\"", want: []string{"m.a string x\ny", "m.a string z"}},
		{name: "tags", topic: "g/x/y", payload: `cpu,host=a\ b,cpu=cpu0 usage=0.5`, want: []string{"cpu.usage{cpu=cpu0,host=a b,one=g} float 0.5"}},
		{name: "escapes", payload: `my\,meas\ x,tag\=k=v\,\ w field\ key=1`, want: []string{`my,meas x.field key{tag=k=v, w} float 1`}},
		{name: "tag over the topic's", topic: "g/x", payload: "m,one=line v=1", want: []string{"m.v{one=line} float 1"}},
		{name: "configured tag over the line's", config: Config{Tags: map[string]string{"host": "h", "m": "{measurement}", "r": "{rack}"}}, payload: "m,host=line,rack=7 v=1", want: []string{"m.v{host=h,m=m,r=7,rack=7} float 1"}},
		{name: "tag source", payload: "snmp,source=router v=1", reason: sensors.ReasonName, what: "tag_source = false"},
		{name: "tag twice", payload: "m,a=1,a=2 v=1", reason: sensors.ReasonSyntax, what: `"a" is there twice`},
		{name: "series", config: Config{Series: "{host}/{measurement}:{key}"}, payload: "m,host=h a.b=1", want: []string{"h/m:a.b{host=h} float 1"}},
		{name: "series of a tag that is not there", config: Config{Series: "{host}.{field}"}, payload: "m v=1", reason: sensors.ReasonName, what: `no tag "host"`},
		{name: "rules", config: Config{
			Include: []string{"cpu.*", "mem.used"}, Exclude: []string{"*.bad"}, Rename: map[string]string{"mem.used": "memory"},
			Scale: map[string]float64{"mem.*": 0.5}, Unit: map[string]string{"mem.used": "MB"},
		}, payload: "cpu idle=1,bad=99999999999999999999i\nmem used=7i,free=1\ndisk x=1", want: []string{"cpu.idle float 1", "memory[MB] float 3.5"}},
		{name: "words", config: Config{TrueValues: []string{"up"}, FalseValues: []string{"down"}, NullValues: []string{"-1"}}, payload: `m a="up",b="down",c="idle",d=-1,e=-1i`, want: []string{"m.a bool true", "m.b bool false", "m.c string idle"}},
		{name: "only null", config: Config{NullValues: []string{"-1"}}, payload: "m v=-1"},
		{name: "comments and empty lines", payload: "# hello\n\nm v=1\r\n  \n# end", want: []string{"m.v float 1"}},
		{name: "only comments", payload: "# hello\n", reason: sensors.ReasonEmpty},
		{name: "empty", payload: "", reason: sensors.ReasonEmpty},
		{name: "no field", payload: "cpu,host=a", reason: sensors.ReasonSyntax},
		{name: "no field and a time", payload: "cpu 1700000000000000000", reason: sensors.ReasonSyntax},
		{name: "not line protocol", payload: `{"temp":1}`, reason: sensors.ReasonSyntax, what: "at line 1"},
		{name: "the second line is bad", payload: "m v=1\nm v=\n", reason: sensors.ReasonSyntax, what: "line 2"},
		{name: "the second line has a bad value", payload: "m v=1\nm v=1e999\n", reason: sensors.ReasonValue, what: "entry 2"},
		{name: "bad time", payload: "m v=1 12x", reason: sensors.ReasonSyntax},
		{name: "time before 1970", payload: "m v=1 -1", reason: sensors.ReasonTime},
		{name: "time after 2262", payload: "m v=1 9223372036854775808", reason: sensors.ReasonTime},
		{name: "not UTF-8", payload: "m v=\"\xff\"", reason: sensors.ReasonSyntax},
		{name: "reserved", payload: "_internal v=1", reason: sensors.ReasonName},
		{name: "reserved tag", payload: "m,_f=1 v=1", reason: sensors.ReasonName},
		{name: "long name", payload: strings.Repeat("m", MaxPathBytes+1) + " v=1", reason: sensors.ReasonTooLong},
		{name: "long field", payload: "m " + strings.Repeat("f", MaxPathBytes-1) + "=1", reason: sensors.ReasonTooLong},
		{name: "many tags", payload: "m" + strings.Repeat(",t=v", 20_000) + " v=1", reason: sensors.ReasonTooLong},
		{name: "many fields", payload: "m " + strings.Repeat("v=1,", MaxFields) + "v=1", config: Config{Exclude: []string{"*"}}, reason: sensors.ReasonTooLong},
		{name: "no tag source", config: Config{TagSource: &no}, payload: "m,source=router v=1", want: []string{"m.v float 1"}},
	})
}

// Each line has its time, in the unit; a line without one that of arrival.
func TestInflux_times(t *testing.T) {
	for _, c := range []struct {
		unit string
		want []int64
	}{
		{"", []int64{0, arrivedNanos / 1_000_000 * 1_000_000, 1_000_000}},
		{unitNanos, []int64{0, arrivedNanos / 1_000_000 * 1_000_000, 1_000_000}},
		{unitMicros, []int64{1_700_000_000, arrivedNanos / 1_000_000 * 1_000_000, 1_000_000_000}},
		{unitMillis, []int64{1_700_000_000_000, arrivedNanos / 1_000_000 * 1_000_000, 1_000_000_000_000}},
		{unitSeconds, []int64{1_700_000_000_000_000, arrivedNanos / 1_000_000 * 1_000_000, 1_000_000_000_000_000}},
	} {
		d := newFormat(t, Config{Format: formatInflux, TimeUnit: c.unit}).Decoder()
		got, err := d.Decode(nil, arrived("", "m a=1,b=2 1700000\nm a=3\nm a=4 1000000\n"))
		if err != nil || len(got) != 4 {
			t.Fatalf("%s: got %v, %v", c.unit, got, err)
		}
		c.want[0] = c.want[0] / 1_000_000 * 1_000_000
		if c.unit == "" || c.unit == unitNanos {
			c.want[0] = 1_000_000
		}
		for i, want := range []int64{c.want[0], c.want[0], c.want[1], c.want[2]} {
			quality := sensors.Quality(0)
			if i == 2 {
				quality = sensors.QualityArrival
			}
			if got[i].Time != want || got[i].Quality != quality {
				t.Errorf("%s: reading %d: time %d quality %d, want %d, %d", c.unit, i, got[i].Time, got[i].Quality, want, quality)
			}
		}
	}
}

// The order of tags makes no other series, and series are limited.
func TestInflux_series(t *testing.T) {
	f := newFormat(t, Config{Format: formatInflux, MaxSeries: 2})
	d := f.Decoder()
	got, err := d.Decode(nil, arrived("", "m,a=1,b=2 v=1\nm,b=2,a=1 v=2\nm,a=1 v=3i"))
	if err != nil || len(got) != 3 {
		t.Fatalf("got %v, %v", got, err)
	}
	if got[0].Series != got[1].Series || got[0].Series == got[2].Series {
		t.Errorf("series %v", show(got))
	}
	if _, err := d.Decode(nil, arrived("", "m,a=2 v=1")); reason(t, err) != sensors.ReasonSeries {
		t.Errorf("third series: %v", err)
	}
}

// Made-up tags cost time, not memory.
func TestInflux_boundedMemory(t *testing.T) {
	f := newFormat(t, Config{Format: formatInflux, MaxSeries: 5, Include: []string{"keep.*"}})
	d := f.Decoder()
	swaps, last := 0, f.cache.Load()
	for i := range 20_000 {
		if _, err := d.Decode(nil, arrived("", fmt.Sprintf("keep v=1\nm,host=h%d v=1", i))); err != nil {
			t.Fatal(err)
		}
		if c := f.cache.Load(); c != last {
			swaps, last = swaps+1, c
		}
	}
	if swaps == 0 {
		t.Error("the cache was never replaced")
	}
}

// A message costs one allocation, however many lines it has.
func TestInflux_allocates(t *testing.T) {
	d := newFormat(t, Config{Format: formatInflux}).Decoder()
	raw := arrived("", benchInflux)
	dst := make([]sensors.Reading, 0, 64)
	decode := func() {
		if got, err := d.Decode(dst, raw); err != nil || len(got) != 12 {
			t.Errorf("got %d readings, %v", len(got), err)
		}
	}
	for range 10 {
		decode()
	}
	if n := testing.AllocsPerRun(100, decode); n > 1 {
		t.Errorf("%v allocations a message, want 1", n)
	}
}

func FuzzInflux(f *testing.F) {
	for _, seed := range []string{
		benchInflux, "m a=1i,b=t,c=\"x\" 17", "a\\ b,c\\=d=e f\\,g=1u", "# x\n\r\nm v=1 -1\n", "m,t=\\ v=1", "m v=\"", "m\\", ",", "m v=1 1\r", "m,source=x v=1",
	} {
		f.Add([]byte(seed), "a/b", "{measurement}.{key}", false)
		f.Add([]byte(seed), "", "{field}{host}", true)
	}
	f.Fuzz(func(t *testing.T, payload []byte, topic, series string, tag bool) {
		fuzzOne(t, Config{
			Format: formatInflux, MaxSeries: 50, Series: series, TagSource: &tag, TimeUnit: unitMillis,
			Exclude: []string{"*x*"}, NullValues: []string{"0"},
		}, payload, topic)
	})
}

func TestInflux_config(t *testing.T) {
	_, err := New(Config{Format: formatInflux, Tags: map[string]string{"k": "{key}"}}, "src", nil, sensors.Milliseconds, sensors.NewTable())
	if err == nil || !strings.Contains(err.Error(), "nothing gives the tag {key}") {
		t.Errorf("New: %v", err)
	}
}

package decode

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
	sp "github.com/skerry-edge/skerry/sensors/decode/sparkplugtest"
)

// birthTime is when the births of these tests are, in ms.
const birthTime = 1_772_366_400_000

// spark is a decoder of format sparkplug, whose messages come one a second.
type spark struct {
	t *testing.T
	f *Format
	d sensors.Attentive
	n int
}

func newSpark(t *testing.T, change func(*Config)) *spark {
	t.Helper()
	c := Config{Format: formatSparkplug}
	if change != nil {
		change(&c)
	}
	f := newFormat(t, c, "spBv1.0/#")
	d, ok := f.Decoder().(sensors.Attentive)
	if !ok {
		t.Fatal("the decoder is not attentive")
	}
	return &spark{t: t, f: f, d: d}
}

func (s *spark) decode(topic string, payload []byte) ([]sensors.Reading, error) {
	s.n++
	raw := arrived("spBv1.0/"+topic, string(payload))
	raw.Arrived = raw.Arrived.Add(time.Duration(s.n) * time.Second)
	return s.d.Decode(nil, raw)
}

// takes wants exactly these readings, and no answer or gap.
func (s *spark) takes(topic string, p sp.Payload, want ...string) {
	s.t.Helper()
	got, err := s.decode(topic, p.Append(nil))
	if err != nil {
		s.t.Errorf("%s seq %d: %v", topic, p.Seq, err)
		return
	}
	if diff := cmp.Diff(want, show(got), cmp.Transformer("", func(in []string) []string { return append([]string{}, in...) })); diff != "" {
		s.t.Errorf("%s seq %d (-want +got):\n%s", topic, p.Seq, diff)
	}
	if aside := s.d.Aside(); len(aside.Answers) > 0 || aside.Gap != nil {
		s.t.Errorf("%s seq %d: asked %d times, gap %v", topic, p.Seq, len(aside.Answers), aside.Gap)
	}
}

// rejects wants the message rejected, and says whether the edge node is to be asked for its birth.
func (s *spark) rejects(topic string, p sp.Payload, want sensors.Reason, asks bool) {
	s.t.Helper()
	got, err := s.decode(topic, p.Append(nil))
	if r := reason(s.t, err); r != want || len(got) > 0 {
		s.t.Errorf("%s seq %d: %d readings, %v; want rejected for %s", topic, p.Seq, len(got), err, want)
	}
	if aside := s.d.Aside(); (len(aside.Answers) == 1) != asks {
		s.t.Errorf("%s seq %d: asks %d times; want %v", topic, p.Seq, len(aside.Answers), asks)
	}
}

func alias(n uint64, v sp.Value) sp.Metric { return sp.Metric{Alias: n, Aliased: true, Value: v} }

func born(name string, n uint64, datatype uint32, v sp.Value) sp.Metric {
	return sp.Metric{Name: name, Alias: n, Aliased: true, Type: datatype, Value: v}
}

// A birth as Tahu and Ignition write one: bdSeq, a command, a template, units, aliases.
func nbirth(session uint64, at uint64, metrics ...sp.Metric) sp.Payload {
	return sp.Payload{Time: at, Metrics: append([]sp.Metric{
		{Name: "bdSeq", Type: sp.Int64, Value: sp.OfLong(session)},
		{Name: "Node Control/Rebirth", Type: sp.Boolean, Value: sp.OfBool(false)},
	}, metrics...)}
}

func TestSparkplug_birthsAndData(t *testing.T) {
	s := newSpark(t, nil)
	temp, mode := born("Inputs/temp", 1, sp.Double, sp.OfDouble(21.5)), born("mode", 2, sp.String, sp.OfString("auto"))
	temp.Unit = "°C"
	s.takes("plant/NBIRTH/pump3", nbirth(4, birthTime, temp, mode),
		"Node Info/Online{group=plant,node=pump3} bool true", "Inputs/temp{group=plant,node=pump3}[°C] float 21.5", "mode{group=plant,node=pump3} string auto")
	s.takes("plant/DBIRTH/pump3/meter", sp.Payload{Time: birthTime, Seq: 1, Metrics: []sp.Metric{born("kWh", 1, sp.UInt32, sp.OfLong(4_000_000_000))}},
		"Device Info/Online{device=meter,group=plant,node=pump3} bool true", "kWh{device=meter,group=plant,node=pump3} int 4000000000")
	s.takes("plant/NDATA/pump3", sp.Payload{Time: birthTime, Seq: 2, Metrics: []sp.Metric{alias(1, sp.OfDouble(22)), alias(2, sp.OfString("hand"))}},
		"Inputs/temp{group=plant,node=pump3}[°C] float 22", "mode{group=plant,node=pump3} string hand")
	s.takes("plant/DDATA/pump3/meter", sp.Payload{Time: birthTime, Seq: 3, Metrics: []sp.Metric{alias(1, sp.OfInt(7))}},
		"kWh{device=meter,group=plant,node=pump3} int 7")
	s.takes("plant/NDATA/pump3", sp.Payload{Time: birthTime, Seq: 4, Metrics: []sp.Metric{{Name: "mode", Type: sp.String, Value: sp.OfString("auto")}}},
		"mode{group=plant,node=pump3} string auto")
	s.takes("plant/DDEATH/pump3/meter", sp.Payload{Time: birthTime, Seq: 5}, "Device Info/Online{device=meter,group=plant,node=pump3} bool false")
	s.rejects("plant/DDATA/pump3/meter", sp.Payload{Time: birthTime, Seq: 6, Metrics: []sp.Metric{alias(1, sp.OfInt(8))}}, sensors.ReasonNoBirth, true)
	s.takes("plant/NDATA/pump3", sp.Payload{Time: birthTime, Seq: 7}, []string{}...)
	s.rejects("plant/NDEATH/pump3", sp.Payload{Seq: -1, Metrics: nbirth(3, 0).Metrics[:1]}, sensors.ReasonSequence, false)
	s.takes("plant/DBIRTH/pump3/meter", sp.Payload{Time: birthTime, Seq: 8}, "Device Info/Online{device=meter,group=plant,node=pump3} bool true")
	s.takes("plant/NDEATH/pump3", sp.Payload{Seq: -1, Metrics: nbirth(4, 0).Metrics[:1]},
		"Device Info/Online{device=meter,group=plant,node=pump3} bool false", "Node Info/Online{group=plant,node=pump3} bool false")
	s.n += 30
	s.rejects("plant/NDATA/pump3", sp.Payload{Time: birthTime, Seq: 9, Metrics: []sp.Metric{alias(1, sp.OfDouble(1))}}, sensors.ReasonNoBirth, true)
}

func TestSparkplug_types(t *testing.T) {
	for _, c := range []struct {
		name     string
		datatype uint32
		value    sp.Value
		want     string // "" = rejected
	}{
		{"int8", sp.Int8, sp.OfInt(-5), "int -5"},
		{"int8 in 8 bits", sp.Int8, sp.OfLong(0xfb), "int -5"},
		{"int8 too large", sp.Int8, sp.OfInt(300), ""},
		{"int16", sp.Int16, sp.OfInt(-30000), "int -30000"},
		{"int32", sp.Int32, sp.OfInt(-1), "int -1"},
		{"int32 in 64 bits", sp.Int32, sp.OfLong(math.MaxUint64), "int -1"},
		{"int32 in a varint of ten bytes", sp.Int32, sp.Value{10 << 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, "int -1"},
		{"int32 too large", sp.Int32, sp.OfLong(1 << 33), ""},
		{"int64", sp.Int64, sp.OfLong(1 << 63), "int -9223372036854775808"},
		{"int64 in int_value", sp.Int64, sp.OfInt(-7), "int -7"},
		{"uint8", sp.UInt8, sp.OfInt(200), "int 200"},
		{"uint8 too large", sp.UInt8, sp.OfInt(256), ""},
		{"uint16", sp.UInt16, sp.OfInt(65535), "int 65535"},
		{"uint32", sp.UInt32, sp.OfInt(-1), "int 4294967295"},
		{"uint32 in a varint of ten bytes", sp.UInt32, sp.Value{10 << 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, "int 4294967295"},
		{"uint32 in long_value", sp.UInt32, sp.OfLong(math.MaxUint32), "int 4294967295"},
		{"uint64", sp.UInt64, sp.OfLong(math.MaxInt64), "int 9223372036854775807"},
		{"uint64 beyond int64", sp.UInt64, sp.OfLong(1 << 63), ""},
		{"float", sp.Float, sp.OfFloat(0.5), "float 0.5"},
		{"float not a number", sp.Float, sp.OfFloat(float32(math.NaN())), "float NaN"},
		{"double", sp.Double, sp.OfDouble(21.1), "float 21.1"},
		{"double as text", sp.Double, sp.OfString("21.1"), ""},
		{"boolean", sp.Boolean, sp.OfBool(true), "bool true"},
		{"boolean as int", sp.Boolean, sp.OfInt(1), ""},
		{"string", sp.String, sp.OfString("on"), "string on"},
		{"text", sp.Text, sp.OfString("on"), "string on"},
		{"uuid", sp.UUID, sp.OfString("7f9c"), "string 7f9c"},
		{"datetime", sp.DateTime, sp.OfLong(birthTime), "int 1772366400000"},
		{"datetime beyond int64", sp.DateTime, sp.OfLong(math.MaxUint64), ""},
		{"int as bytes", sp.Int32, sp.OfBytes([]byte{1}), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSpark(t, func(c *Config) { c.Exclude = []string{nodeOnline} })
			p := nbirth(0, birthTime, sp.Metric{Name: "x", Type: c.datatype, Value: c.value})
			if c.want == "" {
				s.rejects("g/NBIRTH/n", p, sensors.ReasonValue, false)
				return
			}
			s.takes("g/NBIRTH/n", p, "x{group=g,node=n} "+c.want)
		})
	}
}

// What is not read is counted, and does not keep the rest from being read; what is null is nothing.
func TestSparkplug_unread(t *testing.T) {
	s := newSpark(t, func(c *Config) { c.Exclude = []string{"*Online"} })
	nothing := born("null", 9, sp.Double, nil)
	nothing.Null = true
	s.takes("g/NBIRTH/n", nbirth(0, birthTime,
		born("motor", 1, sp.Template, sp.OfTemplate(sp.Metric{Name: "rpm", Type: sp.Int32, Value: sp.OfInt(900)})),
		born("raw", 2, sp.Bytes, sp.OfBytes([]byte{1, 2})), born("list", 3, 24, sp.OfBytes([]byte{1, 2, 3, 4})), nothing,
		born("temp", 4, sp.Double, sp.OfDouble(1)), born("without", 5, 0, sp.OfInt(1))), "temp{group=g,node=n} float 1")
	if n := s.d.Aside().Unread; n != 4 {
		t.Errorf("%d values were not read, want 4", n)
	}
	s.takes("g/NDATA/n", sp.Payload{Seq: 1, Metrics: []sp.Metric{alias(2, sp.OfBytes(nil)), alias(4, sp.OfDouble(2))}}, "temp{group=g,node=n} float 2")
	if n := s.d.Aside().Unread; n != 1 {
		t.Errorf("%d values were not read, want 1", n)
	}
	s.rejects("g/NDATA/n", sp.Payload{Seq: 2, UUID: "SPBV1.0_COMPRESSED", Body: []byte{1}}, sensors.ReasonUnsupported, false)
}

func TestSparkplug_times(t *testing.T) {
	s := newSpark(t, func(c *Config) { c.Exclude = []string{"*Online"} })
	p := nbirth(0, birthTime, born("a", 1, sp.Int32, sp.OfInt(1)), born("b", 2, sp.Int32, sp.OfInt(1)))
	p.Metrics[2].Time = 1000
	p.Metrics[2].Historical = true
	got, err := s.decode("g/NBIRTH/n", p.Append(nil))
	if err != nil || got[0].Time != 1e9 || got[1].Time != birthTime*1e6 || got[0].Quality+got[1].Quality != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = s.decode("g/NDATA/n", sp.Payload{Seq: 1, Metrics: []sp.Metric{alias(1, sp.OfInt(2))}}.Append(nil))
	if err != nil || got[0].Quality != sensors.QualityArrival || got[0].Time != 1_700_000_002_123_000_000 {
		t.Errorf("%+v, %v", got, err)
	}
	late := alias(1, sp.OfInt(2))
	late.Time = math.MaxUint64 / 2
	s.rejects("g/NDATA/n", sp.Payload{Seq: 2, Metrics: []sp.Metric{late}}, sensors.ReasonTime, false)
}

func TestSparkplug_sequence(t *testing.T) {
	s := newSpark(t, func(c *Config) { c.Exclude = []string{"*Online"} })
	data := func(seq int, v int64) sp.Payload {
		return sp.Payload{Time: birthTime + uint64(v), Seq: seq, Metrics: []sp.Metric{alias(1, sp.OfInt(v))}}
	}
	named := func(seq int, datatype uint32) sp.Payload {
		return sp.Payload{Time: birthTime + 1, Seq: seq, Metrics: []sp.Metric{{Name: "a", Type: datatype, Value: sp.OfInt(5)}}}
	}
	birth := nbirth(0, birthTime, born("a", 1, sp.Int32, sp.OfInt(0)))
	is := func(v int) string { return fmt.Sprintf("a{group=g,node=n} int %d", v) }
	s.rejects("g/NDATA/n", data(200, 1), sensors.ReasonNoBirth, true)
	s.takes("g/NBIRTH/n", birth, is(0))
	for v := 1; v < 600; v++ { // it wraps
		s.takes("g/NDATA/n", data(v%256, int64(v)), is(v))
	}
	s.takes("g/NDATA/n", data(598%256, 598), is(598)) // a repeat
	s.takes("g/NBIRTH/n", birth, is(0))               // likewise
	s.takes("g/NDATA/n", data(600%256, 600), is(600))
	s.rejects("g/NDATA/n", sp.Payload{Time: birthTime - 1, Seq: 601 % 256, Metrics: data(0, 1).Metrics}, sensors.ReasonSequence, true)
	s.takes("g/NDATA/n", data(601%256, 601), is(601))

	s.n += 30
	s.rejects("g/NDATA/n", data(603%256, 603), sensors.ReasonSequence, true)
	if gap := s.d.Aside().Gap; gap == nil || gap.Reason != sensors.ReasonGap || !strings.Contains(gap.What, "seq 91 came instead of 90") {
		t.Errorf("gap: %v", gap)
	}
	s.rejects("g/NDATA/n", data(604%256, 604), sensors.ReasonSequence, false)
	typed := data(605%256, 605)
	typed.Metrics[0].Type = sp.Int32
	s.rejects("g/NDATA/n", typed, sensors.ReasonSequence, false)
	s.takes("g/NDATA/n", named(606%256, sp.Int32), is(5))
	s.rejects("g/NDATA/n", named(607%256, 0), sensors.ReasonSequence, false)
	s.n += 30
	s.rejects("g/NDATA/n", named(608%256, sp.UInt32), sensors.ReasonNoBirth, true)
	s.takes("g/NBIRTH/n", nbirth(0, birthTime+700, born("b", 1, sp.Int32, sp.OfInt(0))), "b{group=g,node=n} int 0")
	s.rejects("g/NDATA/n", data(604%256, 604), sensors.ReasonSequence, false)
	s.takes("g/NDATA/n", data(1, 701), "b{group=g,node=n} int 701")
}

// A device's birth gives its aliases another meaning; what came before does not come again under it.
func TestSparkplug_repeatBeforeADevicesBirth(t *testing.T) {
	s := newSpark(t, func(c *Config) { c.Exclude = []string{"*Online"} })
	dbirth := func(seq int, name string) sp.Payload {
		return sp.Payload{Time: birthTime, Seq: seq, Metrics: []sp.Metric{born(name, 1, sp.Int32, sp.OfInt(0))}}
	}
	data := sp.Payload{Time: birthTime, Seq: 2, Metrics: []sp.Metric{alias(1, sp.OfInt(7))}}
	s.takes("g/NBIRTH/n", nbirth(0, birthTime))
	s.takes("g/DBIRTH/n/d", dbirth(1, "a"), "a{device=d,group=g,node=n} int 0")
	s.takes("g/DDATA/n/d", data, "a{device=d,group=g,node=n} int 7")
	s.takes("g/DDATA/n/d", data, "a{device=d,group=g,node=n} int 7")
	s.takes("g/DBIRTH/n/d", dbirth(3, "b"), "b{device=d,group=g,node=n} int 0")
	s.rejects("g/DDATA/n/d", data, sensors.ReasonSequence, false)
	s.takes("g/DBIRTH/n/d", dbirth(1, "a"), "a{device=d,group=g,node=n} int 0")
	data.Seq = 4
	s.takes("g/DBIRTH/n/e", sp.Payload{Time: birthTime + 5, Seq: 4, Metrics: dbirth(0, "c").Metrics}, "c{device=e,group=g,node=n} int 0")
	data.Seq = 5
	s.rejects("g/DDATA/n/e", data, sensors.ReasonSequence, true)
	data.Seq = 6
	s.takes("g/DDATA/n/d", data, "b{device=d,group=g,node=n} int 7")
}

func TestSparkplug_births(t *testing.T) {
	s := newSpark(t, func(c *Config) { c.Exclude = []string{"*Online"} })
	x := born("x", 1, sp.Int32, sp.OfInt(1))
	x.Unit = "V"
	s.takes("g/NBIRTH/n", nbirth(1, birthTime, x), "x{group=g,node=n}[V] int 1")
	x.Unit = "mV"
	s.takes("g/NBIRTH/n", nbirth(1, birthTime+1, x), "x{group=g,node=n}[mV] int 1")
	s.rejects("g/NBIRTH/n", nbirth(1, birthTime+2, x, born("y", 1, sp.Int32, nil)), sensors.ReasonSyntax, true)
	s.rejects("g/NDATA/n", sp.Payload{Seq: 1, Metrics: []sp.Metric{alias(1, sp.OfInt(1))}}, sensors.ReasonNoBirth, false)
	s.rejects("g/NBIRTH/n", nbirth(1, birthTime+2, x, born("x", 2, sp.Int32, nil)), sensors.ReasonSyntax, false)
	s.takes("g/NBIRTH/n", nbirth(1, birthTime+3, x), "x{group=g,node=n}[mV] int 1")
	// A clock that goes back: the second birth counts.
	s.rejects("g/NBIRTH/n", nbirth(2, 5000, x), sensors.ReasonSequence, false)
	s.rejects("g/NBIRTH/n", nbirth(2, 5000, x), sensors.ReasonSequence, false)
	s.takes("g/NBIRTH/n", nbirth(2, 5001, x), "x{group=g,node=n}[mV] int 1")
	// One that comes again after the death does not bring the edge node back; a clock may go back while it is away.
	s.takes("g/NDEATH/n", sp.Payload{Seq: -1, Metrics: nbirth(2, 0).Metrics[:1]}, []string{}...)
	s.rejects("g/NBIRTH/n", nbirth(2, 5001, x), sensors.ReasonSequence, false)
	s.takes("g/NBIRTH/n", nbirth(0, 4000, x), "x{group=g,node=n}[mV] int 1")
	// A birth whose values cannot be kept is a birth all the same.
	s.rejects("g/NBIRTH/n", nbirth(3, 6000, x, born("big", 2, sp.UInt64, sp.OfLong(1<<63))), sensors.ReasonValue, false)
	s.takes("g/NDATA/n", sp.Payload{Seq: 1, Metrics: []sp.Metric{alias(2, sp.OfLong(5))}}, "big{group=g,node=n} int 5")
	s.rejects("g/NDATA/n", sp.Payload{Seq: 2, Metrics: []sp.Metric{{Value: sp.OfLong(5)}}}, sensors.ReasonSyntax, false)
	s.n += 30
	s.rejects("g/NDATA/n", sp.Payload{Seq: 3, Metrics: []sp.Metric{born("x", 2, 0, sp.OfInt(5))}}, sensors.ReasonNoBirth, true)
}

func TestSparkplug_forOthers(t *testing.T) {
	s := newSpark(t, nil)
	for _, topic := range []string{"STATE/scada", "g/NCMD/n", "g/DCMD/n/d"} {
		got, err := s.decode(topic, []byte(`{"online":true}`))
		if len(got) > 0 || err != nil || len(s.d.Aside().Answers) > 0 {
			t.Errorf("%s: %v, %v", topic, got, err)
		}
	}
	for _, topic := range []string{"", "g", "g/NDATA", "g/NDATA/", "/NDATA/n", "g/NDATA/n/d", "g/DDATA/n", "g/DDATA/n/", "g/DDATA/n/d/e", "g/XDATA/n"} {
		s.rejects(topic, sp.Payload{}, sensors.ReasonSyntax, false)
	}
	if len(s.f.edges.byName) > 0 {
		t.Error("an edge node is remembered")
	}
}

func TestSparkplug_asks(t *testing.T) {
	const want = "08e3d895ffbc31" + "1221" + "0a144e6f646520436f6e74726f6c2f52656269727468" + "18e3d895ffbc31" + "200b" + "7001"
	s := newSpark(t, nil)
	data := sp.Payload{Seq: 7, Metrics: []sp.Metric{alias(1, sp.OfInt(1))}}
	s.rejects("g/DDATA/n/d", data, sensors.ReasonNoBirth, true)
	answers := s.d.Aside().Answers
	if answers[0].Topic != "spBv1.0/g/NCMD/n" || hex.EncodeToString(answers[0].Payload) != want {
		t.Errorf("asked %s %x, want %s", answers[0].Topic, answers[0].Payload, want)
	}
	for i := range 28 {
		s.rejects("g/NDATA/n", data, sensors.ReasonNoBirth, false)
		if i == 5 {
			s.rejects("g/NDATA/other", data, sensors.ReasonNoBirth, true)
		}
	}
	s.rejects("g/NDATA/n", data, sensors.ReasonNoBirth, true)

	quiet := newSpark(t, func(c *Config) { c.Rebirth = new(bool) })
	quiet.rejects("g/NDATA/n", data, sensors.ReasonNoBirth, false)

	missing := newSpark(t, func(c *Config) { c.Exclude = []string{"*Online"} })
	missing.takes("g/NBIRTH/n", nbirth(0, birthTime, born("a", 1, sp.Int32, nil)))
	missing.d.Missed()
	data.Seq = 1
	missing.rejects("g/NDATA/n", data, sensors.ReasonSequence, true)
}

func TestSparkplug_bounds(t *testing.T) {
	s := newSpark(t, func(c *Config) { c.MaxSeries = 20 })
	asked := 0
	data := sp.Payload{Seq: 7, Metrics: []sp.Metric{alias(1, sp.OfInt(1))}}.Append(nil)
	for i := range 3 * maxEdges {
		raw := arrived(fmt.Sprintf("spBv1.0/g/NDATA/n%d", i), string(data))
		if _, err := s.d.Decode(nil, raw); reason(t, err) != sensors.ReasonNoBirth {
			t.Fatal(err)
		}
		asked += len(s.d.Aside().Answers)
	}
	if n := len(s.f.edges.byName); n != maxEdges || asked != maxAsked {
		t.Errorf("%d edge nodes, asked %d times", n, asked)
	}
	// Births of devices until there is no more room, and again after a death.
	for round := range uint64(3) {
		s.takes("g/NBIRTH/real", nbirth(1, birthTime-round), "Node Info/Online{group=g,node=real} bool true")
		var metrics []sp.Metric
		for i := range uint64(1000) {
			metrics = append(metrics, born(fmt.Sprintf("m%d", i), i, sp.Bytes, nil))
		}
		refused := false
		for i := 1; i < 20; i++ {
			_, err := s.decode(fmt.Sprintf("g/DBIRTH/real/d%d", i), sp.Payload{Time: birthTime, Seq: i, Metrics: metrics}.Append(nil))
			refused = refused || reason(t, err) == sensors.ReasonSeries && s.f.edges.bytes.Load() > s.f.edges.most/2
		}
		if held := s.f.edges.bytes.Load(); !refused || held > s.f.edges.most {
			t.Errorf("births of %d bytes, limit %d", held, s.f.edges.most)
		}
		if _, err := s.decode("g/NDEATH/real", sp.Payload{Seq: -1}.Append(nil)); err != nil && reason(t, err) != sensors.ReasonSeries {
			t.Error(err)
		}
		if held := s.f.edges.bytes.Load(); held != 0 {
			t.Errorf("%d bytes are held by no birth", held)
		}
	}
	s.rejects("g/NBIRTH/real", sp.Payload{Metrics: make([]sp.Metric, maxMetrics+1)}, sensors.ReasonTooLong, true)
	s.rejects("g/NDATA/real", sp.Payload{Seq: 256}, sensors.ReasonSyntax, false)
}

// Whatever the bytes are, nothing panics, and readings are whole or none.
func FuzzSparkplug(f *testing.F) {
	birth := nbirth(1, birthTime, born("a", 1, sp.Int32, sp.OfInt(-1)), born("b", 2, sp.Template, sp.OfTemplate(sp.Metric{Name: "x"})))
	birth.Metrics[2].Unit = "V"
	f.Add("spBv1.0/g/NBIRTH/n", birth.Append(nil))
	f.Add("spBv1.0/g/DBIRTH/n/d", sp.Payload{Seq: 1, Metrics: birth.Metrics}.Append(nil))
	f.Add("spBv1.0/g/NDATA/n", sp.Payload{Seq: 1, Metrics: []sp.Metric{alias(1, sp.OfInt(1)), alias(7, sp.OfString("x"))}}.Append(nil))
	f.Add("spBv1.0/g/NDEATH/n", sp.Payload{Seq: -1, Metrics: birth.Metrics[:1]}.Append(nil))
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		format := newFormat(t, Config{Format: formatSparkplug, MaxSeries: 50}, "#")
		d := format.Decoder()
		for _, raw := range []sensors.Raw{
			arrived("spBv1.0/g/NBIRTH/n", string(birth.Append(nil))), arrived(topic, string(payload)), arrived(topic, string(payload)),
			arrived("spBv1.0/g/NBIRTH/n", string(payload)), arrived("spBv1.0/g/DBIRTH/n/d", string(payload)), arrived("spBv1.0/g/DDATA/n/d", string(payload)),
		} {
			before := slices.Clone(raw.Payload)
			got, err := d.Decode(nil, raw)
			if r := reason(t, err); (r != "") && len(got) > 0 {
				t.Errorf("%d readings and %v", len(got), err)
			}
			for _, r := range got {
				if r.Series.Check() != nil || r.Time < 0 {
					t.Errorf("reading %+v", r)
				}
			}
			if !slices.Equal(before, raw.Payload) {
				t.Error("the payload was changed")
			}
		}
		if format.edges.bytes.Load() > format.edges.most {
			t.Error("births take more than they may")
		}
	})
}

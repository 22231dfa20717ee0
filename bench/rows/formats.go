package rows

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/skerry-edge/skerry/bench/child"
	"github.com/skerry-edge/skerry/bench/line"
	"github.com/skerry-edge/skerry/bench/report"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/decode"
	"github.com/skerry-edge/skerry/sensors/decode/sparkplugtest"
)

// formatTask decodes inputs of one format over and over.
type formatTask struct {
	Name string // of benchFormats
	For  time.Duration
}

// benchFormat is a format with input as its devices send it.
type benchFormat struct {
	name, how string
	config    decode.Config
	inputs    [][]byte // in turn

	topics []string // of MQTT: of what comes first, and of the inputs; none: a serial line
	first  []byte
}

// text is inputs that are one text.
func text(input string) [][]byte { return [][]byte{[]byte(input)} }

// sparkplugFormat is data by aliases: the numbers of 256 messages, and a birth before them.
func sparkplugFormat() benchFormat {
	c := decode.DefaultConfig()
	c.Format = "sparkplug"
	f := benchFormat{
		name: "sparkplug decoder", how: "NDATA by aliases, 10 readings", config: c,
		topics: []string{"spBv1.0/plant/NBIRTH/pump3", "spBv1.0/plant/NDATA/pump3"},
	}
	const at = 1_772_366_400_000
	birth := sparkplugtest.Payload{Time: at}
	for i := range uint64(10) {
		birth.Metrics = append(birth.Metrics, sparkplugtest.Metric{
			Name: fmt.Sprintf("Inputs/%d", i), Alias: i, Aliased: true, Type: sparkplugtest.Double, Value: sparkplugtest.OfDouble(21.5),
		})
	}
	f.first = birth.Append(nil)
	for i := range 256 {
		data := sparkplugtest.Payload{Time: at, Seq: (i + 1) % 256}
		for n := range uint64(10) {
			data.Metrics = append(data.Metrics, sparkplugtest.Metric{Alias: n, Aliased: true, Time: at, Value: sparkplugtest.OfDouble(21.5 + float64(i)/8)})
		}
		f.inputs = append(f.inputs, data.Append(nil))
	}
	return f
}

func benchFormats() []benchFormat {
	influx, nmea, regex := decode.DefaultConfig(), decode.DefaultConfig(), decode.DefaultConfig()
	influx.Format = "influx"
	nmea.Format, nmea.Time = "nmea", "utc"
	regex.Format = "regex"
	regex.Pattern = `^(?P<state>ST|US|OL),(?P<weight>[-+]\d+\.\d+)\s+g`
	return []benchFormat{
		{
			name: "influx decoder", how: "a message of Telegraf, 3 lines, 9 readings", config: influx,
			inputs: text("cpu,cpu=cpu-total,host=pump3 usage_user=1.52,usage_system=0.76,usage_idle=97.2 1772366400000000000\n" +
				"mem,host=pump3 used=412434432i,available=512000000i,used_percent=43.1 1772366400000000000\n" +
				"disk,device=mmcblk0p2,fstype=ext4,host=pump3,path=/ free=11034624000i,used=4412434432i,used_percent=28.5 1772366400000000000\n"),
		},
		{
			name: "nmea decoder", how: "RMC with a position, 5 readings", config: nmea,
			inputs: text("$GPRMC,220516,A,5133.82,N,00042.24,W,173.8,231.8,130694,004.2,W*70"),
		},
		{name: "regex decoder", how: "a line of a scale, 2 readings", config: regex, inputs: text("ST,+00123.45  g")},
		sparkplugFormat(),
	}
}

// formats measures the other decoders alone, on one core.
func (b *Bench) formats(ctx context.Context) error {
	for _, f := range benchFormats() {
		task := formatTask{Name: f.name, For: pick(b, 2*time.Second, 50*time.Millisecond)}
		a, err := child.Work[decodeAnswer](ctx, "format", task, "GOMAXPROCS=1")
		if err != nil {
			return err
		}
		b.add(report.Row{
			Group: "decode", Name: f.name, How: f.how + ", GOMAXPROCS=1", Figure: a.Rate, Unit: "readings/s",
		}, report.Row{
			Group: "decode", Name: f.name, How: "heap", Figure: a.Allocs, Unit: "allocations a reading",
		})
	}
	return nil
}

// formatChild does a formatTask.
func formatChild(_ context.Context, t formatTask) (a decodeAnswer, err error) {
	for _, f := range benchFormats() {
		if f.name != t.Name {
			continue
		}
		var patterns []sensors.TopicPattern
		for _, topic := range f.topics {
			p, err := sensors.ParseTopicPattern(topic)
			if err != nil {
				return a, err
			}
			patterns = append(patterns, p)
		}
		format, err := decode.New(f.config, line.Source, patterns, sensors.Milliseconds, sensors.NewTable())
		if err != nil {
			return a, err
		}
		decoder, raw := format.Decoder(), sensors.Raw{Source: line.Source, Arrived: time.Now()}
		if f.topics != nil {
			raw.Topic, raw.Payload = f.topics[0], f.first
			if _, err := decoder.Decode(nil, raw); err != nil {
				return a, err
			}
			raw.Topic = f.topics[1]
		}
		space, count := make([]sensors.Reading, 0, 64), 0
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		for i := 0; i%1024 != 0 || time.Since(began) < t.For; i++ {
			raw.Payload = f.inputs[i%len(f.inputs)]
			rs, err := decoder.Decode(space, raw)
			if err != nil {
				return a, err
			}
			count += len(rs)
		}
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		a.Rate = float64(count) / took.Seconds()
		a.Allocs = float64(after.Mallocs-before.Mallocs) / float64(count)
		return a, nil
	}
	return a, fmt.Errorf("there is no format %q", t.Name)
}

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
	input     string
}

func benchFormats() []benchFormat {
	influx, nmea, regex := decode.DefaultConfig(), decode.DefaultConfig(), decode.DefaultConfig()
	influx.Format = "influx"
	nmea.Format, nmea.Time = "nmea", "utc"
	regex.Format = "regex"
	regex.Pattern = `^(?P<state>ST|US|OL),(?P<weight>[-+]\d+\.\d+)\s+g`
	return []benchFormat{
		{
			"influx decoder", "a message of Telegraf, 3 lines, 9 readings", influx,
			"cpu,cpu=cpu-total,host=pump3 usage_user=1.52,usage_system=0.76,usage_idle=97.2 1772366400000000000\n" +
				"mem,host=pump3 used=412434432i,available=512000000i,used_percent=43.1 1772366400000000000\n" +
				"disk,device=mmcblk0p2,fstype=ext4,host=pump3,path=/ free=11034624000i,used=4412434432i,used_percent=28.5 1772366400000000000\n",
		},
		{"nmea decoder", "RMC with a position, 5 readings", nmea, "$GPRMC,220516,A,5133.82,N,00042.24,W,173.8,231.8,130694,004.2,W*70"},
		{"regex decoder", "a line of a scale, 2 readings", regex, "ST,+00123.45  g"},
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
		format, err := decode.New(f.config, line.Source, nil, sensors.Milliseconds, sensors.NewTable())
		if err != nil {
			return a, err
		}
		decoder, raw := format.Decoder(), sensors.Raw{Source: line.Source, Payload: []byte(f.input), Arrived: time.Now()}
		space, count := make([]sensors.Reading, 0, 64), 0
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		for i := 0; i%1024 != 0 || time.Since(began) < t.For; i++ {
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

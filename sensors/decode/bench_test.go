package decode

import (
	"fmt"
	"testing"
	"time"

	"github.com/adrianmo/go-nmea"

	"github.com/skerry-edge/skerry/sensors"
)

// benchmark decodes messages over and over and reports readings a second and allocations a reading.
func benchmark(b *testing.B, c Config, pattern string, messages []sensors.Raw) {
	b.Helper()
	var patterns []sensors.TopicPattern
	if pattern != "" {
		p, err := sensors.ParseTopicPattern(pattern)
		if err != nil {
			b.Fatal(err)
		}
		patterns = append(patterns, p)
	}
	f, err := New(c, "bench", patterns, sensors.Milliseconds, sensors.NewTable())
	if err != nil {
		b.Fatal(err)
	}
	size := 0
	for _, m := range messages {
		size += len(m.Payload)
	}
	b.ReportAllocs()
	b.SetBytes(int64(size / len(messages)))
	d := f.Decoder()
	dst := make([]sensors.Reading, 0, 64)
	readings := 0
	for i := 0; b.Loop(); i++ {
		out, err := d.Decode(dst, messages[i%len(messages)])
		if err != nil {
			b.Fatal(err)
		}
		readings += len(out)
	}
	b.ReportMetric(float64(readings)/b.Elapsed().Seconds(), "readings/s")
}

func raws(topics int, payload string) []sensors.Raw {
	var out []sensors.Raw
	for i := range topics {
		out = append(out, sensors.Raw{Source: "bench", Topic: fmt.Sprintf("site/a/s%d", i), Payload: []byte(payload), Arrived: time.Unix(1700000000, 0)})
	}
	return out
}

const benchJSON = `{"ts":1700000000000,"temp":21.53,"hum":40.1,"p":1013.2}`

func BenchmarkJSON(b *testing.B) {
	c := Config{Format: formatJSON, Time: "ts", TimeUnit: unitMillis}
	const pattern = "site/{site}/{sensor}"
	b.Run("one topic", func(b *testing.B) { benchmark(b, c, pattern, raws(1, benchJSON)) })
	b.Run("50 topics", func(b *testing.B) { benchmark(b, c, pattern, raws(50, benchJSON)) })
	b.Run("arrival", func(b *testing.B) {
		benchmark(b, Config{Format: formatJSON}, pattern, raws(1, `{"temp":21.53,"hum":40.1,"p":1013.2,"n":12345}`))
	})
	b.Run("one reading", func(b *testing.B) {
		benchmark(b, c, pattern, raws(1, `{"ts":1700000000000,"temp":21.53,"unit":null,"battery":null}`))
	})
	b.Run("nested", func(b *testing.B) {
		benchmark(b, c, pattern, raws(1, `{"ts":1700000000000,"a":{"temp":21.53,"hum":40.1},"on":true,"state":"idle"}`))
	})
	b.Run("50 fields", func(b *testing.B) {
		payload := `{"ts":1700000000000`
		for i := range 50 {
			payload += fmt.Sprintf(`,"f%d":%d.%02d`, i, 20+i, i)
		}
		benchmark(b, c, pattern, raws(1, payload+"}"))
	})
	b.Run("rfc3339", func(b *testing.B) {
		c := Config{Format: formatJSON, Time: "ts", TimeUnit: unitRFC3339}
		benchmark(b, c, pattern, raws(1, `{"ts":"2026-01-02T15:04:05.678+02:00","temp":21.53,"hum":40.1,"p":1013.2}`))
	})
}

func BenchmarkKeyValue(b *testing.B) {
	benchmark(b, Config{Format: formatKeyValue}, "", []sensors.Raw{{Payload: []byte("temp=21.53 hum=40.1 p=1013.2 state=idle"), Arrived: time.Unix(1700000000, 0)}})
}

func BenchmarkCSV(b *testing.B) {
	c := Config{Format: formatCSV, Columns: []string{"ts", "temp", "hum", "p"}, Time: "ts", TimeUnit: unitMillis}
	benchmark(b, c, "", []sensors.Raw{{Payload: []byte("1700000000000,21.53,40.1,1013.2"), Arrived: time.Unix(1700000000, 0)}})
}

func BenchmarkValue(b *testing.B) {
	benchmark(b, Config{Format: formatValue}, "site/{site}/+", raws(50, "21.53"))
}

// BenchmarkJSON_parallel has one decoder for each goroutine, all on the same topics.
func BenchmarkJSON_parallel(b *testing.B) {
	f, err := New(Config{Format: formatJSON, Time: "ts", TimeUnit: unitMillis}, "bench", nil, sensors.Milliseconds, sensors.NewTable())
	if err != nil {
		b.Fatal(err)
	}
	messages := raws(8, benchJSON)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		d := f.Decoder()
		dst := make([]sensors.Reading, 0, 64)
		for i := 0; pb.Next(); i++ {
			out, err := d.Decode(dst[:0], messages[i%len(messages)])
			if err != nil || len(out) != 3 {
				b.Errorf("got %d readings, %v", len(out), err)
				return
			}
		}
	})
	b.ReportMetric(3*float64(b.N)/b.Elapsed().Seconds(), "readings/s")
}

// benchInflux is what Telegraf sends of a machine.
const benchInflux = `cpu,cpu=cpu-total,host=pump3 usage_user=1.52,usage_system=0.76,usage_idle=97.2,usage_iowait=0.51 1700000000000000000
mem,host=pump3 used=412434432i,available=512000000i,used_percent=43.1 1700000000000000000
disk,device=mmcblk0p2,fstype=ext4,host=pump3,path=/ free=11034624000i,used=4412434432i,used_percent=28.5 1700000000000000000
system,host=pump3 load1=0.12,uptime=86400i 1700000000000000000
`

const benchNMEA = "$GPRMC,220516.00,A,5133.8200,N,00042.2400,W,173.8,231.8,130694,004.2,W*5E"

func BenchmarkInflux(b *testing.B) {
	b.Run("telegraf", func(b *testing.B) {
		benchmark(b, Config{Format: formatInflux}, "telegraf/{host}/+", raws(50, benchInflux))
	})
	b.Run("one line", func(b *testing.B) {
		benchmark(b, Config{Format: formatInflux}, "telegraf/{host}/+", raws(50, "weather,station=a temp=21.5,hum=40 1700000000000000000"))
	})
}

func BenchmarkNMEA(b *testing.B) {
	benchmark(b, Config{Format: formatNMEA, Time: timeUTC}, "", []sensors.Raw{{Payload: []byte(benchNMEA), Arrived: time.Unix(1700000000, 0)}})
}

func BenchmarkRegex(b *testing.B) {
	c := Config{Format: formatRegex, Pattern: `^\s*(?P<stable>ST|US),(?P<kind>GS|NT),\s*(?P<weight>[-+]?\s*[0-9.]+)\s*kg$`}
	benchmark(b, c, "", []sensors.Raw{{Payload: []byte("ST,GS,+  12.345kg"), Arrived: time.Unix(1700000000, 0)}})
}

// BenchmarkNMEA_goNMEA is the library that the tests compare with.
func BenchmarkNMEA_goNMEA(b *testing.B) {
	parser := nmea.SentenceParser{}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parser.Parse(benchNMEA); err != nil {
			b.Fatal(err)
		}
	}
}

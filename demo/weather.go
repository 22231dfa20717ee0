package demo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"
)

// writeTimeout is how long a line may take that nobody reads. The rest of it is written first next time.
const writeTimeout = 200 * time.Millisecond

// WeatherStation writes lines such as "temp=21.53 hum=40.1 pressure=1013.2 wind=3.4\r\n" to a serial line.
type WeatherStation struct {
	device *os.File
	every  time.Duration
	clock  func() time.Time

	model *weather // owned by Run
	rest  []byte   // owned by Run: of a line that was not wholly written

	lines, skipped atomic.Uint64
}

// Run writes a line per interval until ctx ends, then returns nil. A line that nobody reads is
// skipped, as a sensor's would be lost; a line is never cut short unless ctx ends.
func (w *WeatherStation) Run(ctx context.Context) error {
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		if err := w.write(); err != nil {
			return fmt.Errorf("write to weather station's line: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// write writes the line of now, or goes on with the one before.
func (w *WeatherStation) write() error {
	if len(w.rest) > 0 {
		w.skipped.Add(1)
	} else {
		w.rest = append(w.rest[:0], w.model.next(w.clock()).line()...)
	}
	if err := w.device.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	n, err := w.device.Write(w.rest)
	w.rest = w.rest[n:]
	if len(w.rest) == 0 {
		w.lines.Add(1)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// conditions is what the station measures at one time.
type conditions struct {
	temp     float64 // °C
	hum      float64 // %
	pressure float64 // hPa
	wind     float64 // m/s
}

func (c conditions) line() string {
	return fmt.Sprintf("temp=%.2f hum=%.1f pressure=%.1f wind=%.1f\r\n", c.temp, c.hum, c.pressure, c.wind)
}

// weather is a day's curve with clouds, gusts and slow fronts. Each part of the noise goes back to
// its mean with its own time, so that the values look the same at any rate.
type weather struct {
	last                     time.Time
	cloud, front, gust, hiss drift
}

func newWeather(seed uint64) *weather {
	rng := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // weather, no secret
	return &weather{
		cloud: drift{rng: rng, within: 40 * time.Second, size: 0.9},
		front: drift{rng: rng, within: 6 * time.Hour, size: 6},
		gust:  drift{rng: rng, within: 8 * time.Second, size: 1.6},
		hiss:  drift{rng: rng, within: 500 * time.Millisecond, size: 0.04},
	}
}

// next returns the conditions at now, which must not go back.
func (w *weather) next(now time.Time) conditions {
	var step time.Duration
	if !w.last.IsZero() {
		step = max(now.Sub(w.last), 0)
	}
	w.last = now
	cloud, front, gust, hiss := w.cloud.next(step), w.front.next(step), w.gust.next(step), w.hiss.next(step)
	warmth := dayWave(now, 15) // warmest at 15:00
	temp := 17 + 6*warmth + cloud + 0.2*front + hiss
	return conditions{
		temp:     temp,
		hum:      min(100, max(15, 62-3*(temp-17)+front+8*hiss)),
		pressure: 1013 + front + 0.4*dayWave(now, 10) + hiss,
		wind:     math.Abs(3 + 1.2*warmth + gust + hiss),
	}
}

// dayWave is a wave of a day between -1 and 1 with its crest at the hour, local time.
func dayWave(now time.Time, hour float64) float64 {
	year, month, day := now.Date()
	since := now.Sub(time.Date(year, month, day, 0, 0, 0, 0, now.Location())).Hours()
	return math.Cos(2 * math.Pi * (since - hour) / 24)
}

// drift is noise that wanders with the standard deviation size and forgets within a time (an
// Ornstein-Uhlenbeck process, stepped exactly).
type drift struct {
	rng    *rand.Rand
	within time.Duration
	size   float64
	value  float64
}

func (d *drift) next(step time.Duration) float64 {
	keep := math.Exp(-step.Seconds() / d.within.Seconds())
	d.value = d.value*keep + d.size*math.Sqrt(1-keep*keep)*d.rng.NormFloat64()
	return d.value
}

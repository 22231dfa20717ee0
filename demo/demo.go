// Package demo simulates sensors over real pseudo-terminals and MQTT connections.
//
// Nothing in it is known to the agent: the weather station writes to the far end of a serial line,
// the power meters are MQTT clients over TCP. View draws what the gateway stored.
package demo

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

// Config says which sensors there are.
type Config struct {
	Device *os.File         // the far end of the weather station's serial line; nil: no station
	Broker string           // "127.0.0.1:1883"; "": no meters
	Meters int              // number of power meters
	Rate   float64          // lines and messages a second, of each sensor
	Seed   uint64           // of the noise: equal seeds give equal weather
	Clock  func() time.Time // nil: the system's
	Log    *slog.Logger
}

// Counts is how much the sensors sent. Each line and each message has several readings.
type Counts struct {
	Lines     uint64 // written by the weather station
	Skipped   uint64 // lines not written because nobody read the port
	Published uint64 // messages given to MQTT
	Acked     uint64 // messages that the broker acknowledged
}

// Sensors are all simulated sensors. Safe for concurrent use.
type Sensors struct {
	station *WeatherStation
	meters  *PowerMeters
}

// New returns the sensors, which do nothing until Run. The error names a fault of the configuration.
func New(c Config) (*Sensors, error) {
	if !(c.Rate > 0 && c.Rate <= 10_000) {
		return nil, fmt.Errorf("simulate sensors: rate %v, want more than 0 and at most 10000 a second", c.Rate)
	}
	if c.Meters < 0 || c.Meters > 1000 {
		return nil, fmt.Errorf("simulate sensors: %d meters, want 0 to 1000", c.Meters)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	s := &Sensors{}
	if c.Device != nil {
		s.station = &WeatherStation{device: c.Device, every: interval(c.Rate), clock: c.Clock, model: newWeather(c.Seed)}
	}
	if c.Broker != "" && c.Meters > 0 {
		s.meters = &PowerMeters{broker: c.Broker, every: interval(c.Rate), clock: c.Clock, log: c.Log}
		for i := range c.Meters {
			s.meters.models = append(s.meters.models, newMeter(c.Seed, i))
		}
	}
	return s, nil
}

// Run sends until ctx ends, then returns nil. An error means that the serial line broke.
func (s *Sensors) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if s.station != nil {
		group.Go(func() error { return s.station.Run(ctx) })
	}
	if s.meters != nil {
		group.Go(func() error { return s.meters.Run(ctx) })
	}
	return group.Wait()
}

// Counts returns what was sent so far.
func (s *Sensors) Counts() Counts {
	var c Counts
	if s.station != nil {
		c.Lines, c.Skipped = s.station.lines.Load(), s.station.skipped.Load()
	}
	if s.meters != nil {
		c.Published, c.Acked = s.meters.published.Load(), s.meters.acked.Load()
	}
	return c
}

func interval(rate float64) time.Duration { return time.Duration(float64(time.Second) / rate) }

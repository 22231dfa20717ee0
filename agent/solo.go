package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/clock"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/modbus"
	"github.com/skerry-edge/skerry/sensors/mqtt"
	"github.com/skerry-edge/skerry/sensors/serial"
)

// ErrNeedsAgent says that only a running agent can open a source: it takes from the broker inside.
var ErrNeedsAgent = errors.New("needs a running agent")

// Solo is one source that is opened by itself, without an agent: what it decodes goes nowhere but to a tap, and it
// acknowledges nothing. To a broker it connects with a client id of its own and a session that ends with it; a serial port it
// holds for itself, as an agent does; of Modbus slaves it reads what is configured, and writes nothing.
type Solo struct {
	source sensors.Source
	tapping
}

// OpenSolo makes the source that is named name ready. An unknown name is an *api.NoSourceError; ErrNeedsAgent: it takes from
// the broker inside.
func OpenSolo(cfg *config.Config, name string, log *slog.Logger) (*Solo, error) {
	now := clock.New(cfg.Gateway.TrustClock)
	l := &line{table: sensors.NewTable(), log: log, clock: func() (time.Time, sensors.Quality) {
		t, synced := now.Now()
		if synced {
			return t, 0
		}
		return t, sensors.QualityUnsynced
	}}
	var known []string
	for i := range cfg.Source.Serial {
		c := &cfg.Source.Serial[i]
		if known = append(known, c.Port.Name); c.Port.Name == name {
			return l.soloSerial(cfg, c)
		}
	}
	for i := range cfg.Source.Modbus {
		c := &cfg.Source.Modbus[i]
		if known = append(known, c.Bus.Name); c.Bus.Name == name {
			return l.soloModbus(cfg, c)
		}
	}
	for i := range cfg.Source.MQTT {
		c := &cfg.Source.MQTT[i]
		if known = append(known, c.Door.Name); c.Door.Name == name {
			return l.soloMQTT(cfg, c)
		}
	}
	slices.Sort(known)
	return nil, &api.NoSourceError{Name: name, Known: known}
}

func (l *line) soloSerial(cfg *config.Config, c *config.SerialSource) (*Solo, error) {
	format, err := l.format(cfg, c.Decode, c.Port.Name, c.Target, nil)
	if err != nil {
		return nil, err
	}
	s := serial.New(c.Port, "", format.Decoder(), sensors.Nowhere{}, l.clock, l.log)
	return &Solo{s, tapping{s.Tap, precision(cfg, c.Target.Collection)}}, nil
}

func (l *line) soloModbus(cfg *config.Config, c *config.ModbusSource) (*Solo, error) {
	s, err := modbus.New(modbus.Options{
		Config: c.Bus, Line: busLine(c), Precision: precision(cfg, c.Target.Collection), Table: l.table, Sink: sensors.Nowhere{}, Clock: l.clock, Log: l.log,
	})
	if err != nil {
		return nil, err
	}
	return &Solo{s, tapping{s.Tap, precision(cfg, c.Target.Collection)}}, nil
}

func (l *line) soloMQTT(cfg *config.Config, c *config.MQTTSource) (*Solo, error) {
	if c.Door.Broker == mqtt.BrokerInside {
		return nil, &hinted{
			fmt.Errorf("source %q takes from the broker inside: it %w", c.Door.Name, ErrNeedsAgent),
			"start one in another terminal: skerry run --config " + cfg.File() + "; then try again",
		}
	}
	patterns, err := patternsOf(c)
	if err != nil {
		return nil, err
	}
	format, err := l.format(cfg, c.Decode, c.Door.Name, c.Target, patterns)
	if err != nil {
		return nil, err
	}
	tally := sensors.NewTally("mqtt", c.Door.Name, time.Now())
	s := mqtt.NewObserver(c.Door, testClientID(), patterns, format.Decoder, l.clock, tally, l.log)
	return &Solo{s, tapping{tally.Tap, precision(cfg, c.Target.Collection)}}, nil
}

// testClientID returns a client id that no other client has, within the 23 characters that every broker takes.
func testClientID() string { return "skerry-test-" + strings.ToLower(rand.Text()[:10]) }

// Run opens the source and reads it until ctx ends: see sensors.Source.
func (s *Solo) Run(ctx context.Context) error { return s.source.Run(ctx) }

// Status says how the source is.
func (s *Solo) Status() sensors.SourceStatus { return s.source.Status() }

// Tap shows what the source takes in from now on, until ctx ends.
func (s *Solo) Tap(ctx context.Context) api.Inputs { return s.inputs(ctx) }

// busLine returns how the bus of a source is opened. A serial bus is handed in, because only sensors/serial opens ports;
// connections the source makes itself.
func busLine(c *config.ModbusSource) modbus.Line {
	if c.Line.Device == "" {
		return modbus.TCP(c.Bus.Address)
	}
	return modbus.Line{
		Open: func(context.Context) (modbus.Link, error) {
			port, err := c.Line.Open()
			if err != nil {
				return nil, err // not a nil port
			}
			return port, nil
		},
		Explain: c.Line.Explain, Pause: c.Line.Pause, Character: c.Line.Character(),
	}
}

// patternsOf reads a source's topics.
func patternsOf(c *config.MQTTSource) ([]sensors.TopicPattern, error) {
	patterns := make([]sensors.TopicPattern, 0, len(c.Door.Topics))
	for _, text := range c.Door.Topics {
		p, err := sensors.ParseTopicPattern(text)
		if err != nil {
			return nil, fmt.Errorf("source %q: %w", c.Door.Name, err)
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

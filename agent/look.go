package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/decode"
	"github.com/skerry-edge/skerry/sensors/mqtt"
	"github.com/skerry-edge/skerry/sensors/serial"
)

// What a look keeps of what it hears.
const (
	maxHeard      = 2000 // messages or pieces
	maxHeardBytes = 4096 // of each
)

// Port is a serial port that is there.
type Port = serial.Port

// Guess is what raw input is likely to be.
type Guess = decode.Guess

// Ports lists the serial ports of this machine, those with a stable name first.
func Ports() []Port { return serial.Ports() }

// GuessLine guesses the format of the bytes of a serial line, GuessMessages that of messages.
func GuessLine(raw []byte) Guess { return decode.GuessLine(raw) }

// GuessMessages guesses the format that messages have in common.
func GuessMessages(messages []Heard) Guess {
	pieces := make([][]byte, 0, len(messages))
	for _, m := range messages {
		pieces = append(pieces, m.Payload)
	}
	return decode.GuessPieces(pieces)
}

// Heard is one message, or some bytes of a line.
type Heard struct {
	Topic   string
	Payload []byte
}

// ear is a decoder that makes no readings of what it hears, and keeps it.
type ear struct {
	mu    sync.Mutex
	heard []Heard
}

// Decode implements sensors.Decoder.
func (e *ear) Decode(dst []sensors.Reading, raw sensors.Raw) ([]sensors.Reading, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.heard) < maxHeard {
		e.heard = append(e.heard, Heard{raw.Topic, append([]byte(nil), raw.Payload[:min(len(raw.Payload), maxHeardBytes)]...)})
	}
	return dst, nil
}

func arrivedNow() (time.Time, sensors.Quality) { return time.Now(), 0 }

// ListenPort returns the bytes that arrive at a serial port in the time d, or until ctx ends. trouble says why the port cannot
// be read.
func ListenPort(ctx context.Context, device string, baud int, d time.Duration) (raw []byte, trouble sensors.SourceStatus) {
	c := serial.DefaultConfig()
	c.Name, c.Device, c.Baud, c.Framing = "look", device, baud, serial.FramingSilence
	e := &ear{}
	s := serial.New(c, "", e, sensors.Nowhere{}, arrivedNow, slog.New(slog.DiscardHandler))
	tap := s.Tap()
	defer tap.Close()
	status := runFor(ctx, s, d)
	for {
		select {
		case in := <-tap.Inputs(): // noise, too: at a wrong rate everything may be
			if !in.Pending {
				raw = append(raw, in.Payload...)
			}
		default:
			return raw, status
		}
	}
}

// ListenBroker returns the messages of all topics that a broker passes on in the time d, or until ctx ends, retained ones first. It
// has a client id and a session of its own, and acknowledges nothing.
func ListenBroker(ctx context.Context, broker, username, passwordFile string, d time.Duration) ([]Heard, sensors.SourceStatus) {
	c := mqtt.DefaultSourceConfig()
	c.Name, c.Broker, c.Topics, c.Username, c.PasswordFile = "look", broker, []string{"#"}, username, passwordFile
	all, err := sensors.ParseTopicPattern("#")
	if err != nil {
		return nil, sensors.SourceStatus{Text: err.Error()}
	}
	e := &ear{}
	tally := sensors.NewTally("mqtt", c.Name, time.Now())
	client := mqtt.NewObserver(c, testClientID(), []sensors.TopicPattern{all}, func() sensors.Decoder { return e }, arrivedNow, tally, slog.New(slog.DiscardHandler))
	status := runFor(ctx, client, d)
	return e.heard, status
}

// runFor runs a source for a time and returns its status just before the end.
func runFor(ctx context.Context, s sensors.Source, d time.Duration) sensors.SourceStatus {
	ctx, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	end := time.NewTimer(d)
	defer end.Stop()
	select {
	case <-ctx.Done():
	case <-end.C:
	}
	status := s.Status()
	stop()
	if err := <-ran; err != nil {
		status.State, status.Text = "retrying", err.Error()
	}
	return status
}

// Understood tells for each MQTT source of a configuration which of the messages it makes readings of, by their index.
func Understood(cfg *config.Config, messages []Heard) map[string][]int {
	out := map[string][]int{}
	l := &line{table: sensors.NewTable()}
	for i := range cfg.Source.MQTT {
		c := &cfg.Source.MQTT[i]
		patterns, err := patternsOf(c)
		if err != nil {
			continue
		}
		format, err := l.format(cfg, c.Decode, c.Door.Name, c.Target, patterns)
		if err != nil {
			continue
		}
		d := format.Decoder()
		for j, m := range messages {
			if !matchesAny(patterns, m.Topic) {
				continue
			}
			readings, err := d.Decode(nil, sensors.Raw{Source: c.Door.Name, Topic: m.Topic, Payload: m.Payload, Arrived: time.Now()})
			if err == nil && len(readings) > 0 {
				out[c.Door.Name] = append(out[c.Door.Name], j)
			}
		}
	}
	return out
}

func matchesAny(patterns []sensors.TopicPattern, topic string) bool {
	for _, p := range patterns {
		if _, ok := p.Match(topic, nil); ok {
			return true
		}
	}
	return false
}

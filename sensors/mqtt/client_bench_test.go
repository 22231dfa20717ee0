package mqtt

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/mqtt/mosquittotest"
)

const clientBenchMessages = 50_000

// clientBenchSink commits groups: one write and one fdatasync each, as the journal does.
type clientBenchSink struct {
	file *os.File
	sync bool

	mu     sync.Mutex
	queue  []clientQueued
	wake   chan struct{}
	stored int
	groups int
	all    chan struct{} // closed when clientBenchMessages are durable
}

func (s *clientBenchSink) Add(_ context.Context, b sensors.Batch, done func(error)) error {
	s.mu.Lock()
	s.queue = append(s.queue, clientQueued{b, done})
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

func (s *clientBenchSink) Offer(sensors.Batch, func(error)) {}

func (s *clientBenchSink) commit(ctx context.Context) error {
	var spare []clientQueued
	record := make([]byte, 0, 64<<10)
	for {
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil
		}
		s.mu.Lock()
		group := s.queue
		s.queue = spare[:0]
		s.mu.Unlock()
		if len(group) == 0 {
			spare = group
			continue
		}
		record = record[:0]
		for i := range group {
			record = append(record, make([]byte, 24*len(group[i].batch.Readings))...)
		}
		if _, err := s.file.Write(record); err != nil {
			return err
		}
		if s.sync {
			if err := syscall.Fdatasync(int(s.file.Fd())); err != nil {
				return err
			}
		}
		for i := range group {
			group[i].done(nil)
		}
		s.groups++
		if s.stored += len(group); s.stored == clientBenchMessages {
			close(s.all)
		}
		clear(group)
		spare = group
	}
}

// BenchmarkClient_queued takes 50,000 messages of 60 bytes that wait at mosquitto: with paho's automatic
// acknowledgements, and with ours after the commit.
func BenchmarkClient_queued(b *testing.B) {
	for _, inflight := range []int{20, 1000} {
		for _, how := range []string{"automatic", "paho_ack", "commit", "fsync"} {
			b.Run(fmt.Sprintf("%s/inflight=%d", how, inflight), func(b *testing.B) {
				b.ReportAllocs()
				var spent time.Duration
				groups := 0
				for range b.N {
					b.StopTimer()
					broker := fillMosquitto(b, inflight)
					b.StartTimer()
					var d time.Duration
					switch how {
					case "automatic", "paho_ack":
						d = drainPlain(b, broker.URL(), how == "automatic")
					default:
						var g int
						d, g = drainClient(b, broker.URL(), inflight, how == "fsync")
						groups += g
					}
					b.StopTimer()
					spent += d
					if err := broker.Kill(); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				b.ReportMetric(float64(b.N)*clientBenchMessages/spent.Seconds(), "msg/s")
				b.ReportMetric(float64(groups)/float64(b.N), "groups")
			})
		}
	}
}

// fillMosquitto starts a broker that holds the messages for the client id "bench".
func fillMosquitto(b *testing.B, inflight int) *mosquittotest.Broker {
	b.Helper()
	broker, err := mosquittotest.New(b.TempDir(), mosquittotest.Config{Quiet: true, Lines: []string{
		"max_queued_messages 0", fmt.Sprintf("max_inflight_messages %d", inflight),
	}})
	if err != nil {
		b.Skip(err)
	}
	if err := broker.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := broker.Kill(); err != nil {
			b.Error(err)
		}
	})
	connect := func(id string) paho.Client {
		c := paho.NewClient(paho.NewClientOptions().AddBroker(broker.URL()).SetClientID(id).SetCleanSession(false))
		if token := c.Connect(); token.Wait() && token.Error() != nil {
			b.Fatal(token.Error())
		}
		return c
	}
	sub := connect("bench")
	if token := sub.Subscribe("site/+", 1, nil); token.Wait() && token.Error() != nil {
		b.Fatal(token.Error())
	}
	sub.Disconnect(250)
	pub := connect("bench-publisher")
	defer pub.Disconnect(250)
	tokens := make([]paho.Token, clientBenchMessages)
	for i := range tokens {
		tokens[i] = pub.Publish("site/a", 1, false, fmt.Sprintf("%060d", i))
	}
	for _, token := range tokens {
		if token.Wait() && token.Error() != nil {
			b.Fatal(token.Error())
		}
	}
	return broker
}

// drainPlain is the measure: paho as it comes.
func drainPlain(b *testing.B, url string, auto bool) time.Duration {
	b.Helper()
	all := make(chan struct{})
	n := 0
	o := paho.NewClientOptions().AddBroker(url).SetClientID("bench").SetCleanSession(false).SetAutoAckDisabled(!auto)
	o.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
		if !auto {
			go m.Ack()
		}
		if n++; n == clientBenchMessages {
			close(all)
		}
	})
	c := paho.NewClient(o)
	began := time.Now()
	if token := c.Connect(); token.Wait() && token.Error() != nil {
		b.Fatal(token.Error())
	}
	<-all
	d := time.Since(began)
	c.Disconnect(250)
	return d
}

func drainClient(b *testing.B, url string, inflight int, durable bool) (time.Duration, int) {
	b.Helper()
	file, err := os.Create(filepath.Join(b.TempDir(), "journal"))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := file.Write(make([]byte, 8<<20)); err != nil { // written before, as the journal's files are
		b.Fatal(err)
	}
	if err := file.Sync(); err != nil {
		b.Fatal(err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		b.Fatal(err)
	}
	sink := &clientBenchSink{file: file, sync: durable, wake: make(chan struct{}, 1), all: make(chan struct{})}
	config := DefaultSourceConfig()
	config.Name, config.Broker, config.Topics, config.MaxInflight = "bench", url, []string{"site/{sensor}"}, inflight
	pattern, err := sensors.ParseTopicPattern(config.Topics[0])
	if err != nil {
		b.Fatal(err)
	}
	table := sensors.NewTable()
	clock := func() (time.Time, sensors.Quality) { return time.Now(), 0 }
	client := NewClient(config, "bench", "c", []sensors.TopicPattern{pattern},
		func() sensors.Decoder { return &clientDecoder{table} }, sink, clock, nil,
		sensors.NewTally("mqtt", "bench", time.Now()), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(b.Context())
	var parts sync.WaitGroup
	errs := make(chan error, 2)
	began := time.Now()
	run, stop := context.WithCancel(ctx)
	parts.Go(func() { errs <- sink.commit(ctx) })
	parts.Go(func() { errs <- client.Run(run) })
	<-sink.all
	d := time.Since(began)
	stop()
	if err := <-errs; err != nil {
		b.Fatal(err)
	}
	cancel()
	parts.Wait()
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	return d, sink.groups
}

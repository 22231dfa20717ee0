package mqtt

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

// syncSink writes what gathered during the last sync to a file, syncs it, and acknowledges: a journal without its format.
type syncSink struct {
	file   *os.File
	wake   chan struct{}
	groups int

	mu   sync.Mutex
	open []syncEntry
}

type syncEntry struct {
	batch sensors.Batch
	done  func(error)
}

func newSyncSink(b *testing.B) *syncSink {
	b.Helper()
	file, err := os.Create(filepath.Join(b.TempDir(), "journal"))
	if err != nil {
		b.Fatal(err)
	}
	s := &syncSink{file: file, wake: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.run(ctx)
	}()
	b.Cleanup(func() {
		cancel()
		<-ended
		_ = file.Close()
	})
	return s
}

func (s *syncSink) Add(_ context.Context, batch sensors.Batch, done func(error)) error {
	s.mu.Lock()
	s.open = append(s.open, syncEntry{batch, done})
	first := len(s.open) == 1
	s.mu.Unlock()
	if first {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

func (s *syncSink) Offer(batch sensors.Batch, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	_ = s.Add(context.Background(), batch, done)
}

func (s *syncSink) run(ctx context.Context) {
	var group []syncEntry
	var buf []byte
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		s.mu.Lock()
		group, s.open = s.open, group[:0]
		s.mu.Unlock()
		buf = buf[:0]
		for i := range group {
			for j := range group[i].batch.Readings {
				r := &group[i].batch.Readings[j]
				buf = binary.LittleEndian.AppendUint64(buf, r.Num)
				buf = binary.AppendVarint(buf, r.Time)
			}
		}
		_, err := s.file.Write(buf)
		if err == nil {
			err = s.file.Sync()
		}
		s.groups++
		for i := range group {
			group[i].done(err)
			group[i] = syncEntry{}
		}
	}
}

// fieldDecoder finds the number after "v": in a JSON object, with no claim to be a parser.
type fieldDecoder struct{ series *sensors.Series }

func (d fieldDecoder) Decode(dst []sensors.Reading, raw sensors.Raw) ([]sensors.Reading, error) {
	var n uint64
	for _, c := range raw.Payload {
		if c >= '0' && c <= '9' {
			n = n*10 + uint64(c-'0')
		}
	}
	return append(dst, sensors.Reading{Series: d.series, Time: raw.Arrived.UnixNano(), Num: n}), nil
}

const payload60 = `{"ts":1700000000123,"power":1234.56,"energy":98765.4,"v":230}`

func shapes(b *testing.B, addr func(b *testing.B) string, qos byte) {
	b.Helper()
	for _, shape := range [][2]int{{1, 1}, {1, 100}, {16, 20}, {64, 100}} {
		b.Run(fmt.Sprintf("%dx%d", shape[0], shape[1]), func(b *testing.B) {
			load := mqtttest.Load{
				Options: mqtttest.Options{Addr: addr(b), ClientID: "load", Window: shape[1]},
				Clients: shape[0], QoS: qos, Messages: b.N, Payload: []byte(payload60),
				Topic: func(i int) string { return fmt.Sprintf("site/meter%d/power", i) },
			}
			b.ReportAllocs()
			b.ResetTimer()
			result, err := load.Run(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(result.Rate(), "msg/s")
			b.ReportMetric(float64(result.P99.Microseconds()), "p99-µs")
		})
	}
}

func benchBroker(b *testing.B, sink sensors.Sink) string {
	b.Helper()
	f := startBroker(b, sink, nil)
	series := &sensors.Series{Name: "power", Type: sensors.Int}
	for _, r := range f.broker.table.Load().routes {
		r.NewDecoder = func() sensors.Decoder { return fieldDecoder{series} }
	}
	return f.broker.Addr().String()
}

func BenchmarkBroker_synced(b *testing.B) {
	shapes(b, func(b *testing.B) string {
		b.Helper()
		return benchBroker(b, newSyncSink(b))
	}, 1)
}

func BenchmarkBroker_memory(b *testing.B) {
	shapes(b, func(b *testing.B) string {
		b.Helper()
		return benchBroker(b, countingSink{})
	}, 1)
}

type countingSink struct{}

func (countingSink) Add(_ context.Context, _ sensors.Batch, done func(error)) error {
	done(nil)
	return nil
}

func (countingSink) Offer(_ sensors.Batch, done func(error)) {
	if done != nil {
		done(nil)
	}
}

// countingHook is what the same server does when nothing is durable.
type countingHook struct {
	mochi.HookBase

	mu    sync.Mutex
	count int
}

func (h *countingHook) Provides(m byte) bool {
	return m == mochi.OnPublish || m == mochi.OnConnectAuthenticate || m == mochi.OnACLCheck
}

func (h *countingHook) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

func (h *countingHook) OnACLCheck(*mochi.Client, string, bool) bool { return true }

func (h *countingHook) OnPublish(_ *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count++
	return pk, nil
}

func BenchmarkServer_countingHook(b *testing.B) {
	shapes(b, func(b *testing.B) string {
		b.Helper()
		server := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
		if err := server.AddHook(&countingHook{}, nil); err != nil {
			b.Fatal(err)
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		if err := server.AddListener(listeners.NewNet("tcp", listener)); err != nil {
			b.Fatal(err)
		}
		if err := server.Serve(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = server.Close() })
		return listener.Addr().String()
	}, 1)
}

func BenchmarkDisk_bareSync(b *testing.B) {
	file, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	start := time.Now()
	for b.Loop() {
		if _, err := file.Write(make([]byte, 64)); err != nil {
			b.Fatal(err)
		}
		if err := file.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "syncs/s")
}

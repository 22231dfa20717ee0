package ingest_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/crdt/columns/columnstest"
	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/store"
)

// BenchmarkPipeline takes decoded readings to durable blocks: 50 series, 2 decimals, ±5 ms jitter, offered
// by so many; each producer waits for its acknowledgement. The last seal is in the time.
func BenchmarkPipeline(b *testing.B) {
	for _, cores := range []int{1, 2} {
		for _, producers := range []int{1, 16} {
			for _, size := range []int{1, 100, 1000} {
				b.Run(fmt.Sprintf("%dcores/%dproducers/%d", cores, producers, size), func(b *testing.B) {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
					benchmarkPipeline(b, producers, size)
				})
			}
		}
	}
}

func benchmarkPipeline(b *testing.B, producers, size int) {
	b.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	public, is := key.Public().(ed25519.PublicKey)
	if !is {
		b.Fatal("not an Ed25519 key")
	}
	log := slog.New(slog.DiscardHandler)
	table := sensors.NewTable()
	db, err := store.Open(store.Options{Dir: b.TempDir(), Table: table, Author: crdt.AuthorOf(public), Who: "bench", Log: log})
	if err != nil {
		b.Fatal(err)
	}
	cfg := ingest.DefaultCollectionConfig()
	cfg.Name = "climate"
	c, err := ingest.NewCollection(cfg, key, ingest.Resume{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	p := ingest.New(ingest.Config{}, db, []*ingest.Collection{c}, func() (time.Time, bool) { return time.Now(), true }, log)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- p.Run(ctx) }()

	all := columnstest.Jitter(200_000, 50, 1, table)
	before := written(b)
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for k := range producers {
		wg.Go(func() {
			at := k * len(all) / producers
			done := make(chan error, 1)
			tell := func(err error) { done <- err }
			for range (b.N + producers - 1 - k) / producers {
				rs := make([]sensors.Reading, size)
				if at+size > len(all) {
					at = 0
				}
				copy(rs, all[at:])
				at += size
				if err := p.Add(ctx, sensors.Batch{Source: "bench", Collection: "climate", Readings: rs}, tell); err != nil {
					b.Error(err)
					return
				}
				if err := <-done; err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	cancel()
	if err := <-ran; err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	n := float64(b.N * size)
	stats := p.Stats()
	b.ReportMetric(n/b.Elapsed().Seconds(), "readings/s")
	b.ReportMetric(float64(written(b)-before)/n, "devbytes/reading")
	b.ReportMetric(float64(written(b)-before)/float64(stats.Groups), "devbytes/group")
	b.ReportMetric(n/float64(stats.Groups), "readings/group")
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}

// written returns the bytes that this process made the kernel write to disks.
func written(b *testing.B) uint64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skip(err)
	}
	for line := range bytes.Lines(text) {
		if value, found := bytes.CutPrefix(line, []byte("write_bytes: ")); found {
			n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatal("/proc/self/io has no write_bytes")
	return 0
}

// Package rows measures the rows of the table; each file is one group of them.
package rows

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/skerry-edge/skerry/bench/child"
	"github.com/skerry-edge/skerry/bench/machine"
	"github.com/skerry-edge/skerry/bench/report"
	"github.com/skerry-edge/skerry/bench/rival"
)

// Bench is one run of the benchmark.
type Bench struct {
	Dir     string // for files; on the disk to measure
	Program string // skerry
	Smoke   bool   // small: that it runs, not how fast
	Growth8 bool   // growth up to 10^8 readings
	Log     io.Writer

	Rows []report.Row
}

// Group is a part of the table that can be run alone.
type Group struct {
	Name string
	Run  func(*Bench, context.Context) error
}

// Groups lists all in the table's order.
func Groups() []Group {
	return []Group{
		{"qos1", (*Bench).qos1},
		{"secure", (*Bench).secure},
		{"client", (*Bench).client},
		{"ingest", (*Bench).ingest},
		{"decode", (*Bench).decode},
		{"modbus", (*Bench).modbus},
		{"filter", (*Bench).filter},
		{"disk", (*Bench).disk},
		{"query", (*Bench).query},
		{"buckets", (*Bench).buckets},
		{"export", (*Bench).export},
		{"memory", (*Bench).memory},
		{"writes", (*Bench).writes},
		{"growth", (*Bench).growth},
	}
}

// Children lists what the table's program does as a child.
func Children() map[string]child.Func {
	return map[string]child.Func{
		"counter": child.Server(rival.Counter),
		"nats":    child.Server(rival.NATS),
		"drain":   child.Worker(drainChild),
		"count":   child.Worker(rival.Count),
		"ingest":  child.Worker(ingestChild),
		"decode":  child.Worker(decodeChild),
		"format":  child.Worker(formatChild),
		"modbus":  child.Worker(modbusChild),
		"filter":  child.Worker(filterChild),
		"fill":    child.Worker(fillChild),
		"stuff":   child.Worker(stuffChild),
		"grow":    child.Worker(growChild),
	}
}

// add puts rows into the table and tells of them.
func (b *Bench) add(rows ...report.Row) {
	for _, r := range rows {
		b.Rows = append(b.Rows, r)
		_, _ = fmt.Fprintln(b.Log, r) // the table comes at the end
	}
}

// folder makes a folder below Dir. The caller removes it.
func (b *Bench) folder(name string) (string, error) {
	dir, err := os.MkdirTemp(b.Dir, name+"-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	return filepath.Abs(dir)
}

// syncs measures the disk bare.
func (b *Bench) syncs() (machine.Syncs, error) {
	d := 500 * time.Millisecond
	if b.Smoke {
		d = 50 * time.Millisecond
	}
	return machine.MeasureSyncs(b.Dir, d)
}

// pick returns full, or in a smoke run smoke.
func pick[T any](b *Bench, full, smoke T) T {
	if b.Smoke {
		return smoke
	}
	return full
}

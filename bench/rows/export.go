package rows

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/skerry-edge/skerry/bench/gateway"
	"github.com/skerry-edge/skerry/bench/machine"
	"github.com/skerry-edge/skerry/bench/report"
)

// export measures the program writing a collection to a file, in every format from the folder, and as Parquet through the
// agent's door.
func (b *Bench) export(ctx context.Context) (err error) {
	dir, err := b.folder("export")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	readings := pick(b, 10_000_000, 100_000)
	g, err := b.filled(ctx, filepath.Join(dir, "gateway"), readings)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		format string
		bytes  float64 // a reading, at most; 0: no goal
	}{{"csv", 0}, {"ndjson", 0}, {"parquet", 4}, {"car", 1.5}} {
		if err := b.exportOnce(ctx, g, readings, c.format, c.bytes, "--dir", g.Dir); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, g.Stop()) }()
	if err := g.Start(ctx, nil); err != nil {
		return err
	}
	return b.exportOnce(ctx, g, readings, "parquet", 4, "--socket", g.Socket())
}

// exportOnce measures one export; door says how the program reads the collection.
func (b *Bench) exportOnce(ctx context.Context, g *gateway.Gateway, readings int, format string, goal float64, door ...string) error {
	path := filepath.Join(g.Dir, "out."+format)
	cmd := exec.CommandContext(ctx, b.Program, append([]string{"export", gateway.Collection, "--quiet", "--out", path}, door...)...) //nolint:gosec // the program to measure
	cmd.Stderr = b.Log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("export %s: %w", format, err)
	}
	var peak atomic.Uint64
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for watching.Err() == nil {
			if p, err := machine.ProcessOf(cmd.Process.Pid); err == nil {
				peak.Store(max(peak.Load(), p.Anonymous))
			}
			_ = pause(watching, 5*time.Millisecond) // its end ends the loop
		}
	}()
	err := cmd.Wait()
	stop()
	<-watched
	if err != nil {
		return fmt.Errorf("export %s: %w", format, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("export %s: %w", format, err)
	}
	busy := (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	row := report.Row{Group: "export", Name: "." + format, How: fmt.Sprintf("%s readings, %s", report.Number(float64(readings)), door[0])}
	speed, size, memory := row, row, row
	speed.Figure, speed.Unit = float64(readings)/busy, "readings/s a core"
	size.Figure, size.Unit = float64(info.Size())/float64(readings), "bytes a reading"
	memory.Figure, memory.Unit = float64(peak.Load())/mega, "MB anonymous, peak"
	if goal > 0 {
		size = size.AtMost(goal)
	}
	b.add(speed, size, memory.AtMost(64))
	return os.Remove(path) //nolint:wrapcheck // says what it is
}

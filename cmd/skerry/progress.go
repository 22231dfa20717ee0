package main

import (
	"io"
	"iter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// unknownTotal is the total of what nobody counted.
const unknownTotal = -1

const (
	progressAfter = time.Second            // what takes less shows nothing
	progressEvery = 100 * time.Millisecond // it is drawn at most
	progressStep  = 256                    // things between two looks at the clock
)

func addQuietFlag(cmd *cobra.Command, quiet *bool) {
	cmd.Flags().BoolVarP(quiet, "quiet", "q", false, "show no progress, and nothing when all went well")
}

// progress shows on a terminal how far something is that takes long, and how long it still will. Nil shows nothing. Not safe
// for concurrent use.
type progress struct {
	w     io.Writer
	unit  string
	total int64
	began time.Time
	bar   *progressbar.ProgressBar // reckons from its making on
	drawn bool
	count int64
}

// newProgress returns nil unless w is a terminal.
func newProgress(w io.Writer, quiet bool, unit string, total int64) *progress {
	if quiet || !isTerminal(w) {
		return nil
	}
	return startProgress(w, unit, total, time.Now())
}

func startProgress(w io.Writer, unit string, total int64, began time.Time) *progress {
	p := &progress{w: w, unit: unit, total: total, began: began}
	p.bar = p.make(total)
	p.bar.StartWithoutRender() // speed and time count from here on
	return p
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(file.Fd()))
}

// tally yields seq and shows how many elements went by. They may turn out to be more than was known.
func tally[V any](p *progress, seq iter.Seq2[V, error]) iter.Seq2[V, error] {
	if p == nil {
		return seq
	}
	return func(yield func(V, error) bool) {
		for v, err := range seq {
			if err == nil {
				if p.count++; p.count%progressStep == 0 {
					p.show(p.count, p.total)
				}
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// show says that done of total are done.
func (p *progress) show(done, total int64) {
	if p == nil {
		return
	}
	if !p.drawn && time.Since(p.began) < progressAfter {
		return
	}
	p.drawn = true
	if total != unknownTotal && done >= total {
		total = done + 1 // a full bar would end
	}
	if total != p.total {
		p.total = total
		p.bar.ChangeMax64(total)
	}
	_ = p.bar.Set64(done) // what cannot be drawn harms nothing
}

func (p *progress) make(total int64) *progressbar.ProgressBar {
	return progressbar.NewOptions64(
		total,
		progressbar.OptionSetWriter(p.w),
		progressbar.OptionSetItsString(p.unit),
		progressbar.OptionShowIts(),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(progressEvery),
		progressbar.OptionSetWidth(20),
		progressbar.OptionSetSpinnerChangeInterval(0), // drawn by us only
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetElapsedTime(total == unknownTotal),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "#", SaucerPadding: ".", BarStart: "[", BarEnd: "]"}),
	)
}

// end takes away what was drawn.
func (p *progress) end() {
	if p != nil && p.drawn {
		_ = p.bar.Clear()
	}
}

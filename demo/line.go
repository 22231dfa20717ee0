package demo

import (
	"os"

	"github.com/skerry-edge/skerry/sensors/pty"
)

// Line is a serial line for the weather station: a pseudo-terminal. It must be closed.
type Line struct{ pair *pty.Pair }

// OpenLine opens a line whose near end, which a gateway opens, is named path: an existing link is
// replaced.
func OpenLine(path string) (*Line, error) {
	pair, err := pty.Open()
	if err != nil {
		return nil, err
	}
	if err := pair.Link(path); err != nil {
		_ = pair.Close() // the link's error says more
		return nil, err
	}
	return &Line{pair}, nil
}

// Far returns the end at which the sensor sits. It belongs to the line.
func (l *Line) Far() *os.File { return l.pair.Far }

// Close unplugs the line.
func (l *Line) Close() error { return l.pair.Close() }

package line

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/skerry-edge/skerry/sensors"
)

// StuffBlock is how many readings of Stuff make a block of about 4 KiB.
const StuffBlock = 500

// Stuff puts readings into the line whose values have no pattern, until so many bytes of them are stored: 8 a reading.
func (l *Line) Stuff(ctx context.Context, bytes int) error {
	s, err := l.Table.Intern(sensors.Series{Name: "noise", Type: sensors.Float})
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable on purpose
	readings := bytes / 8
	for at := 0; at < readings; at += chunk {
		rs := make([]sensors.Reading, min(chunk, readings-at))
		for i := range rs {
			const quiet = math.MaxUint64 &^ (1 << 62) // no infinities and NaNs
			rs[i] = sensors.Reading{Series: s, Time: Start + int64(at+i)*1_000_000, Num: random.Uint64() & quiet}
		}
		if err := l.Put(ctx, rs); err != nil {
			return err
		}
	}
	return nil
}

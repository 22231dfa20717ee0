package rows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skerry-edge/skerry/bench/gateway"
	"github.com/skerry-edge/skerry/bench/load"
	"github.com/skerry-edge/skerry/bench/machine"
)

const startLimit = time.Minute

// startToAck starts the gateway and returns how long it took to the first acknowledged reading.
func startToAck(ctx context.Context, g *gateway.Gateway, group *machine.Cgroup) (time.Duration, error) {
	began := time.Now()
	if err := g.Launch(ctx, group); err != nil {
		return 0, err
	}
	for {
		err := load.Once(ctx, g.Addr)
		took := time.Since(began)
		if err == nil {
			return took, nil
		}
		if took > startLimit {
			return 0, fmt.Errorf("start to the first ack: %w", errors.Join(err, g.Kill()))
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return 0, err
		}
	}
}

package demo

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/sync/errgroup"
)

const (
	publishQoS    = 1
	keepAlive     = 30 * time.Second
	retryEvery    = time.Second
	quiesceMillis = 250
)

// PowerMeters are MQTT clients, a connection each, that publish JSON such as
// {"ts":1767225600000,"power":412.5,"energy":1203.117,"voltage":229.8} on site/home/meter-1 with QoS
// 1. ts is in milliseconds, power in W, energy in kWh, voltage in V.
type PowerMeters struct {
	broker string
	every  time.Duration
	clock  func() time.Time
	log    *slog.Logger

	models []*meter // each owned by its client's goroutine

	published, acked atomic.Uint64
}

// Topic is where meter number i, from 1, publishes.
func Topic(i int) string { return fmt.Sprintf("site/home/meter-%d", i) }

// Run publishes until ctx ends, then returns nil. A broker that is not there, or goes away, is tried
// again for ever; a message that it did not acknowledge is sent again.
func (p *PowerMeters) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for i, model := range p.models {
		group.Go(func() error {
			p.publish(ctx, i+1, model)
			return nil
		})
	}
	return group.Wait()
}

// publish is one meter's life. It has one message in flight at most, so Acked is exact.
func (p *PowerMeters) publish(ctx context.Context, number int, model *meter) {
	client := mqtt.NewClient(p.options(ctx, number))
	defer client.Disconnect(quiesceMillis)
	if !await(ctx, client.Connect()) {
		return
	}
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for {
		payload := model.next(p.clock()).json()
		token := client.Publish(Topic(number), publishQoS, false, payload)
		p.published.Add(1)
		if !await(ctx, token) {
			return
		}
		if err := token.Error(); err != nil {
			p.log.WarnContext(ctx, "demo meter could not publish", "meter", number, "err", err)
		} else {
			p.acked.Add(1)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// options sets a session up that outlives its connections: what is in flight is sent again.
func (p *PowerMeters) options(ctx context.Context, number int) *mqtt.ClientOptions {
	return mqtt.NewClientOptions().
		AddBroker("tcp://" + p.broker).
		SetClientID(fmt.Sprintf("demo-meter-%d", number)).
		SetCleanSession(false).
		SetKeepAlive(keepAlive).
		SetConnectRetry(true).
		SetConnectRetryInterval(retryEvery).
		SetMaxReconnectInterval(retryEvery).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) {
			p.log.InfoContext(ctx, "demo meter lost its connection", "meter", number, "err", err)
		})
}

// await waits until the token is done, and reports false when ctx ended first.
func await(ctx context.Context, token mqtt.Token) bool {
	select {
	case <-token.Done():
		return true
	case <-ctx.Done():
		return false
	}
}

// load is what a meter measures at one time.
type load struct {
	time    time.Time
	power   float64 // W
	energy  float64 // kWh
	voltage float64 // V
}

func (l load) json() string {
	return fmt.Sprintf(`{"ts":%d,"power":%.1f,"energy":%.4f,"voltage":%.1f}`, l.time.UnixMilli(), l.power, l.energy, l.voltage)
}

// meter is a household: a base load, a day's curve, and appliances that come and go.
type meter struct {
	last       time.Time
	energy     float64
	base       float64
	appliances drift
	grid, hiss drift
}

func newMeter(seed uint64, number int) *meter {
	rng := rand.New(rand.NewPCG(seed, uint64(number)+1)) //nolint:gosec // a household, no secret
	return &meter{
		energy:     1000 + 500*rng.Float64(),
		base:       120 + 200*rng.Float64(),
		appliances: drift{rng: rng, within: 25 * time.Second, size: 1},
		grid:       drift{rng: rng, within: 30 * time.Second, size: 1.5},
		hiss:       drift{rng: rng, within: 500 * time.Millisecond, size: 2},
	}
}

// next returns the load at now, which must not go back.
func (m *meter) next(now time.Time) load {
	var step time.Duration
	if !m.last.IsZero() {
		step = max(now.Sub(m.last), 0)
	}
	m.last = now
	appliances, grid, hiss := m.appliances.next(step), m.grid.next(step), m.hiss.next(step)
	power := m.base*(1.3+0.3*dayWave(now, 19)) + 2*math.Abs(hiss)
	if appliances > 0.5 {
		power += 900 * (appliances - 0.5) // a kettle, an oven
	}
	m.energy += power * step.Hours() / 1000
	return load{time: now, power: power, energy: m.energy, voltage: 230 + grid - power/1000}
}

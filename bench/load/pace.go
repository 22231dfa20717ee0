package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/skerry-edge/skerry/sensors/mqtt/mqtttest"
)

// Pace is a load with a rate: devices that each send a message of Fields values at a frequency, jittered by 5 ms.
type Pace struct {
	Addr    string
	QoS     byte
	Devices int
	Hertz   int
	For     time.Duration
}

// Fields is how many readings a message of a Pace has.
const Fields = 5

// Rate returns readings a second.
func (p Pace) Rate() int { return p.Devices * p.Hertz * Fields }

// String says what is sent.
func (p Pace) String() string {
	return fmt.Sprintf("QoS %d, %d devices × %d values × %d Hz", p.QoS, p.Devices, Fields, p.Hertz)
}

const (
	paceClients = 4
	paceWindow  = 1000
	jitter      = 5 // ms, to either side
)

// Run sends until the time is over or ctx ends, and waits for all acks. It returns how many readings it sent.
func (p Pace) Run(ctx context.Context) (readings int, err error) {
	var clients []*mqtttest.Client
	defer func() {
		for _, c := range clients {
			err = errors.Join(err, c.Disconnect())
		}
	}()
	for i := range paceClients {
		c, err := mqtttest.Dial(ctx, mqtttest.Options{Addr: p.Addr, ClientID: fmt.Sprintf("pace-%d", i), Window: paceWindow})
		if err != nil {
			return 0, err
		}
		clients = append(clients, c)
	}
	devices := make([]device, p.Devices)
	for i := range devices {
		devices[i] = newDevice(i)
	}
	sent, began := 0, time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for due := 0; time.Since(began) < p.For; due = int(time.Since(began).Seconds() * float64(p.Devices*p.Hertz)) {
		for ; sent < due; sent++ {
			d, c := &devices[sent%p.Devices], clients[sent%paceClients]
			if _, err := c.Publish(d.topic, d.next(began.Add(time.Duration(sent)*time.Second/time.Duration(p.Devices*p.Hertz))), p.QoS); err != nil {
				return 0, err
			}
		}
		for _, c := range clients {
			if err := c.Flush(); err != nil {
				return 0, err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	for _, c := range clients {
		if err := c.Drain(ctx); err != nil {
			return 0, err
		}
	}
	return sent * Fields, nil
}

// device walks in values of two decimals.
type device struct {
	topic  string
	random *rand.Rand
	values [Fields]int64
	text   []byte
}

func newDevice(number int) device {
	d := device{topic: fmt.Sprintf("bench/d%d", number), random: rand.New(rand.NewPCG(uint64(number), 3))} //nolint:gosec // repeatable on purpose
	for i := range d.values {
		d.values[i] = 1000 + d.random.Int64N(4000)
	}
	return d
}

func (d *device) next(at time.Time) []byte {
	d.text = append(d.text[:0], `{"ts":`...)
	d.text = strconv.AppendInt(d.text, at.UnixMilli()+d.random.Int64N(2*jitter+1)-jitter, 10)
	for i := range d.values {
		d.values[i] += d.random.Int64N(2*jitter+1) - jitter
		d.text = append(d.text, `,"value`...)
		d.text = append(d.text, byte('0'+i), '"', ':')
		d.text = strconv.AppendFloat(d.text, float64(d.values[i])/100, 'f', 2, 64)
	}
	return append(d.text, '}')
}

// Once publishes one message at QoS 1 and waits for its ack.
func Once(ctx context.Context, addr string) (err error) {
	c, err := mqtttest.Dial(ctx, mqtttest.Options{Addr: addr, ClientID: "once"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Disconnect()) }()
	if _, err := c.Publish("bench/once", NewMessage(1).Next(), 1); err != nil {
		return err
	}
	return c.Drain(ctx)
}

package mqtt

import (
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// rateWindow is how much of its rate a client may use at once.
const rateWindow = time.Second

// rates bounds what one client sends. Owned by the goroutine that reads.
//
// What comes is always taken, and paid for afterwards: a client in debt is not read until time has paid. So nothing is lost
// and no message is too large; the client's socket fills, which slows it and nobody else.
type rates struct {
	messages, bytes rate
}

// rate is a budget of perSecond tokens a second, 0 = without limit. A second's worth may be spent at once.
type rate struct {
	budget

	perSecond float64
}

func newRates(c *BrokerConfig) rates {
	return rates{messages: rate{perSecond: float64(c.MessageRate)}, bytes: rate{perSecond: float64(c.ByteRate)}}
}

func (r *rate) burst() float64 { return r.perSecond * rateWindow.Seconds() }

// over reports whether all of the rate is used. A message that comes before is taken whole, however large it is.
func (r *rate) over(now time.Time) bool {
	if r.perSecond == 0 {
		return false
	}
	r.refill(now, r.perSecond)
	return r.spent >= r.burst()
}

// pay spends cost, and returns for how long nothing more may come.
func (r *rate) pay(now time.Time, cost float64) time.Duration {
	if r.perSecond == 0 {
		return 0
	}
	r.refill(now, r.perSecond)
	r.spent += cost
	return time.Duration(max(0, r.spent-r.burst()) / r.perSecond * float64(time.Second))
}

// slow pays for a packet, waits while the client is in debt, and reports whether the connection is still open. Where that is
// configured, a message of QoS 0 that goes beyond the rate is dropped and costs nothing.
func (c *brokerConn) slow(kind, qos byte, size int) (drop, open bool) {
	r := &c.rates
	if r.messages.perSecond == 0 && r.bytes.perSecond == 0 {
		return false, true
	}
	now, messages := time.Now(), 0.0
	if kind == packets.Publish {
		messages = 1
	}
	droppable := kind == packets.Publish && qos == 0 && c.broker.config.OverRate == overRateDrop
	if droppable && (r.messages.over(now) || r.bytes.over(now)) {
		c.broker.messages.Add(1)
		c.broker.rateDropped.Add(1)
		return true, true
	}
	wait := max(r.messages.pay(now, messages), r.bytes.pay(now, float64(size)))
	if wait == 0 || droppable {
		return false, true
	}
	c.broker.rateWaits.Add(1)
	c.occupy()
	defer c.pacing.busy.Store(false)
	return false, c.sleep(wait)
}

// sleep waits, and reports whether the connection is still open. A connection that drains does not wait.
func (c *brokerConn) sleep(d time.Duration) bool {
	due := false
	timer := time.AfterFunc(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		due = true
		c.room.Broadcast()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.awaitLocked(func() bool { return due || c.draining.Load() })
}

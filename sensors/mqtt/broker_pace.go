package mqtt

import (
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
)

const (
	maxQueued     = 1000                   // messages of QoS 1 and 2 that one subscriber has not acknowledged; more are dropped
	paceOnce      = 250 * time.Millisecond // that one message waits for one subscriber
	paceCredit    = time.Second            // that messages may wait for subscribers in one go
	paceShare     = 10                     // of the time, one part in so many is what they may wait in the long run
	retainedAhead = 500                    // retained messages that are queued for a new subscriber before it has read those before
	caughtUpWith  = maxQueued / 2          // messages not acknowledged, at which a subscriber that was given up is waited for again
)

// pace is for how long publishers may yet wait for subscribers.
//
// Who publishes in bursts is faster than the best subscriber, and a full queue would lose messages that could have been
// delivered a moment later. So a message waits for a subscriber that keeps acknowledging. One that does not would then stop
// everybody: it is given up until it has caught up, and all waiting together is limited to a part of the time.
type pace struct {
	once, most time.Duration // paceOnce and paceCredit; tests whose subscriber starves for want of a core have more

	mu     sync.Mutex // guards what follows
	credit time.Duration
	at     time.Time // when credit was right
}

// allowed returns how long a message may wait now.
func (p *pace) allowed(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.credit = min(p.most, p.credit+now.Sub(p.at)/paceShare)
	p.at = now
	return max(0, min(p.credit, p.once))
}

// spend notes that a message waited.
func (p *pace) spend(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.credit -= d
}

// pacing is a connection's part in it.
type pacing struct {
	freed     chan struct{} // an ack came
	waited    atomic.Int32  // how many wait for acks
	abandoned atomic.Bool   // the client did not acknowledge in time
	busy      atomic.Bool   // the reader is not there to read acks
}

// awaitAcks waits until one more message may be queued for the client, within what is allowed.
func (b *Broker) awaitAcks(c *brokerConn, cl *mochi.Client) {
	full := func() bool { return cl.State.Inflight.Len() >= maxQueued || !b.mayHold(c, cl) }
	if !full() || c.pacing.abandoned.Load() || c.pacing.busy.Load() || c.life.Err() != nil {
		return
	}
	start := time.Now()
	timer := time.NewTimer(b.pace.allowed(start))
	defer timer.Stop()
	c.pacing.waited.Add(1)
	defer c.pacing.waited.Add(-1)
	defer func() { b.pace.spend(time.Since(start)) }()
	for full() && !c.pacing.busy.Load() {
		select {
		case <-c.pacing.freed:
		case <-c.life.ended:
			return
		case <-timer.C:
			c.pacing.abandoned.Store(true)
			return
		}
	}
}

// settled notes that the client acknowledged a message for good.
func (b *Broker) settled(cl *mochi.Client) {
	c, ok := connOf(cl)
	if !ok {
		return
	}
	if c.pacing.abandoned.Load() && cl.State.Inflight.Len() < caughtUpWith {
		c.pacing.abandoned.Store(false)
	}
	c.wakePaced()
}

// wakePaced makes one that waits for acks look again.
func (c *brokerConn) wakePaced() {
	if c.pacing.waited.Load() == 0 {
		return
	}
	select {
	case c.pacing.freed <- struct{}{}:
	default: // it is about to
	}
}

// occupy notes that the reader does not read for the time being: it waits itself, perhaps for those who wait for acks.
func (c *brokerConn) occupy() {
	c.pacing.busy.Store(true)
	c.wakePaced()
}

// beginRetained is called before the retained messages of a SUBSCRIBE are queued.
func (c *brokerConn) beginRetained() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retainedFrom, c.retainedSent = c.encoded, 0
}

// paceRetained is called after each of them. There may be more than the client's queue holds: it waits for the client to
// read them.
func (c *brokerConn) paceRetained() {
	c.retainedSent++
	if c.retainedSent%retainedAhead != 0 && c.broker.ahead.of(c) < aheadFree {
		return
	}
	late := false
	timer := time.AfterFunc(paceCredit, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		late = true
		c.room.Broadcast()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaitLocked(func() bool {
		return late || c.encoded+retainedAhead >= c.retainedFrom+c.retainedSent && c.broker.ahead.of(c) < aheadFree
	})
}

package mqtt

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// maxAddresses is of how many addresses a budget is remembered. Beyond, all others share one.
const maxAddresses = 1024

// addressKey returns what counts as one address: an IPv6 network of a site, 64 bits, is one, as whoever has it has all of it.
func addressKey(addr net.Addr) netip.Addr {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

// budget is a bucket of tokens. The zero budget is full.
type budget struct {
	spent float64
	at    time.Time
}

// refill gives back what time has brought, at rate tokens a second.
func (b *budget) refill(now time.Time, rate float64) {
	if d := now.Sub(b.at).Seconds(); d > 0 {
		b.spent = max(0, b.spent-d*rate)
	}
	b.at = now
}

// budgets are one budget for each address: burst tokens, of which rate come back each second. Safe for concurrent use.
type budgets struct {
	rate, burst float64

	mu     sync.Mutex // guards what follows
	byAddr map[netip.Addr]*budget
	others budget // of all addresses that have no place
}

func newBudgets(rate, burst float64) *budgets {
	return &budgets{rate: rate, burst: burst, byAddr: map[netip.Addr]*budget{}}
}

// of returns the budget of an address, refilled. Budgets that are full again make room. The caller holds mu.
func (b *budgets) ofLocked(addr netip.Addr, now time.Time) *budget {
	one := b.byAddr[addr]
	if one == nil && len(b.byAddr) >= maxAddresses {
		for key, have := range b.byAddr {
			if have.refill(now, b.rate); have.spent == 0 {
				delete(b.byAddr, key)
			}
		}
	}
	switch {
	case one != nil:
	case len(b.byAddr) >= maxAddresses:
		one = &b.others
	default:
		one = &budget{at: now}
		b.byAddr[addr] = one
	}
	one.refill(now, b.rate)
	return one
}

// take takes a token, and reports false when there is none.
func (b *budgets) take(addr netip.Addr, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.ofLocked(addr, now)
	if one.spent+1 > b.burst {
		return false
	}
	one.spent++
	return true
}

// left reports whether there is a token, and takes none.
func (b *budgets) left(addr netip.Addr, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.byAddr[addr]
	if one == nil {
		if len(b.byAddr) < maxAddresses {
			return true
		}
		one = &b.others
	}
	one.refill(now, b.rate)
	return one.spent+1 <= b.burst
}

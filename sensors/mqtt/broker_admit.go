package mqtt

import (
	"fmt"
	"net/netip"
	"time"
)

// addressShare of all places is what connections of one address without CONNECT may take: one part in so many.
const addressShare = 2

// admission is a connection's place among those that may be open. Owned by the connection's goroutine.
type admission struct {
	broker   *Broker
	addr     netip.Addr
	stranger bool // it has not been told that it is connected
}

// admit gives a new connection a place, or says why it gets none: a reason, empty when the broker stops, and words.
func (b *Broker) admit(addr netip.Addr) (place *admission, reason, what string) {
	if b.connects != nil && !b.connects.take(addr, time.Now()) {
		return nil, refusedRate, fmt.Sprintf("more than %d connections a second", b.config.ConnectRate)
	}
	places := b.config.MaxClients + strangers
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.stopping.Load():
		return nil, "", ""
	case b.open >= places:
		return nil, refusedFull, fmt.Sprintf("all %d places are taken", places)
	case b.waiting[addr] >= places/addressShare:
		return nil, refusedFull, fmt.Sprintf("%d connections of this address have not sent CONNECT", b.waiting[addr])
	}
	b.open++
	b.waiting[addr]++
	return &admission{broker: b, addr: addr, stranger: true}, "", ""
}

// welcomed notes that the connection is a client's.
func (a *admission) welcomed() {
	if a == nil || !a.stranger { // nil in tests
		return
	}
	a.broker.mu.Lock()
	defer a.broker.mu.Unlock()
	a.welcomedLocked()
}

func (a *admission) welcomedLocked() {
	if !a.stranger {
		return
	}
	a.stranger = false
	if a.broker.waiting[a.addr]--; a.broker.waiting[a.addr] == 0 {
		delete(a.broker.waiting, a.addr)
	}
}

// leave gives the place back.
func (a *admission) leave() {
	a.broker.mu.Lock()
	defer a.broker.mu.Unlock()
	a.welcomedLocked()
	a.broker.open--
}

// claim says whose a client id is while there are connections that want it. A session says so for longer.
type claim struct {
	owner string
	count int
}

// claim reserves a client id for a user, until unclaim, and reports false when it is another user's: whoever came with another
// user's id would take that one's subscriptions, and what waits for it.
func (b *Broker) claim(id, user string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.sessions[id]; s != nil && s.owner != user {
		return false
	}
	have, ok := b.claims[id]
	if ok && have.owner != user {
		return false
	}
	b.claims[id] = claim{owner: user, count: have.count + 1}
	return true
}

func (b *Broker) unclaim(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	have := b.claims[id]
	if have.count--; have.count <= 0 {
		delete(b.claims, id)
		return
	}
	b.claims[id] = have
}

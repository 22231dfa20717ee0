package api

import (
	"net/netip"
	"sync"
	"time"
)

// How often an address may give a wrong token.
const (
	maxGuesses         = 10              // at once
	guessEvery         = 6 * time.Second // one more after each of these
	maxGuessers        = 1024            // addresses remembered; all others share one budget
	guessesTroubleTime = 5 * time.Minute // how long they are worth telling
)

// guesses counts wrong tokens by address. Safe for concurrent use.
type guesses struct {
	mu     sync.Mutex // guards what follows
	by     map[netip.Addr]*guesser
	others guesser
	last   netip.Addr // who guessed last
	lastAt time.Time
	since  time.Time // when the guesses that are worth telling began
}

// guesser is one address. It has spent tries, of which time gives some back.
type guesser struct {
	spent float64
	at    time.Time
}

func newGuesses() *guesses { return &guesses{by: map[netip.Addr]*guesser{}} }

func (g *guesser) refill(now time.Time) {
	if d := now.Sub(g.at); d > 0 {
		g.spent = max(0, g.spent-float64(d)/float64(guessEvery))
	}
	g.at = now
}

// wait returns how long an address has to wait until it may try again; 0: it may.
func (g *guesses) wait(addr netip.Addr, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.by[addr]
	if one == nil {
		if len(g.by) < maxGuessers {
			return 0
		}
		one = &g.others
	}
	one.refill(now)
	return time.Duration(max(0, one.spent+1-maxGuesses) * float64(guessEvery))
}

// wrong notes a wrong token.
func (g *guesses) wrong(addr netip.Addr, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.lastAt) >= guessesTroubleTime {
		g.since = now
	}
	g.last, g.lastAt = addr, now
	one := g.by[addr]
	if one == nil && len(g.by) >= maxGuessers {
		for key, have := range g.by {
			if have.refill(now); have.spent == 0 {
				delete(g.by, key)
			}
		}
	}
	switch {
	case one != nil:
	case len(g.by) >= maxGuessers:
		one = &g.others
	default:
		one = &guesser{at: now}
		g.by[addr] = one
	}
	one.refill(now)
	one.spent++
}

// recent returns who guessed last, and since when there are guesses, where that is worth telling; else "".
func (g *guesses) recent(now time.Time) (from string, since time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lastAt.IsZero() || now.Sub(g.lastAt) >= guessesTroubleTime {
		return "", time.Time{}
	}
	return g.last.String(), g.since
}

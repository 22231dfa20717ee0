package mqtt

import (
	"context"
	"time"
)

// lifetime is the context of something that ends by itself, such as a connection: what waits on its
// behalf stops waiting when it ends.
type lifetime struct{ ended chan struct{} }

func newLifetime() lifetime { return lifetime{ended: make(chan struct{})} }

// end ends it. To be called once.
func (l lifetime) end() { close(l.ended) }

// Deadline returns none.
func (l lifetime) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done is closed at the end.
func (l lifetime) Done() <-chan struct{} { return l.ended }

// Err returns context.Canceled after the end.
func (l lifetime) Err() error {
	select {
	case <-l.ended:
		return context.Canceled
	default:
		return nil
	}
}

// Value returns nothing.
func (l lifetime) Value(any) any { return nil }

package mqtt

import (
	"context"
	"sync"
)

// clientWindowBytes bounds the payloads of the messages in flight; one message always fits.
const clientWindowBytes = 16 << 20

// clientWindow bounds what was taken from the broker and is not yet durable, over all connections of
// a client: messages and their bytes. One goroutine acquires; any goroutine releases.
type clientWindow struct {
	maxCount int
	maxBytes int64
	freed    chan struct{} // capacity 1

	mu    sync.Mutex
	count int
	bytes int64
}

func newClientWindow(maxCount int) *clientWindow {
	return &clientWindow{maxCount: maxCount, maxBytes: clientWindowBytes, freed: make(chan struct{}, 1)}
}

// acquire blocks until there is room for a message of size bytes; false when ctx ended first.
func (w *clientWindow) acquire(ctx context.Context, size int) bool {
	for !w.tryAcquire(int64(size)) {
		select {
		case <-w.freed:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (w *clientWindow) tryAcquire(size int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count >= w.maxCount || w.count > 0 && w.bytes+size > w.maxBytes {
		return false
	}
	w.count++
	w.bytes += size
	return true
}

// release gives back what acquire took. It never blocks.
func (w *clientWindow) release(size int) {
	w.mu.Lock()
	w.count--
	w.bytes -= int64(size)
	w.mu.Unlock()
	select {
	case w.freed <- struct{}{}:
	default:
	}
}

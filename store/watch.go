package store

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/store/journal"
)

// ErrSlowReader ends the stream of a watcher that did not keep up.
var ErrSlowReader = errors.New("the reader is too slow: readings were skipped")

// watchQueue is how many chunks wait for one watcher.
const watchQueue = 256

// watchers are those who want to see readings as they become durable.
type watchers struct {
	mu     sync.Mutex
	all    map[*watcher]struct{}
	closed bool
}

type watcher struct {
	collection string
	chunks     chan []sensors.Reading
	slow       bool // guarded by watchers.mu; set before chunks is closed
}

// Watch streams the readings of a collection that become durable from now on, until ctx ends or the
// store closes. A reader that is more than 256 groups behind gets ErrSlowReader as the last element.
func (db *DB) Watch(ctx context.Context, collection string) iter.Seq2[sensors.Row, error] {
	w := &watcher{collection: collection, chunks: make(chan []sensors.Reading, watchQueue)}
	db.watchers.add(w)
	author := db.author.String()
	return func(yield func(sensors.Row, error) bool) {
		defer db.watchers.remove(w)
		for {
			select {
			case <-ctx.Done():
				return
			case rs, open := <-w.chunks:
				if !open {
					if db.watchers.wasSlow(w) {
						yield(sensors.Row{}, ErrSlowReader)
					}
					return
				}
				for i := range rs {
					if !yield(sensors.Row{Reading: rs[i], Author: author}, nil) {
						return
					}
				}
			}
		}
	}
}

// tell passes new chunks on. It never blocks: a full watcher is ended.
func (ws *watchers) tell(chunks []journal.Chunk) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		for _, c := range chunks {
			if c.Collection != w.collection {
				continue
			}
			select {
			case w.chunks <- c.Readings:
				continue
			default:
			}
			w.slow = true
			close(w.chunks)
			delete(ws.all, w)
			break
		}
	}
}

func (ws *watchers) add(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.closed {
		close(w.chunks)
		return
	}
	if ws.all == nil {
		ws.all = map[*watcher]struct{}{}
	}
	ws.all[w] = struct{}{}
}

func (ws *watchers) remove(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.all, w)
}

func (ws *watchers) wasSlow(w *watcher) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return w.slow
}

func (ws *watchers) close() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.closed = true
	for w := range ws.all {
		close(w.chunks)
	}
	ws.all = nil
}

package store

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/store/journal"
)

// ErrSlowReader ends the stream of a watcher that did not keep up.
var ErrSlowReader = errors.New("the reader is too slow: readings were skipped")

// What may wait for one watcher.
const (
	watchQueue    = 256     // chunks
	watchReadings = 131_072 // in them, before the latest group
)

// watchers are those who want to see readings as they become durable.
type watchers struct {
	mu     sync.Mutex
	all    map[*watcher]struct{}
	closed bool
}

type watcher struct {
	collection string
	chunks     chan []sensors.Reading
	waiting    atomic.Int64 // readings in chunks
	slow       bool         // guarded by watchers.mu; set before chunks is closed
}

// Watch streams the readings that become durable from now on and that q's collection, series, tags and author select, until ctx
// ends or the store closes. A reader that is more than 256 groups or 131,072 readings behind gets ErrSlowReader as
// the last element.
func (db *DB) Watch(ctx context.Context, q Query) iter.Seq2[sensors.Row, error] {
	w := &watcher{collection: q.Collection, chunks: make(chan []sensors.Reading, watchQueue)}
	db.watchers.add(w)
	author := db.author.String()
	s := &snapshot{q: q, wants: map[*sensors.Series]bool{}}
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
				w.waiting.Add(-int64(len(rs)))
				for i := range rs {
					if !q.writtenBy(author) || !s.wanted(rs[i].Series) {
						continue
					}
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
		if !w.take(chunks) {
			w.slow = true
			close(w.chunks)
			delete(ws.all, w)
		}
	}
}

// take queues a group's chunks, and returns false where too much waits already.
func (w *watcher) take(chunks []journal.Chunk) bool {
	full := w.waiting.Load() > watchReadings
	for _, c := range chunks {
		if c.Collection != w.collection {
			continue
		}
		if full {
			return false
		}
		w.waiting.Add(int64(len(c.Readings))) // before the reader can take them off
		select {
		case w.chunks <- c.Readings:
		default:
			return false
		}
	}
	return true
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

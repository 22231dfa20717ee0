// Package ingest turns readings into blocks: filtering, group commit, sealing.
//
// # Filtering
//
// A Filter stands between one source and the pipeline, where the source has a dedup or rules of series: see Filter.
//
// # Group commit
//
// Add and Offer put batches into the open group. One committer takes the group, has the journal write
// and sync it, and tells everyone in it. There is no timer: a group is what arrived during the sync
// before, and an idle committer starts at once. With durability "interval" a group is held: batches
// that cannot wait for at most Interval, one that waits for its acknowledgement for at most AckMaxWait.
//
// # Sealing
//
// The sealer looks at what is journalled and in no block yet, collection by collection, and makes
// blocks of it: see Collection for when. It is one goroutine of its own, so a slow seal never delays an
// acknowledgement, until MaxUnsealed readings wait: then the committer waits too.
//
// # Back-pressure
//
// Add blocks while its queue is full; Offer drops the oldest offered batch and counts a loss, which
// is journalled with the next group and goes into the meta feed with the next block.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// Store is where readings become durable: a journal, and blocks. After an error of Append or Seal
// nothing of the call counts as done.
type Store interface {
	// Append journals a group with one sync.
	Append(batches []sensors.Batch, losses []sensors.Loss) error
	// Unsealed counts readings, losses and bytes of strings that are journalled and in no block.
	Unsealed(collection string) (readings, losses, text int)
	// Peek appends the oldest of the readings to dst, at most limit and only such as share a clock.
	Peek(collection string, dst []sensors.Reading, limit int) ([]sensors.Reading, sensors.ClockBase)
	// Losses returns the losses that go into blocks together with the first so many readings.
	Losses(collection string, readings int) []sensors.Loss
	// Seal commits blocks that hold the first readings and losses.
	Seal(collection string, blocks []*crdt.Block, readings, losses int) error
}

// Config says how the pipeline waits and how much it holds; the zero value of a field means its default.
type Config struct {
	Hold        bool          // durability "interval"
	Interval    time.Duration // with Hold; default 10 s
	AckMaxWait  time.Duration // with Hold; default 1 s
	QueueBytes  int           // memory of waiting batches, for Add and for Offer each; a group under way takes as much again; default 6 MiB
	MaxUnsealed int           // readings in no block at which the committer waits for the sealer; default 131,072
}

// maxUnsealedText is how many bytes of strings may be in no block before the committer waits.
const maxUnsealedText = 16 << 20

func (c *Config) ensureDefaults() {
	if c.Interval == 0 {
		c.Interval = 10 * time.Second
	}
	if c.AckMaxWait == 0 {
		c.AckMaxWait = time.Second
	}
	if c.QueueBytes == 0 {
		c.QueueBytes = 6 << 20
	}
	if c.MaxUnsealed == 0 {
		c.MaxUnsealed = 131_072
	}
}

// Clock says what time it is and whether that is known.
type Clock func() (now time.Time, synced bool)

// Stats are sums since the pipeline started. At every moment Decoded = Stored + Filtered + Lost +
// Refused + Queued.
type Stats struct {
	Decoded  uint64 // readings offered
	Stored   uint64 // readings journalled
	Filtered uint64 // readings that a source's filter dropped
	Lost     uint64 // readings that a full queue dropped
	Refused  uint64 // readings of batches whose storage failed: their senders were told
	Queued   uint64 // readings under way
	Groups   uint64 // group commits
	Seals    uint64
	Blocks   uint64 // data blocks
	Failing  error  // of the last group, or of any collection's last seal; nil when all went well
}

// Pipeline is the way from decoded readings to durable blocks. Safe for concurrent use.
type Pipeline struct {
	store Store
	clock Clock
	log   *slog.Logger

	queue *queue
	wake  chan struct{} // tells the sealer that something was journalled
	room  chan struct{} // tells the committer that something was sealed

	settings atomic.Pointer[settings]

	filtered              atomic.Uint64
	groups, seals, blocks atomic.Uint64

	failing failing
}

// New makes a pipeline over the collections. Run starts it.
func New(cfg Config, store Store, collections []*Collection, clock Clock, log *slog.Logger) *Pipeline {
	cfg.ensureDefaults()
	p := &Pipeline{
		store: store, clock: clock, log: log,
		queue: newQueue(cfg.QueueBytes),
		wake:  make(chan struct{}, 1),
		room:  make(chan struct{}, 1),
	}
	first := &settings{cfg: cfg, collections: make(map[string]*Collection, len(collections))}
	for _, c := range collections {
		first.collections[c.name] = c
	}
	p.settings.Store(first)
	return p
}

// Run commits and seals until ctx ends; then it commits what is queued, seals everything, and returns.
// Sources must have stopped before, or their late batches are refused.
func (p *Pipeline) Run(ctx context.Context) error {
	committed := make(chan struct{})
	var g errgroup.Group
	g.Go(func() error {
		defer close(committed)
		p.commitLoop(ctx)
		return nil
	})
	g.Go(func() error { return p.sealLoop(committed) })
	if err := g.Wait(); err != nil {
		return fmt.Errorf("seal at the end: %w", err)
	}
	return nil
}

// Add implements sensors.Sink.
func (p *Pipeline) Add(ctx context.Context, b sensors.Batch, done func(error)) error {
	if p.collection(b.Collection) == nil {
		return fmt.Errorf("collection %q is not configured", b.Collection)
	}
	return p.queue.add(ctx, entry{batch: b, done: done})
}

// Offer implements sensors.Sink.
func (p *Pipeline) Offer(b sensors.Batch, done func(error)) {
	if p.collection(b.Collection) == nil {
		e := entry{done: done}
		e.tell(fmt.Errorf("collection %q is not configured", b.Collection))
		return
	}
	p.queue.offer(entry{batch: b, done: done})
}

// Stats returns the sums.
func (p *Pipeline) Stats() Stats {
	n := p.queue.count()
	filtered := p.filtered.Load()
	return Stats{
		Decoded: n.decoded + filtered, Stored: n.stored, Filtered: filtered, Lost: n.lost, Refused: n.refused,
		Queued: n.queued, Groups: p.groups.Load(), Seals: p.seals.Load(), Blocks: p.blocks.Load(),
		Failing: p.failing.err(),
	}
}

// QueueStats describes the two queues: batches that wait for their acknowledgement, and batches that
// cannot wait.
func (p *Pipeline) QueueStats() (waiting, offered QueueStats) { return p.queue.stats() }

// failing is what goes wrong just now.
type failing struct {
	mu        sync.Mutex
	committed error
	sealed    map[string]error // by collection
}

func (f *failing) commit(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.committed = err
}

func (f *failing) seal(collection string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sealed == nil {
		f.sealed = map[string]error{}
	}
	f.sealed[collection] = err
}

func (f *failing) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.committed != nil {
		return f.committed
	}
	for _, err := range f.sealed {
		if err != nil {
			return err
		}
	}
	return nil
}

// errStopped refuses batches that come after the end.
var errStopped = errors.New("the gateway is stopping")

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is pending already
	}
}

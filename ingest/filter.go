package ingest

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skerry-edge/skerry/sensors"
)

// Filter stands between one source and the pipeline and drops what its dedup and its rules do not keep. Each reading
// is judged once, in the order of the calls.
//
// # What a dropped reading rests on
//
// A reading is dropped because of another one of its series, and says the same as that one only if that one is kept
// for good. So a message is acknowledged when its own readings are durable and those that it was compared with are.
// Mostly they have long been, and a message of which nothing is left is acknowledged at once: it costs no write.
//
// Comparing only with what is durable already is not enough: during a sync, or the 10 s of durability "interval",
// nothing would be dropped. So a reading counts as the last one from the moment it is judged, its ticket stands for its
// commit, and messages whose readings were dropped because of it follow the ticket. When the commit fails, the
// series is as if nothing was ever kept of it, and the followers are told the error: their senders send again, and
// the first of their readings is kept.
//
// What cannot wait (Offer) does not follow: nobody is promised anything.
//
// # Bounds
//
// About 100 bytes for each series, at most four definitions (one a type) times the source's max_series, and up to 64
// bytes more for a string. Followers are messages whose senders wait for their acknowledgement, so doors bound them.
type Filter struct {
	pipeline  *Pipeline
	rules     sensors.Choice[*ready]
	maxSeries int
	began     time.Time
	seed      maphash.Seed
	dropped   atomic.Uint64 // readings

	mu     sync.Mutex // guards what follows, and all tickets
	*dedup            // nil: off
	series map[*sensors.Series]*lastKept
	all    lastKept // of every series without a rule
	spare  []*ticket
	fresh  []ticket // never used
}

// FilterConfig says what a Filter drops; the zero value drops nothing.
type FilterConfig struct {
	DedupWindow time.Duration   // 0: no dedup
	Rules       map[string]Rule // by the series' name or a glob of names: the exact name wins, then the longest glob
	MaxSeries   int             // definitions of series; what comes beyond is kept unseen
}

// lastKept is what a Filter knows of a series.
type lastKept struct {
	rule  *ready // nil: everything is kept
	kept  kept
	known bool
	by    *ticket // whose commit the last kept reading waits for; nil: it is durable
}

// ticket is a batch whose outcome is awaited: its commit, if it has one, and those of the batches that it follows.
type ticket struct {
	filter    *Filter
	committed func(error) // what the pipeline is to call; made when it is needed first
	done      func(error)
	readings  []sensors.Reading // to be committed
	offered   bool
	followers []*ticket
	left      int // outcomes that are awaited
	err       error
}

const (
	maxSpare   = 4096 // tickets kept to be used again
	ticketSlab = 32   // tickets allocated at once
)

// NewFilter wraps the pipeline for one source.
func NewFilter(p *Pipeline, c FilterConfig) *Filter {
	now := time.Now()
	f := &Filter{
		pipeline: p, maxSeries: c.MaxSeries, began: now, seed: maphash.MakeSeed(), series: map[*sensors.Series]*lastKept{},
	}
	if c.DedupWindow > 0 {
		f.dedup = newDedup(c.DedupWindow, now)
	}
	rules := map[string]*ready{}
	for match, rule := range c.Rules {
		rules[match] = nil
		if rule.Filters() {
			rules[match] = newReady(rule)
		}
	}
	f.rules = sensors.NewChoice(rules)
	return f
}

// Filtered returns how many readings were dropped.
func (f *Filter) Filtered() uint64 { return f.dropped.Load() }

// Add implements sensors.Sink.
func (f *Filter) Add(ctx context.Context, b sensors.Batch, done func(error)) error {
	offered := len(b.Readings)
	t, commit := f.judge(&b, done, time.Now(), false)
	if commit {
		if err := f.pipeline.Add(ctx, b, t.committed); err != nil {
			f.abandon(t, err)
			return err
		}
	}
	f.count(offered - len(b.Readings))
	if t == nil && done != nil {
		done(nil)
	}
	return nil
}

// Offer implements sensors.Sink.
func (f *Filter) Offer(b sensors.Batch, done func(error)) {
	offered := len(b.Readings)
	t, commit := f.judge(&b, done, time.Now(), true)
	f.count(offered - len(b.Readings))
	if commit {
		f.pipeline.Offer(b, t.committed)
	}
	if t == nil && done != nil {
		done(nil)
	}
}

func (f *Filter) count(dropped int) {
	f.dropped.Add(uint64(dropped))           //nolint:gosec // not negative
	f.pipeline.filtered.Add(uint64(dropped)) //nolint:gosec // not negative
}

// judge leaves in b what is to be kept, in the same memory. commit says that b is for the pipeline, even where nothing is left in
// it. It returns no ticket when nothing is awaited.
func (f *Filter) judge(b *sensors.Batch, done func(error), now time.Time, offered bool) (t *ticket, commit bool) {
	at := int64(now.Sub(f.began))
	left := b.Readings[:0]
	repeats := false
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dedup != nil {
		f.turn(now)
	}
	for i := range b.Readings {
		r := &b.Readings[i]
		if f.dedup != nil && f.knows(r, now) {
			repeats = true
			continue
		}
		s := f.lastLocked(r.Series)
		if s.rule != nil {
			next := keep(r, at, f.seed)
			if s.known && !s.rule.takes(&s.kept, &next, r.Series.Type) {
				if s.by != nil && s.by != t && !offered {
					t = f.ticketLocked(t)
					commit = t.followLocked(s.by) || commit
				}
				continue
			}
			t = f.ticketLocked(t)
			s.kept, s.known, s.by = next, true, t
		}
		left = append(left, *r)
	}
	clear(b.Readings[len(left):])
	b.Readings = left
	// The origin of a repeat is journalled: when it comes again after a restart, nothing else recognises it.
	if commit = commit || len(left) > 0 || repeats && b.Origin != nil; commit {
		t = f.ticketLocked(t)
		if t.committed == nil {
			t.committed = t.commitDone
		}
		t.readings = left
		t.left++
	}
	if t != nil {
		t.done, t.offered = done, offered
	}
	return t, commit
}

// lastLocked returns what is known of a series.
func (f *Filter) lastLocked(series *sensors.Series) *lastKept {
	if s := f.series[series]; s != nil {
		return s
	}
	rule, _ := f.rules.Of(series.Name)
	if len(f.series) >= f.maxSeries {
		return &f.all
	}
	s := &f.all
	if rule != nil {
		s = &lastKept{rule: rule}
	}
	f.series[series] = s
	return s
}

func (f *Filter) ticketLocked(have *ticket) *ticket {
	if have != nil {
		return have
	}
	if n := len(f.spare); n > 0 {
		t := f.spare[n-1]
		f.spare = f.spare[:n-1]
		return t
	}
	if len(f.fresh) == 0 {
		f.fresh = make([]ticket, ticketSlab)
	}
	t := &f.fresh[0]
	f.fresh = f.fresh[1:]
	t.filter = f
	return t
}

// followLocked lets t await the outcome of other's commit. It reports whether t must go through the pipeline itself for
// that to be in time: what is offered may be held, or tried again, for longer than a sender waits.
func (t *ticket) followLocked(other *ticket) (commit bool) {
	if n := len(other.followers); n == 0 || other.followers[n-1] != t {
		other.followers = append(other.followers, t)
		t.left++
	}
	return other.offered
}

// commitDone takes the outcome of t's commit.
func (t *ticket) commitDone(err error) { t.filter.settle(t, err) }

// abandon forgets a batch that the pipeline did not take: its done is never called.
func (f *Filter) abandon(t *ticket, err error) {
	f.mu.Lock()
	t.done = nil
	f.mu.Unlock()
	f.settle(t, err)
}

// settle tells t and its followers the outcome of t's commit.
func (f *Filter) settle(t *ticket, err error) {
	f.mu.Lock()
	if err == nil && f.dedup != nil {
		f.remember(t.readings, time.Now())
	}
	for i := range t.readings {
		if s := f.series[t.readings[i].Series]; s != nil && s.by == t {
			s.by, s.known = nil, err == nil
		}
	}
	followers := t.followers
	t.readings, t.followers = nil, nil
	own := f.outcomeLocked(t, err)
	f.mu.Unlock()
	own.tell()
	if err != nil && len(followers) > 0 {
		err = fmt.Errorf("store the reading that another was compared with: %w", err)
	}
	for _, other := range followers {
		f.mu.Lock()
		o := f.outcomeLocked(other, err)
		f.mu.Unlock()
		o.tell()
	}
}

// outcome is whom to tell what.
type outcome struct {
	done func(error)
	err  error
}

func (o outcome) tell() {
	if o.done != nil {
		o.done(o.err)
	}
}

// outcomeLocked counts one outcome that t awaited. After the last one t is not t any more: it may be used again.
func (f *Filter) outcomeLocked(t *ticket, err error) outcome {
	if err != nil {
		t.err = err
	}
	if t.left--; t.left > 0 {
		return outcome{}
	}
	o := outcome{t.done, t.err}
	t.done, t.err, t.offered = nil, nil, false
	if len(f.spare) < maxSpare {
		f.spare = append(f.spare, t)
	}
	return o
}

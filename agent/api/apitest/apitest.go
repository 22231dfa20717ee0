// Package apitest checks that a backend keeps the promises of package api, and has a small one in memory.
package apitest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/sensors"
)

// tailRows is how many rows a tail's reader may be behind.
const tailRows = 1024

// Memory is a backend over slices of rows. Safe for concurrent use.
type Memory struct {
	id api.ID

	mu          sync.Mutex // guards what follows
	status      api.Status
	damage      []api.Damage
	cut         error // of streams of blocks
	collections map[string]*collection
	sources     map[string]*sensors.Tally
}

type collection struct {
	precision sensors.Precision
	rows      []sensors.Row // in the order of compare
	tails     map[*tail]bool
	ledger    ledger
}

type tail struct {
	q    api.Query
	rows chan sensors.Row
	slow chan struct{} // closed when rows overflowed
}

var _ api.Backend = (*Memory)(nil)

// NewMemory returns a backend without collections for the gateway id.
func NewMemory(id api.ID) *Memory {
	return &Memory{id: id, status: api.Status{Name: id.Name, Peer: id.Peer}, collections: map[string]*collection{}, sources: map[string]*sensors.Tally{}}
}

// Source adds a source, or returns the one that has the name: what its tally shows is what taps see.
func (m *Memory) Source(name string) *sensors.Tally {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sources[name] == nil {
		m.sources[name] = sensors.NewTally("test", name, time.Now())
	}
	return m.sources[name]
}

// Tap streams what a source's tally shows.
func (m *Memory) Tap(ctx context.Context, source string) (api.Inputs, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tally := m.sources[source]
	if tally == nil {
		return api.Inputs{}, &api.NoSourceError{Name: source, Known: slices.Sorted(maps.Keys(m.sources))}
	}
	tap := tally.Tap()
	context.AfterFunc(ctx, tap.Close)
	return api.Inputs{Precision: sensors.Milliseconds, Seq: func(yield func(sensors.Input, error) bool) {
		defer tap.Close()
		for {
			select {
			case <-ctx.Done():
				return
			case in := <-tap.Inputs():
				if !yield(in, nil) {
					return
				}
			}
		}
	}}, nil
}

// Configure adds an empty collection.
func (m *Memory) Configure(name string, precision sensors.Precision) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.collections[name] = &collection{precision: precision, tails: map[*tail]bool{}}
}

// SetStatus sets what Status answers.
func (m *Memory) SetStatus(status api.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status = status
}

// SetDamage sets what Verify finds.
func (m *Memory) SetDamage(damage ...api.Damage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.damage = damage
}

// Add stores readings, which are durable when it returns. Times are rounded to the collection's precision.
func (m *Memory) Add(_ context.Context, name string, readings []sensors.Reading) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.collectionLocked(name)
	if err != nil {
		return err
	}
	for _, reading := range readings {
		reading.Time = c.precision.Round(reading.Time)
		row := sensors.Row{Reading: reading, Author: m.id.Peer}
		c.rows = append(c.rows, row)
		for t := range c.tails {
			if !selects(t.q, row) {
				continue
			}
			select {
			case t.rows <- row:
			default:
				close(t.slow)
				delete(c.tails, t)
			}
		}
	}
	slices.SortStableFunc(c.rows, compare)
	return c.ledger.add(name, c.precision, readings)
}

// compare is the order of views: time, then series, then author.
func compare(a, b sensors.Row) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), compareSeries(a.Series, b.Series), cmp.Compare(a.Author, b.Author))
}

func compareSeries(a, b *sensors.Series) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), slices.CompareFunc(a.Tags, b.Tags, func(a, b sensors.Tag) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value, b.Value))
	}))
}

func (m *Memory) collectionLocked(name string) (*collection, error) {
	if c := m.collections[name]; c != nil {
		return c, nil
	}
	return nil, &api.NoCollectionError{Name: name, Known: m.namesLocked()}
}

func (m *Memory) namesLocked() []string {
	var names []string
	for name := range m.collections {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ID says who the gateway is.
func (m *Memory) ID(context.Context) (api.ID, error) { return m.id, nil }

// Status says what SetStatus set.
func (m *Memory) Status(context.Context) (api.Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status, nil
}

// Collections lists the collections.
func (m *Memory) Collections(context.Context) ([]api.Collection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []api.Collection
	for _, name := range m.namesLocked() {
		rows := m.collections[name].rows
		c := api.Collection{Name: name, Kind: "events", Readings: uint64(len(rows)), Digest: digest(rows), Complete: true}
		if len(rows) > 0 {
			first, last := time.Unix(0, rows[0].Time).UTC(), time.Unix(0, rows[len(rows)-1].Time).UTC()
			c.First, c.Last = &first, &last
			c.Blocks, c.Bytes = 1, uint64(len(rows))
		}
		all = append(all, c)
	}
	return all, nil
}

func digest(rows []sensors.Row) string { return fmt.Sprintf("%064x", len(rows)) }

// Verify says what SetDamage set.
func (m *Memory) Verify(_ context.Context, progress func(api.Progress)) (api.Verification, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if progress != nil {
		progress(api.Progress{Blocks: 1, Of: 2})
		progress(api.Progress{Blocks: 2, Of: 2})
	}
	v := api.Verification{OK: len(m.damage) == 0, Collections: []api.VerifiedCollection{}, Damage: []api.Damage{}, Repaired: []api.Damage{}}
	for _, name := range m.namesLocked() {
		rows := m.collections[name].rows
		v.Collections = append(v.Collections, api.VerifiedCollection{
			Name: name, Digest: digest(rows), Complete: true, Blocks: uint64(min(len(rows), 1)), Readings: uint64(len(rows)),
		})
	}
	v.Damage = append(v.Damage, m.damage...)
	return v, nil
}

// Query streams the rows that q selects, as they were when it was called.
func (m *Memory) Query(ctx context.Context, q api.Query) (api.Rows, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.collectionLocked(q.Collection)
	if err != nil {
		return api.Rows{}, err
	}
	if q.Author, err = m.author(q.Author); err != nil {
		return api.Rows{}, err
	}
	rows := slices.DeleteFunc(slices.Clone(c.rows), func(row sensors.Row) bool { return !selects(q, row) })
	if q.Newest {
		slices.Reverse(rows)
	}
	if q.Limit > 0 && int64(len(rows)) > q.Limit {
		rows = rows[:q.Limit]
	}
	return api.Rows{Precision: c.precision, Seq: func(yield func(sensors.Row, error) bool) {
		for _, row := range rows {
			if err := ctx.Err(); err != nil {
				yield(sensors.Row{}, fmt.Errorf("query: %w", err))
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}}, nil
}

// author returns the peer ID that a query's author means.
func (m *Memory) author(name string) (string, error) {
	switch {
	case name == m.id.Name:
		return m.id.Peer, nil
	case name == "" || strings.HasPrefix(name, "12D3KooW"):
		return name, nil
	}
	return "", fmt.Errorf("%w: %q", api.ErrNoAuthor, name)
}

func selects(q api.Query, row sensors.Row) bool {
	if row.Time < q.From || q.To != 0 && row.Time >= q.To || q.Series != "" && !matches(q.Series, row.Series.Name) {
		return false
	}
	if q.Author != "" && q.Author != row.Author {
		return false
	}
	for _, tag := range q.Tags {
		if value, ok := row.Series.Tag(tag.Key); !ok || value != tag.Value {
			return false
		}
	}
	return true
}

// matches reports whether name fits glob, in which * matches any characters.
func matches(glob, name string) bool {
	parts := strings.Split(glob, "*")
	rest, ok := strings.CutPrefix(name, parts[0])
	if len(parts) == 1 {
		return ok && rest == ""
	}
	for _, part := range parts[1 : len(parts)-1] {
		if !ok {
			return false
		}
		_, rest, ok = strings.Cut(rest, part)
	}
	return ok && strings.HasSuffix(rest, parts[len(parts)-1])
}

// Tail streams the rows that are added from now on and that q selects.
func (m *Memory) Tail(ctx context.Context, q api.Query) (api.Rows, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.collectionLocked(q.Collection)
	if err != nil {
		return api.Rows{}, err
	}
	q = api.Query{Collection: q.Collection, Series: q.Series, Tags: q.Tags, Author: q.Author}
	if q.Author, err = m.author(q.Author); err != nil {
		return api.Rows{}, err
	}
	t := &tail{q: q, rows: make(chan sensors.Row, tailRows), slow: make(chan struct{})}
	c.tails[t] = true
	leave := func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(c.tails, t)
	}
	context.AfterFunc(ctx, leave)
	return api.Rows{Precision: c.precision, Seq: func(yield func(sensors.Row, error) bool) {
		defer leave()
		if err := t.each(ctx, func(row sensors.Row) bool { return yield(row, nil) }); err != nil {
			yield(sensors.Row{}, err)
		}
	}}, nil
}

// each takes rows until ctx ends, the reader has enough (nil) or was too slow; then what is buffered comes first.
func (t *tail) each(ctx context.Context, take func(sensors.Row) bool) error {
	for {
		select {
		case row := <-t.rows:
			if !take(row) {
				return nil
			}
			continue
		default:
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("tail: %w", ctx.Err())
		case row := <-t.rows:
			if !take(row) {
				return nil
			}
		case <-t.slow:
			if len(t.rows) == 0 {
				return api.ErrSlowReader
			}
		}
	}
}

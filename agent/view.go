package agent

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/identity"
	"github.com/skerry-edge/skerry/ingest"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/store"
)

// view is the part of api.Backend that needs only the store: the agent has one, and so has a folder
// opened without an agent.
type view struct {
	db         *store.DB
	id         *identity.Identity
	name       string
	configured []ingest.CollectionConfig
}

// ID implements api.Backend.
func (v *view) ID(context.Context) (api.ID, error) {
	return api.ID{Name: v.name, Peer: v.id.PeerID(), Fingerprint: v.id.Fingerprint()}, nil
}

// Collections implements api.Backend.
func (v *view) Collections(context.Context) ([]api.Collection, error) {
	out := []api.Collection{}
	stored := map[string]bool{}
	for _, s := range v.db.Collections() {
		stored[s.Name] = true
		c := api.Collection{
			Name: s.Name, Kind: s.Kind.String(), Readings: s.Readings, Blocks: s.Blocks, Bytes: s.Bytes,
			Digest: s.Digest, Complete: true, // no other author's feed is taken yet: nothing can be wanting
		}
		if s.Readings > 0 {
			first, last := time.Unix(0, s.First).UTC(), time.Unix(0, s.Last).UTC()
			c.First, c.Last = &first, &last
		}
		out = append(out, c)
	}
	for _, c := range v.configured {
		if !stored[c.Name] {
			digest := crdt.Digest(nil)
			out = append(out, api.Collection{Name: c.Name, Kind: c.Kind, Digest: fmt.Sprintf("%x", digest), Complete: true})
		}
	}
	slices.SortFunc(out, func(a, b api.Collection) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Query implements api.Backend.
func (v *view) Query(ctx context.Context, q api.Query) (api.Rows, error) {
	author, err := v.author(q.Author)
	if err != nil {
		return api.Rows{}, err
	}
	precision, seq, err := v.db.Query(ctx, selection(q, author))
	if errors.Is(err, store.ErrNoCollection) {
		return v.empty(q.Collection)
	}
	if err != nil {
		return api.Rows{}, err
	}
	return api.Rows{Precision: precision, Seq: seq}, nil
}

// selection is q for the store.
func selection(q api.Query, author string) store.Query {
	return store.Query{
		Collection: q.Collection, From: q.From, To: q.To, Series: q.Series, Tags: q.Tags, Author: author, Limit: q.Limit, Newest: q.Newest,
	}
}

// Buckets implements api.Backend.
func (v *view) Buckets(ctx context.Context, q api.Query, d api.Division) (api.Buckets, error) {
	author, err := v.author(q.Author)
	if err != nil {
		return api.Buckets{}, err
	}
	precision, seq, err := v.db.Buckets(ctx, selection(q, author), store.Division{Every: d.Every, Aggregates: d.Aggregates})
	if errors.Is(err, store.ErrNoCollection) {
		rows, err := v.empty(q.Collection)
		return api.Buckets{Precision: rows.Precision, Seq: func(func(sensors.Bucket, error) bool) {}}, err
	}
	if err != nil {
		return api.Buckets{}, err
	}
	return api.Buckets{Precision: precision, Seq: translated(seq, store.ErrTooManySeries, api.ErrTooManySeries)}, nil
}

// translated puts an error of the API in the place of one of the store, with the store's words.
func translated[V any](seq iter.Seq2[V, error], from, to error) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		for v, err := range seq {
			if errors.Is(err, from) {
				err = &spoken{err, to}
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// spoken is an error in words of its own.
type spoken struct{ said, kind error }

// Error says what was said.
func (s *spoken) Error() string { return s.said.Error() }

// Unwrap returns what callers know.
func (s *spoken) Unwrap() error { return s.kind }

// author returns the peer ID that a query's author means: one, or the name of this gateway.
func (v *view) author(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	if name == v.name {
		return v.id.PeerID(), nil
	}
	if _, err := crdt.ParseAuthor(name); err != nil {
		return "", fmt.Errorf("%w: %q is neither a peer ID nor the name of this gateway", api.ErrNoAuthor, name)
	}
	return name, nil
}

// empty returns no rows for a collection that is configured and has none yet.
func (v *view) empty(collection string) (api.Rows, error) {
	var known []string
	for _, c := range v.configured {
		if c.Name == collection {
			return api.Rows{Precision: c.Digits(), Seq: func(func(sensors.Row, error) bool) {}}, nil
		}
		known = append(known, c.Name)
	}
	for _, s := range v.db.Collections() {
		if !slices.Contains(known, s.Name) {
			known = append(known, s.Name)
		}
	}
	slices.Sort(known)
	return api.Rows{}, &api.NoCollectionError{Name: collection, Known: known}
}

// Blocks implements api.Backend.
func (v *view) Blocks(ctx context.Context, collection string) (api.Blocks, error) {
	blocks, err := v.db.Blocks(ctx, collection)
	if errors.Is(err, store.ErrNoCollection) {
		_, err := v.empty(collection)
		return api.Blocks{Seq: func(func(*crdt.Block, error) bool) {}}, err
	}
	if err != nil {
		return api.Blocks{}, err
	}
	out := api.Blocks{Count: blocks.Count, Unsealed: blocks.Unsealed, Seq: blocks.Seq}
	for _, head := range blocks.Heads {
		out.Roots = append(out.Roots, head.CID)
	}
	return out, nil
}

// Tail implements api.Backend.
func (v *view) Tail(ctx context.Context, q api.Query) (api.Rows, error) {
	author, err := v.author(q.Author)
	if err != nil {
		return api.Rows{}, err
	}
	precision := sensors.Milliseconds
	found := false
	for _, s := range v.db.Collections() {
		if s.Name == q.Collection {
			precision, found = s.Precision, true
		}
	}
	if !found {
		rows, err := v.empty(q.Collection)
		if err != nil {
			return api.Rows{}, err
		}
		precision = rows.Precision
	}
	seq := v.db.Watch(ctx, selection(q, author))
	return api.Rows{Precision: precision, Seq: translated(seq, store.ErrSlowReader, api.ErrSlowReader)}, nil
}

// Verify implements api.Backend.
func (v *view) Verify(ctx context.Context, progress func(api.Progress)) (api.Verification, error) {
	var tell func(done, of uint64)
	if progress != nil {
		tell = func(done, of uint64) { progress(api.Progress{Blocks: done, Of: of}) }
	}
	good, damage, err := v.db.Verify(ctx, tell)
	if err != nil {
		return api.Verification{}, err
	}
	return verification(good, damage), nil
}

func verification(good []store.Verified, damage []store.Damage) api.Verification {
	out := api.Verification{OK: len(damage) == 0, Collections: []api.VerifiedCollection{}, Damage: []api.Damage{}, Repaired: []api.Damage{}}
	for _, c := range good {
		out.Collections = append(out.Collections, api.VerifiedCollection{
			Name: c.Name, Digest: c.Digest, Complete: true, Blocks: c.Blocks, Readings: c.Readings,
		})
	}
	for _, d := range damage {
		out.Damage = append(out.Damage, api.Damage{File: d.File, Feed: d.Feed, Seq: d.Seq, Reason: d.Reason})
	}
	return out
}

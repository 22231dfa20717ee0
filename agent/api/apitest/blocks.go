package apitest

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"

	"github.com/ipfs/go-cid"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// ledger is the blocks of one collection: real ones, but for their payloads. What was added last is unsealed.
type ledger struct {
	meta, data *crdt.Feed
	blocks     []*crdt.Block
	pending    []sensors.Reading
}

// add seals what is pending; readings are next.
func (l *ledger) add(name string, p sensors.Precision, readings []sensors.Reading) error {
	if len(l.pending) > 0 {
		if err := l.seal(name, p); err != nil {
			return fmt.Errorf("seal: %w", err)
		}
	}
	l.pending = slices.Clone(readings)
	return nil
}

func (l *ledger) seal(name string, p sensors.Precision) error {
	if l.data == nil {
		if err := l.open(name, p); err != nil {
			return err
		}
	}
	first, last := l.pending[0].Time, l.pending[0].Time
	for _, r := range l.pending {
		first, last = min(first, r.Time), max(last, r.Time)
	}
	b, err := l.data.Append(crdt.Draft{
		Clock: crdt.Clock{First: first, Span: uint64(last - first)}, Count: uint32(len(l.pending)), //nolint:gosec // small
		Codec: crdt.CodecColumns, Payload: fmt.Appendf(nil, "%d readings", len(l.pending)),
	})
	if err != nil {
		return err
	}
	l.blocks = append(l.blocks, b)
	return nil
}

func (l *ledger) open(name string, p sensors.Precision) error {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	meta, first, err := crdt.OpenFeed(key, crdt.Opening{Role: crdt.Meta, Name: name, Kind: crdt.Events, Precision: uint8(p)}, crdt.Clock{})
	if err != nil {
		return err
	}
	o := crdt.Opening{Role: crdt.Data, Name: name, Kind: crdt.Events, Precision: uint8(p), Meta: meta.ID()}
	data, second, err := crdt.OpenFeed(key, o, crdt.Clock{})
	if err != nil {
		return err
	}
	l.meta, l.data, l.blocks = meta, data, []*crdt.Block{first, second}
	return nil
}

func (l *ledger) roots() []cid.Cid {
	if l.data == nil {
		return nil
	}
	_, meta := l.meta.Head()
	_, data := l.data.Head()
	roots := []cid.Cid{meta, data}
	slices.SortFunc(roots, func(a, b cid.Cid) int { return strings.Compare(a.KeyString(), b.KeyString()) })
	return roots
}

// CutBlocks makes streams of blocks end with err after their first one.
func (m *Memory) CutBlocks(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut = err
}

// Blocks streams the blocks of what was added but last.
func (m *Memory) Blocks(ctx context.Context, name string) (api.Blocks, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.collectionLocked(name)
	if err != nil {
		return api.Blocks{}, err
	}
	all, cut := slices.Clone(c.ledger.blocks), m.cut
	out := api.Blocks{Roots: c.ledger.roots(), Count: uint64(len(all)), Unsealed: uint64(len(c.ledger.pending))}
	out.Seq = func(yield func(*crdt.Block, error) bool) {
		for i, b := range all {
			err := ctx.Err()
			if err == nil && i > 0 {
				err = cut
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(b, nil) {
				return
			}
		}
	}
	return out, nil
}

package crdt_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ipfs/go-cid"

	"github.com/skerry-edge/skerry/crdt"
)

// place returns the place of block seq in a made-up feed.
func place(seq uint64) crdt.Head {
	return crdt.Head{Feed: crdt.FeedID{1}, Seq: seq, CID: crdt.CIDOf(fmt.Append(nil, seq))}
}

// frontier returns one with the floor and the held ranges, given as from, to, from, to …
func frontier(tb testing.TB, floor uint64, bounds ...uint64) crdt.Frontier {
	tb.Helper()
	f := crdt.NewFrontier(place(0))
	if err := f.Raise(place(floor)); err != nil {
		tb.Fatal(err)
	}
	for i := 0; i < len(bounds); i += 2 {
		if err := f.Add(crdt.Range{From: bounds[i], To: bounds[i+1]}, place(bounds[i+1])); err != nil {
			tb.Fatal(err)
		}
	}
	if err := f.Check(); err != nil {
		tb.Fatal(err)
	}
	return f
}

func same(a, b crdt.Frontier) string { return cmp.Diff(a, b, cmp.Comparer(cid.Cid.Equals)) }

// TestFrontier_model compares a frontier with a set of seqs under random steps.
func TestFrontier_model(t *testing.T) {
	r := random(t)
	const top = 60
	for range 300 {
		f := crdt.NewFrontier(place(0))
		held := map[uint64]bool{0: true}
		var floor, head uint64
		for range 30 {
			from := 1 + r.Uint64N(top)
			to := min(top, from+r.Uint64N(8))
			switch r.IntN(8) {
			case 0:
				if err := f.Remove(crdt.Range{From: from, To: to}); err != nil {
					t.Fatal(err)
				}
				for s := from; s <= to; s++ {
					delete(held, s)
				}
			case 1:
				if err := f.Raise(place(from / 4)); err != nil {
					t.Fatal(err)
				}
				floor = max(floor, from/4)
				head = max(head, floor)
				for s := uint64(1); s <= floor; s++ {
					delete(held, s)
				}
			default:
				if err := f.Add(crdt.Range{From: from, To: to}, place(to)); err != nil {
					t.Fatal(err)
				}
				for s := max(from, floor+1); s <= to; s++ {
					held[s] = true
				}
				head = max(head, to)
			}
			compare(t, &f, held, floor, head)
		}
	}
}

// compare checks the frontier against the seqs that are held.
func compare(t *testing.T, f *crdt.Frontier, held map[uint64]bool, floor, head uint64) {
	t.Helper()
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	if f.Floor != place(floor) || f.Head != place(head) {
		t.Fatalf("floor %d, head %d, want %d, %d", f.Floor.Seq, f.Head.Seq, floor, head)
	}
	wanted := make(map[uint64]bool)
	for _, w := range f.Wants(head) {
		for s := w.From; s <= w.To; s++ {
			wanted[s] = true
		}
	}
	for s := range head + 10 {
		if f.Holds(s) != held[s] {
			t.Fatalf("holds %d: %v, held %v", s, f.Holds(s), f.Held)
		}
		if want := s > floor && s <= head && !held[s]; wanted[s] != want {
			t.Fatalf("wants %d: %v, held %v", s, wanted[s], f.Held)
		}
	}
	if f.Complete() != (len(wanted) == 0) {
		t.Fatalf("complete: %v, wants %v", f.Complete(), wanted)
	}
}

// TestFrontier_Merge_laws: merging is commutative, associative and idempotent.
func TestFrontier_Merge_laws(t *testing.T) {
	r := random(t)
	for range 500 {
		var fs [3]crdt.Frontier
		for i := range fs {
			var bounds []uint64
			for range r.IntN(6) {
				from := 1 + r.Uint64N(40)
				bounds = append(bounds, from, from+r.Uint64N(6))
			}
			fs[i] = frontier(t, r.Uint64N(20), bounds...)
		}
		merged := func(order ...int) crdt.Frontier {
			f := fs[order[0]].Clone()
			for _, i := range order[1:] {
				if err := f.Merge(fs[i]); err != nil {
					t.Fatal(err)
				}
			}
			return f
		}
		want := merged(0, 1, 2)
		for _, order := range [][]int{{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}, {0, 0, 1, 1, 2, 0, 1}} {
			if diff := cmp.Diff(want, merged(order...), cmp.Comparer(cid.Cid.Equals), ignoreNil); diff != "" {
				t.Fatalf("order %v:\n%s", order, diff)
			}
		}
		bc := merged(1, 2)
		a := fs[0].Clone()
		if err := a.Merge(bc); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, a, cmp.Comparer(cid.Cid.Equals), ignoreNil); diff != "" {
			t.Fatalf("a(bc):\n%s", diff)
		}
	}
}

// ignoreNil takes an empty slice of ranges for nil.
var ignoreNil = cmp.Transformer("ranges", func(r []crdt.Range) string { return fmt.Sprint(r) })

func TestFrontier_atMost64Ranges(t *testing.T) {
	f := frontier(t, 0)
	for i := range uint64(crdt.MaxHeldRanges) {
		seq := 10 + 2*i
		if err := f.Add(crdt.Range{From: seq, To: seq}, place(seq)); err != nil {
			t.Fatal(err)
		}
	}
	before := f.Clone()
	if err := f.Add(crdt.Range{From: 5, To: 5}, place(5)); !errors.Is(err, crdt.ErrLimit) {
		t.Errorf("65th range: %v", err)
	}
	if err := f.Merge(frontier(t, 0, 5, 5)); !errors.Is(err, crdt.ErrLimit) {
		t.Errorf("65th range by merge: %v", err)
	}
	if diff := same(before, f); diff != "" {
		t.Errorf("changed by an error:\n%s", diff)
	}
	if err := f.Add(crdt.Range{From: 11, To: 11}, place(11)); err != nil || len(f.Held) != crdt.MaxHeldRanges-1 {
		t.Errorf("a hole filled: %d ranges, %v", len(f.Held), err)
	}
	wide := frontier(t, 0, 1, 3)
	for i := range uint64(crdt.MaxHeldRanges - 1) {
		if err := wide.Add(crdt.Range{From: 10 + 2*i, To: 10 + 2*i}, place(10+2*i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := wide.Remove(crdt.Range{From: 2, To: 2}); !errors.Is(err, crdt.ErrLimit) || !wide.Holds(2) {
		t.Errorf("65th range by removal: %v", err)
	}
}

func TestFrontier_refuses(t *testing.T) {
	fork := func(seq uint64) crdt.Head {
		return crdt.Head{Feed: crdt.FeedID{1}, Seq: seq, CID: crdt.CIDOf([]byte("another"))}
	}
	f := frontier(t, 4, 6, 9)
	before := f.Clone()
	other := func(change func(*crdt.Frontier)) crdt.Frontier {
		o := frontier(t, 4, 6, 9)
		change(&o)
		return o
	}
	tests := []struct {
		name string
		do   func() error
		err  error
	}{
		{"add backwards", func() error { return f.Add(crdt.Range{From: 3, To: 2}, place(2)) }, crdt.ErrMalformed},
		{"add another top", func() error { return f.Add(crdt.Range{From: 3, To: 5}, place(6)) }, crdt.ErrMalformed},
		{"add beyond all", func() error {
			return f.Add(crdt.Range{From: 3, To: math.MaxUint64}, place(math.MaxUint64))
		}, crdt.ErrMalformed},
		{"add another feed", func() error { return f.Add(crdt.Range{From: 5, To: 5}, crdt.Head{Seq: 5}) }, crdt.ErrChain},
		{"add a fork of the head", func() error { return f.Add(crdt.Range{From: 5, To: 9}, fork(9)) }, crdt.ErrFork},
		{"add a fork of the floor", func() error { return f.Add(crdt.Range{From: 4, To: 4}, fork(4)) }, crdt.ErrFork},
		{"remove backwards", func() error { return f.Remove(crdt.Range{From: 3, To: 2}) }, crdt.ErrMalformed},
		{"raise another feed", func() error { return f.Raise(crdt.Head{Seq: 5}) }, crdt.ErrChain},
		{"raise to a fork of the head", func() error { return f.Raise(fork(9)) }, crdt.ErrFork},
		{"raise to a fork of the floor", func() error { return f.Raise(fork(4)) }, crdt.ErrFork},
		{"merge a fork", func() error { return f.Merge(other(func(o *crdt.Frontier) { o.Head = fork(9) })) }, crdt.ErrFork},
		{"merge a fork of the floor", func() error { return f.Merge(crdt.NewFrontier(fork(4))) }, crdt.ErrFork},
		{"merge a head that forks the floor", func() error {
			return f.Merge(crdt.Frontier{Floor: place(2), Head: fork(4)})
		}, crdt.ErrFork},
		{"merge a fork with its floor", func() error {
			return f.Merge(crdt.Frontier{Floor: fork(9), Head: place(12)})
		}, crdt.ErrFork},
		{"raise beyond all", func() error { return f.Raise(place(math.MaxUint64)) }, crdt.ErrLimit},
		{"merge another feed", func() error {
			return f.Merge(crdt.NewFrontier(crdt.Head{Feed: crdt.FeedID{2}, Seq: 1, CID: place(1).CID}))
		}, crdt.ErrChain},
		{"merge a head without a name", func() error {
			return f.Merge(other(func(o *crdt.Frontier) { o.Head = crdt.Head{Feed: o.Head.Feed, Seq: 12} }))
		}, crdt.ErrMalformed},
		{"merge a floor without a name", func() error {
			return f.Merge(other(func(o *crdt.Frontier) { o.Floor = crdt.Head{Feed: o.Head.Feed, Seq: 5} }))
		}, crdt.ErrMalformed},
		{"merge touching ranges", func() error {
			return f.Merge(other(func(o *crdt.Frontier) { o.Held = []crdt.Range{{From: 5, To: 6}, {From: 7, To: 9}} }))
		}, crdt.ErrMalformed},
		{"merge a range backwards", func() error {
			return f.Merge(other(func(o *crdt.Frontier) { o.Held = []crdt.Range{{From: 8, To: 7}} }))
		}, crdt.ErrMalformed},
		{"merge a range in the floor", func() error {
			return f.Merge(other(func(o *crdt.Frontier) { o.Held = []crdt.Range{{From: 4, To: 7}} }))
		}, crdt.ErrMalformed},
		{"merge a range above the head", func() error {
			return f.Merge(other(func(o *crdt.Frontier) { o.Held = []crdt.Range{{From: 6, To: math.MaxUint64}} }))
		}, crdt.ErrMalformed},
		{"merge a head below the floor", func() error {
			return f.Merge(other(func(o *crdt.Frontier) { o.Head = place(3) }))
		}, crdt.ErrMalformed},
		{"merge 65 ranges", func() error {
			return f.Merge(other(func(o *crdt.Frontier) { o.Held = make([]crdt.Range, 65) }))
		}, crdt.ErrLimit},
		{"merge a huge head", func() error {
			return f.Merge(other(func(o *crdt.Frontier) { o.Head = place(math.MaxUint64) }))
		}, crdt.ErrLimit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.do(); !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
			if diff := same(before, f); diff != "" {
				t.Errorf("changed by an error:\n%s", diff)
			}
		})
	}
}

func TestFrontier_Clone_sharesNothing(t *testing.T) {
	f := frontier(t, 0, 3, 5)
	c := f.Clone()
	c.Held[0].To = 99
	if f.Held[0].To != 5 {
		t.Error("the clone shares memory")
	}
}

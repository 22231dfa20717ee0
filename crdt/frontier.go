package crdt

import (
	"fmt"
	"slices"
)

// Range is the seqs From to To, both included.
type Range struct {
	From, To uint64
}

// Frontier says which blocks of one feed (or branch) a store holds:
//
//	seq  0       1 … floor     floor+1 …                        head
//	     held    given up      held ranges, and holes between   known by its CID
//
// The opening block is always held. What is at or below the floor is neither held nor wanted; the
// chain is checked from the floor's CID on. The floor only rises. A frontier is a value of its own
// after Clone; not safe for concurrent use.
type Frontier struct {
	Floor Head    // at first the opening block: nothing is given up; in a branch the last common block
	Held  []Range // above the floor, ascending, never adjacent, at most 64
	Head  Head    // the newest block known
}

// NewFrontier returns the frontier of a feed of which only the opening block is held, or of a branch
// of which nothing is: at is the last block common to the branches, with the branch's id.
func NewFrontier(at Head) Frontier { return Frontier{Floor: at, Head: at} }

// Clone returns a frontier that shares no memory with f.
func (f *Frontier) Clone() Frontier {
	c := *f
	c.Held = slices.Clone(f.Held)
	return c
}

// Check reports the first rule that a frontier from elsewhere breaks, with ErrMalformed or ErrLimit.
func (f *Frontier) Check() error {
	if len(f.Held) > MaxHeldRanges || f.Head.Seq > MaxSeq {
		return fmt.Errorf("check frontier: %d held ranges up to %d: %w", len(f.Held), f.Head.Seq, ErrLimit)
	}
	if f.Floor.Feed != f.Head.Feed || f.Floor.Seq > f.Head.Seq || forked(f.Floor, f.Head) {
		return fmt.Errorf("check frontier: floor %d does not fit head %d: %w", f.Floor.Seq, f.Head.Seq, ErrMalformed)
	}
	for _, h := range []Head{f.Floor, f.Head} {
		if err := checkLink(h.CID); err != nil {
			return fmt.Errorf("check frontier: %w", err)
		}
	}
	low := f.Floor.Seq + 1
	for _, r := range f.Held {
		if r.From < low || r.To < r.From || r.To > f.Head.Seq {
			return fmt.Errorf("check frontier: held range %d to %d: %w", r.From, r.To, ErrMalformed)
		}
		low = r.To + 2 // neighbours that touch are one range
	}
	return nil
}

// Add says that the blocks of r are held, of which the last is top. What is at or below the floor is
// left out. It returns ErrMalformed when r runs backwards or does not end at top, ErrChain for another
// feed's block, ErrFork when top is not the block known at the head's or floor's place, and ErrLimit
// when there would be too many ranges; the frontier is then as it was.
func (f *Frontier) Add(r Range, top Head) error {
	if err := f.checkAdd(r, top); err != nil {
		return fmt.Errorf("add blocks %d to %d to frontier of %s: %w", r.From, r.To, f.Head.Feed, err)
	}
	if r.To <= f.Floor.Seq {
		return nil
	}
	held := union(f.Held, Range{max(r.From, f.Floor.Seq+1), r.To})
	if len(held) > MaxHeldRanges {
		return fmt.Errorf("add blocks %d to %d to frontier of %s: more than %d held ranges: %w",
			r.From, r.To, f.Head.Feed, MaxHeldRanges, ErrLimit)
	}
	f.Held = held
	if top.Seq > f.Head.Seq {
		f.Head = top
	}
	return nil
}

func (f *Frontier) checkAdd(r Range, top Head) error {
	switch {
	case r.From > r.To || r.To != top.Seq || r.To > MaxSeq:
		return fmt.Errorf("range does not end at top %d: %w", top.Seq, ErrMalformed)
	case top.Feed != f.Head.Feed:
		return fmt.Errorf("block of feed %s: %w", top.Feed, ErrChain)
	case forked(top, f.Head) || forked(top, f.Floor):
		return fmt.Errorf("another block %d: %w", top.Seq, ErrFork)
	}
	return nil
}

// forked reports whether a and b are two blocks at one place.
func forked(a, b Head) bool { return a.Seq == b.Seq && !a.CID.Equals(b.CID) }

// union returns held with r in it, in new memory. No seq passes MaxSeq, so that seq+1 is safe.
func union(held []Range, r Range) []Range {
	out := make([]Range, 0, len(held)+1)
	i := 0
	for ; i < len(held) && held[i].To+1 < r.From; i++ {
		out = append(out, held[i])
	}
	for ; i < len(held) && held[i].From <= r.To+1; i++ {
		r = Range{min(r.From, held[i].From), max(r.To, held[i].To)}
	}
	out = append(out, r)
	return append(out, held[i:]...)
}

// Remove says that the blocks of r are not held after all: they are wanted again. It returns
// ErrMalformed when r runs backwards and ErrLimit when there would be too many ranges; the frontier
// is then as it was.
func (f *Frontier) Remove(r Range) error {
	if r.From > r.To {
		return fmt.Errorf("remove blocks %d to %d from frontier of %s: %w", r.From, r.To, f.Head.Feed, ErrMalformed)
	}
	held := make([]Range, 0, len(f.Held)+1)
	for _, h := range f.Held {
		if h.To < r.From || h.From > r.To {
			held = append(held, h)
			continue
		}
		if h.From < r.From {
			held = append(held, Range{h.From, r.From - 1})
		}
		if h.To > r.To {
			held = append(held, Range{r.To + 1, h.To})
		}
	}
	if len(held) > MaxHeldRanges {
		return fmt.Errorf("remove blocks %d to %d from frontier of %s: more than %d held ranges: %w",
			r.From, r.To, f.Head.Feed, MaxHeldRanges, ErrLimit)
	}
	f.Held = held
	return nil
}

// Raise gives up the blocks up to and including floor. A floor that is not above the present one
// changes nothing. It returns ErrLimit for a seq that no block has, ErrChain for another feed's block, and
// ErrFork when floor is not the block known at the head's or floor's place.
func (f *Frontier) Raise(floor Head) error {
	if floor.Seq > MaxSeq {
		return fmt.Errorf("raise floor of %s: block %d: %w", f.Head.Feed, floor.Seq, ErrLimit)
	}
	if floor.Feed != f.Head.Feed {
		return fmt.Errorf("raise floor of %s: block of feed %s: %w", f.Head.Feed, floor.Feed, ErrChain)
	}
	if forked(floor, f.Head) || forked(floor, f.Floor) {
		return fmt.Errorf("raise floor of %s: another block %d: %w", f.Head.Feed, floor.Seq, ErrFork)
	}
	if floor.Seq <= f.Floor.Seq {
		return nil
	}
	f.Floor = floor
	if floor.Seq > f.Head.Seq {
		f.Head = floor
	}
	held := make([]Range, 0, len(f.Held))
	for _, h := range f.Held {
		if h.To > floor.Seq {
			held = append(held, Range{max(h.From, floor.Seq+1), h.To})
		}
	}
	f.Held = held
	return nil
}

// Merge makes f what a store holds that took all that both hold: the union of what is held, above the
// higher of the floors. The order of merges makes no difference, nor do repeats. Its errors are those of
// Check, Raise and Add; f is then as it was.
func (f *Frontier) Merge(other Frontier) error {
	if err := other.Check(); err != nil {
		return fmt.Errorf("merge frontiers of %s: %w", f.Head.Feed, err)
	}
	if forked(f.Head, other.Head) || forked(f.Floor, other.Head) {
		return fmt.Errorf("merge frontiers of %s: another block %d: %w", f.Head.Feed, other.Head.Seq, ErrFork)
	}
	m := f.Clone()
	if err := m.Raise(other.Floor); err != nil {
		return fmt.Errorf("merge frontiers: %w", err)
	}
	for _, r := range other.Held {
		if r.To > m.Floor.Seq {
			m.Held = union(m.Held, Range{max(r.From, m.Floor.Seq+1), r.To})
		}
	}
	if len(m.Held) > MaxHeldRanges {
		return fmt.Errorf("merge frontiers of %s: more than %d held ranges: %w", f.Head.Feed, MaxHeldRanges, ErrLimit)
	}
	if other.Head.Seq > m.Head.Seq {
		m.Head = other.Head
	}
	*f = m
	return nil
}

// Holds reports whether block seq is held.
func (f *Frontier) Holds(seq uint64) bool {
	if seq == 0 {
		return true
	}
	i, found := slices.BinarySearchFunc(f.Held, seq, func(r Range, seq uint64) int {
		switch {
		case r.To < seq:
			return -1
		case r.From > seq:
			return 1
		}
		return 0
	})
	return found && i < len(f.Held)
}

// Wants returns the ranges above the floor, up to and including seq to, that are not held, ascending.
func (f *Frontier) Wants(to uint64) []Range {
	var wants []Range
	next := f.Floor.Seq + 1
	for _, h := range f.Held {
		if h.From > to {
			break
		}
		if h.From > next {
			wants = append(wants, Range{next, h.From - 1})
		}
		next = h.To + 1
	}
	if next <= to {
		wants = append(wants, Range{next, to})
	}
	return wants
}

// Complete reports whether nothing up to the head is wanted.
func (f *Frontier) Complete() bool { return len(f.Wants(f.Head.Seq)) == 0 }

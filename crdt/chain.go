package crdt

import (
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
)

// Chain checks that blocks are a contiguous range of one feed. Nothing that went through Next may be
// believed before Close returned nil: links vouch for what is below a block (prev covers the bytes
// before it, signatures too), so one signature, the top's, is enough for the whole range.
//
// That says that the author stands for every byte of the range, not that each signature below the
// top is right by itself: an author could sign a chain over a block with a broken signature.
// CheckEvery finds that too, at the price of a signature check a block.
//
// Not safe for concurrent use.
type Chain struct {
	// Constant, but for a chain from the opening block on: those it learns from it.
	feed   FeedID
	author Author
	every  bool

	opened bool   // the author is known
	began  bool   // a block went through
	seq    uint64 // of the last block
	prev   cid.Cid
	top    *Block
	failed error
}

// ChainOption changes what a Chain checks.
type ChainOption func(*Chain)

// CheckEvery makes Next verify every block's signature.
func CheckEvery() ChainOption { return func(c *Chain) { c.every = true } }

// ChainFrom returns a chain that goes on after the block at after, of the author's feed (of a branch: the
// feed that its blocks name). A CID that is not defined means that this block is not held: then the first block's prev is taken as it is.
func ChainFrom(author Author, after Head, options ...ChainOption) *Chain {
	c := &Chain{feed: after.Feed, author: author, opened: true, seq: after.Seq, prev: after.CID}
	for _, o := range options {
		o(c)
	}
	return c
}

// ChainOf returns a chain that starts with the opening block of the feed, which names the author.
func ChainOf(feed FeedID, options ...ChainOption) *Chain {
	c := &Chain{feed: feed}
	for _, o := range options {
		o(c)
	}
	return c
}

// Next checks the next block: the feed, the seq and the link to the block before. Its error wraps
// ErrChain or ErrBadSignature, or is that of Opening; after an error the chain only repeats it.
func (c *Chain) Next(b *Block) error {
	if c.failed != nil {
		return c.failed
	}
	if err := c.next(b); err != nil {
		c.failed = fmt.Errorf("check chain of %s: %w", c.feed, err)
		return c.failed
	}
	c.began, c.seq, c.prev, c.top = true, b.Seq, b.CID, b
	return nil
}

func (c *Chain) next(b *Block) error {
	if b.Feed != c.feed {
		return fmt.Errorf("block of feed %s: %w", b.Feed, ErrChain)
	}
	if !c.opened {
		if b.Seq != 0 {
			return fmt.Errorf("starts with block %d, not the opening block: %w", b.Seq, ErrChain)
		}
		o, err := b.Opening()
		if err != nil {
			return err
		}
		c.author, c.opened = o.Author, true
	} else {
		if b.Seq == 0 || b.Seq-1 != c.seq {
			return fmt.Errorf("block %d after %d: %w", b.Seq, c.seq, ErrChain)
		}
		if (c.began || c.prev.Defined()) && !b.Prev.Equals(c.prev) {
			return fmt.Errorf("block %d follows %s, want %s: %w", b.Seq, b.Prev, c.prev, ErrChain)
		}
	}
	if c.every {
		return b.VerifySignature(c.author)
	}
	return nil
}

// Author returns whose feed it is; zero before the opening block of a chain that starts with it.
func (c *Chain) Author() Author { return c.author }

// Close verifies the top's signature and returns the top's place. A chain without blocks is an error
// that wraps ErrChain. Close may be called again, and more blocks may follow it.
func (c *Chain) Close() (Head, error) {
	if c.failed != nil {
		return Head{}, c.failed
	}
	if c.top == nil {
		return Head{}, fmt.Errorf("check chain of %s: %w: %w", c.feed, ErrChain, errors.New("no blocks"))
	}
	if !c.every {
		if err := c.top.VerifySignature(c.author); err != nil {
			c.failed = fmt.Errorf("check chain of %s: %w", c.feed, err)
			return Head{}, c.failed
		}
	}
	return c.top.Head(), nil
}

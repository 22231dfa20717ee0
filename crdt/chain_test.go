package crdt_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"

	"github.com/ipfs/go-cid"

	"github.com/skerry-edge/skerry/crdt"
)

// history returns an opening block and n blocks after it, read from bytes.
func history(tb testing.TB, k ed25519.PrivateKey, n int) (crdt.Author, []*crdt.Block) {
	tb.Helper()
	_, data, openings := feeds(tb, k)
	blocks := []*crdt.Block{reread(tb, openings[1])}
	for i := range n {
		blocks = append(blocks, reread(tb, add(tb, data, fmt.Sprint("block ", i+1))))
	}
	return author(k), blocks
}

// run sends the blocks through the chain and closes it.
func run(c *crdt.Chain, blocks []*crdt.Block) (crdt.Head, error) {
	for _, b := range blocks {
		if err := c.Next(b); err != nil {
			return crdt.Head{}, err
		}
	}
	return c.Close()
}

func TestChain_takes(t *testing.T) {
	by, blocks := history(t, key(1), 5)
	feed := blocks[0].Feed
	unheld := crdt.Head{Feed: feed, Seq: 2}
	for name, tt := range map[string]struct {
		chain  *crdt.Chain
		blocks []*crdt.Block
	}{
		"from the opening block":  {crdt.ChainOf(feed), blocks},
		"every signature":         {crdt.ChainOf(feed, crdt.CheckEvery()), blocks},
		"only the opening block":  {crdt.ChainOf(feed), blocks[:1]},
		"after a held block":      {crdt.ChainFrom(by, blocks[2].Head()), blocks[3:]},
		"after one that is not":   {crdt.ChainFrom(by, unheld), blocks[3:]},
		"every after a held":      {crdt.ChainFrom(by, blocks[2].Head(), crdt.CheckEvery()), blocks[3:]},
		"one after one not there": {crdt.ChainFrom(by, unheld), blocks[3:4]},
	} {
		t.Run(name, func(t *testing.T) {
			top, err := run(tt.chain, tt.blocks)
			if err != nil {
				t.Fatal(err)
			}
			if want := tt.blocks[len(tt.blocks)-1].Head(); top != want {
				t.Errorf("top %v, want %v", top, want)
			}
			if tt.chain.Author() != by {
				t.Errorf("author %s", tt.chain.Author())
			}
		})
	}
}

func TestChain_refuses(t *testing.T) {
	by, blocks := history(t, key(1), 5)
	_, others := history(t, key(2), 5)
	feed := blocks[0].Feed
	skipping := crdt.ResumeFeed(key(1), feed, crdt.Opening{MaxBlock: crdt.MaxBlockBytes}, 7, blocks[5].CID)
	skipped := add(t, skipping, "right link, wrong seq")
	forged := *blocks[4]
	forged.Sig[0] ^= 1
	wrong := crdt.Head{Feed: feed, Seq: 2, CID: blocks[1].CID}
	tests := []struct {
		name   string
		chain  *crdt.Chain
		blocks []*crdt.Block
		err    error
	}{
		{"nothing", crdt.ChainOf(feed), nil, crdt.ErrChain},
		{"no opening block", crdt.ChainOf(feed), blocks[1:], crdt.ErrChain},
		{"another feed's opening block", crdt.ChainOf(feed), others, crdt.ErrChain},
		{"another feed's block", crdt.ChainOf(feed), []*crdt.Block{blocks[0], others[1]}, crdt.ErrChain},
		{"a hole", crdt.ChainOf(feed), []*crdt.Block{blocks[0], blocks[2]}, crdt.ErrChain},
		{"a seq left out", crdt.ChainFrom(by, blocks[5].Head()), []*crdt.Block{skipped}, crdt.ErrChain},
		{"a block twice", crdt.ChainOf(feed), []*crdt.Block{blocks[0], blocks[1], blocks[1]}, crdt.ErrChain},
		{"opening block twice", crdt.ChainOf(feed), []*crdt.Block{blocks[0], blocks[0]}, crdt.ErrChain},
		{"backwards", crdt.ChainFrom(by, blocks[2].Head()), []*crdt.Block{blocks[3], blocks[2]}, crdt.ErrChain},
		{"another block before", crdt.ChainFrom(by, wrong), blocks[3:], crdt.ErrChain},
		{"another author", crdt.ChainFrom(crdt.Author{1}, blocks[2].Head()), blocks[3:], crdt.ErrBadSignature},
		{"forged top", crdt.ChainFrom(by, blocks[3].Head()), []*crdt.Block{&forged}, crdt.ErrBadSignature},
		{"forged, every", crdt.ChainFrom(by, blocks[3].Head(), crdt.CheckEvery()), []*crdt.Block{&forged}, crdt.ErrBadSignature},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := run(tt.chain, tt.blocks); !errors.Is(err, tt.err) {
				t.Fatalf("got %v, want %v", err, tt.err)
			}
			if len(tt.blocks) == 0 {
				return
			}
			if _, err := tt.chain.Close(); !errors.Is(err, tt.err) {
				t.Errorf("closed after an error: %v", err)
			}
			if err := tt.chain.Next(blocks[0]); !errors.Is(err, tt.err) {
				t.Errorf("went on after an error: %v", err)
			}
		})
	}
}

// TestChain_linksVouch: below the top a changed block is found by its link, signature bytes included.
func TestChain_linksVouch(t *testing.T) {
	by, blocks := history(t, key(1), 5)
	for i := 1; i < 5; i++ {
		raw := append([]byte(nil), blocks[i].Raw...)
		raw[len(raw)-1] ^= 1
		changed, err := crdt.DecodeBlock(raw)
		if err != nil {
			t.Fatal(err)
		}
		mixed := append([]*crdt.Block(nil), blocks...)
		mixed[i] = changed
		if _, err := run(crdt.ChainFrom(by, blocks[0].Head()), mixed[1:]); !errors.Is(err, crdt.ErrChain) {
			t.Errorf("block %d: %v", i, err)
		}
	}
}

func TestChain_goesOnAfterClose(t *testing.T) {
	by, blocks := history(t, key(1), 5)
	c := crdt.ChainFrom(by, crdt.Head{Feed: blocks[0].Feed, Seq: 1, CID: cid.Undef})
	for _, b := range blocks[2:] {
		if err := c.Next(b); err != nil {
			t.Fatal(err)
		}
		if top, err := c.Close(); err != nil || top != b.Head() {
			t.Fatalf("top %v, %v", top, err)
		}
	}
}

package oracle

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	carv2 "github.com/ipld/go-car/v2"
	"github.com/ipld/go-ipld-prime/codec/dagcbor"
	"github.com/ipld/go-ipld-prime/datamodel"
	cidlink "github.com/ipld/go-ipld-prime/linking/cid"
	"github.com/ipld/go-ipld-prime/node/basicnode"
	"github.com/ipld/go-ipld-prime/traversal"

	"github.com/skerry-edge/skerry/bench/line"
	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/export"
	"github.com/skerry-edge/skerry/store"
)

// filled makes a real store with so many readings, waits until they are in blocks, and returns these.
func filled(t *testing.T, readings int) store.Blocks {
	t.Helper()
	l, err := line.Open(t.Context(), line.Options{Dir: t.TempDir(), MaxReadings: 100})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := l.Fill(context.WithoutCancel(t.Context()), 0, readings); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		ctx, cancel := context.WithCancel(t.Context())
		blocks, err := l.DB.Blocks(ctx, line.Collection)
		if err != nil {
			t.Fatal(err)
		}
		if blocks.Unsealed == 0 {
			t.Cleanup(cancel)
			return blocks
		}
		cancel()
		if time.Now().After(deadline) {
			t.Fatalf("%d readings are in no block", blocks.Unsealed)
		}
		runtime.Gosched()
	}
}

// TestCAR_goCar: go-car reads the file, every CID is that of its bytes, every link resolves to an earlier block, and all is
// reached from the roots, which are the heads that the collection's digest is of.
func TestCAR_goCar(t *testing.T) {
	blocks := filled(t, 5000)
	var roots []cid.Cid
	for _, head := range blocks.Heads {
		roots = append(roots, head.CID)
	}
	var out bytes.Buffer
	count, err := export.CAR(&out, roots, blocks.Seq)
	if err != nil || count < 10 {
		t.Fatal(count, err)
	}
	reader, err := carv2.NewBlockReader(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if reader.Version != 1 || len(reader.Roots) != len(roots) {
		t.Fatalf("version %d with %d roots, want 1 with %d", reader.Version, len(reader.Roots), len(roots))
	}
	nodes := map[cid.Cid]datamodel.Node{}
	for {
		b, err := reader.Next() // checks the CID
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		node := decode(t, b.RawData())
		links, err := traversal.SelectLinks(node)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			if nodes[target(t, link)] == nil {
				t.Fatalf("block %s links to %s, which is not before it", b.Cid(), link)
			}
		}
		nodes[b.Cid()] = node
	}
	if int64(len(nodes)) != count {
		t.Errorf("%d blocks, want %d", len(nodes), count)
	}
	var reached int64
	for _, root := range reader.Roots {
		for at := root; at.Defined(); reached++ {
			node := nodes[at]
			if node == nil {
				t.Fatalf("%s is not there", at)
			}
			prev, err := node.LookupByIndex(3)
			if err != nil {
				t.Fatal(err)
			}
			at = cid.Undef
			if !prev.IsNull() {
				link, err := prev.AsLink()
				if err != nil {
					t.Fatal(err)
				}
				at = target(t, link)
			}
		}
	}
	if reached != count {
		t.Errorf("%d blocks reached from the roots, want %d", reached, count)
	}
}

func decode(t *testing.T, raw []byte) datamodel.Node {
	t.Helper()
	builder := basicnode.Prototype.Any.NewBuilder()
	if err := dagcbor.Decode(builder, bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	return builder.Build()
}

func target(t *testing.T, link datamodel.Link) cid.Cid {
	t.Helper()
	l, is := link.(cidlink.Link)
	if !is {
		t.Fatalf("%T is no link to a CID", link)
	}
	return l.Cid
}

// TestCAR_goCarRefusesACut: what the agent sends before it cuts a stream is no whole CAR for go-car.
func TestCAR_goCarRefusesACut(t *testing.T) {
	blocks := filled(t, 500)
	car, err := crdt.AppendCARHeader(nil, []cid.Cid{blocks.Heads[0].CID})
	if err != nil {
		t.Fatal(err)
	}
	for b, err := range blocks.Seq {
		if err != nil {
			t.Fatal(err)
		}
		car = crdt.AppendCARBlock(car, b)
		break
	}
	car = append(crdt.AppendCARCut(car), `{"error":"damaged"}`...)
	reader, err := carv2.NewBlockReader(bytes.NewReader(car))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Next(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got %v, want an error", err)
	}
}

// TestCAR_goCarReadsNone: a collection without blocks gives a CAR without roots.
func TestCAR_goCarReadsNone(t *testing.T) {
	var out bytes.Buffer
	if _, err := export.CAR(&out, nil, func(func(*crdt.Block, error) bool) {}); err != nil {
		t.Fatal(err)
	}
	reader, err := carv2.NewBlockReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Next(); !errors.Is(err, io.EOF) || len(reader.Roots) != 0 {
		t.Errorf("got %v with %d roots, want the end", err, len(reader.Roots))
	}
}

package journal

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/crdt"
	"github.com/skerry-edge/skerry/sensors"
)

// rig is a journal under test and what it should hold.
type rig struct {
	t      *testing.T
	dir    string
	table  *sensors.Table
	j      *Journal
	groups []Group // acknowledged
	want   seen
}

// seen is what a visitor was shown.
type seen struct {
	Chunks  []Chunk
	Origins []string
	Losses  []string
	Sealed  []SealedHead
}

func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), table: sensors.NewTable()}
	r.open(o)
	return r
}

func (r *rig) open(o Options) {
	r.t.Helper()
	var err error
	if r.j, err = Open(r.dir, o); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) series(name string, typ sensors.Type) *sensors.Series {
	r.t.Helper()
	s, err := r.table.Intern(sensors.Series{Name: name, Type: typ, Unit: "°C", Tags: []sensors.Tag{{Key: "source", Value: "test"}}})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// append writes a group and expects it to be there.
func (r *rig) append(batches []sensors.Batch, losses ...sensors.Loss) Group {
	r.t.Helper()
	g, err := r.j.Append(batches, losses, testClock)
	if err != nil {
		r.t.Fatal(err)
	}
	r.groups = append(r.groups, g)
	r.want.Chunks = append(r.want.Chunks, g.Chunks...)
	for _, b := range batches {
		if b.Origin != nil {
			r.want.Origins = append(r.want.Origins, originText(b.Source, *b.Origin))
		}
	}
	for i, l := range losses {
		r.want.Losses = append(r.want.Losses, lossText(g.Losses[i], l))
	}
	return g
}

func (r *rig) sealed(heads ...SealedHead) {
	r.t.Helper()
	if err := r.j.Sealed(heads); err != nil {
		r.t.Fatal(err)
	}
	r.want.Sealed = append(r.want.Sealed, heads...)
}

func originText(source string, o sensors.Origin) string {
	return fmt.Sprintf("%s %s %d %x", source, o.Client, o.PacketID, o.Hash)
}

func lossText(at Position, l sensors.Loss) string { return fmt.Sprintf("%v %+v", at, l) }

func (r *rig) read() (seen, Contents) {
	r.t.Helper()
	got, c, err := readInto(r.dir, r.table)
	if err != nil {
		r.t.Fatal(err)
	}
	return got, c
}

func readInto(dir string, table *sensors.Table) (seen, Contents, error) {
	var got seen
	c, err := Read(dir, table, Visitor{
		Chunk: func(c Chunk) error {
			got.Chunks = append(got.Chunks, c)
			return nil
		},
		Origin: func(source string, o sensors.Origin) error {
			got.Origins = append(got.Origins, originText(source, o))
			return nil
		},
		Loss: func(at Position, l sensors.Loss) error {
			got.Losses = append(got.Losses, lossText(at, l))
			return nil
		},
		Sealed: func(h []SealedHead) error {
			got.Sealed = append(got.Sealed, h...)
			return nil
		},
	})
	return got, c, err
}

func (r *rig) check(got seen) {
	r.t.Helper()
	if diff := cmp.Diff(r.want, got, compareCID); diff != "" {
		r.t.Errorf("what was read: -want +got\n%.3000s", diff)
	}
}

var compareCID = cmp.Options{
	cmp.Comparer(func(a, b SealedHead) bool { return a == b }),
	cmp.Comparer(func(a, b *sensors.Series) bool { return a == b }),
}

var testClock = sensors.ClockBase{Boot: [8]byte{1, 2, 3}, Base: 1_700_000_000_000_000_000}

func testHead(collection string, seq uint64) SealedHead {
	return SealedHead{
		Collection: collection, Feed: crdt.FeedID{9, 8, 7}, Seq: seq, CID: crdt.CIDOf([]byte{byte(seq)}),
		SealedTo: Position{File: 3, Offset: 4096, Index: 17}, Readings: 1000 * seq,
	}
}

// batch returns n readings of several series and all types, with hard values among them.
func (r *rig) batch(rng *rand.Rand, collection string, n int) sensors.Batch {
	r.t.Helper()
	b := sensors.Batch{Source: "line", Collection: collection}
	for range n {
		typ := sensors.Type(rng.IntN(4) + 1)
		reading := sensors.Reading{
			Series: r.series(fmt.Sprintf("%s%d", typ, rng.IntN(5)), typ), Time: 1_700_000_000_000_000_000 + rng.Int64N(1e12),
			Quality: sensors.Quality(rng.IntN(4)),
		}
		switch typ {
		case sensors.Float:
			reading.Num = math.Float64bits([]float64{rng.NormFloat64(), math.NaN(), math.Inf(1), math.Copysign(0, -1), 21.5}[rng.IntN(5)])
		case sensors.Int:
			reading.Num = rng.Uint64()
		case sensors.Bool:
			reading.Num = rng.Uint64N(2)
		case sensors.String:
			reading.Str = fmt.Sprint("state ", rng.IntN(9))
		}
		b.Readings = append(b.Readings, reading)
	}
	return b
}

func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := drawSeed(t)
	return rand.New(rand.NewPCG(seed, 1))
}

func (r *rig) files() []uint64 {
	r.t.Helper()
	files, err := list(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	return files
}

func (r *rig) lastFile() string {
	r.t.Helper()
	files := r.files()
	return filepath.Join(r.dir, fileName(files[len(files)-1]))
}

// drawSeed returns the seed of a random test: SKERRY_SEED replays one that was logged.
func drawSeed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("SKERRY_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SKERRY_SEED=%d", seed)
	return seed
}

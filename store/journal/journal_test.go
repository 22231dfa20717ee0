package journal

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
)

func TestJournal_roundTrip(t *testing.T) {
	rng := seeded(t)
	r := newRig(t, Options{FileBytes: 64 << 10})
	for i := range 200 {
		var batches []sensors.Batch
		for range rng.IntN(5) {
			b := r.batch(rng, []string{"climate", "power"}[rng.IntN(2)], rng.IntN(60))
			if rng.IntN(2) == 0 {
				b.Origin = &sensors.Origin{Client: fmt.Sprint("c", rng.IntN(3)), PacketID: uint16(rng.IntN(1 << 16)), Hash: rng.Uint64()}
			}
			batches = append(batches, b)
		}
		var losses []sensors.Loss
		if rng.IntN(4) == 0 {
			losses = append(losses, sensors.Loss{Collection: "climate", Source: "line", First: -5, Last: 1e18, Count: rng.Uint64(), Reason: sensors.LostQueueFull})
		}
		r.append(batches, losses...)
		if i%7 == 0 {
			r.sealed(testHead("climate", uint64(i)), testHead("power", uint64(i)))
		}
	}
	if len(r.j.files) < 3 {
		t.Errorf("%d files, want at least 3", len(r.j.files))
	}
	if err := r.j.Close(nil, nil); err != nil {
		t.Fatal(err)
	}
	got, c := r.read()
	r.check(got)
	if len(c.Damage) != 0 || c.Torn || c.Files != len(r.j.files) {
		t.Errorf("contents %+v, want %d files without damage", c, len(r.j.files))
	}
}

// A chunk says where its readings are by index, so that a restart must see them in the same order.
func TestJournal_chunksCutAt4096(t *testing.T) {
	r := newRig(t, Options{})
	rng := seeded(t)
	g := r.append([]sensors.Batch{r.batch(rng, "climate", 10_000), r.batch(rng, "climate", 3)})
	if n := len(g.Chunks); n != 3 {
		t.Errorf("%d chunks of 10,003 readings, want 3", n)
	}
	got, _ := r.read()
	r.check(got)
}

func TestJournal_longStringsAreCut(t *testing.T) {
	r := newRig(t, Options{})
	rng := rand.New(rand.NewPCG(1, 1))
	s := r.series("text", sensors.String)
	b := sensors.Batch{Source: "line", Collection: "climate"}
	for range 200 {
		text := make([]byte, 64<<10)
		for i := range text {
			text[i] = byte(rng.Uint32())
		}
		b.Readings = append(b.Readings, sensors.Reading{Series: s, Str: string(text)})
	}
	r.append([]sensors.Batch{b})
	got, c := r.read()
	r.check(got)
	if len(c.Damage) != 0 {
		t.Errorf("damage %v", c.Damage)
	}
}

func TestJournal_writesNothingForNothing(t *testing.T) {
	r := newRig(t, Options{})
	before := r.j.offset
	r.append([]sensors.Batch{{Source: "line", Collection: "climate"}})
	if r.j.offset != max(before, fileHeaderBytes) {
		t.Errorf("an empty group takes %d bytes", r.j.offset-fileHeaderBytes)
	}
}

func TestJournal_wantDecodesNothingElse(t *testing.T) {
	r := newRig(t, Options{})
	rng := seeded(t)
	first := r.append([]sensors.Batch{r.batch(rng, "climate", 100)})
	second := r.append([]sensors.Batch{r.batch(rng, "climate", 100)})
	var got []Chunk
	_, err := Read(r.dir, r.table, Visitor{
		Want: func(_ string, end Position) bool {
			sealedTo := first.Chunks[0].At
			sealedTo.Index = 100
			return end.Compare(sealedTo) > 0
		},
		Chunk: func(c Chunk) error {
			got = append(got, c)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(second.Chunks, got, compareCID); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestRead_visitorEndsIt(t *testing.T) {
	r := newRig(t, Options{})
	r.append([]sensors.Batch{r.batch(seeded(t), "climate", 1)})
	stop := errors.New("stop")
	_, err := Read(r.dir, r.table, Visitor{Chunk: func(Chunk) error { return stop }})
	if !errors.Is(err, stop) {
		t.Errorf("got %v, want the visitor's error", err)
	}
}

func TestRead_noFolder(t *testing.T) {
	c, err := Read(filepath.Join(t.TempDir(), "none"), sensors.NewTable(), Visitor{})
	if err != nil || c.Files != 0 {
		t.Errorf("got %+v, %v, want an empty journal", c, err)
	}
}

func TestJournal_releaseKeepsTheLastTwo(t *testing.T) {
	r := newRig(t, Options{FileBytes: 1 << 10})
	rng := seeded(t)
	for len(r.j.files) < 6 {
		r.append([]sensors.Batch{r.batch(rng, "climate", 50)})
	}
	if err := r.j.Release(3); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{3, 4, 5, 6}, r.files()); diff != "" {
		t.Errorf("files after Release(3): -want +got\n%s", diff)
	}
	if err := r.j.Release(math.MaxUint64); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{5, 6}, r.files()); diff != "" {
		t.Errorf("files after Release(all): -want +got\n%s", diff)
	}
	if _, c := r.read(); len(c.Damage) != 0 {
		t.Errorf("damage %v, want none: files were released", c.Damage)
	}
	size := uint64(0)
	for _, f := range r.files() {
		st, err := os.Stat(r.j.path(f))
		if err != nil {
			t.Fatal(err)
		}
		size += uint64(st.Size())
	}
	if n := r.j.Bytes(); n == 0 || n > size {
		t.Errorf("%d bytes, want at most the files' %d", n, size)
	}
}

func TestJournal_closeTrims(t *testing.T) {
	r := newRig(t, Options{})
	r.append([]sensors.Batch{r.batch(seeded(t), "climate", 10)})
	if st, err := os.Stat(r.lastFile()); err != nil || st.Size() != defaultFileBytes {
		t.Fatalf("the open file: %v, %v, want %d bytes preallocated", st, err, defaultFileBytes)
	}
	end := r.j.offset
	if err := r.j.Close(nil, nil); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(r.lastFile()); err != nil || st.Size() != end {
		t.Errorf("the closed file: %v, %v, want %d bytes", st, err, end)
	}
	got, _ := r.read()
	r.check(got)
}

func TestJournal_closeEmptyKeepsOneFile(t *testing.T) {
	r := newRig(t, Options{FileBytes: 1 << 10})
	rng := seeded(t)
	for len(r.j.files) < 4 {
		r.append([]sensors.Batch{r.batch(rng, "climate", 50)})
	}
	origins := []sensors.Batch{
		{Source: "line", Origin: &sensors.Origin{Client: "a", PacketID: 7, Hash: 70}},
		{Source: "line", Origin: &sensors.Origin{Client: "b", PacketID: 8, Hash: 80}},
	}
	heads := []SealedHead{testHead("climate", 5)}
	if err := r.j.Close(heads, origins); err != nil {
		t.Fatal(err)
	}
	if files := r.files(); len(files) != 1 || files[0] != 5 {
		t.Errorf("files %v, want [5]", files)
	}
	if st, err := os.Stat(r.lastFile()); err != nil || st.Size() > 512 {
		t.Errorf("the file: %v, %v, want at most 512 bytes", st, err)
	}
	r.want = seen{Sealed: heads, Origins: []string{"line a 7 46", "line b 8 50"}}
	got, c := r.read()
	r.check(got)
	if len(c.Damage) != 0 {
		t.Errorf("damage %v", c.Damage)
	}
}

func TestJournal_goesOnInANewFile(t *testing.T) {
	r := newRig(t, Options{})
	rng := seeded(t)
	r.append([]sensors.Batch{r.batch(rng, "climate", 10)})
	// The process ends without closing: nothing is trimmed.
	_, c := r.read()
	r.open(Options{LastEnd: c.LastEnd})
	r.append([]sensors.Batch{r.batch(rng, "climate", 10)})
	if diff := cmp.Diff([]uint64{1, 2}, r.files()); diff != "" {
		t.Errorf("files: -want +got\n%s", diff)
	}
	if st, err := os.Stat(filepath.Join(r.dir, fileName(1))); err != nil || uint64(st.Size()) != c.LastEnd {
		t.Errorf("file 1: %v, %v, want %d bytes", st, err, c.LastEnd)
	}
	got, c := r.read()
	r.check(got)
	if len(c.Damage) != 0 || c.Torn {
		t.Errorf("contents %+v, want no damage", c)
	}
}

// A journal that was deleted must not begin at positions that the database takes for sealed.
func TestOpen_numbersAfter(t *testing.T) {
	r := newRig(t, Options{After: 41})
	r.append([]sensors.Batch{r.batch(seeded(t), "climate", 1)})
	if diff := cmp.Diff([]uint64{42}, r.files()); diff != "" {
		t.Errorf("files: -want +got\n%s", diff)
	}
	got, c := r.read()
	r.check(got)
	if len(c.Damage) != 0 {
		t.Errorf("damage %v", c.Damage)
	}
}

func TestPosition_Compare(t *testing.T) {
	order := []Position{{0, 0, 0}, {0, 0, 1}, {0, 1, 0}, {1, 0, 0}, {1, 0, math.MaxUint32}, {1, math.MaxUint64, 0}, {math.MaxUint64, 0, 0}}
	for i, p := range order {
		for k, q := range order {
			if got := p.Compare(q); (got < 0) != (i < k) || (got > 0) != (i > k) {
				t.Errorf("%v compared with %v: %d", p, q, got)
			}
		}
	}
}

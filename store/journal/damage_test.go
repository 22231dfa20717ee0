package journal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
)

// crash returns the bytes of the newest file and the groups' ends in it, and leaves the journal as a
// killed process does.
func (r *rig) crash() []byte {
	r.t.Helper()
	b, err := os.ReadFile(r.lastFile())
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

func (r *rig) put(path string, b []byte) {
	r.t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// threeGroups writes groups whose last one has records of all kinds. It returns the file, and where
// the last group begins and ends.
func threeGroups(t *testing.T) (r *rig, b []byte, begin, end int) {
	t.Helper()
	r = newRig(t, Options{FileBytes: 8 << 10})
	rng := rand.New(rand.NewPCG(1, 1))
	r.append([]sensors.Batch{r.batch(rng, "climate", 3)})
	r.append([]sensors.Batch{r.batch(rng, "climate", 20)})
	r.sealed(testHead("climate", 4))
	if err := r.j.Sync(); err != nil {
		t.Fatal(err)
	}
	begin = int(r.j.offset)
	last := r.batch(rng, "power", 30)
	last.Origin = &sensors.Origin{Client: "c", PacketID: 1, Hash: 2}
	if _, err := r.j.Append([]sensors.Batch{r.batch(rng, "climate", 2), last}, []sensors.Loss{{Collection: "climate", Count: 1, Reason: 1}}, testClock); err != nil {
		t.Fatal(err)
	}
	b = r.crash()
	return r, b, begin, len(bytes.TrimRight(b, "\x00")) // padding does not count
}

// A write that a power cut stopped anywhere, or left with holes of zeros or old bytes, is not there at
// all; what was acknowledged before is.
func TestRead_tornLastGroup(t *testing.T) {
	r, whole, begin, end := threeGroups(t)
	path := r.lastFile()
	garbage := make([]byte, len(whole))
	random := rand.New(rand.NewPCG(2, 2))
	for i := range garbage {
		garbage[i] = byte(random.Uint32())
	}
	for at := begin; at < end; at++ {
		for name, b := range map[string][]byte{
			"cut off":      whole[:at],
			"zeros after":  append(slices.Clone(whole[:at]), make([]byte, len(whole)-at)...),
			"garbage":      append(slices.Clone(whole[:at]), garbage[at:]...),
			"a hole of 64": slices.Concat(whole[:at], make([]byte, 64), whole[min(at+64, len(whole)):]),
			"a flip":       slices.Concat(whole[:at], []byte{whole[at] ^ 0x10}, whole[at+1:]),
		} {
			r.put(path, b)
			got, c := r.read()
			if name == "a flip" && len(got.Origins) > 0 {
				continue // in the padding between records
			}
			if diff := cmp.Diff(r.want, got, compareCID); diff != "" {
				t.Fatalf("%s at %d of %d to %d: -want +got\n%.2000s", name, at, begin, end, diff)
			}
			if len(c.Damage) != 0 || c.LastEnd != uint64(begin) || !c.Torn && at > begin && !allZero(b[begin:]) {
				t.Fatalf("%s at %d of %d to %d: %+v, want a torn write from %d on", name, at, begin, end, c, begin)
			}
		}
	}
}

// After a torn write the journal goes on, and what was torn does not come back.
func TestOpen_afterATornWrite(t *testing.T) {
	r, whole, begin, end := threeGroups(t)
	r.put(r.lastFile(), slices.Concat(whole[:end-20], make([]byte, 20), whole[end:]))
	_, c := r.read()
	if !c.Torn || c.LastEnd != uint64(begin) {
		t.Fatalf("contents %+v, want a torn write at %d", c, begin)
	}
	r.open(Options{LastEnd: c.LastEnd})
	r.append([]sensors.Batch{r.batch(seeded(t), "climate", 40)})
	got, c := r.read()
	r.check(got)
	if len(c.Damage) != 0 || c.Torn {
		t.Errorf("contents %+v, want no damage", c)
	}
}

// Every flipped bit of what was acknowledged is reported, costs at most the record that it is in and
// what needs its definition, and invents nothing: also in the newest file, because later groups say that
// it had been synced.
func TestRead_flips(t *testing.T) {
	for _, closed := range []bool{false, true} {
		t.Run(fmt.Sprintf("closed=%v", closed), func(t *testing.T) {
			r := newRig(t, Options{FileBytes: 4 << 10})
			rng := rand.New(rand.NewPCG(3, 3))
			var ends []int
			for r.j.offset < 2<<10 {
				r.append([]sensors.Batch{r.batch(rng, "climate", 1+rng.IntN(30))}, sensors.Loss{Collection: "climate", Source: "line", Count: 1, Reason: 1})
				ends = append(ends, int(r.j.offset))
			}
			path := r.lastFile()
			if closed {
				for len(r.files()) == 1 {
					r.append([]sensors.Batch{r.batch(rng, "climate", 30)})
				}
			}
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for at := fileHeaderBytes; at < ends[len(ends)-2]; at++ {
				b := slices.Clone(whole)
				b[at] ^= 1 << rng.IntN(8)
				r.put(path, b)
				got, c := r.read()
				if len(c.Damage) == 0 {
					if diff := cmp.Diff(r.want, got, compareCID); diff != "" { // else it was padding
						t.Fatalf("flip at %d: no damage, but -want +got\n%.2000s", at, diff)
					}
					continue
				}
				checkSubset(t, fmt.Sprint("flip at ", at), r.want, got)
				k := recordAt(t, whole, at)
				if k != kindText && k != kindSeries && len(got.Losses)+len(got.Chunks) < len(r.want.Losses)+len(r.want.Chunks)-1 {
					t.Fatalf("flip at %d in a record of kind %d: %d of %d losses, %d of %d chunks, damage %v",
						at, k, len(got.Losses), len(r.want.Losses), len(got.Chunks), len(r.want.Chunks), c.Damage)
				}
			}
		})
	}
}

// recordAt returns the kind of the record in which a byte of file 1 lies.
func recordAt(t *testing.T, b []byte, at int) kind {
	t.Helper()
	for offset := fileHeaderBytes; ; {
		k, _, size, err := parseRecord(b[offset:], 1, uint64(offset))
		if err != nil {
			t.Fatal(err)
		}
		if at < offset+size {
			return k
		}
		offset += size
	}
}

// checkSubset reports what was not written.
func checkSubset(t *testing.T, what string, want, got seen) {
	t.Helper()
	for _, c := range got.Chunks {
		if !slices.ContainsFunc(want.Chunks, func(w Chunk) bool { return w.At == c.At && slices.Equal(w.Readings, c.Readings) }) { // the clock may be lost
			t.Fatalf("%s: invented %v", what, c)
		}
	}
	for _, l := range got.Losses {
		if !slices.Contains(want.Losses, l) {
			t.Fatalf("%s: invented %v", what, l)
		}
	}
}

func TestRead_damageInAnOlderFile(t *testing.T) {
	for name, spoil := range map[string]func(b []byte, end int) []byte{
		"cut off":        func(b []byte, end int) []byte { return b[:end/2] },
		"zeros":          func(b []byte, end int) []byte { return append(slices.Clone(b[:end/2]), make([]byte, len(b)-end/2)...) },
		"header":         func(b []byte, _ int) []byte { return append(make([]byte, fileHeaderBytes), b[fileHeaderBytes:]...) },
		"all zeros":      func(b []byte, _ int) []byte { return make([]byte, len(b)) },
		"empty":          func([]byte, int) []byte { return nil },
		"garbage inside": func(b []byte, end int) []byte { return slices.Concat(b[:end/2], []byte("garbage"), b[end/2+7:]) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{FileBytes: 2 << 10})
			rng := rand.New(rand.NewPCG(4, 4))
			for len(r.j.files) < 3 {
				r.append([]sensors.Batch{r.batch(rng, "climate", 20)})
			}
			path := filepath.Join(r.dir, fileName(1))
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			r.put(path, spoil(b, len(b)))
			got, c := r.read()
			if len(c.Damage) == 0 || c.Damage[0].File != fileName(1) {
				t.Errorf("damage %v, want some in file 1", c.Damage)
			}
			checkSubset(t, name, r.want, got)
			later := func(c Chunk) bool { return c.At.File > 1 }
			wantLater := slices.DeleteFunc(slices.Clone(r.want.Chunks), func(c Chunk) bool { return !later(c) })
			gotLater := slices.DeleteFunc(slices.Clone(got.Chunks), func(c Chunk) bool { return !later(c) })
			if diff := cmp.Diff(wantLater, gotLater, compareCID); diff != "" {
				t.Errorf("files 2 and 3: -want +got\n%.2000s", diff)
			}
			if name == "header" && len(got.Chunks) != len(r.want.Chunks) {
				t.Errorf("%d of %d chunks: the records have checksums of their own", len(got.Chunks), len(r.want.Chunks))
			}
		})
	}
}

func TestRead_missingFile(t *testing.T) {
	r := newRig(t, Options{FileBytes: 1 << 10})
	rng := seeded(t)
	for len(r.j.files) < 3 {
		r.append([]sensors.Batch{r.batch(rng, "climate", 20)})
	}
	if err := os.Remove(filepath.Join(r.dir, fileName(2))); err != nil {
		t.Fatal(err)
	}
	_, c := r.read()
	want := []Damage{{File: fileName(2), Reason: "the file is missing"}}
	if diff := cmp.Diff(want, c.Damage); diff != "" {
		t.Errorf("damage: -want +got\n%s", diff)
	}
}

// A record that lies where it was not written, or in a file of another number, is not taken.
func TestRead_displacedRecords(t *testing.T) {
	r := newRig(t, Options{FileBytes: 4 << 10})
	rng := rand.New(rand.NewPCG(5, 5))
	r.append([]sensors.Batch{r.batch(rng, "climate", 5)})
	first := int(r.j.offset)
	r.append([]sensors.Batch{r.batch(rng, "climate", 5)})
	b := r.crash()
	second := int(r.j.offset)

	r.put(r.lastFile(), slices.Concat(b[:second], b[first:second], make([]byte, 512))) // a group once more, behind
	got, _ := r.read()
	r.check(got)

	renamed := filepath.Join(r.dir, fileName(2)) // a file under another's name
	r.put(renamed, b)
	if err := os.Remove(filepath.Join(r.dir, fileName(1))); err != nil {
		t.Fatal(err)
	}
	got, c := r.read()
	if len(got.Chunks) != 0 || len(c.Damage) == 0 {
		t.Errorf("%d chunks of a renamed file and damage %v, want none and some", len(got.Chunks), c.Damage)
	}
}

// A file that was being started when the power went holds nothing, and is no damage: neither while it is the
// newest nor later.
func TestRead_fileCutOffWhileStarted(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty": {}, "zeros": make([]byte, 4096), "half a header": append([]byte(fileMagic), make([]byte, 4000)...), "short": []byte("sk"),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{})
			rng := seeded(t)
			r.append([]sensors.Batch{r.batch(rng, "climate", 5)})
			if err := r.j.Close(nil, nil); err != nil {
				t.Fatal(err)
			}
			r.put(filepath.Join(r.dir, fileName(2)), b)
			got, c := r.read()
			r.check(got)
			if len(c.Damage) != 0 || c.LastEnd != 0 {
				t.Errorf("contents %+v, want no damage and an empty newest file", c)
			}
			r.open(Options{LastEnd: c.LastEnd})
			r.append([]sensors.Batch{r.batch(rng, "climate", 5)})
			got, c = r.read()
			r.check(got)
			if len(c.Damage) != 0 {
				t.Errorf("later: damage %v, want none", c.Damage)
			}
		})
	}
}

// Bytes made to look like records must not take hours: see searchBudget.
func TestRead_hostileLengths(t *testing.T) {
	r := newRig(t, Options{FileBytes: 4 << 10})
	r.append([]sensors.Batch{r.batch(seeded(t), "climate", 5)})
	b := r.crash()[:r.j.offset]
	b = append(b, bytes.Repeat([]byte{0, 0, 0x7f, 0, 1, 2, 3, 4}, 1<<20)...)
	r.put(r.lastFile(), b)
	got, c := r.read()
	r.check(got)
	if !c.Torn {
		t.Errorf("contents %+v, want a torn write", c)
	}
}

func TestRead_otherFilesAreNotOurs(t *testing.T) {
	r := newRig(t, Options{})
	r.append([]sensors.Batch{r.batch(seeded(t), "climate", 5)})
	for _, name := range []string{"notes.txt", "1.journal", "0000000000.journal", strings.Repeat("9", 30) + ".journal"} {
		r.put(filepath.Join(r.dir, name), []byte("hello"))
	}
	got, c := r.read()
	r.check(got)
	if c.Files != 1 || len(c.Damage) != 0 {
		t.Errorf("contents %+v, want one file", c)
	}
}

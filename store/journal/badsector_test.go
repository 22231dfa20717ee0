package journal

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/skerry-edge/skerry/sensors"
)

// badSectors is a file of which some bytes cannot be read.
type badSectors struct {
	*os.File
	from, to int64
	tries    *int
}

func (b badSectors) ReadAt(p []byte, at int64) (int, error) {
	if at < b.to && at+int64(len(p)) > b.from {
		*b.tries++
		n, _ := b.File.ReadAt(p[:max(0, min(int64(len(p)), b.from-at))], at)
		return n, unix.EIO
	}
	return b.File.ReadAt(p, at)
}

// A bad sector costs what lies in it and is reported; all other readings come back, and the store starts.
func TestRead_badSectors(t *testing.T) {
	r := newRig(t, Options{FileBytes: 64 << 10})
	rng := seeded(t)
	for len(r.files()) < 3 {
		r.append([]sensors.Batch{r.batch(rng, "climate", 1+rng.IntN(50))})
	}
	readings := func(groups func(Group) bool) (n int) {
		for _, g := range r.groups {
			if groups(g) {
				n += len(g.Chunks[0].Readings)
			}
		}
		return n
	}
	for name, c := range map[string]struct {
		file     uint64
		from, to int64
		most     int // tries
	}{
		"the header":    {2, 0, 1, 1 + 1 + 1},
		"in the middle": {2, 20_000, 20_001, 1 + 1},
		"two sectors":   {2, 8192, 16384, 1 + 2},
		"the end":       {1, 60 << 10, 1 << 40, 1 + 100},
		"all of it":     {1, 0, 1 << 40, 1 + 1 + 100},
		"of the newest": {3, 0, 1, 1 + 1 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			tries, got := 0, 0
			contents, err := read(r.dir, sensors.NewTable(), Visitor{Chunk: func(c Chunk) error {
				got += len(c.Readings)
				return nil
			}}, func(path string) (source, error) {
				f, err := os.Open(path)
				if filepath.Base(path) != fileName(c.file) {
					return f, err
				}
				return badSectors{f, c.from, c.to, &tries}, err
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(contents.Damage) == 0 || contents.Damage[0].File != fileName(c.file) {
				t.Errorf("damage %v, want file %d", contents.Damage, c.file)
			}
			// Of the file all groups that lie apart come back, but for series and texts that were defined in the bad sectors.
			want := readings(func(g Group) bool { return g.Chunks[0].At.File != c.file })
			if c.from > 0 {
				want += readings(func(g Group) bool {
					return g.Chunks[0].At.File == c.file && int64(g.Chunks[0].At.Offset) < c.from-4096
				})
			}
			if got < want {
				t.Errorf("%d readings, want at least %d", got, want)
			}
			if tries > c.most {
				t.Errorf("%d tries of bad sectors, want at most %d", tries, c.most)
			}
		})
	}
}

// A disk of which nothing can be read is given up soon.
func TestReadPieces_givesUp(t *testing.T) {
	tries := 0
	b := make([]byte, 1000*readPiece)
	bad := readPieces(readerFunc(func(p []byte, _ int64) (int, error) {
		tries++
		clear(p)
		p[0] = 1
		return 1, unix.EIO
	}), b)
	if tries != maxUnreadable+1 || len(bad) != 1 || bad[0].size != len(b) || !allZero(b) {
		t.Errorf("%d tries, %v", tries, bad)
	}
}

type readerFunc func(p []byte, at int64) (int, error)

func (f readerFunc) ReadAt(p []byte, at int64) (int, error) { return f(p, at) }

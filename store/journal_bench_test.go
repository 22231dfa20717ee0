package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"

	"github.com/skerry-edge/skerry/crdt/columns"
	"github.com/skerry-edge/skerry/sensors"
	"github.com/skerry-edge/skerry/store/journal"
)

// sealEvery is after how many groups the bench has no more use for them, as after a seal.
const sealEvery = 64

// BenchmarkJournalAgainstBadger compares a durable commit of a group of readings in the journal with one of the same
// bytes in Badger, as the store opens it. What was sealed is given back: files by Release, rows by Delete and
// RunValueLogGC. See docs/decisions/0001-journal-outside-badger.md.
func BenchmarkJournalAgainstBadger(b *testing.B) {
	for _, n := range []int{1, 10, 100, 2000} {
		b.Run(fmt.Sprintf("journal/%d", n), func(b *testing.B) { benchmarkJournal(b, n) })
		b.Run(fmt.Sprintf("badger/%d", n), func(b *testing.B) { benchmarkBadger(b, n) })
	}
}

func benchmarkJournal(b *testing.B, n int) {
	b.Helper()
	dir := b.TempDir()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	g, sealed := newBenchGroups(b, n), 0
	appendGroup(b, j, g.next()) // with the file's header and definitions
	before, size := writtenBytes(b), j.Bytes()
	written := uint64(0)
	for b.Loop() {
		group := appendGroup(b, j, g.next())
		if sealed++; sealed%sealEvery == 0 {
			written += j.Bytes() - size
			if err := j.Release(group.Chunks[0].At.File); err != nil {
				b.Fatal(err)
			}
			size = j.Bytes()
		}
	}
	written += j.Bytes() - size
	report(b, before, float64(written)/float64(b.N), dir)
	if err := j.Close(nil, nil); err != nil {
		b.Fatal(err)
	}
}

func benchmarkBadger(b *testing.B, n int) {
	b.Helper()
	groups, mean := journalledGroups(b, n)
	enc, err := columns.NewEncoder()
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	db, err := openBadger(dir, &badgerLog{log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	g, buf, seq := newBenchGroups(b, n), []byte(nil), uint64(0)
	key := func(seq uint64) []byte { return binary.BigEndian.AppendUint64([]byte{'j'}, seq) }
	before := writtenBytes(b)
	for b.Loop() {
		seq++
		buf = g.encode(b, enc, buf) // the journal does that too
		err := db.Update(func(txn *badger.Txn) error {
			for old := seq - sealEvery; seq%sealEvery == 0 && old < seq; old++ {
				if err := txn.Delete(key(old)); err != nil {
					return err
				}
			}
			return txn.Set(key(seq), groups[seq%uint64(len(groups))])
		})
		if err != nil {
			b.Fatal(err)
		}
		for seq%(16*sealEvery) == 0 && db.RunValueLogGC(0.3) == nil { // until nothing is left to rewrite
			continue
		}
	}
	report(b, before, mean, dir)
	if err := closeBadger(db); err != nil {
		b.Fatal(err)
	}
}

// journalledGroups returns what the journal writes for groups of n readings, and the mean of their sizes.
func journalledGroups(b *testing.B, n int) (groups [][]byte, mean float64) {
	b.Helper()
	dir := b.TempDir()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	g := newBenchGroups(b, n)
	appendGroup(b, j, g.next())
	ends := []uint64{j.Bytes()}
	for range 100 {
		appendGroup(b, j, g.next())
		ends = append(ends, j.Bytes())
	}
	if err := j.Close(nil, nil); err != nil {
		b.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(dir, "0000000001.journal"))
	if err != nil {
		b.Fatal(err)
	}
	for i, end := range ends[1:] {
		groups = append(groups, file[ends[i]:end])
	}
	return groups, float64(ends[100]-ends[0]) / 100
}

// benchGroups makes groups: ten series in turn, two decimals, about one reading a millisecond.
type benchGroups struct {
	random *rand.Rand
	series []*sensors.Series
	n      int
	at     int64
}

func newBenchGroups(b *testing.B, n int) *benchGroups {
	b.Helper()
	g, table := &benchGroups{n: n, random: rand.New(rand.NewPCG(1, 2))}, sensors.NewTable()
	for i := range 10 {
		s, err := table.Intern(sensors.Series{Name: fmt.Sprintf("temp%d", i), Type: sensors.Float})
		if err != nil {
			b.Fatal(err)
		}
		g.series = append(g.series, s)
	}
	return g
}

func (g *benchGroups) next() []sensors.Batch {
	rs := make([]sensors.Reading, g.n)
	for i := range rs {
		g.at++
		v := math.Round(2000+500*math.Sin(float64(g.at)/10_000)+10*g.random.NormFloat64()) / 100
		rs[i] = sensors.Reading{
			Series: g.series[int(g.at)%len(g.series)], Num: math.Float64bits(v),
			Time: 1_700_000_000_000_000_000 + (g.at+g.random.Int64N(10)-5)*1_000_000,
		}
	}
	return []sensors.Batch{{Source: "line", Collection: "climate", Readings: rs}}
}

// encode packs a group's readings into buf.
func (g *benchGroups) encode(b *testing.B, enc *columns.Encoder, buf []byte) []byte {
	b.Helper()
	buf, err := enc.Encode(buf[:0], g.next()[0].Readings, func(s *sensors.Series) uint32 {
		return uint32(slices.Index(g.series, s))
	})
	if err != nil {
		b.Fatal(err)
	}
	return buf
}

func appendGroup(b *testing.B, j *journal.Journal, batches []sensors.Batch) journal.Group {
	b.Helper()
	group, err := j.Append(batches, nil, sensors.ClockBase{})
	if err != nil {
		b.Fatal(err)
	}
	return group
}

func report(b *testing.B, before uint64, groupBytes float64, dir string) {
	b.Helper()
	n := float64(b.N)
	b.ReportMetric(n/b.Elapsed().Seconds(), "commits/s")
	b.ReportMetric(float64(writtenBytes(b)-before)/n, "write_bytes/commit")
	b.ReportMetric(groupBytes, "group_bytes")
	b.ReportMetric(float64(allocated(b, dir))/(1<<20), "disk_MiB")
}

// allocated returns how much disk the files of dir take.
func allocated(b *testing.B, dir string) uint64 {
	b.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		b.Fatal(err)
	}
	sum := uint64(0)
	for _, path := range paths {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			b.Fatal(err)
		}
		sum += uint64(st.Blocks) * 512
	}
	return sum
}

// writtenBytes returns how many bytes this process made the kernel write to disks.
func writtenBytes(b *testing.B) uint64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		if value, found := bytes.CutPrefix(line, []byte("write_bytes: ")); found {
			n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatal("/proc/self/io has no write_bytes")
	return 0
}

package journal

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skerry-edge/skerry/sensors"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenFile writes a file with a record of each kind and returns its bytes.
func goldenFile(t *testing.T) (*rig, []byte) {
	t.Helper()
	r := newRig(t, Options{})
	r.j.end, r.j.number, r.j.files = 4711, 6, []uint64{6} // as if file 6 ended there
	temp, state := r.series("temp", sensors.Float), r.series("state", sensors.String)
	at := int64(1_700_000_000_000_000_000)
	few := sensors.Batch{
		Source: "line", Collection: "climate", Origin: &sensors.Origin{Client: "meter-7", PacketID: 0x1234, Hash: 0x0102030405060708},
		Readings: []sensors.Reading{
			{Series: temp, Time: at, Num: math.Float64bits(21.5)},
			{Series: temp, Time: at + 1e9, Num: math.Float64bits(21.25), Quality: sensors.QualityArrival},
			{Series: r.series("count", sensors.Int), Time: at, Num: 5},
			{Series: r.series("on", sensors.Bool), Time: at, Num: 1},
			{Series: state, Time: at - 1e6, Str: "open"},
		},
	}
	r.append([]sensors.Batch{few}, sensors.Loss{Collection: "climate", Source: "line", First: at, Last: at + 5e9, Count: 300, Reason: sensors.LostQueueFull})
	r.sealed(testHead("climate", 2))
	var many []sensors.Reading
	for i := range int64(20) {
		many = append(many, sensors.Reading{Series: temp, Time: at + i*1e9, Num: math.Float64bits(20 + float64(i)/4)})
	}
	r.append([]sensors.Batch{{Source: "line", Collection: "climate", Readings: many}})
	b := r.crash()
	return r, b[:r.j.offset]
}

// The bytes of a journal are final: a change takes a new kind of record or a new file header.
func TestGolden(t *testing.T) {
	r, b := goldenFile(t)
	got := annotate(t, b)
	path := filepath.Join("testdata", "file.hex")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got\n%s", path, diff)
	}
	// And they read back, from the golden file alone.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName(7)), unhex(t, string(want)), 0o600); err != nil {
		t.Fatal(err)
	}
	read, c, err := readInto(dir, r.table)
	if err != nil || len(c.Damage) != 0 || c.LastEnd != uint64(len(b)) {
		t.Errorf("contents %+v, %v", c, err)
	}
	r.check(read)
}

func kindName(k kind) string {
	switch k {
	case kindText:
		return "text"
	case kindSeries:
		return "series"
	case kindRows:
		return "rows"
	case kindColumns:
		return "columns"
	case kindOrigins:
		return "origins"
	case kindSealed:
		return "sealed"
	case kindLoss:
		return "loss"
	case kindClock:
		return "clock"
	case kindGroup:
		return "group"
	}
	return "?"
}

// annotate prints a file as hex, a record a paragraph.
func annotate(t *testing.T, b []byte) string {
	t.Helper()
	var out strings.Builder
	kinds := map[kind]bool{}
	paragraph := func(what string, b []byte) {
		fmt.Fprintf(&out, "# %s\n", what)
		for len(b) > 0 {
			n := min(len(b), 32)
			fmt.Fprintf(&out, "%x\n", b[:n])
			b = b[n:]
		}
	}
	paragraph("file header", b[:fileHeaderBytes])
	for offset := fileHeaderBytes; offset < len(b); {
		k, _, size, err := parseRecord(b[offset:], 7, uint64(offset))
		if err != nil {
			t.Fatalf("at %d: %v", offset, err)
		}
		paragraph(fmt.Sprintf("%d: %s", offset, kindName(k)), b[offset:offset+size])
		kinds[k] = true
		offset += size
	}
	if len(kinds) != int(kindGroup) {
		t.Errorf("%d kinds in the golden file, want all %d", len(kinds), kindGroup)
	}
	return out.String()
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	var b []byte
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		part, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, part...)
	}
	return b
}

func TestParseFileHeader(t *testing.T) {
	h := fileHeader{number: 7, previousEnd: 4711, back: 1}
	b := appendFileHeader(nil, h)
	got, err := parseFileHeader(b)
	if err != nil || got != h {
		t.Errorf("got %+v, %v, want %+v", got, err, h)
	}
	for i := range b {
		flipped := append([]byte(nil), b...)
		flipped[i] ^= 4
		if _, err := parseFileHeader(flipped); err == nil {
			t.Errorf("a header with byte %d flipped was taken", i)
		}
		if _, err := parseFileHeader(b[:i]); err == nil {
			t.Errorf("%d bytes were taken for a header", i)
		}
	}
}

// Arbitrary bytes as a journal: no panic, no error but the visitor's, memory bounded by the input.
func FuzzRecord(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add([]byte(fileMagic), true)
	golden, err := os.ReadFile(filepath.Join("testdata", "file.hex"))
	if err != nil {
		f.Fatal(err)
	}
	var whole []byte
	for line := range strings.Lines(string(golden)) {
		if part, err := hex.DecodeString(strings.TrimSpace(line)); err == nil && !strings.HasPrefix(line, "#") {
			whole = append(whole, part...)
		}
	}
	f.Add(whole, false)
	f.Add(whole[fileHeaderBytes:], true)
	f.Fuzz(func(t *testing.T, b []byte, repair bool) {
		if repair {
			b = repaired(b)
		}
		table := sensors.NewTable()
		r, err := newFuzzReader(table)
		if err != nil {
			t.Fatal(err)
		}
		end, err := r.file(b, true)
		if err != nil && !errors.Is(err, errMalformed) {
			t.Fatal(err)
		}
		if end > uint64(max(len(b), fileHeaderBytes)) {
			t.Errorf("the records of %d bytes end at %d", len(b), end)
		}
	})
}

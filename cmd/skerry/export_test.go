package main

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/skerry-edge/skerry/agent/api"
)

func TestExport_files(t *testing.T) {
	socket := serveViews(t, viewRows(t))
	path := filepath.Join(t.TempDir(), "out.csv")
	code, stdout, stderr := skerry(t, "export", "climate", "--out", path, "--socket", socket)
	if code != 0 || stdout != "" || stderr != "wrote 4 rows to "+path+"\n" {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	got, err := os.ReadFile(path)
	if err != nil || strings.Count(string(got), "\n") != 5 {
		t.Errorf("%v\n%s", err, got)
	}
	code, _, stderr = skerry(t, "export", "empty", "--out", path, "--socket", socket)
	if got, err = os.ReadFile(path); code != 0 || err != nil || string(got) != "time,series,tags,value,unit,author\n" {
		t.Errorf("an empty collection: exit code %d, %v\n%s%s", code, err, stderr, got)
	}
	if code, _, stderr = skerry(t, "export", "climate", "--socket", socket); code != exitUsage {
		t.Errorf("without --out: exit code %d\n%s", code, stderr)
	}
}

// onlyFile expects that the folder holds just the file.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		if entry.Name() != filepath.Base(path) {
			t.Errorf("left behind: %s", entry.Name())
		}
	}
}

// TestExport_parquet: over the socket a value keeps its type.
func TestExport_parquet(t *testing.T) {
	m := viewRows(t)
	whole := &api.Series{Name: "whole", Type: api.Float}
	if err := m.Add(t.Context(), "climate", []api.Reading{{Series: whole, Time: viewTime + 4e9, Num: math.Float64bits(21)}}); err != nil {
		t.Fatal(err)
	}
	socket := serveViews(t, m)
	path := filepath.Join(t.TempDir(), "out.parquet")
	code, stdout, stderr := skerry(t, "export", "climate", "--out", path, "--socket", socket)
	if code != 0 || stdout != "" || stderr != "wrote 5 rows to "+path+"\n" {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	type row struct {
		Time   int64             `parquet:"time,timestamp(millisecond)"`
		Series string            `parquet:"series"`
		Tags   map[string]string `parquet:"tags"`
		Value  *float64          `parquet:"value,optional"`
		Int    *int64            `parquet:"value_int,optional"`
	}
	rows, err := parquet.ReadFile[row](path)
	if err != nil || len(rows) != 5 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if r := rows[0]; r.Time != viewTime/1e6 || r.Series != "temp" || r.Value == nil || *r.Value != 21.5 || r.Tags["room"] != "wine cellar" {
		t.Errorf("got %+v", r)
	}
	if r := rows[1]; r.Series != "pressure" || r.Int == nil || *r.Int != 101_325 || r.Value == nil || *r.Value != 101_325 {
		t.Errorf("got %+v", r)
	}
	if r := rows[4]; r.Series != "whole" || r.Int != nil || r.Value == nil || *r.Value != 21 {
		t.Errorf("got %+v", r)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	opened, err := parquet.OpenFile(file, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"skerry.collection": "climate", "skerry.gateway": "pump-house-3", "skerry.peer": "12D3KooWGate",
		"skerry.digest": strings.Repeat("0", 63) + "5", "skerry.version": ownVersion().Version,
	} {
		if got, ok := opened.Lookup(key); !ok || got != want {
			t.Errorf("metadata %s: got %q, want %q", key, got, want)
		}
	}
}

func TestExport_part(t *testing.T) {
	socket := serveViews(t, viewRows(t))
	path := filepath.Join(t.TempDir(), "out.csv")
	for args, want := range map[string]string{
		"--from 2026-08-20T12:00:01.123Z --to 2026-08-20T12:00:03Z": "wrote 2 rows",
		"--series p*":               "wrote 1 row",
		"--tag source=weather":      "wrote 2 rows",
		"--author pump-house-3":     "wrote 4 rows",
		"--to 2026-08-20T12:00:00Z": "wrote 0 rows",
		"--quiet":                   "",
	} {
		code, _, stderr := skerry(t, append([]string{"export", "climate", "--out", path, "--socket", socket}, strings.Fields(args)...)...)
		if code != 0 || want != "" && stderr != want+" to "+path+"\n" || want == "" && stderr != "" {
			t.Errorf("%s: exit code %d, %q", args, code, stderr)
		}
	}
	code, _, stderr := skerry(t, "export", "climate", "--author", "nobody", "--out", path+".csv", "--socket", socket)
	if code != exitFailure || !strings.HasPrefix(stderr, "error: no such author") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	onlyFile(t, path)
}

func TestExport_car(t *testing.T) {
	m := viewRows(t)
	socket := serveViews(t, m)
	path := filepath.Join(t.TempDir(), "out.car")
	code, stdout, stderr := skerry(t, "export", "climate", "--out", path, "--socket", socket)
	want := "warning: 1 reading is not in a block yet, and not in " + path + "; a running agent seals within a minute\nwrote 5 blocks to " + path + "\n"
	if code != 0 || stdout != "" || stderr != want {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m.CutBlocks(errors.New("block 7 of feed 0a0b: cid mismatch"))
	code, _, stderr = skerry(t, "export", "climate", "--out", path, "--socket", socket)
	if code != exitFailure || stderr != "error: export climate: block 7 of feed 0a0b: cid mismatch\n" {
		t.Errorf("damaged: exit code %d, %q", code, stderr)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("damaged: the file that was there has changed: %v", err)
	}
	onlyFile(t, path)
	if code, _, stderr = skerry(t, "export", "empty", "--out", path, "--socket", socket); code != 0 || stderr != "wrote 0 blocks to "+path+"\n" {
		t.Errorf("without rows: exit code %d, %q", code, stderr)
	}
}

// endless is a backend whose rows and blocks do not end by themselves.
type endless struct {
	api.Backend
	stop context.CancelCauseFunc
}

func (e endless) Query(ctx context.Context, q api.Query) (api.Rows, error) {
	rows, err := e.Backend.Query(ctx, q)
	one := rows.Seq
	rows.Seq = func(yield func(api.Row, error) bool) {
		for row, err := range one {
			for range 300_000 {
				if !yield(row, err) {
					return
				}
			}
			e.stop(errInterrupted)
			<-ctx.Done()
			yield(api.Row{}, ctx.Err())
			return
		}
	}
	return rows, err
}

// TestExport_interrupted: no file and no half one is left.
func TestExport_interrupted(t *testing.T) {
	for _, format := range []string{"csv", "ndjson", "parquet"} {
		path := filepath.Join(t.TempDir(), "out."+format)
		ctx, cancel := context.WithCancelCause(t.Context())
		socket := serveViews(t, endless{viewRows(t), cancel})
		var stderr bytes.Buffer
		if code := execute(ctx, []string{"export", "climate", "--out", path, "--socket", socket}, nil, &stderr, &stderr); code != exitFailure || stderr.String() != "error: interrupted\n" {
			t.Errorf("%s: exit code %d, %q", format, code, stderr.String())
		}
		if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
			t.Errorf("%s: left behind: %v, %v", format, left, err)
		}
	}
}

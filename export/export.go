// Package export writes rows and blocks as files.
package export

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skerry-edge/skerry/sensors"
)

// Format is a kind of file.
type Format string

// The formats: of rows, and FormatCAR of blocks.
const (
	FormatCSV     Format = "csv"
	FormatNDJSON  Format = "ndjson"
	FormatParquet Format = "parquet"
	FormatCAR     Format = "car"
)

// Formats returns the formats in the order that people are told of them.
func Formats() []Format { return []Format{FormatCSV, FormatNDJSON, FormatParquet, FormatCAR} }

// FormatError says that no format goes by a file's name.
type FormatError struct {
	Path string
}

// Error names the file and the extensions that there are.
func (e *FormatError) Error() string {
	known := make([]string, 0, len(Formats()))
	for _, format := range Formats() {
		known = append(known, "."+string(format))
	}
	return fmt.Sprintf("file %q: the name must end in one of %s", e.Path, strings.Join(known, ", "))
}

// FormatOf returns the format that path's extension names, or a *FormatError.
func FormatOf(path string) (Format, error) {
	format := Format(strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), "."))
	if !slices.Contains(Formats(), format) {
		return "", &FormatError{Path: path}
	}
	return format, nil
}

// Rows writes rows in FormatCSV or FormatNDJSON, with times in UTC that have p's digits, and returns how many. It stops at the first
// error, of rows or of w; what was written until then stays.
func Rows(w io.Writer, format Format, p sensors.Precision, rows iter.Seq2[sensors.Row, error]) (int64, error) {
	switch format {
	case FormatCSV:
		return write(w, csvHeader, rows, func(dst []byte, row *sensors.Row) []byte { return appendCSV(dst, row, p) })
	case FormatNDJSON:
		return write(w, "", rows, func(dst []byte, row *sensors.Row) []byte { return append(row.AppendJSON(dst, p), '\n') })
	case FormatParquet, FormatCAR:
	}
	return 0, fmt.Errorf("write rows: format %q is not one of text", format)
}

// chunkBytes is how much is written at once.
const chunkBytes = 64 << 10

// Buckets writes buckets as Rows writes rows. Their values are those of list.
func Buckets(w io.Writer, format Format, p sensors.Precision, list []sensors.Aggregate, buckets iter.Seq2[sensors.Bucket, error]) (int64, error) {
	switch format {
	case FormatCSV:
		return write(w, bucketHeader(list), buckets, func(dst []byte, b *sensors.Bucket) []byte { return appendBucketCSV(dst, b, p) })
	case FormatNDJSON:
		return write(w, "", buckets, func(dst []byte, b *sensors.Bucket) []byte { return append(b.AppendJSON(dst, p, list), '\n') })
	case FormatParquet, FormatCAR:
	}
	return 0, fmt.Errorf("write buckets: format %q is not one of text", format)
}

func write[V any](w io.Writer, header string, rows iter.Seq2[V, error], appendRow func([]byte, *V) []byte) (int64, error) {
	buf := append(make([]byte, 0, chunkBytes+4096), header...)
	var count int64
	for row, err := range rows {
		if err != nil {
			return count, errors.Join(err, flush(w, buf))
		}
		buf = appendRow(buf, &row)
		count++
		if len(buf) >= chunkBytes {
			if err := flush(w, buf); err != nil {
				return count, err
			}
			buf = buf[:0]
		}
	}
	return count, flush(w, buf)
}

func flush(w io.Writer, buf []byte) error {
	if len(buf) == 0 {
		return nil
	}
	if _, err := w.Write(buf); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	return nil
}

// File makes the file path with what fill writes. The file appears whole, on disk, or not at all: a file that was there
// before stays as it was when fill or the disk fails. It gets mode 0644 less the umask.
func File(path string, fill func(io.Writer) error) (err error) {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	part, err := createPart(dir, name)
	if cause, is := errors.AsType[*fs.PathError](err); is {
		return fmt.Errorf("make file %s: %w", path, cause.Err) // its hidden name would only confuse
	}
	if err != nil {
		return fmt.Errorf("make file %s: %w", path, err)
	}
	open := true
	defer func() {
		if err == nil {
			return
		}
		if open {
			err = errors.Join(err, part.Close())
		}
		err = errors.Join(err, os.Remove(part.Name()))
	}()
	if err := fill(part); err != nil {
		return err
	}
	if err := part.Sync(); err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	open = false
	if err := part.Close(); err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	if err := os.Rename(part.Name(), path); err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	return syncFolder(dir)
}

// createPart makes a new file beside the one that it is to become.
func createPart(dir, name string) (*os.File, error) {
	var err error
	for range 100 {
		path := filepath.Join(dir, fmt.Sprintf(".%s.part-%08x", name, rand.Uint32())) //nolint:gosec // a free name, no secret
		var part *os.File
		part, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // the file that the user named
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return part, err
		}
	}
	return nil, err
}

// syncFolder makes the new name durable. Some file systems cannot, which costs only the name after a power cut.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	_ = folder.Sync()
	if err := folder.Close(); err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	return nil
}

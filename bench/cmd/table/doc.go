package main

import (
	"bytes"
	"fmt"
	"os"
)

// The lines of a document between which the table lies.
const (
	tableBegin = "<!-- table: written by -doc -->\n"
	tableEnd   = "<!-- end of table -->\n"
)

// replaceTable puts table into the document between its two marks.
func replaceTable(path string, table []byte) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write document: %w", err)
	}
	before, rest, has := bytes.Cut(text, []byte(tableBegin))
	_, after, ends := bytes.Cut(rest, []byte(tableEnd))
	if !has || !ends {
		return fmt.Errorf("write document: %s lacks the lines %q and %q", path, tableBegin, tableEnd)
	}
	text = bytes.Join([][]byte{before, []byte(tableBegin), table, []byte(tableEnd), after}, nil)
	if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // a document for everyone
		return fmt.Errorf("write document: %w", err)
	}
	return nil
}

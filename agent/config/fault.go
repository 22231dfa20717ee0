package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Fault is one thing that is wrong with a configuration, or that a warning is about.
type Fault struct {
	File string // as it was named or found
	Line int    // from 1
	Key  string // dotted, "source.mqtt[meters].topics"; "" = the file itself
	What string // what is wrong
	Hint string // what to do about it; "" = plain from What
}

// String returns "FILE:LINE: key: what; hint".
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: ", f.File, f.Line)
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	b.WriteString(f.What)
	if f.Hint != "" {
		b.WriteString("; " + f.Hint)
	}
	return b.String()
}

// Faults is the error of a faulty configuration: all that is wrong with it, in order of file and line, at least one.
type Faults []Fault //nolint:errname // it is the plural of Fault, and reads so where it is ranged over

// Error returns the faults, one a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// sorted puts faults in the order of files and lines, in which files lists the files.
func sorted(faults []Fault, files []string) []Fault {
	slices.SortStableFunc(faults, func(a, b Fault) int {
		return cmp.Or(
			cmp.Compare(slices.Index(files, a.File), slices.Index(files, b.File)),
			cmp.Compare(a.Line, b.Line),
		)
	})
	return slices.Compact(faults)
}

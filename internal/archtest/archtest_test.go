package archtest

import (
	"slices"
	"strings"
	"testing"
)

func TestRepository_keepsItsShape(t *testing.T) {
	files, err := readModule("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("found %d files: this does not read the repository", len(files))
	}
	for _, line := range check(table(), files) {
		t.Error(line)
	}
}

// TestTable_namesRows: what a row may import must be a row itself, and the table must have no cycle.
func TestTable_namesRows(t *testing.T) {
	rows := table()
	done := map[string]bool{}
	var visit func(folder string, path []string)
	visit = func(folder string, path []string) {
		if slices.Contains(path, folder) {
			t.Fatalf("cycle: %s", strings.Join(append(path, folder), " → "))
		}
		if done[folder] {
			return
		}
		i := slices.IndexFunc(rows, func(r row) bool { return r.folder == folder })
		if i < 0 {
			if !strings.HasSuffix(folder, "/*") {
				t.Errorf("%s may import %s, which has no row", path[len(path)-1], folder)
			}
			return
		}
		for _, next := range rows[i].may {
			visit(next, append(path, folder))
		}
		done[folder] = true
	}
	for _, r := range rows {
		visit(r.folder, nil)
	}
}

func TestCheck_finds(t *testing.T) {
	const doc = "// Package x does.\n"
	for name, c := range map[string]struct{ path, text, want string }{
		"allowed":           {"ingest/a.go", "// Package ingest does.\npackage ingest\nimport _ \"" + module + "/sensors\"", ""},
		"import":            {"ingest/a.go", "// Package ingest does.\npackage ingest\nimport _ \"" + module + "/sensors/mqtt\"", "ingest must not import sensors/mqtt"},
		"child's import":    {"store/journal/a.go", "// Package journal does.\npackage journal\nimport _ \"" + module + "/ingest\"", "store must not import ingest"},
		"own child":         {"store/a.go", "// Package store does.\npackage store\nimport _ \"" + module + "/store/journal\"", ""},
		"sibling with row":  {"crdt/a.go", "// Package crdt does.\npackage crdt\nimport _ \"" + module + "/crdt/columns\"", "crdt must not import crdt/columns"},
		"helper in product": {"store/a.go", "// Package store does.\npackage store\nimport _ \"" + module + "/store/storetest\"", "imports store/storetest, which is for tests"},
		"helper in test":    {"store/a_test.go", "package store\nimport _ \"" + module + "/store/storetest\"", ""},
		"helper's import":   {"ingest/ingesttest/a.go", "// Package ingesttest does.\npackage ingesttest\nimport _ \"" + module + "/store\"", "ingest must not import store"},
		"inside test":       {"ingest/a_test.go", "package ingest\nimport _ \"" + module + "/store\"", "ingest must not import store"},
		"outside test":      {"ingest/a_test.go", "package ingest_test\nimport _ \"" + module + "/store\"", ""},
		"no row":            {"stuff/a.go", doc + "package x", "folder stuff has no row in the table"},
		"no comment":        {"store/a.go", "package store", "package store has no comment"},
		"other comment":     {"store/a.go", doc + "package store", `the package's comment does not begin with "Package store"`},
		"package name":      {"store/util/a.go", "// Package util does.\npackage util", "the name util says nothing"},
		"type name":         {"store/a.go", "// Package store does.\npackage store\ntype FeedManager struct{}", "the name FeedManager says nothing"},
		"length":            {"agent/a.go", "// Package agent does.\npackage agent\n" + strings.Repeat("\n", 300), "has 302 lines, more than 300"},
		"length below":      {"agent/api/a.go", "// Package api does.\npackage api\n" + strings.Repeat("\n", 300), ""},
	} {
		f, err := readFile(c.path, []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		found := check(table(), []file{f})
		switch {
		case c.want == "" && len(found) > 0:
			t.Errorf("%s: %q, want nothing", name, found)
		case c.want != "" && (len(found) == 0 || !strings.Contains(found[0], c.want)):
			t.Errorf("%s: %q, want %q", name, found, c.want)
		}
	}
}

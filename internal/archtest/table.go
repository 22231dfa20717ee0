// Package archtest keeps the shape of this repository: which folder may import which, as a test.
package archtest

import "strings"

// module is the path that our imports begin with.
const module = "github.com/skerry-edge/skerry"

// A row says what a folder, and those below it without a row of their own, may import of ours.
type row struct {
	folder string   // below the module's root
	may    []string // folders; "x/*" = those below x
	lines  int      // the longest file but tests; 0 = the linter's limit
}

// table is the one of docs/architecture.md. What a folder is for stands there.
func table() []row {
	return []row{
		{folder: "cmd/skerry", may: []string{"agent", "agent/api", "agent/config", "identity", "configs", "demo", "export", "sinks", "sinks/*"}},
		{folder: "agent", lines: 300, may: []string{
			"agent/config", "agent/api", "identity", "clock", "sensors", "sensors/serial", "sensors/mqtt", "sensors/modbus", "sensors/decode", "ingest",
			"crdt", "crdt/columns", "store", "export", "meshsync", "discovery", "nat", "pairing", "systemd", "web", "configs",
		}},
		{folder: "agent/config", may: []string{"sensors", "sensors/serial", "sensors/mqtt", "sensors/modbus", "sensors/decode", "ingest", "store"}},
		{folder: "agent/api", may: []string{"crdt", "sensors", "web"}},
		{folder: "identity"},
		{folder: "clock"},
		{folder: "sensors"},
		{folder: "sensors/serial", may: []string{"sensors"}},
		{folder: "sensors/mqtt", may: []string{"sensors"}},
		{folder: "sensors/modbus", may: []string{"sensors"}},
		{folder: "sensors/decode", may: []string{"sensors"}},
		{folder: "ingest", may: []string{"sensors", "crdt", "crdt/columns", "clock"}},
		{folder: "crdt"},
		{folder: "crdt/columns", may: []string{"sensors"}},
		{folder: "store", may: []string{"crdt", "crdt/columns", "sensors"}},
		{folder: "export", may: []string{"crdt", "crdt/columns", "sensors"}},
		{folder: "meshsync", may: []string{"crdt", "identity"}},
		{folder: "discovery", may: []string{"identity"}},
		{folder: "nat", may: []string{"identity", "discovery"}},
		{folder: "pairing", may: []string{"crdt", "identity"}},
		{folder: "sinks", may: []string{"crdt", "sensors"}},
		{folder: "systemd"},
		{folder: "web"},
		{folder: "demo", may: []string{"sensors"}},
		{folder: "configs"},
		{folder: "cross"},
		{folder: "hwtest", may: []string{"agent/api"}},
		{folder: "internal/archtest"},
	}
}

// find returns the row that holds for a folder: its own, else its nearest parent's.
func find(rows []row, folder string) (row, bool) {
	best, found := row{}, false
	for _, r := range rows {
		if within(folder, r.folder) && (!found || len(r.folder) > len(best.folder)) {
			best, found = r, true
		}
	}
	return best, found
}

// within reports whether folder is parent or lies below it.
func within(folder, parent string) bool {
	return folder == parent || strings.HasPrefix(folder, parent+"/")
}

// allows reports whether a file of the row may import the folder target.
func (r row) allows(rows []row, target string) bool {
	theirs, ok := find(rows, target)
	if !ok {
		return false
	}
	if theirs.folder == r.folder {
		return true
	}
	for _, folder := range r.may {
		if below, all := strings.CutSuffix(folder, "/*"); folder == theirs.folder || all && within(target, below) && target != below {
			return true
		}
	}
	return false
}

// isTestHelper reports whether a folder holds helpers of tests: it is named xtest, beside or below x.
func isTestHelper(folder string) bool {
	last := folder[strings.LastIndexByte(folder, '/')+1:]
	return strings.HasSuffix(last, "test") && last != "test" && folder != "internal/archtest" && folder != "hwtest"
}

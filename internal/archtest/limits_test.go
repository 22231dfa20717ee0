package archtest

import (
	"fmt"
	"go/constant"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The folder that this repository's module is in, as seen from this package.
const repository = "../.."

// limited are the packages of which every constant that is named as a limit stands in docs/limits.md.
func limited() []string {
	return []string{
		"agent", "agent/api", "agent/config", "crdt", "crdt/columns", "identity", "ingest", "sensors", "sensors/decode",
		"sensors/modbus", "sensors/mqtt", "sensors/serial", "store", "store/journal",
	}
}

// noLimits are constants that are named like a limit and are none.
func noLimits() map[string]string {
	return map[string]string{
		"crdt/columns.maxClass":      "a code of the format",
		"crdt/columns.maxExponent":   "a property of float64",
		"crdt/columns.maxLane":       "a code of the format",
		"crdt/columns.maxLog":        "a code of the format",
		"crdt/columns.maxTried":      "what the encoder looks for",
		"sensors/decode.maxExponent": "keeps the sum of exponents in an int; the value's own range is checked",
		"sensors.ReasonTimeout":      "a reason",
		"store.maxTime":              "the last moment that an int64 can name",
	}
}

// limitName is how a limit is named.
var limitName = regexp.MustCompile(`^(Max|max)[A-Z0-9]|Limit$|Timeout$|Queue$`)

// limitRow is one row of the table.
type limitRow struct {
	line  int
	name  string
	where string // "store.MaxSealBlocks", "ingest.Config.QueueBytes", "store.WithMemTableSize()", "[store] interval"
	value string // begins with a number and its unit
	cells int
}

func TestLimits_tableMatchesCode(t *testing.T) {
	source := newConstants(repository)
	rows := readLimits(t)
	if len(rows) < 50 {
		t.Fatalf("docs/limits.md has %d rows, want the table of all limits", len(rows))
	}
	seen := map[string]int{}
	for _, row := range rows {
		at := fmt.Sprintf("docs/limits.md:%d: %s", row.line, row.name)
		if row.cells != 5 {
			t.Errorf("%s: %d cells, want 5", at, row.cells)
			continue
		}
		if other, twice := seen[row.where]; twice {
			t.Errorf("%s: %s stands at line %d already", at, row.where, other)
		}
		seen[row.where] = row.line
		want, err := row.find(source)
		if err != nil {
			t.Errorf("%s: %v", at, err)
			continue
		}
		have, err := parseAmount(row.value)
		if err != nil {
			t.Errorf("%s: %v", at, err)
			continue
		}
		if !have.equals(want) {
			t.Errorf("%s: the table says %q, %s is %s", at, row.value, row.where, want)
		}
	}
	for _, pkg := range limited() {
		names, err := source.names(pkg)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			full := pkg + "." + name
			if _, in := seen[full]; in || !limitName.MatchString(name) {
				continue
			}
			if _, none := noLimits()[full]; !none {
				t.Errorf("%s is named as a limit and has no row in docs/limits.md", full)
			}
		}
	}
	for full, why := range noLimits() {
		pkg, name, _ := cutLast(full)
		if names, err := source.names(pkg); err != nil || !slices.Contains(names, name) {
			t.Errorf("noLimits names %s (%s), which is not there: %v", full, why, err)
		}
	}
}

func TestLimits_seesWrongRows(t *testing.T) {
	source := newConstants(repository)
	for _, c := range []struct{ where, value, want string }{
		{"store.MaxSealBlocks", "25", "is 32"},
		{"store.noSuchLimit", "1", "no constant"},
		{"ingest.Config.NoSuchField", "1", "no default"},
		{"store.WithNoSuchOption()", "1", "no call"},
		{"[store] no_such_key", "1 s", "no key"},
		{"agent.stopLimit", "61 s", "is 60"},
		{"agent.stopLimit", "soon", "no number"},
	} {
		row := limitRow{where: c.where, value: c.value}
		text := ""
		want, err := row.find(source)
		if err == nil {
			have, parseErr := parseAmount(c.value)
			switch {
			case parseErr != nil:
				err = parseErr
			case !have.equals(want):
				text = "is " + want.String()
			}
		}
		if err != nil {
			text = err.Error()
		}
		if !strings.Contains(text, c.want) {
			t.Errorf("%s, %q: got %q, want something with %q", c.where, c.value, text, c.want)
		}
	}
}

// find returns what the code says.
func (r limitRow) find(source *constants) (amount, error) {
	if section, key, ok := strings.Cut(r.where, "] "); ok {
		text, err := configDefault(section+"]", key)
		if err != nil {
			return amount{}, err
		}
		return parseAmount(text)
	}
	pkg, name, ok := cutLast(r.where)
	if !ok {
		return amount{}, fmt.Errorf("%q names no constant", r.where)
	}
	var value amount
	var err error
	switch call, isCall := strings.CutSuffix(name, "()"); {
	case isCall:
		value, err = source.argument(pkg, call)
	case strings.Contains(filepath.Base(pkg), "."):
		pkg, _, _ = cutLast(pkg) // the type
		value, err = source.assigned(pkg, name)
	default:
		value, err = source.constant(pkg, name)
	}
	return value, err
}

// readLimits returns the rows of the table of docs/limits.md.
func readLimits(t *testing.T) []limitRow {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "docs", "limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []limitRow
	for i, line := range strings.Split(string(text), "\n") {
		cells, ok := tableCells(line)
		if !ok || len(cells) > 0 && cells[0] == "limit" {
			continue
		}
		if strings.HasPrefix(cells[0], "**") && strings.Join(cells[1:], "") == "" {
			continue // a heading inside the table
		}
		row := limitRow{line: i + 1, name: cells[0], cells: len(cells)}
		if len(cells) > 2 {
			row.where, row.value = strings.Trim(cells[1], "`"), cells[2]
		}
		rows = append(rows, row)
	}
	return rows
}

// tableCells returns the cells of a row of a markdown table; \| is no border.
func tableCells(line string) ([]string, bool) {
	inner, ok := strings.CutPrefix(strings.TrimSpace(line), "|")
	inner, closed := strings.CutSuffix(inner, "|")
	if !ok || !closed {
		return nil, false
	}
	cells := strings.Split(strings.ReplaceAll(inner, `\|`, "\x00"), "|")
	rule := true
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(strings.TrimSpace(cell), "\x00", "|")
		rule = rule && strings.Trim(cells[i], "-:") == ""
	}
	return cells, !rule
}

// configDefault returns the default of a key by docs/config.md, which its own test compares with the code.
func configDefault(section, key string) (string, error) {
	text, err := os.ReadFile(filepath.Join(repository, "docs", "config.md"))
	if err != nil {
		return "", err
	}
	in := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "## ") {
			in = line == "## `"+section+"`"
			continue
		}
		cells, ok := tableCells(line)
		if in && ok && len(cells) == 4 && cells[0] == "`"+key+"`" {
			return strings.Trim(strings.Trim(cells[2], "`"), `"`), nil
		}
	}
	return "", fmt.Errorf("docs/config.md has no key %s in %s", key, section)
}

func cutLast(text string) (before, after string, ok bool) {
	i := strings.LastIndexByte(text, '.')
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// amount is a number, and of what.
type amount struct {
	number constant.Value
	time   bool // nanoseconds
}

// String returns the number, of durations in seconds.
func (a amount) String() string {
	if a.time {
		return a.seconds().String() + " s"
	}
	return a.number.ExactString()
}

func (a amount) seconds() constant.Value {
	return constant.BinaryOp(constant.ToFloat(a.number), token.QUO, constant.MakeInt64(1e9))
}

// equals compares what a table says with what the code says, where a plain number may be seconds.
func (a amount) equals(code amount) bool {
	if a.time && !code.time {
		return constant.Compare(a.seconds(), token.EQL, constant.ToFloat(code.number))
	}
	return a.time == code.time && constant.Compare(a.number, token.EQL, code.number)
}

// amountText is a number with an optional unit, at the beginning of a cell.
var amountText = regexp.MustCompile(`^([0-9][0-9,]*(?:\.[0-9]+)?) ?(KiB|MiB|GiB|ns|us|ms|s|min|m|h|d|%)?(?:[^A-Za-z0-9%]|$)`)

// parseAmount reads "8 MiB", "4,096 readings", "250 ms", "10s".
func parseAmount(text string) (amount, error) {
	m := amountText.FindStringSubmatch(text)
	if m == nil {
		return amount{}, fmt.Errorf("%q begins with no number and known unit", text)
	}
	units := map[string]int64{
		"": 1, "%": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
		"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9, "min": 60e9, "m": 60e9, "h": 3600e9, "d": 24 * 3600e9,
	}
	number := constant.MakeFromLiteral(strings.ReplaceAll(m[1], ",", ""), token.FLOAT, 0)
	return amount{
		number: constant.BinaryOp(number, token.MUL, constant.MakeInt64(units[m[2]])),
		time:   slices.Contains([]string{"ns", "us", "ms", "s", "min", "m", "h", "d"}, m[2]),
	}, nil
}

package archtest

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOperations_healthCodes: docs/operations.md has a row for each health code of the agent, and no other.
func TestOperations_healthCodes(t *testing.T) {
	var want []string
	calls(t, "agent", func(name string, args []ast.Expr) {
		if name == "add" && len(args) == 3 {
			code := wordOf(args[0])
			if code == "" {
				t.Error("a health code is made in a way that this test cannot read: write a literal, or a literal + a name")
				return
			}
			want = append(want, code)
		}
	})
	for _, made := range healthLiterals(t) { // those make codes that the table would not be compared with
		t.Errorf("%s makes an api.Health with a Code: use add", made)
	}
	for _, row := range tableRows(t, "Health") {
		if len(row) != 3 || len(row[1]) < 10 || len(row[2]) < 10 {
			t.Errorf("docs/operations.md: the row %q wants a code, its meaning and what to do", row)
		}
	}
	if len(want) < 5 {
		t.Fatalf("found the codes %q: this does not read how the agent makes them", want)
	}
	compareWords(t, want, tableWords(t, "Health"))
}

// TestOperations_metrics: docs/operations.md has a row for each metric, and no other.
func TestOperations_metrics(t *testing.T) {
	var want []string
	calls(t, "agent", func(name string, args []ast.Expr) {
		if (name == "count" || name == "gauge") && len(args) >= 3 {
			want = append(want, "skerry_"+wordOf(args[0]))
		}
	})
	source := newConstants(repository)
	p, err := source.load("agent/api")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range p.files {
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil && regexp.MustCompile(`^skerry_api_\w+$`).MatchString(text) {
					want = append(want, text)
				}
			}
			return true
		})
	}
	if len(want) < 15 {
		t.Fatalf("found the metrics %q: this does not read how they are made", want)
	}
	compareWords(t, want, tableWords(t, "Metrics"))
}

func compareWords(t *testing.T, code, docs []string) {
	t.Helper()
	slices.Sort(code)
	slices.Sort(docs)
	if diff := cmp.Diff(slices.Compact(code), docs); diff != "" {
		t.Errorf("docs/operations.md (-code +docs):\n%s", diff)
	}
}

// calls visits the calls of plain functions in a package.
func calls(t *testing.T, pkg string, visit func(name string, args []ast.Expr)) {
	t.Helper()
	p, err := newConstants(repository).load(pkg)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range p.files {
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.Ident); ok {
					visit(f.Name, call.Args)
				}
			}
			return true
		})
	}
}

// wordOf returns a literal; what is added to one is NAME; "" for anything else.
func wordOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return text
		}
	case *ast.BinaryExpr:
		if text := wordOf(e.X); text != "" && e.Op == token.ADD {
			return text + "NAME"
		}
	}
	return ""
}

// healthLiterals returns where package agent makes an api.Health with a code, but in the one function add, whose code is its parameter.
func healthLiterals(t *testing.T) []string {
	t.Helper()
	p, err := newConstants(repository).load("agent")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range p.files {
		ast.Inspect(file, func(n ast.Node) bool {
			field, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			if key, ok := field.Key.(*ast.Ident); ok && key.Name == "Code" {
				if value, ok := field.Value.(*ast.Ident); !ok || value.Name != "code" {
					found = append(found, file.Name.Name)
				}
			}
			return true
		})
	}
	return found
}

// tableWords returns the first column of the table under a heading of docs/operations.md, without what is beside its words.
func tableWords(t *testing.T, heading string) []string {
	t.Helper()
	var words []string
	for _, row := range tableRows(t, heading) {
		word, _, _ := strings.Cut(strings.Trim(row[0], "`"), "{") // without labels
		words = append(words, word)
	}
	return words
}

// tableRows returns the table under a heading of docs/operations.md: rows whose first cell is code.
func tableRows(t *testing.T, heading string) [][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	in := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "## ") {
			in = line == "## "+heading
		}
		if cells, ok := tableCells(line); in && ok && strings.HasPrefix(cells[0], "`") {
			rows = append(rows, cells)
		}
	}
	return rows
}

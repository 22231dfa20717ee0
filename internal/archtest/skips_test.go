package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// TestRepository_skipsSayWhy: a test that is skipped says why. An input that a fuzz target cannot use is no skipped test.
func TestRepository_skipsSayWhy(t *testing.T) {
	found := 0
	err := walkRepository(".go", func(path string, text []byte) error {
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		skips, err := silentSkips(path, text)
		for _, line := range skips {
			t.Error(line)
		}
		found++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 20 {
		t.Fatalf("read %d files of tests: this does not read the repository", found)
	}
}

func TestSilentSkips(t *testing.T) {
	const text = "package x\nfunc TestA(t *testing.T) { t.Skip() }\nfunc TestB(t *testing.T) { t.Skip(\"why\"); t.SkipNow() }\nfunc FuzzC(f *testing.F) { f.Fuzz(func(t *testing.T) { t.Skip() }) }\n"
	have, err := silentSkips("x_test.go", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(have) != 2 || !strings.Contains(have[0], "TestA") || !strings.Contains(have[1], "TestB") {
		t.Errorf("got %q, want one of TestA and one of TestB", have)
	}
}

// silentSkips returns the functions that skip without a word.
func silentSkips(path string, text []byte) ([]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var silent []string
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || strings.HasPrefix(f.Name.Name, "Fuzz") {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 0 {
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok && (sel.Sel.Name == "Skip" || sel.Sel.Name == "SkipNow") {
					silent = append(silent, path+": "+f.Name.Name+" is skipped without a reason")
				}
			}
			return true
		})
	}
	return silent, nil
}

package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A file is one Go file of the module.
type file struct {
	path    string // below the root
	folder  string
	pkg     string   // the package's name
	test    bool     // _test.go
	imports []string // ours, as folders
	doc     string   // the package's comment
	types   []string
	lines   int
}

// external reports whether the file tests its package from outside.
func (f file) external() bool { return f.test && strings.HasSuffix(f.pkg, "_test") }

// readModule reads every Go file below root, but those of modules of their own and of hidden folders.
func readModule(root string) ([]file, error) {
	var files []file
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root:
			if name := entry.Name(); name[0] == '.' || name[0] == '_' || name == "testdata" {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
				return filepath.SkipDir
			}
			return nil
		case filepath.Ext(path) != ".go":
			return nil
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return fmt.Errorf("find file: %w", err)
		}
		text, err := os.ReadFile(path) //nolint:gosec // a file of this repository
		if err != nil {
			return fmt.Errorf("read file: %w", err)
		}
		f, err := readFile(filepath.ToSlash(relative), text)
		files = append(files, f)
		return err
	})
	return files, err
}

func readFile(path string, text []byte) (file, error) {
	tree, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return file{}, fmt.Errorf("parse: %w", err)
	}
	f := file{
		path: path, folder: filepath.ToSlash(filepath.Dir(path)), pkg: tree.Name.Name,
		test: strings.HasSuffix(path, "_test.go"), doc: tree.Doc.Text(), lines: strings.Count(string(text), "\n"),
	}
	for _, spec := range tree.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return file{}, fmt.Errorf("read import of %s: %w", path, err)
		}
		if folder, ours := strings.CutPrefix(name, module+"/"); ours {
			f.imports = append(f.imports, folder)
		}
	}
	for _, decl := range tree.Decls {
		if types, ok := decl.(*ast.GenDecl); ok && types.Tok == token.TYPE {
			for _, spec := range types.Specs {
				if t, ok := spec.(*ast.TypeSpec); ok {
					f.types = append(f.types, t.Name.Name)
				}
			}
		}
	}
	return f, nil
}

// forbiddenNames are words that say nothing, or that mean something else here.
func forbiddenNames() []string {
	return []string{"node", "device", "manager", "helper", "util", "common", "base", "info", "data"}
}

// isForbidden reports whether a name is one of the forbidden words, in the singular or plural, or a type that ends in Manager, Helper
// or Util.
func isForbidden(name string) bool {
	low := strings.ToLower(name)
	return slices.ContainsFunc(forbiddenNames(), func(word string) bool { return low == word || low == word+"s" }) ||
		slices.ContainsFunc([]string{"Manager", "Helper", "Util", "Utils"}, func(end string) bool { return strings.HasSuffix(name, end) })
}

// check returns every way in which files break rows.
func check(rows []row, files []file) []string {
	var broken []string
	say := func(f file, format string, args ...any) {
		broken = append(broken, f.path+": "+fmt.Sprintf(format, args...))
	}
	documented := map[string]bool{}
	for _, f := range files {
		if !f.test && f.doc != "" {
			documented[f.folder] = true
		}
	}
	told := map[string]bool{}
	for _, f := range files {
		r, known := find(rows, f.folder)
		if !known {
			say(f, "folder %s has no row in the table", f.folder)
			continue
		}
		for _, target := range f.imports {
			if why := refuse(rows, r, f, target); why != "" {
				say(f, "%s", why)
			}
		}
		if !f.test && !documented[f.folder] && !told[f.folder] {
			told[f.folder] = true
			say(f, "package %s has no comment", f.pkg)
		}
		if !f.test && f.doc != "" && !strings.HasPrefix(f.doc, "Package "+f.pkg+" ") && f.pkg != "main" {
			say(f, "the package's comment does not begin with %q", "Package "+f.pkg)
		}
		for _, name := range append([]string{f.pkg, f.folder[strings.LastIndexByte(f.folder, '/')+1:]}, f.types...) {
			if isForbidden(name) {
				say(f, "the name %s says nothing: find a word of the glossary", name)
			}
		}
		if r.lines > 0 && !f.test && f.folder == r.folder && f.lines > r.lines {
			say(f, "has %d lines, more than %d", f.lines, r.lines)
		}
	}
	return broken
}

// refuse says why file f of row r must not import the folder target, or returns "".
func refuse(rows []row, r row, f file, target string) string {
	helper := isTestHelper(f.folder)
	switch {
	case isTestHelper(target):
		if f.test || helper {
			return ""
		}
		return "imports " + target + ", which is for tests"
	case f.external():
		return "" // it stands outside
	case r.allows(rows, target):
		return ""
	}
	return fmt.Sprintf("%s must not import %s", r.folder, target)
}

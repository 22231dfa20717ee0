package archtest

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const modulePath = "github.com/skerry-edge/skerry/"

// constants evaluates constants of this repository from its source: whole numbers, shifts, products, durations, and
// constants of our own packages in them.
type constants struct {
	root     string
	packages map[string]*sourcePackage
}

// sourcePackage is a package's files without tests.
type sourcePackage struct {
	files  []*ast.File
	consts map[string]sourceConst
}

type sourceConst struct {
	expr ast.Expr
	file *ast.File
}

func newConstants(root string) *constants {
	return &constants{root: root, packages: map[string]*sourcePackage{}}
}

// load parses a package, by its folder.
func (c *constants) load(pkg string) (*sourcePackage, error) {
	if p := c.packages[pkg]; p != nil {
		return p, nil
	}
	dir := filepath.Join(c.root, filepath.FromSlash(pkg))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	p := &sourcePackage{consts: map[string]sourceConst{}}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		p.files = append(p.files, file)
		for _, decl := range file.Decls {
			if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == token.CONST {
				p.addConsts(gen, file)
			}
		}
	}
	c.packages[pkg] = p
	return p, nil
}

func (p *sourcePackage) addConsts(gen *ast.GenDecl, file *ast.File) {
	for _, spec := range gen.Specs {
		value, ok := spec.(*ast.ValueSpec)
		if !ok {
			continue
		}
		for i, name := range value.Names {
			if i < len(value.Values) {
				p.consts[name.Name] = sourceConst{value.Values[i], file}
			}
		}
	}
}

// names returns the names of the package's constants, sorted.
func (c *constants) names(pkg string) ([]string, error) {
	p, err := c.load(pkg)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(p.consts))
	for name := range p.consts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// constant evaluates a constant of a package.
func (c *constants) constant(pkg, name string) (amount, error) {
	p, err := c.load(pkg)
	if err != nil {
		return amount{}, err
	}
	found, ok := p.consts[name]
	if !ok {
		return amount{}, fmt.Errorf("package %s has no constant %s", pkg, name)
	}
	return c.eval(pkg, found.file, found.expr)
}

// assigned evaluates what the package's own defaults put into a field: "c.Field = …" or "Field: …".
func (c *constants) assigned(pkg, field string) (amount, error) {
	return c.first(pkg, "no default of a field "+field, func(n ast.Node) ast.Expr {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if sel, ok := n.Lhs[0].(*ast.SelectorExpr); ok && len(n.Lhs) == 1 && sel.Sel.Name == field {
				return n.Rhs[0]
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == field {
				return n.Value
			}
		}
		return nil
	})
}

// argument evaluates the argument of the package's call of a function or method.
func (c *constants) argument(pkg, function string) (amount, error) {
	return c.first(pkg, "no call of "+function, func(n ast.Node) ast.Expr {
		if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 1 {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == function {
				return call.Args[0]
			}
		}
		return nil
	})
}

// first evaluates the first expression that pick chooses and that is constant.
func (c *constants) first(pkg, missing string, pick func(ast.Node) ast.Expr) (amount, error) {
	p, err := c.load(pkg)
	if err != nil {
		return amount{}, err
	}
	var found amount
	for _, file := range p.files {
		ast.Inspect(file, func(n ast.Node) bool {
			if expr := pick(n); expr != nil && found.number == nil {
				if value, err := c.eval(pkg, file, expr); err == nil {
					found = value
				}
			}
			return found.number == nil
		})
	}
	if found.number == nil {
		return amount{}, fmt.Errorf("package %s has %s", pkg, missing)
	}
	return found, nil
}

// eval evaluates an expression that stands in a file of a package.
func (c *constants) eval(pkg string, file *ast.File, expr ast.Expr) (amount, error) {
	switch e := expr.(type) {
	case *ast.BasicLit:
		if e.Kind == token.INT || e.Kind == token.FLOAT {
			return amount{number: constant.MakeFromLiteral(e.Value, e.Kind, 0)}, nil
		}
	case *ast.ParenExpr:
		return c.eval(pkg, file, e.X)
	case *ast.Ident:
		return c.constant(pkg, e.Name)
	case *ast.BinaryExpr:
		return c.binary(pkg, file, e)
	case *ast.CallExpr: // a conversion
		if to, ok := e.Fun.(*ast.Ident); ok && len(e.Args) == 1 && slices.Contains([]string{"int", "int64", "uint32", "uint64"}, to.Name) {
			return c.eval(pkg, file, e.Args[0])
		}
	case *ast.SelectorExpr:
		return c.selected(file, e)
	}
	return amount{}, fmt.Errorf("cannot evaluate %T in package %s", expr, pkg)
}

func (c *constants) binary(pkg string, file *ast.File, e *ast.BinaryExpr) (amount, error) {
	x, err := c.eval(pkg, file, e.X)
	if err != nil {
		return amount{}, err
	}
	y, err := c.eval(pkg, file, e.Y)
	if err != nil {
		return amount{}, err
	}
	out := amount{time: x.time || y.time}
	if e.Op == token.SHL || e.Op == token.SHR {
		n, _ := constant.Uint64Val(y.number)
		out.number = constant.Shift(x.number, e.Op, uint(n))
		return out, nil
	}
	op := e.Op
	if op == token.QUO {
		op = token.QUO_ASSIGN // of whole numbers
	}
	out.number = constant.BinaryOp(x.number, op, y.number)
	return out, nil
}

// selected evaluates a constant of another package: of package time, or of ours.
func (c *constants) selected(file *ast.File, e *ast.SelectorExpr) (amount, error) {
	from, ok := e.X.(*ast.Ident)
	if !ok {
		return amount{}, fmt.Errorf("cannot evaluate a selector of %T", e.X)
	}
	if from.Name == "time" {
		units := map[string]time.Duration{
			"Nanosecond": time.Nanosecond, "Microsecond": time.Microsecond, "Millisecond": time.Millisecond,
			"Second": time.Second, "Minute": time.Minute, "Hour": time.Hour,
		}
		if unit, known := units[e.Sel.Name]; known {
			return amount{number: constant.MakeInt64(int64(unit)), time: true}, nil
		}
	}
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return amount{}, err
		}
		if ours, is := strings.CutPrefix(path, modulePath); is && filepath.Base(path) == from.Name {
			return c.constant(ours, e.Sel.Name)
		}
	}
	return amount{}, fmt.Errorf("cannot evaluate %s.%s", from.Name, e.Sel.Name)
}

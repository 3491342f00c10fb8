package houserules

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// purity walks a file of a pure package.
func (c *checker) purity(f *ast.File) {
	for _, d := range f.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
			c.packageVariables(g)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			c.add(n.Pos(), "purity", "no goroutine in a pure package")
		case *ast.SelectStmt:
			c.add(n.Pos(), "purity", "no select in a pure package")
		case *ast.ChanType:
			c.add(n.Pos(), "purity", "no channel in a pure package")
		case *ast.BasicLit:
			if n.Kind == token.STRING && strings.Contains(n.Value, "%p") {
				c.add(n.Pos(), "purity", "no %p in a pure package: addresses differ from run to run")
			}
		case *ast.RangeStmt:
			if _, ok := c.under(n.X).(*types.Map); ok && !strings.Contains(c.line(n.Pos()), "// any order: ") {
				c.add(n.Pos(), "purity", "range over a map without '// any order: reason' on its line")
			}
		}
		if e, ok := n.(ast.Expr); ok {
			if b, ok := c.under(e).(*types.Basic); ok && b.Info()&(types.IsFloat|types.IsComplex) != 0 {
				c.add(n.Pos(), "purity", "no floating-point number in a pure package: ratios are parts per million")
				return false
			}
		}
		return true
	})
}

// under is the underlying type of an expression, nil if it has none.
func (c *checker) under(e ast.Expr) types.Type {
	if t := c.types.TypeOf(e); t != nil {
		return t.Underlying()
	}
	return nil
}

func (c *checker) line(pos token.Pos) string { return c.lines[c.files.Position(pos).Line-1] }

// packageVariables allows tables and errors: composite literals, calls of errors.New and fmt.Errorf, crc32.MakeTable and regexp.MustCompile, names of
// types, and sync.Pool where the layer may import sync.
func (c *checker) packageVariables(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		v := spec.(*ast.ValueSpec)
		if len(v.Values) == 0 {
			c.add(v.Pos(), "purity", "package variable "+v.Names[0].Name+" is neither a table nor an error")
			continue
		}
		for i, value := range v.Values {
			if !isTable(value) && v.Names[i].Name != "_" {
				c.add(v.Pos(), "purity", "package variable "+v.Names[i].Name+" is neither a table nor an error")
			}
		}
	}
}

func isTable(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CompositeLit, *ast.BasicLit:
		return true
	case *ast.UnaryExpr:
		return isTable(e.X)
	case *ast.FuncLit:
		return false
	case *ast.CallExpr:
		switch fn := e.Fun.(type) {
		case *ast.SelectorExpr:
			name := fn.Sel.Name
			return name == "New" || name == "Errorf" || name == "MakeTable" || name == "MustCompile"
		case *ast.FuncLit: // a table computed once
			return true
		case *ast.Ident:
			return strings.HasPrefix(fn.Name, "table") || strings.HasPrefix(fn.Name, "make")
		}
	}
	return false
}

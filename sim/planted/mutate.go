package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// mutant is one small change of one file. Where it removes lines, it leaves empty ones: what lies below keeps its numbers, and a binary in which nothing else
// differs is the same.
type mutant struct {
	path      string
	line, col int // where it is
	probeLine int // and where coverage says whether it is run: for the conditions of a switch the switch itself
	probeCol  int
	operator  string
	from, to  int // the bytes that are replaced
	text      string
	old       string
}

// The operators.
const (
	opNegate     = "negated condition"
	opBoundary   = "boundary of a comparison"
	opEqual      = "swapped comparison"
	opConnective = "and for or"
	opArithmetic = "plus for minus"
	opLiteral    = "off by one"
	opFlip       = "flipped truth value"
	opDrop       = "dropped statement"
	opReturn     = "dropped early end" // a return, continue or break
	opPersist    = "skipped persist"
)

var swapped = map[token.Token]struct{ operator, text string }{
	token.LSS: {opBoundary, "<="}, token.LEQ: {opBoundary, "<"}, token.GTR: {opBoundary, ">="}, token.GEQ: {opBoundary, ">"},
	token.EQL: {opEqual, "!="}, token.NEQ: {opEqual, "=="},
	token.LAND: {opConnective, "||"}, token.LOR: {opConnective, "&&"},
	token.ADD: {opArithmetic, "-"}, token.SUB: {opArithmetic, "+"},
}

// mutantsOf returns the mutants of a file, in the order of their places.
func mutantsOf(path, source string) ([]mutant, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	m := &mutator{files: files, path: path, source: source, bodies: map[*ast.BlockStmt]bool{}, switches: map[ast.Node]token.Pos{}, whole: map[ast.Expr]bool{}}
	for _, d := range file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil && !leftOutFunction(path, fn) {
			m.bodies[fn.Body] = true
			ast.Inspect(fn.Body, m.visit)
		}
	}
	return m.found, nil
}

// mutator walks through the functions of a file.
type mutator struct {
	files    *token.FileSet
	path     string
	source   string
	bodies   map[*ast.BlockStmt]bool // of functions: a return at their end goes nowhere else
	switches map[ast.Node]token.Pos  // of clauses without a tag
	whole    map[ast.Expr]bool       // conditions, which are negated as a whole
	probe    token.Pos               // where the conditions of a switch are counted
	found    []mutant
}

func (m *mutator) add(operator string, from, to token.Pos, text string) {
	at, end := m.files.Position(from), m.files.Position(to)
	probe := at
	if m.probe.IsValid() {
		probe = m.files.Position(m.probe)
	}
	old := m.source[at.Offset:end.Offset]
	text += strings.Repeat("\n", max(strings.Count(old, "\n")-strings.Count(text, "\n"), 0))
	m.found = append(m.found, mutant{m.path, at.Line, at.Column, probe.Line, probe.Column, operator, at.Offset, end.Offset, text, old})
}

func (m *mutator) text(n ast.Node) string {
	return m.source[m.files.Position(n.Pos()).Offset:m.files.Position(n.End()).Offset]
}

func (m *mutator) visit(n ast.Node) bool {
	if n == nil || leftOut(n) {
		return false
	}
	switch n := n.(type) {
	case *ast.BlockStmt:
		m.statements(n.List, m.bodies[n])
	case *ast.FuncLit:
		m.bodies[n.Body] = true
	case *ast.IfStmt:
		m.negate(n.Cond)
	case *ast.ForStmt:
		m.negate(n.Cond)
	case *ast.SwitchStmt:
		if n.Tag == nil {
			for _, c := range n.Body.List {
				m.switches[c] = n.Pos()
			}
		}
	case *ast.CaseClause:
		m.clause(n)
		return false
	case *ast.BinaryExpr:
		if s, ok := swapped[n.Op]; ok && !(s.operator == opEqual && m.whole[n]) {
			m.add(s.operator, n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), s.text)
		}
	case *ast.BasicLit:
		if n.Kind == token.INT {
			m.add(opLiteral, n.Pos(), n.End(), fmt.Sprintf("(%s+1)", n.Value))
		}
	case *ast.Ident:
		m.flip(n)
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Sync" && m.text(n.Value) != "false" {
			m.add(opPersist, n.Value.Pos(), n.Value.End(), "false")
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.SelectorExpr); ok && persists[f.Sel.Name] {
			m.add(opPersist, n.Pos(), n.End(), "error(nil)")
		}
	}
	return true
}

// persists are the methods that make the disk keep something, and tell nothing but an error.
var persists = map[string]bool{"Sync": true, "SyncData": true, "SyncDir": true, "SyncAll": true}

// clause walks through a case: what it compares is counted where its switch is, what it does where it stands.
func (m *mutator) clause(n *ast.CaseClause) {
	before := m.probe
	if at, ok := m.switches[n]; ok {
		m.probe = at
		for _, e := range n.List {
			m.negate(e)
			ast.Inspect(e, m.visit)
		}
	}
	m.probe = before
	m.statements(n.Body, false)
	for _, s := range n.Body {
		ast.Inspect(s, m.visit)
	}
}

func (m *mutator) negate(cond ast.Expr) {
	if cond == nil {
		return
	}
	m.whole[cond] = true
	m.add(opNegate, cond.Pos(), cond.End(), "!("+m.text(cond)+")")
}

func (m *mutator) flip(n *ast.Ident) {
	switch n.Name {
	case "true":
		m.add(opFlip, n.Pos(), n.End(), "false")
	case "false":
		m.add(opFlip, n.Pos(), n.End(), "true")
	}
}

// statements drops each of a list that can be left out.
func (m *mutator) statements(list []ast.Stmt, body bool) {
	for i, s := range list {
		if leftOut(s) {
			continue
		}
		switch s := s.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt:
			m.add(opDrop, s.Pos(), s.End(), "")
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				continue
			}
			operator := opDrop
			if strings.HasSuffix(m.text(s.Lhs[0]), "fx.Disk") { // what the core wants of the disk
				operator = opPersist
			}
			m.add(operator, s.Pos(), s.End(), "")
		case *ast.BranchStmt:
			if s.Tok != token.GOTO && s.Tok != token.FALLTHROUGH {
				m.add(opReturn, s.Pos(), s.End(), "")
			}
		case *ast.ReturnStmt:
			if !body || i < len(list)-1 {
				m.add(opReturn, s.Pos(), s.End(), "")
			}
		}
	}
}

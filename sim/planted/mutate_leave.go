package main

import (
	"go/ast"
	"path/filepath"
	"slices"
	"strings"
)

// mutated are the folders that have mutants, with all that lies below them.
var mutated = []string{"core", "disk/segment"}

// leftOutFiles have none: what they make is read by people, or is a table.
var leftOutFiles = map[string]string{
	"core/print.go":            "the trace's text",
	"core/notes.go":            "the log's lines",
	"core/inspect.go":          "what metrics and the status page show",
	"core/takenover.go":        "the log's lines about what is kept without effect",
	"core/api/data.go":         "the table behind docs/API.md",
	"core/api/keys.go":         "the table behind docs/API.md",
	"core/errcode/errcode.go":  "names of error codes",
	"core/config/kafkakeys.go": "a table",
}

// leftOutFunctions are functions that make text, whichever file they stand in.
var leftOutFunctions = []string{"String", "Error", "GoString"}

// leftOutPrinters are further ones, of one file each.
var leftOutPrinters = map[string][]string{
	"core/stream/id.go":    {"Append"},  // how the trace prints a stream and an extent
	"core/record/batch.go": {"Append"},  // and a batch
	"core/config/keys.go":  {"Nearest"}, // the key that is proposed where one is misspelled
}

// leftOutCalls are calls in which nothing is changed, and which are not dropped: texts of errors, notes to the log, and the panics of broken invariants.
var leftOutCalls = []string{"panic", "fmt.Errorf", "fmt.Sprintf", "errors.New", "c.note", "number", "strconv.FormatInt", "strconv.ParseInt"}

func leftOutFunction(path string, fn *ast.FuncDecl) bool {
	return slices.Contains(leftOutFunctions, fn.Name.Name) || slices.Contains(leftOutPrinters[path], fn.Name.Name)
}

// leftOut reports whether a node makes only text.
func leftOut(n ast.Node) bool {
	if s, ok := n.(*ast.ExprStmt); ok {
		n = s.X
	}
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	name := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			name = x.Name + "." + f.Sel.Name
		}
	}
	return slices.Contains(leftOutCalls, name) || strings.HasPrefix(name, "c.note")
}

// isMutated reports whether a file of the tree has mutants.
func isMutated(path string) bool {
	if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || leftOutFiles[path] != "" {
		return false
	}
	folder := filepath.ToSlash(filepath.Dir(path))
	return slices.ContainsFunc(mutated, func(m string) bool { return folder == m || strings.HasPrefix(folder, m+"/") })
}

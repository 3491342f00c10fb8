package houserules

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// listed is what go list tells of a package.
type listed struct {
	ImportPath, Dir, Export, ForTest   string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Module                             *struct{ Path string }
	DepOnly                            bool
}

// TestHouseRules holds the whole module against the rules.
func TestHouseRules(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	out, err := command(root, "go", "list", "-export", "-deps", "-test", "-json=ImportPath,Dir,Export,ForTest,GoFiles,TestGoFiles,XTestGoFiles,Module,DepOnly", "./...")
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	var ours []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.ForTest == "" {
			exports[p.ImportPath] = p.Export
		}
		if !p.DepOnly && p.ForTest == "" && !strings.HasSuffix(p.ImportPath, ".test") {
			ours = append(ours, p)
		}
	}
	if len(ours) < 20 {
		t.Fatalf("only %d packages were found: the check would be empty", len(ours))
	}
	for i := range ours {
		p, err := load(&ours[i], exports)
		if err != nil {
			t.Errorf("%s: %v", ours[i].ImportPath, err)
			continue
		}
		for _, f := range Check(p) {
			t.Error(strings.TrimPrefix(f.String(), root+"/"))
		}
		for name, source := range p.Sources {
			if formatted, err := format.Source([]byte(source)); err != nil || string(formatted) != source {
				t.Errorf("%s is not formatted: run gofmt -w", strings.TrimPrefix(name, root+"/"))
			}
		}
	}
}

func command(dir, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.New(stderr.String() + err.Error())
	}
	return out, nil
}

// load parses a package with its tests, and type-checks the part that is no test.
func load(l *listed, exports map[string]string) (*Package, error) {
	p := &Package{Folder: strings.TrimPrefix(strings.TrimPrefix(l.ImportPath, "odradek"), "/"), Files: token.NewFileSet(), Sources: map[string]string{}}
	var checked []*ast.File
	for i, names := range [][]string{l.GoFiles, l.TestGoFiles, l.XTestGoFiles} {
		for _, name := range names {
			path := filepath.Join(l.Dir, name)
			source, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			f, err := parser.ParseFile(p.Files, path, source, parser.ParseComments)
			if err != nil {
				return nil, err
			}
			p.Syntax, p.Sources[path] = append(p.Syntax, f), string(source)
			if i == 0 {
				checked = append(checked, f)
			}
		}
	}
	return p, typeCheck(p, checked, exports)
}

func typeCheck(p *Package, files []*ast.File, exports map[string]string) error {
	p.Types = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	config := types.Config{Importer: importer.ForCompiler(p.Files, "gc", lookup)}
	_, err := config.Check(p.Folder, p.Files, files, p.Types)
	return err
}

// TestRulesCanBeBroken shows each rule broken by a small file, so that none of them is a check that cannot fail.
func TestRulesCanBeBroken(t *testing.T) {
	cases := []struct{ name, folder, source, rule string }{
		{"clock", "core", `package x; import "time"; var _ = errNow(time.Now()); func errNow(time.Time) error { return nil }`, "pure package must not import time"},
		{"random", "core/record", `package x; import _ "math/rand"`, "must not import math/rand"},
		{"lock", "net/wire", `package x; import _ "sync"`, "must not import sync"},
		{"disk from core", "core", `package x; import _ "odradek/disk/segment"`, "core must not import disk/segment"},
		{"node from sim", "sim", `package x; import _ "odradek/node/runtime"`, "sim must not import node/runtime"},
		{"machine to machine", "core/partition", `package x; import _ "odradek/core/producer"`, "machines of core know only what lies below"},
		{"upwards in core", "core/record", `package x; import _ "odradek/core/image"`, "machines of core know only what lies below"},
		{"ours in the judges", "linearizability", `package x; import _ "odradek/core"`, "linearizability must not import core"},
		{"goroutine", "core", "package x; func f() { go f() }", "no goroutine"},
		{"select", "disk/segment", "package x; func f() { select {} }", "no select"},
		{"channel", "core", "package x; type t chan int", "no channel"},
		{"float", "core", "package x; func f(a, b int) int { x := 0.5; return int(x) }", "floating-point"},
		{"float by inference", "core", `package x; import "math"; func f() bool { return math.Inf(1) == math.NaN() }`, "floating-point"},
		{"address", "core", `package x; import "fmt"; func f(p *int) string { return fmt.Sprintf("%p", p) }`, "no %p"},
		{"map order", "core", "package x; type m map[int]int; func f(v m) { for range v { return } }", "range over a map"},
		{"state", "core", "package x; var counter int", "neither a table nor an error"},
		{"state by function", "core", "package x; var now = func() int { return 1 }", "neither a table nor an error"},
		{"length", "node", "package x; func f() {\n" + strings.Repeat("\tf()\n", 70) + "}", "has 72 lines"},
		{"layout", "extras", "package x", "not in the table of packages"},
	}
	exports := standardExports(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found := checkSource(t, c.folder, c.source, exports)
			if len(found) == 0 || !strings.Contains(found[0].String(), c.rule) {
				t.Fatalf("found %v, want %q", found, c.rule)
			}
		})
	}
	allowed := "package x; type m map[int]int; func f(v m) (n int) {\n\tfor range v { // any order: they are only counted\n\t\tn++\n\t}\n\treturn n\n}"
	if found := checkSource(t, "core", allowed, exports); len(found) != 0 {
		t.Fatalf("an allowed file was found wrong: %v", found)
	}
}

func checkSource(t *testing.T, folder, source string, exports map[string]string) []Finding {
	p := &Package{Folder: folder, Files: token.NewFileSet(), Sources: map[string]string{"x.go": source}}
	f, err := parser.ParseFile(p.Files, "x.go", source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	p.Syntax = []*ast.File{f}
	_ = typeCheck(p, p.Syntax, exports) // imports of ours do not resolve here; what was typed before suffices
	return Check(p)
}

func standardExports(t *testing.T) map[string]string {
	out, err := command(".", "go", "list", "-export", "-f", "{{.ImportPath}} {{.Export}}", "-deps", "math", "fmt", "time", "math/rand", "sync")
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[path] = file
	}
	return exports
}

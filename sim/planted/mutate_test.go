package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// changes are those of the mutants of some statements.
func changes(t *testing.T, statements string) (list []string) {
	t.Helper()
	source := "package p\n\nfunc f() {\n" + statements + "\n}\n"
	found, err := mutantsOf("p.go", source)
	if err != nil {
		t.Fatal(err)
	}
	for i := range found {
		m := &found[i]
		list = append(list, m.operator+": "+m.change())
		text, err := m.apply(source)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(text, "\n") != strings.Count(source, "\n") {
			t.Errorf("%s: lines are moved:\n%s", m.change(), text)
		}
		if text == source {
			t.Errorf("%s: nothing is changed", m.change())
		}
		if _, err := parser.ParseFile(token.NewFileSet(), "p.go", text, 0); err != nil {
			t.Errorf("%s: %v\n%s", m.change(), err, text)
		}
	}
	return list
}

func TestOperators(t *testing.T) {
	for _, c := range []struct {
		source string
		want   []string
	}{
		{"if ok {\n}", []string{"negated condition: ok => !(ok)"}},
		{"if a == b {\n}", []string{"negated condition: a == b => !(a == b)"}}, // swapped it would be the same
		{"for i < n {\n}", []string{"negated condition: i < n => !(i < n)", "boundary of a comparison: < => <="}},
		{"x := a >= b", []string{"boundary of a comparison: >= => >"}},
		{"x := a != b", []string{"swapped comparison: != => =="}},
		{"x := a && b", []string{"and for or: && => ||"}},
		{"x := a - b", []string{"plus for minus: - => +"}},
		{"x := a[7:]", []string{"off by one: 7 => (7+1)"}},
		{"x := true", []string{"flipped truth value: true => false"}},
		{"g(\n\ta,\n)", []string{"dropped statement: g( a, ) => (nothing)"}},
		{"a.b = c\nd++", []string{"dropped statement: a.b = c => (nothing)", "dropped statement: d++ => (nothing)"}},
		{"if a {\n\treturn\n}\nreturn", []string{"negated condition: a => !(a)", "dropped early end: return => (nothing)"}}, // the last goes nowhere else
		{"for {\n\tbreak\n}", []string{"dropped early end: break => (nothing)"}},
		{"switch {\ncase a:\n\tg()\n}", []string{"negated condition: a => !(a)", "dropped statement: g() => (nothing)"}},
		{"switch x {\ncase a:\n\tcontinue\n}", []string{"dropped early end: continue => (nothing)"}},
		{"c.fx.Disk = append(c.fx.Disk, op{Sync: now})", []string{"skipped persist: c.fx.Disk = append(c.fx.Disk, op{Sync: now}) => (nothing)", "skipped persist: now => false"}},
		{"x := file.SyncData()", []string{"skipped persist: file.SyncData() => error(nil)"}},
		{"x := func() {\n\tg()\n\treturn\n}", []string{"dropped statement: g() => (nothing)"}},
	} {
		got := changes(t, c.source)
		slices.Sort(got)
		slices.Sort(c.want)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s\n got %q\nwant %q", c.source, got, c.want)
		}
	}
}

// What makes only text has no mutants.
func TestLeftOut(t *testing.T) {
	for _, source := range []string{`panic("invariant: " + s)`, `x := fmt.Errorf("%d", 1+2)`, "c.note(NoteReady, number(k, 1))", "c.noteTopic(old, id)", `x := errors.New("a" + b)`} {
		if got := changes(t, source); len(got) > 0 {
			t.Errorf("%s: %q", source, got)
		}
	}
	found, err := mutantsOf("p.go", "package p\n\nfunc (k kind) String() string { return names[k-1] }\n\nvar table = []int{1, 2}\n")
	if err != nil || len(found) > 0 {
		t.Error(found, err)
	}
	printer := "package p\n\nfunc (x Extent) Append(dst []byte) []byte {\n\tdst = append(dst, '+')\n\treturn dst\n}\n"
	if found, err = mutantsOf("core/stream/id.go", printer); err != nil || len(found) > 0 {
		t.Error(found, err)
	}
	if found, err = mutantsOf("core/record/header.go", printer); err != nil || len(found) != 1 {
		t.Error(found, err)
	}
	for path, want := range map[string]bool{"core/fetch.go": true, "core/image/image.go": true, "disk/segment/cut.go": true, "core/fetch_test.go": false, "core/print.go": false, "core/takenover.go": false,
		"disk/store/store.go": false, "core/testdata/x.txt": false, "coretwo/x.go": false} { // any order: each for itself
		if isMutated(path) != want {
			t.Errorf("%s: %t", path, !want)
		}
	}
}

// A condition of a switch is run where the switch is: no block of coverage has it. What is within a function literal is run where that is.
func TestWhereItIsRun(t *testing.T) {
	found, err := mutantsOf("p.go", "package p\n\nfunc f() {\n\tswitch {\n\tcase a:\n\t\tx = func() { g() }\n\t}\n}\n")
	if err != nil || len(found) != 3 {
		t.Fatal(found, err)
	}
	outer, inner := block{3, 10, 4, 9, true}, block{6, 15, 6, 21, false}
	c := coverage{"p.go": {outer, {5, 9, 6, 22, true}, inner}}
	for i, want := range []bool{true, true, false} { // the condition, the assignment, the call
		if m := &found[i]; c.runs(m) != want {
			t.Errorf("%s at %d, by %d: %t", m.change(), m.line, m.probeLine, !want)
		}
	}
	r := reach{coverage{"p.go": {{1, 1, 9, 1, false}}}, coverage{"p.go": {{1, 1, 9, 1, true}}}}
	if got := r.of(&found[0]); got != reachedByTests {
		t.Error(got)
	}
	r.tests["p.go"][0].run = false
	if got := r.of(&found[0]); got != reachedByNone {
		t.Error(got)
	}
}

// Blocks may be counted several times; a file that says nothing is none.
func TestReadCoverage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.cover")
	for text, want := range map[string]coverage{ // any order: each for itself
		"mode: set\n": nil,
		"mode: set\nodradek/core/a.go:1.2,3.4 5 0\nodradek/core/a.go:1.2,3.4 5 1\nodradek/core/a.go:7.8,9.10 1 0\n": {"core/a.go": {{1, 2, 3, 4, true}, {7, 8, 9, 10, false}}},
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := readCoverage(path); !reflect.DeepEqual(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const example = `row: 62
class: E
oracles: S4, R9

A failed write is
told to nobody.

edit core/disk.go
 	if failed {
-		halt()
+		_ = halt
 	}

edit core/fetch.go
-	answer()
`

func TestParse(t *testing.T) {
	b, err := parseBug("example", example)
	if err != nil {
		t.Fatal(err)
	}
	want := bug{name: "example", row: "62", class: easy, oracles: []string{"S4", "R9"}, profile: "single", story: "A failed write is told to nobody.", edits: []edit{
		{"core/disk.go", "\tif failed {\n\t\thalt()\n\t}\n", "\tif failed {\n\t\t_ = halt\n\t}\n"}, {"core/fetch.go", "\tanswer()\n", ""}}}
	if !reflect.DeepEqual(b, want) {
		t.Errorf("read:\n%+v\nwant:\n%+v", b, want)
	}
}

// Every way in which a file can be wrong is told with the file's name.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"row: 62\n", "", "no row"},
		{"class: E", "class: F", "want E, M, H or canary"},
		{"oracles: S4, R9\n", "", "no oracles"},
		{"class: E", "class: canary", "caught by none"},
		{"oracles: S4, R9", "oracle: S4", "line 3: header"},
		{"row: 62", "row 62", "not a header"},
		{"oracles", "profile: swarm\noracles", "want single, brief, quorum or cluster"},
		{"A failed write is\ntold to nobody.\n", "", "no story"},
		{"-\t\thalt()", "halt()", "a minus, a plus or a space"},
		{"-\tanswer()\n", "", "replaces nothing"},
		{"-\tanswer()\n", "-\tanswer()\n+\tanswer()\n", "replaces nothing"},
		{example[strings.Index(example, "edit"):], "", "no edit"},
	} {
		text := strings.Replace(example, c.old, c.new, 1)
		if _, err := parseBug("example", text); err == nil || !strings.HasPrefix(err.Error(), "example") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("with %q for %q: %v; want %q", c.new, c.old, err, c.want)
		}
	}
}

func TestApply(t *testing.T) {
	e := edit{old: "\tb()\n", new: "\tc()\n"}
	for _, c := range []struct{ text, want, err string }{
		{"a()\n\tb()\nd()\n", "a()\n\tc()\nd()\n", ""},
		{"\tb()\n", "\tc()\n", ""},
		{"a()\n", "", "there 0 times"},
		{"\t\tb()\n", "", "there 0 times"}, // not the whole line
		{"\tb()\n\tb()\n", "", "there 2 times"},
	} {
		got, err := e.apply(c.text)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %q, %v", c.text, got, err)
		}
	}
}

// Every bug's text is in the tree as it stands, once, and every oracle that a bug names is one of the simulator's.
func TestBugsFitTheTree(t *testing.T) {
	root := filepath.Join("..", "..")
	bugs, err := readBugs(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(bugs) < 50 {
		t.Fatalf("%d bugs", len(bugs))
	}
	oracles, err := oraclesOf(root)
	if err != nil {
		t.Fatal(err)
	}
	for i := range bugs {
		b := &bugs[i]
		text := map[string]string{}
		for _, e := range b.edits {
			if text[e.path] == "" {
				was, err := os.ReadFile(filepath.Join(root, e.path))
				if err != nil {
					t.Fatalf("%s: %v", b.name, err)
				}
				text[e.path] = string(was)
			}
			if text[e.path], err = e.apply(text[e.path]); err != nil {
				t.Errorf("%s: %s: %v", b.name, e.path, err)
			}
		}
		for _, o := range b.oracles {
			if oracles[o] == "" {
				t.Errorf("%s: the simulator has no oracle %q", b.name, o)
			}
		}
	}
}

// Whoever writes a bug's file finds there the names that it may have: of oracles that break an invariant, of those that fail a promise, and of the judges.
func TestOraclesAreListed(t *testing.T) {
	var out strings.Builder
	if err := printOracles(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"L4 ", "R12 ", "durable ", "log start ", "lost-write "} {
		if !strings.Contains("\n"+out.String(), "\n"+want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}

func TestRounds(t *testing.T) {
	edits := func(paths ...string) (list []edit) {
		for _, p := range paths {
			list = append(list, edit{path: p})
		}
		return list
	}
	got := rounds([]bug{{name: "1", edits: edits("a", "b")}, {name: "2", edits: edits("b")}, {name: "3", edits: edits("c")}, {name: "4", edits: edits("b", "c")}})
	var names [][]string
	for _, round := range got {
		var list []string
		for _, b := range round {
			list = append(list, b.name)
		}
		names = append(names, list)
	}
	if want := [][]string{{"1", "3"}, {"2"}, {"4"}}; !reflect.DeepEqual(names, want) {
		t.Errorf("%v; want %v", names, want)
	}
}

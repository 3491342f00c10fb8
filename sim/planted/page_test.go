package main

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The page has every bug, as its file has it, and says of each that an oracle which the file names caught it, or that it was missed.
func TestPage(t *testing.T) {
	root := filepath.Join("..", "..")
	bugs, err := readBugs(root)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := readPage(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(bugs) {
		t.Errorf("%s has %d bugs, %s %d: ./scripts/planted writes the page", pagePath, len(rows), bugsFolder, len(bugs))
	}
	for i := range bugs {
		b := &bugs[i]
		at := slices.IndexFunc(rows, func(r pageRow) bool { return r.name == b.name })
		if at < 0 {
			t.Errorf("%s is not in %s: ./scripts/planted --only %s enters it", b.name, pagePath, b.name)
			continue
		}
		r := &rows[at]
		if r.row != b.row || r.class != string(b.class) || r.oracle != missed && (r.oracle == none) != (b.class == harmless) || r.oracle != missed && r.oracle != none && !b.allowed(r.oracle) {
			t.Errorf("%s says %+v, and the file of %s otherwise", pagePath, *r, b.name)
		}
	}
}

func TestRenderPage(t *testing.T) {
	all := []bug{{name: "a", row: "own", class: easy}, {name: "b", row: "62", class: medium}, {name: "c", row: "9", class: easy}, {name: "d", row: "own", class: harmless}}
	before := "# Page\n\n| old | head |\n|---|---|\n| [b](x) | 62 | M | R9 | 7 | 1.0 |\n| [gone](x) | 1 | E | R9 | 7 | 1.0 |\n\n" + silentHead + "S1.\nend\n"
	got := renderPage(before, all, []verdict{{bug: &all[0], caught: &finding{seed: 3, oracle: "P1"}, seconds: 0.25}, {bug: &all[2], seconds: 9}, {bug: &all[3], seconds: 2}},
		map[string]string{"R9": "", "P1": "", "log start": "", "S5": ""})
	want := []pageRow{{"c", "9", "E", missed, "", "9.0"}, {"b", "62", "M", "R9", "7", "1.0"}, {"a", "own", "E", "P1", "3", "0.2"}, {"d", "own", "canary", none, "", "2.0"}}
	if rows := parsePage(got); !reflect.DeepEqual(rows, want) {
		t.Errorf("%+v; want %+v", rows, want)
	}
	if !strings.HasPrefix(got, "# Page\n\n"+strings.Join(pageHead, "\n")+"\n| [c](") || !strings.HasSuffix(got, " |\n\n"+silentHead+"S5, log start.\nend\n") {
		t.Errorf("page:\n%s", got)
	}
}

func TestQuickest(t *testing.T) {
	bugs := []bug{{name: "slow", class: easy}, {name: "fast", class: easy}, {name: "fast too", class: easy}, {name: "rare", class: medium}, {name: "canary", class: harmless}}
	last := []pageRow{{"slow", "own", "E", "R9", "3", "2.0"}, {"fast", "own", "E", "P1", "3", "0.2"}, {"fast too", "own", "E", "P1", "0", "0.3"}, {"rare", "own", "M", "S1", "0", "0.1"}}
	var names []string
	for _, b := range quickest(bugs, last, 2) {
		names = append(names, b.name)
	}
	if want := []string{"slow", "fast", "canary"}; !reflect.DeepEqual(names, want) {
		t.Errorf("%v; want %v", names, want)
	}
}

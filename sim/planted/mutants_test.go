package main

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// A file of results is gone on with, the later line of a mutant counts, and one of another draw is refused.
func TestMutantLog(t *testing.T) {
	f := &mutantFlags{out: filepath.Join(t.TempDir(), "new"), resume: true, seeds: 1000, single: 100}
	head := fingerprint([]mutant{{path: "a.go", line: 1}})
	l, err := openMutantLog(f, head)
	if err != nil {
		t.Fatal(err)
	}
	dead := mutantResult{0, "a.go:1", opDrop, "g() => (nothing)", fateDead, "R9", "brief 3", 1.5, reachedBySeeds, ""}
	alive := mutantResult{1, "a.go:2", opNegate, "a => !(a)", fateSurvived, "", "250", 30, reachedBySeeds, ""}
	unreached := mutantResult{3, "a.go:3", opFlip, "true => false", fateNotReached, "", "1000", 2, reachedByNone, ""}
	for _, r := range []mutantResult{dead, alive, {id: 2, fate: fateNoBuild}, unreached, {id: 4, fate: fateSame}} {
		if err := l.add(r); err != nil {
			t.Fatal(err)
		}
	}
	alive.tests = "killed"
	if err := l.add(alive); err != nil {
		t.Fatal(err)
	}
	if err := l.file.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := openMutantLog(f, head)
	if err != nil {
		t.Fatal(err)
	}
	defer again.file.Close()
	if !reflect.DeepEqual(again.results, l.results) || again.results[1] != alive || again.counted() != 2 || !again.has(2) || again.has(5) {
		t.Errorf("%+v", again.results)
	}
	if got := again.again(1000); !reflect.DeepEqual(got, []int{1}) || len(again.again(250)) > 0 {
		t.Errorf("tried again with 1000 seeds: %v; with 250: %v", got, again.again(250))
	}
	want := alive.line() + "\n2 mutants that seeds run: 1 dead, 1 survived; besides, 1 not reached by any seed, 1 did not compile and 1 changed nothing\ndead: 50.0 % of those reached, 33.3 % of all\n"

	if got := again.summary(200); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := again.summary(1); !strings.Contains(got, "\n1 mutants that seeds run: 1 dead, 0 survived") {
		t.Errorf("of the first alone: %s", got)
	}
	if _, err := openMutantLog(f, fingerprint([]mutant{{path: "b.go", line: 1}})); err == nil || !strings.Contains(err.Error(), "another tree or draw") {
		t.Error(err)
	}
	f.resume = false
	fresh, err := openMutantLog(f, head)
	if err != nil || len(fresh.results) != 0 {
		t.Fatal(err)
	}
	fresh.file.Close()
}

// The draw depends on its seed alone, and takes what --only says.
func TestDraw(t *testing.T) {
	root := filepath.Join("..", "..")
	var heads [3]string
	for i, seed := range []uint64{1, 1, 2} {
		all, err := drawMutants(root, &mutantFlags{seed: seed, only: "core/timer"})
		if err != nil || len(all) < 20 {
			t.Fatal(len(all), err)
		}
		for j := range all {
			if all[j].path != "core/timer/timer.go" {
				t.Fatal(all[j].path)
			}
		}
		heads[i] = fingerprint(all)
	}
	if heads[0] != heads[1] || heads[0] == heads[2] {
		t.Error(heads)
	}
	if _, err := drawMutants(root, &mutantFlags{only: "nowhere"}); err == nil {
		t.Error("there is nothing in nowhere")
	}
}

func TestPlaces(t *testing.T) {
	if got, err := parsePlaces("54,0,9", 55); err != nil || !reflect.DeepEqual(got, []int{54, 0, 9}) {
		t.Error(got, err)
	}
	for _, list := range []string{"55", "-1", "a", "1,,2"} {
		if got, err := parsePlaces(list, 55); err == nil {
			t.Errorf("%q: %v", list, got)
		}
	}
}

func TestStages(t *testing.T) {
	f := mutantFlags{seeds: 1000, single: 150, quorum: 30, cluster: 20}
	if got, want := f.stages(), []seedRange{{"brief", 0, 100}, {"single", 0, 150}, {"quorum", 0, 30}, {"cluster", 0, 20}, {"brief", 100, 800}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
	f = mutantFlags{seeds: 40}
	if got, want := f.stages(), []seedRange{{"brief", 0, 40}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
	for _, r := range (&mutantFlags{seeds: 400, single: 1, quorum: 1, cluster: 1}).stages() {
		if secondsOfSeed[r.profile] == 0 {
			t.Errorf("nobody says what a seed of %s takes", r.profile)
		}
	}
}

// Seeds kill what breaks a promise, what hangs, and what uses up the memory; they do not kill the tree as it is. A change that does nothing gives the same binary.
func TestMutantsDie(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the simulator several times")
	}
	tr, err := copyTree(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tr.remove(); err != nil {
			t.Error(err)
		}
	}()
	s := &mutantSweep{f: &mutantFlags{seeds: 20, patience: 1}, reach: &reach{}}
	tr.memory = 256 << 20 // a fine one takes some 40 MiB
	ctx := context.Background()
	if err := tr.buildBare(ctx); err != nil {
		t.Fatal(err)
	}
	same, err := fileSum(filepath.Join(tr.root, simulator))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, old, text string
		fate, by        string
	}{
		{"core/produce.go", "Sync: rep.SyncNow()", "Sync: rep.SyncNow(/* now */)", fateSame, ""},
		{"core/produce.go", "Sync: rep.SyncNow()", "Sync: !!rep.SyncNow() || len(c.reads) == 1<<40", fateSurvived, ""},
		{"core/produce.go", "Sync: rep.SyncNow()", "Sync: false", fateDead, "any"},
		{"core/produce.go", "Sync: rep.SyncNow()", "Sync: SyncNow()", fateNoBuild, ""},
		{"core/produce.go", "Sync: rep.SyncNow()", "Sync: func() bool { var all [][]byte; for { all = append(all, make([]byte, 1<<24)); for i := range all[len(all)-1] { all[len(all)-1][i] = 1 } } }()", fateDead, "memory"},
		{"core/produce.go", "Sync: rep.SyncNow()", "Sync: func() bool { for { } }()", fateDead, "time"},
	} {
		s.same, s.f.patience = same, 4
		if c.by == "time" {
			s.f.patience = 0.2
		}
		source, err := os.ReadFile(filepath.Join(tr.root, c.path))
		if err != nil {
			t.Fatal(err)
		}
		from := strings.Index(string(source), c.old)
		if from < 0 {
			t.Fatalf("%q is not in %s", c.old, c.path)
		}
		r, err := s.try(ctx, tr, &mutant{path: c.path, operator: opPersist, from: from, to: from + len(c.old), text: c.text, old: c.old})
		if err != nil {
			t.Fatal(err)
		}
		if r.fate != c.fate || c.by != "any" && r.by != c.by || c.by == "any" && r.seed == "" {
			t.Errorf("%s: %s by %q in seed %s; want %s by %q", c.text, r.fate, r.by, r.seed, c.fate, c.by)
		}
		t.Logf("%s: %s %s %s", c.text, r.fate, r.by, r.seed)
	}
}

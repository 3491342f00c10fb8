package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"odradek/bench/race"
	"odradek/bench/verdict"
)

// What stands around the race's part of a page is left alone, the part itself is the same when it is made again, and prose is taken from its files.
func TestPage(t *testing.T) {
	dir := t.TempDir()
	page, limits := filepath.Join(dir, "PAGE.md"), filepath.Join(dir, "limits")
	for _, err := range []error{os.Mkdir(limits, 0o755), os.Mkdir(filepath.Join(dir, "bench"), 0o755), os.WriteFile(filepath.Join(limits, "3.md"), []byte("what limits it\n"), 0o644),
		os.WriteFile(page, []byte("above\n"+raceBegins+"old\n"+raceEnds+"below\n"), 0o644)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var records []race.Record
	for i, e := range []race.Entrant{race.Durable, race.KafkaFlushed, race.Relaxed, race.KafkaDefault} {
		records = append(records, race.Record{Cell: "unbatched/64", Entrant: e.String(), Values: race.Values{"batches_rate": float64(1000 * (5 - i))}})
	}
	c := verdict.Judge(race.Cells(), records)
	c.From = verdict.Sources{Limits: limits, Pictures: "bench/"}
	var before []byte
	for range 2 {
		if err := putPage(c, page, filepath.Join(dir, "bench")); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		got := string(text)
		if !strings.HasPrefix(got, "above\n"+raceBegins) || !strings.HasSuffix(got, raceEnds+"below\n") || strings.Contains(got, "old") {
			t.Errorf("what is around has changed, or what was there is still there:\n%s", got)
		}
		for _, want := range []string{"### 3. Unbatched requests", "](bench/race-3.svg)", "\nwhat limits it\n"} {
			if strings.Count(got, want) != 1 {
				t.Errorf("%q is not in it once:\n%s", want, got)
			}
		}
		if before != nil && !bytes.Equal(before, text) {
			t.Error("made again it is another")
		}
		before = text
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "bench", "*")); len(left) != 1 || filepath.Base(left[0]) != "race-3.svg" {
		t.Errorf("pictures are %q", left)
	}
	if err := os.WriteFile(page, []byte("no marks\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := putPage(c, page, dir); exitCode(err) != exitUsage {
		t.Errorf("a page without marks is answered with %v", err)
	}
}

// The list tells what each cell takes, and what all do; the plain command's hour is held to its flags as they are.
func TestListed(t *testing.T) {
	cmd := compareCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--list"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(race.Cells())+3 {
		t.Errorf("%d lines for %d cells", len(lines), len(race.Cells()))
	}
	last := strings.Fields(lines[len(lines)-1])
	if sum, err := time.ParseDuration(last[1]); last[0] != "all" || err != nil || sum > time.Hour || sum < 30*time.Minute {
		t.Errorf("the last line is %q", lines[len(lines)-1])
	}
}

// The command that stands in the page names no directory of this machine.
func TestCommandHidesDirectories(t *testing.T) {
	f := compareFlags{out: "/some/where", profiles: "/else/where"}
	if got, want := f.command([]string{"compare", "--out", "/some/where", "--jetstream=/some/where/js.md", "--profiles", "/else/where", "--rounds", "2"}),
		"go run ./bench compare --out DIR --jetstream=DIR/js.md --profiles DIR/profiles --rounds 2"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	here := compareFlags{out: "."}
	if got, want := here.command([]string{"compare", "--out=.", "--warm", "1.5s"}), "go run ./bench compare --out=DIR --warm 1.5s"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
}

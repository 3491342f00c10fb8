package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"odradek/linearizability"
	"odradek/sim"
)

func run(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := Command()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.Execute()
	return out.String(), err
}

var lastLine = regexp.MustCompile(`^seed=42 outcome=ok digest=([0-9a-f]{32}) events=\d+ faults=\d+ virtual=[\d.]+s wall=[\d.]+s$`)

// everyLine of a trace says when, and who.
var everyLine = regexp.MustCompile(`^(\d+ \S+ \S.*\n)+$`)

func TestOneSeed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace")
	out, err := run("--seed", "42", "--trace", file)
	if err != nil {
		t.Fatal(err, out)
	}
	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	if !strings.HasPrefix(lines[0], "seed=42 ") || !lastLine.MatchString(lines[len(lines)-1]) {
		t.Fatalf("printed:\n%s", out)
	}
	trace, err := os.ReadFile(file)
	if err != nil || !bytes.Contains(trace, []byte("> Boot ")) || !regexp.MustCompile(`\n\d+ n0 < Reply `).Match(trace) || !everyLine.Match(trace) {
		t.Fatalf("trace of %d bytes: %v", len(trace), err)
	}
}

func TestSweep(t *testing.T) {
	out, err := run("--seeds", "0-19", "--jobs", "2")
	if err != nil || !strings.Contains(out, "\n20 seeds, 0 failed, 2 run twice, ") {
		t.Fatal(err, out)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"--seeds", "5"}, {"--seeds", "9-3"}, {"--seeds", "0-1", "--seed", "3"}, {"--seeds", "0-1", "--jobs", "0"}} {
		_, err := run(args...)
		var usage UsageError
		if !errors.As(err, &usage) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// What a failing seed prints: the faults, what touched the partition, the invariant, and the command that runs it again.
func TestStory(t *testing.T) {
	f := &flags{seed: 3, drawn: sim.Profile{Name: sim.Brief, Rate: sim.Usual}}
	var told story
	sim.Run(sim.Config{Options: sim.Draw(f.seed, f.drawn), Trace: told.keep})
	var out bytes.Buffer
	told.tell(&out, f, nil, &sim.Result{Seed: 3, Oracle: "R4", Found: "t0-0: offset 7 was read as another record"})
	for _, want := range []string{" fault ", "what last touched t0-0:", " > Durable ", "oracle R4: t0-0: offset 7", "again: odradek sim --seed 3 --profile brief\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.String())
		}
	}
}

// A history is there however the run ended: these end where the node must refuse to start, before the judges look.
func TestHistoryOfARunThatEnds(t *testing.T) {
	for seed := uint64(0); ; seed++ {
		o := sim.Draw(seed, sim.Standard)
		if r := sim.Run(sim.Config{Options: o}); r.Judged > 0 {
			continue
		}
		file := filepath.Join(t.TempDir(), "history")
		if out, err := run("--seed", strconv.FormatUint(seed, 10), "--history", file); err != nil {
			t.Fatal(err, out)
		}
		text, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer text.Close()
		h, err := linearizability.Read(text)
		if err != nil || len(h) < 100 {
			t.Fatalf("seed %d: %d operations: %v", seed, len(h), err)
		}
		if v, err := linearizability.Check(h, linearizability.Options{}); err != nil || !v.Good() {
			t.Errorf("seed %d: %v %v", seed, v.Findings, err)
		}
		return
	}
}

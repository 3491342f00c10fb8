package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// What runs the place of a mutant.
const (
	reachedBySeeds = "seeds"
	reachedByTests = "unit tests"
	reachedByNone  = "nothing"
)

// block is a part of a file that is run as a whole.
type block struct {
	fromLine, fromCol, toLine, toCol int
	run                              bool
}

func (b *block) has(line, col int) bool {
	return (line > b.fromLine || line == b.fromLine && col >= b.fromCol) && (line < b.toLine || line == b.toLine && col < b.toCol)
}

// coverage of files.
type coverage map[string][]block

// reach says what runs which part of the source.
type reach struct{ seeds, tests coverage }

// of returns what runs the place of a mutant. What is in no block counts as run.
func (r *reach) of(m *mutant) string {
	switch {
	case r.seeds.runs(m):
		return reachedBySeeds
	case r.tests.runs(m):
		return reachedByTests
	}
	return reachedByNone
}

// runs reports whether the innermost block at a mutant's place was run: blocks of function literals lie within others.
func (c coverage) runs(m *mutant) bool {
	var inner *block
	for i := range c[m.path] {
		b := &c[m.path][i]
		if b.has(m.probeLine, m.probeCol) && (inner == nil || inner.has(b.fromLine, b.fromCol)) {
			inner = b
		}
	}
	return inner == nil || inner.run
}

// mutatedPackages are patterns for the go command.
const mutatedPackages = "./core/...,./disk/segment/..."

// kinds says how many seeds of what are run, in the name of a file.
func (f *mutantFlags) kinds() string {
	return fmt.Sprintf("%d-%d-%d-%d", f.brief(), f.single, f.quorum, f.cluster)
}

// coverage runs the very seeds that mutants are tried with, and the unit tests, on the tree as it is. Nothing may fire.
func (t *tree) coverage(ctx context.Context, f *mutantFlags) (*reach, error) {
	seeds, err := filepath.Abs(filepath.Join(f.out, fmt.Sprintf("seeds-%s.cover", f.kinds())))
	if err != nil {
		return nil, err
	}
	tests := filepath.Join(filepath.Dir(seeds), "tests.cover")
	if _, err := os.Stat(seeds); err != nil || !f.resume {
		if err := t.coverSeeds(ctx, f, seeds); err != nil {
			return nil, err
		}
	}
	if _, err := os.Stat(tests); err != nil || !f.resume {
		list := strings.Split(mutatedPackages, ",")
		if err := t.run(ctx, append([]string{"test", "-trimpath", "-coverpkg=" + mutatedPackages, "-coverprofile=" + tests}, list...)...); err != nil {
			return nil, err
		}
	}
	r := &reach{}
	if r.seeds, err = readCoverage(seeds); err == nil {
		r.tests, err = readCoverage(tests)
	}
	return r, err
}

// checkClean sees that nothing fires on the tree as it is, in the very seeds that mutants are tried with: with --resume the simulator may be another one than that
// of the coverage, and what it calls dead would mean nothing. It is done once for each simulator.
func (t *tree) checkClean(ctx context.Context, f *mutantFlags, sum string) error {
	mark := filepath.Join(f.out, fmt.Sprintf("clean-%s-%.16s", f.kinds(), sum))
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	if err := t.quiet(ctx, f); err != nil {
		return err
	}
	return os.WriteFile(mark, nil, 0o644)
}

// quiet runs the seeds on the simulator that is built; any that fails is an error.
func (t *tree) quiet(ctx context.Context, f *mutantFlags) error {
	for _, stage := range f.stages() {
		found, err := t.seeds(ctx, stage, f.jobs, func(finding) bool { return true })
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return fmt.Errorf("the tree as it is fails in seed %d of %s: oracle %s: %s", found[0].seed, stage.profile, found[0].oracle, found[0].text)
		}
	}
	return nil
}

func (t *tree) coverSeeds(ctx context.Context, f *mutantFlags, to string) error {
	// The command itself must be among them: it is what writes the counts when it ends.
	if err := t.run(ctx, "build", "-trimpath", "-cover", "-coverpkg=./sim/planted,"+mutatedPackages, "-o", simulator, "./sim/planted"); err != nil {
		return err
	}
	dir := filepath.Join(t.root, "coverage")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	t.env = []string{"GOCOVERDIR=" + dir}
	defer func() { t.env = nil }()
	if err := t.quiet(ctx, f); err != nil {
		return err
	}
	return errors.Join(t.run(ctx, "tool", "covdata", "textfmt", "-i="+dir, "-o="+to), os.RemoveAll(dir))
}

// readCoverage reads what go test -coverprofile writes. A block may be there several times.
func readCoverage(path string) (coverage, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	type key struct {
		name string
		at   block
	}
	seen := map[key]int{}
	c := coverage{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		name, rest, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "odradek/"), ":")
		if !ok || name == "mode" {
			continue
		}
		var b block
		var statements, count int
		if _, err := fmt.Sscanf(rest, "%d.%d,%d.%d %d %d", &b.fromLine, &b.fromCol, &b.toLine, &b.toCol, &statements, &count); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", path, lines.Text(), err)
		}
		k := key{name, b}
		at, again := seen[k]
		if !again {
			at = len(c[name])
			seen[k] = at
			c[name] = append(c[name], b)
		}
		c[name][at].run = c[name][at].run || count > 0
	}
	if lines.Err() == nil && len(c) == 0 {
		return nil, fmt.Errorf("%s says nothing", path)
	}
	return c, lines.Err()
}

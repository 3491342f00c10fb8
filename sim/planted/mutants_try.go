package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What becomes of a mutant.
const (
	fateDead       = "dead"
	fateSurvived   = "survived"
	fateNotReached = "not reached" // none of the seeds runs it: none can kill it
	fateNoBuild    = "does not compile"
	fateSame       = "same binary"
)

// brief is how many of the seeds are of that profile.
func (f *mutantFlags) brief() int { return f.seeds - f.single - f.quorum - f.cluster }

// stages are the seeds that a mutant must live through: a quick look first, which kills most.
func (f *mutantFlags) stages() []seedRange {
	quick := min(100, f.brief())
	list := []seedRange{{"brief", 0, quick}, {"single", 0, f.single}, {"quorum", 0, f.quorum}, {"cluster", 0, f.cluster}, {"brief", quick, f.brief()}}
	return slices.DeleteFunc(list, func(r seedRange) bool { return r.from == r.end })
}

// secondsOfSeed is some ten times what a seed of each profile takes.
var secondsOfSeed = map[string]float64{"brief": 0.1, "single": 0.8, "quorum": 0.4, "cluster": 1.2}

// limit is after what time a stage counts as hung.
func (f *mutantFlags) limit(r seedRange) time.Duration {
	return time.Duration(f.patience * (15 + secondsOfSeed[r.profile]*float64(r.end-r.from)) * float64(time.Second))
}

// try makes one mutant, builds it, and runs the seeds until one kills it.
func (s *mutantSweep) try(ctx context.Context, t *tree, m *mutant) (r mutantResult, err error) {
	r.place, r.operator, r.change = fmt.Sprintf("%s:%d", m.path, m.line), m.operator, m.change()
	r.reached = s.reach.of(m)
	if err := t.change(m.path, m.apply); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, t.revert()) }()
	if r.reached != reachedBySeeds { // it need only compile
		if r.fate, r.seed = fateNotReached, strconv.Itoa(s.f.seeds); t.run(ctx, "build", "-trimpath", "./"+path.Dir(m.path)) != nil {
			r.fate, r.seed = fateNoBuild, ""
		}
		return r, nil
	}
	if t.buildBare(ctx) != nil {
		r.fate = fateNoBuild
		return r, nil
	}
	sum, err := fileSum(filepath.Join(t.root, simulator))
	switch {
	case err != nil:
		return r, err
	case sum == s.same:
		r.fate = fateSame
	default:
		r.fate, r.seed = fateSurvived, strconv.Itoa(s.f.seeds)
		s.kill(ctx, t, &r)
	}
	return r, nil
}

// kill runs the seeds. A mutant that crashes the simulator itself, hangs it, or uses up its memory is dead, too.
func (s *mutantSweep) kill(ctx context.Context, t *tree, r *mutantResult) {
	for _, stage := range s.f.stages() {
		limited, cancel := context.WithTimeout(ctx, s.f.limit(stage))
		found, err := t.seeds(limited, stage, 1, func(finding) bool { return true })
		late := limited.Err() != nil
		cancel()
		switch {
		case len(found) > 0:
			r.fate, r.by, r.seed = fateDead, found[0].oracle, fmt.Sprintf("%s %d", stage.profile, found[0].seed)
		case late:
			r.fate, r.by, r.seed = fateDead, "time", stage.profile
		case err != nil:
			r.fate, r.by, r.seed = fateDead, "memory", stage.profile
			if !strings.Contains(err.Error(), "signal: killed") {
				r.by = "crash"
			}
		}
		if r.fate == fateDead {
			return
		}
	}
}

// apply makes the change.
func (m *mutant) apply(source string) (string, error) {
	if m.to > len(source) || source[m.from:m.to] != m.old {
		return "", fmt.Errorf("%s:%d is not what it was", m.path, m.line)
	}
	return source[:m.from] + m.text + source[m.to:], nil
}

// change says in one line what is changed.
func (m *mutant) change() string {
	text := short(m.text)
	if text == "" {
		return short(m.old) + " => (nothing)"
	}
	return short(m.old) + " => " + text
}

func short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 110 {
		text = text[:107] + "..."
	}
	return text
}

func fileSum(path string) (string, error) {
	data, err := os.ReadFile(path)
	return fmt.Sprintf("%x", sha256.Sum256(data)), err
}

// runTests runs the unit tests of the mutant's package, and of core, against what no seed killed.
func (s *mutantSweep) runTests(ctx context.Context, t *tree) error {
	for _, r := range s.log.inOrder() {
		if r.tests != "" || r.fate != fateSurvived && r.fate != fateNotReached {
			continue
		}
		m := &s.all[r.id]
		if err := t.change(m.path, m.apply); err != nil {
			return err
		}
		r.tests = "killed"
		if t.run(ctx, "test", "-trimpath", "-vet=off", "-failfast", "-timeout", "3m", "./core", "./"+path.Dir(m.path)) == nil {
			r.tests = "pass"
		}
		if err := errors.Join(t.revert(), ctx.Err()); err != nil {
			return err
		}
		if err := s.log.add(r); err != nil {
			return err
		}
		fmt.Println(r.line())
	}
	return nil
}

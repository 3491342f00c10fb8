package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// finding is one failing seed of a sweep.
type finding struct {
	seed   int
	oracle string
	text   string
}

// verdict is what became of a planted bug.
type verdict struct {
	bug     *bug
	caught  *finding  // the first seed in which an oracle fired that its file names
	others  []finding // seeds before it in which another one did
	seeds   int       // of the sweep, at most
	seconds float64   // of the sweep
	err     error     // it did not come to a sweep, or the sweep did not come to an end
}

// fine reports whether it is as the file says: caught, or, of a canary, not.
func (v *verdict) fine() bool {
	if v.bug.class == harmless {
		return v.err == nil && len(v.others) == 0
	}
	return v.err == nil && v.caught != nil
}

// sweep runs seeds from 0 on, up to as many as the class allows, until an oracle fires that the bug's file names. Seeds are handed out in order, and those
// under way are run to their end: so the seed that is told is the lowest, however many are run at once.
func (t *tree) sweep(ctx context.Context, b *bug, f *flags) (v verdict) {
	v.bug, v.seeds = b, seedsOf[b.class]
	if f.seeds > 0 {
		v.seeds = min(v.seeds, f.seeds)
	}
	ctx, cancel := context.WithTimeout(ctx, f.patience)
	defer cancel()
	start := time.Now()
	found, err := t.seeds(ctx, seedRange{b.profile, 0, v.seeds}, f.jobs, func(found finding) bool { return b.allowed(found.oracle) })
	v.seconds = time.Since(start).Seconds()
	v.judge(found)
	v.err = err
	if ctx.Err() != nil {
		v.err = fmt.Errorf("the sweep is not over after %s", f.patience)
	}
	return v
}

// seedRange are seeds of a profile, the last not among them.
type seedRange struct {
	profile   string
	from, end int
}

// seeds runs some seeds until stop says of a finding that it is enough, and returns what failed. A simulator that ends otherwise than a sweep does is an error.
func (t *tree) seeds(ctx context.Context, r seedRange, jobs int, stop func(finding) bool) ([]finding, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(t.root, simulator), "sim", "--seeds", fmt.Sprintf("%d-%d", r.from, r.end-1), "--jobs", strconv.Itoa(jobs), "--profile", r.profile)
	cmd.Env, cmd.WaitDelay = append(os.Environ(), t.env...), 10*time.Second
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	if t.memory > 0 {
		defer watchMemory(cmd.Process, t.memory)()
	}
	stopped := false // one interrupt is enough: another may come when it no longer listens, and end it by the signal
	found, readErr := findings(out, func(found finding) {
		if !stopped && stop(found) {
			stopped = true
			_ = cmd.Process.Signal(os.Interrupt) // it may be over by now
		}
	})
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case readErr != nil:
		return found, readErr
	case err != nil && (!errors.As(err, &exit) || exit.ExitCode() < 20 || exit.ExitCode() > 22):
		return found, fmt.Errorf("the sweep: %w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return found, nil
}

// judge finds the lowest seed in which an oracle fired that the bug's file names.
func (v *verdict) judge(found []finding) {
	slices.SortFunc(found, func(a, b finding) int { return a.seed - b.seed })
	for i := range found {
		if v.bug.allowed(found[i].oracle) {
			v.caught = &found[i]
			return
		}
		v.others = append(v.others, found[i])
	}
}

var failedSeed = regexp.MustCompile(`^FAILED seed (\d+): [a-z]+: oracle (.+?): (.*)$`)

// findings reads what a sweep prints, and tells each failing seed as it comes.
func findings(out io.Reader, tell func(finding)) (all []finding, err error) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m := failedSeed.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		seed, err := strconv.Atoi(m[1])
		if err != nil {
			return all, err
		}
		f := finding{seed: seed, oracle: m[2], text: m[3]}
		all = append(all, f)
		tell(f)
	}
	return all, lines.Err()
}

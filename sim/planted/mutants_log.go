package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mutantResult is a line of results.txt.
type mutantResult struct {
	id                      int // its place in the draw
	place, operator, change string
	fate, by, seed          string // of what is not dead, seed says how many were run
	seconds                 float64
	reached, tests          string // by what it is run; what the unit tests say: killed, pass, or nothing where they were not asked
}

// counts reports whether it is one of the sample that seeds could kill: what does not compile or differ, and what no seed runs, is not.
func (r *mutantResult) counts() bool { return r.fate == fateDead || r.fate == fateSurvived }

func (r *mutantResult) line() string {
	return strings.Join([]string{strconv.Itoa(r.id), r.place, r.operator, r.change, r.fate, r.by, r.seed, fmt.Sprintf("%.1f", r.seconds), r.reached, r.tests}, "\t")
}

func parseMutantResult(line string) (r mutantResult, err error) {
	f := strings.Split(line, "\t")
	if len(f) != 10 {
		return r, fmt.Errorf("%q has %d fields, not 10", line, len(f))
	}
	r = mutantResult{place: f[1], operator: f[2], change: f[3], fate: f[4], by: f[5], seed: f[6], reached: f[8], tests: f[9]}
	var errSeconds error
	r.id, err = strconv.Atoi(f[0])
	r.seconds, errSeconds = strconv.ParseFloat(f[7], 64)
	return r, errors.Join(err, errSeconds)
}

// mutantLog is results.txt, which grows by a line for each mutant. Of one that is there twice the later line counts.
type mutantLog struct {
	file    *os.File
	results map[int]mutantResult
}

// openMutantLog begins a file of results, or goes on with one of the same draw.
func openMutantLog(f *mutantFlags, head string) (*mutantLog, error) {
	path := filepath.Join(f.out, "results.txt")
	l := &mutantLog{results: map[int]mutantResult{}}
	err := os.MkdirAll(f.out, 0o755)
	if err == nil && f.resume {
		err = l.read(path, head)
	}
	if err == nil && len(l.results) == 0 {
		err = os.WriteFile(path, []byte(head+"\n"), 0o644)
	}
	if err != nil {
		return nil, err
	}
	l.file, err = os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o644)
	return l, err
}

func (l *mutantLog) read(path, head string) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	if lines.Scan(); lines.Text() != head {
		return fmt.Errorf("%s is of another tree or draw: %q, not %q", path, lines.Text(), head)
	}
	for lines.Scan() {
		r, err := parseMutantResult(lines.Text())
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		l.results[r.id] = r
	}
	return lines.Err()
}

func (l *mutantLog) has(id int) bool { _, ok := l.results[id]; return ok }

// again returns those that fewer seeds did not kill.
func (l *mutantLog) again(seeds int) (ids []int) {
	for _, r := range l.inOrder() {
		if n, err := strconv.Atoi(r.seed); (r.fate == fateSurvived || r.fate == fateNotReached) && (err != nil || n < seeds) {
			ids = append(ids, r.id)
		}
	}
	return ids
}

func (l *mutantLog) add(r mutantResult) error {
	l.results[r.id] = r
	_, err := fmt.Fprintln(l.file, r.line())
	return err
}

func (l *mutantLog) counted() (n int) {
	for _, r := range l.results { // any order: counted
		if r.counts() {
			n++
		}
	}
	return n
}

func (l *mutantLog) inOrder() []mutantResult {
	var all []mutantResult
	for _, r := range l.results { // any order: sorted below
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b mutantResult) int { return cmp.Compare(a.id, b.id) })
	return all
}

// summary counts what became of the first of the draw, until so many count.
func (l *mutantLog) summary(count int) string {
	fates := map[string]int{}
	var left []string
	n := 0
	for _, r := range l.inOrder() {
		if n == count {
			break
		}
		if r.counts() {
			n++
		}
		fates[r.fate]++
		if r.fate == fateSurvived || r.fate == fateNotReached && r.tests == "pass" {
			left = append(left, r.line())
		}
	}
	return fmt.Sprintf("%s\n%d mutants that seeds run: %d dead, %d survived; besides, %d not reached by any seed, %d did not compile and %d changed nothing\ndead: %.1f %% of those reached, %.1f %% of all\n",
		strings.Join(left, "\n"), n, fates[fateDead], fates[fateSurvived], fates[fateNotReached], fates[fateNoBuild], fates[fateSame],
		percent(fates[fateDead], n), percent(fates[fateDead], n+fates[fateNotReached]))
}

func percent(part, of int) float64 { return 100 * float64(part) / float64(max(of, 1)) }

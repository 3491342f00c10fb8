// Package profile tells what a CPU profile says in a few lines: which functions, packages and system calls the time went to.
package profile

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Share is what of the samples falls to one name.
type Share struct {
	Name string
	Time time.Duration
}

// Summary is a profile in short, each list with the most expensive first.
type Summary struct {
	Total     time.Duration
	Functions []Share // where the time was spent itself
	Below     []Share // in a function and all that it calls
	Packages  []Share // of Functions
	Calls     []Share // system calls, by name
}

// Read has the Go toolchain print the stacks of a profile, and adds them up.
func Read(ctx context.Context, path string) (*Summary, error) {
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-traces", "-unit=us", path).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return nil, fmt.Errorf("go tool pprof %s: %w\n%s", path, err, failed.Stderr)
	} else if err != nil {
		return nil, fmt.Errorf("go tool pprof %s: %w", path, err)
	}
	return Parse(string(out))
}

// Parse adds up stacks as `go tool pprof -traces` prints them: a line of dashes, then a time and the innermost function, then its callers, one a line.
func Parse(text string) (*Summary, error) {
	functions, below, packages, calls := map[string]time.Duration{}, map[string]time.Duration{}, map[string]time.Duration{}, map[string]time.Duration{}
	s := new(Summary)
	_, text, found := strings.Cut(text, "-----")
	if !found {
		return nil, errors.New("no stacks: it is not what pprof -traces prints, or a profile without a sample")
	}
	for block := range strings.SplitSeq(text, "\n-----") {
		took, stack := parseStack(block)
		if len(stack) == 0 {
			continue
		}
		s.Total += took
		functions[stack[0]] += took
		packages[packageOf(stack[0])] += took
		if call := systemCall(stack); call != "" {
			calls[call] += took
		}
		slices.Sort(stack)
		for _, f := range slices.Compact(stack) { // once each, however often it calls itself
			below[f] += took
		}
	}
	if s.Total == 0 {
		return nil, errors.New("a profile without a sample")
	}
	s.Functions, s.Below, s.Packages, s.Calls = ordered(functions), ordered(below), ordered(packages), ordered(calls)
	return s, nil
}

// parseStack reads one stack, innermost first.
func parseStack(block string) (took time.Duration, stack []string) {
	lines := bufio.NewScanner(strings.NewReader(block))
	for lines.Scan() {
		name := strings.TrimSuffix(strings.TrimSpace(lines.Text()), " (inline)")
		if strings.HasPrefix(name, "-") || name == "" {
			continue // the rest of the line of dashes
		}
		if len(stack) == 0 {
			number, rest, ok := strings.Cut(name, " ")
			d, err := time.ParseDuration(number)
			if !ok || err != nil {
				continue // a label of the sample
			}
			took, name = d, strings.TrimSuffix(strings.TrimSpace(rest), " (inline)")
		}
		stack = append(stack, name)
	}
	return took, stack
}

func ordered(m map[string]time.Duration) (out []Share) {
	for name, d := range m { // any order: sorted
		out = append(out, Share{name, d})
	}
	slices.SortFunc(out, func(a, b Share) int { return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(a.Name, b.Name)) })
	return out
}

// packageOf is what stands before the first dot behind the last slash; type parameters may hold both.
func packageOf(function string) string {
	plain, _, _ := strings.Cut(function, "[")
	slash := strings.LastIndex(plain, "/") + 1
	name, _, _ := strings.Cut(plain[slash:], ".")
	return plain[:slash] + name
}

// own are functions of the runtime that are system calls themselves.
var own = []string{"futex", "usleep", "madvise", "mmap", "munmap", "write1", "tgkill", "osyield"}

// systemCall names the system call that a stack ends in, as its wrapper is called; empty: none.
func systemCall(stack []string) string {
	if f, ok := strings.CutPrefix(stack[0], "runtime."); ok && slices.Contains(own, f) {
		return f
	}
	if !through(stack[0]) {
		return ""
	}
	for _, f := range stack {
		if !through(f) {
			return strings.TrimSuffix(strings.ToLower(f[strings.LastIndex(f, ".")+1:]), "syscall")
		}
	}
	return "unknown"
}

// through reports whether a function only passes a system call on.
func through(function string) bool {
	switch packageOf(function) {
	case "syscall", "golang.org/x/sys/unix", "internal/runtime/syscall", "internal/runtime/syscall/linux", "runtime/internal/syscall":
		name := strings.ToLower(function[strings.LastIndex(function, ".")+1:])
		return strings.HasPrefix(name, "syscall") || strings.HasPrefix(name, "rawsyscall")
	}
	return strings.HasPrefix(function, "syscall.runtime_")
}

// tops is how many of a list are told.
const tops = 10

// Markdown writes the lists as tables.
func (s *Summary) Markdown(w io.Writer) error {
	for _, l := range []struct {
		title string
		list  []Share
	}{{"function, itself", s.Functions}, {"function and what it calls", s.Below}, {"package", s.Packages}, {"system call", s.Calls}} {
		if _, err := fmt.Fprintf(w, "| %s | share |\n|---|---|\n", l.title); err != nil {
			return err
		}
		for _, share := range l.list[:min(tops, len(l.list))] {
			if _, err := fmt.Fprintf(w, "| `%s` | %s |\n", strings.ReplaceAll(share.Name, "|", "/"), s.percent(share.Time)); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return nil
}

func (s *Summary) percent(d time.Duration) string {
	return fmt.Sprintf("%.1f %%", 100*float64(d)/float64(s.Total))
}

// few is how many of a list stand in a line.
const few = 4

// Line tells the most of it in a sentence: system calls, and what else runs.
func (s *Summary) Line() string {
	var calls time.Duration
	for _, c := range s.Calls {
		calls += c.Time
	}
	list := func(shares []Share) string {
		var out []string
		for _, c := range shares[:min(few, len(shares))] {
			out = append(out, c.Name+" "+s.percent(c.Time))
		}
		return strings.Join(out, ", ")
	}
	rest := slices.DeleteFunc(slices.Clone(s.Packages), func(p Share) bool { return through(p.Name + ".Syscall6") })
	return fmt.Sprintf("system calls %s (%s); besides: %s; %v of samples", s.percent(calls), list(s.Calls), list(rest), s.Total.Round(10*time.Millisecond))
}

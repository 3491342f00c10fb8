// Command planted proves that the simulator's oracles see. It plants each bug of bugs/ in a copy of the tree, sweeps seeds, and tells who caught it and how fast.
// It fails if one is not caught in as many seeds as its class allows, is caught only by oracles that its file does not name, or does not compile.
//
//	go run ./sim/planted                        all
//	go run ./sim/planted --only lost-answer     one
//	go run ./sim/planted --class E              those of a class
//	go run ./sim/planted --sample 4             so many, of those that an earlier run caught fastest
//	go run ./sim/planted --compile              each compiles; no sweep
//	go run ./sim/planted --only X --build FILE  the simulator with the bug, to run by hand: FILE sim --seed N
//	go run ./sim/planted --oracles              no bug: the names of the oracles, and where each is
//	go run ./sim/planted --page                 all, and write docs/PLANTED.md
//	go run ./sim/planted mutants                no bugs by hand: 200 small changes that are drawn (docs/MUTANTS.md)
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"odradek/sim/cli"
)

// flags of the command line.
type flags struct {
	jobs     int
	only     string
	class    string
	sample   int
	seeds    int // at most; 0: as many as the class allows
	compile  bool
	build    string                // where the simulator with the bug goes; "": it is swept
	page     func([]verdict) error // writes the verdicts down; nil: nothing is to be written
	patience time.Duration
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "sim" {
		os.Exit(simulate(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == "mutants" {
		if err := mutantsCommand(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "planted: "+err.Error())
			os.Exit(1)
		}
		return
	}
	var f flags
	flag.IntVar(&f.jobs, "jobs", 2, "seeds run at once")
	flag.StringVar(&f.only, "only", "", "plant this bug alone; several with commas")
	flag.StringVar(&f.class, "class", "", "plant the bugs of this class: E, M, H or canary")
	flag.IntVar(&f.sample, "sample", 0, "plant the canary, and so many that docs/PLANTED.md says are caught fastest")
	flag.IntVar(&f.seeds, "seeds", 0, "sweep no more seeds than so many, whatever the class allows; for a first look")
	flag.StringVar(&f.build, "build", "", "build the simulator with the bug of --only into this file, and sweep nothing")
	flag.BoolVar(&f.compile, "compile", false, "see that each bug compiles, and sweep nothing")
	oracles := flag.Bool("oracles", false, "print the name of every oracle, with a file that has it, and plant nothing")
	page := flag.Bool("page", false, "write the table into docs/PLANTED.md")
	flag.DurationVar(&f.patience, "patience", 30*time.Minute, "after which a sweep is given up")
	flag.Parse()
	if *oracles {
		if err := printOracles(os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "planted: "+err.Error())
			os.Exit(1)
		}
		return
	}
	if err := run(os.Stdout, &f, *page); err != nil {
		fmt.Fprintln(os.Stderr, "planted: "+err.Error())
		os.Exit(1)
	}
}

// simulate is `odradek sim`.
func simulate(args []string) int {
	cmd := cli.Command()
	cmd.SetArgs(args)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.Execute()
	var coded interface{ ExitCode() int }
	switch {
	case err == nil:
		return 0
	case errors.As(err, &coded):
		return coded.ExitCode()
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func run(out io.Writer, f *flags, page bool) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	root, err := findRoot()
	if err != nil {
		return err
	}
	all, err := readBugs(root)
	if err != nil {
		return err
	}
	bugs, err := choose(all, f, root)
	if err != nil {
		return err
	}
	if page {
		f.page = func(v []verdict) error { return writePage(root, all, v) }
	}
	t, err := copyTree(root)
	if err != nil {
		return err
	}
	switch {
	case f.build != "":
		err = buildOne(ctx, t, bugs, f.build)
	case f.compile:
		err = compileAll(ctx, out, t, bugs)
	default:
		err = sweepAll(ctx, out, t, bugs, f)
	}
	return errors.Join(err, t.remove())
}

// findRoot returns the folder of go.mod, here or above.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod here or above: run it within the tree")
		}
		dir = up
	}
	return "", err
}

// bugsFolder is where the bugs lie, one a file.
const bugsFolder = "sim/planted/bugs"

func readBugs(root string) (bugs []bug, err error) {
	files, err := filepath.Glob(filepath.Join(root, bugsFolder, "*.txt"))
	if err != nil {
		return nil, err
	}
	for _, path := range files { // sorted
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		b, err := parseBug(strings.TrimSuffix(filepath.Base(path), ".txt"), string(text))
		if err != nil {
			return nil, err
		}
		bugs = append(bugs, b)
	}
	return bugs, nil
}

// choose returns the bugs that the flags ask for.
func choose(all []bug, f *flags, root string) ([]bug, error) {
	keep := all
	if f.only != "" {
		names := strings.Split(f.only, ",")
		keep = slices.DeleteFunc(slices.Clone(keep), func(b bug) bool { return !slices.Contains(names, b.name) })
		if len(keep) != len(names) {
			return nil, fmt.Errorf("--only %s: not each is one of %s", f.only, bugsFolder)
		}
	}
	if f.class != "" {
		keep = slices.DeleteFunc(slices.Clone(keep), func(b bug) bool { return string(b.class) != f.class })
	}
	if f.sample > 0 {
		last, err := readPage(root)
		if err != nil {
			return nil, err
		}
		keep = quickest(keep, last, f.sample)
	}
	if len(keep) == 0 {
		return nil, errors.New("no bug is left")
	}
	return keep, nil
}

// compileAll plants many bugs at once, of each file one, and compiles what they changed. Errors name the file, and so the bug.
func compileAll(ctx context.Context, out io.Writer, t *tree, bugs []bug) error {
	for _, round := range rounds(bugs) {
		var names []string
		for i := range round {
			names = append(names, round[i].name)
			if err := t.plant(&round[i]); err != nil {
				return err
			}
		}
		if err := t.compile(ctx, round); err != nil {
			return fmt.Errorf("one of %s does not compile: %w", strings.Join(names, ", "), err)
		}
		if err := t.revert(); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%d planted bugs compile\n", len(bugs))
	return nil
}

// buildOne builds the simulator with one bug.
func buildOne(ctx context.Context, t *tree, bugs []bug, path string) error {
	if len(bugs) != 1 {
		return fmt.Errorf("--build wants one bug, not %d: name it with --only", len(bugs))
	}
	if err := t.plant(&bugs[0]); err != nil {
		return err
	}
	if err := t.build(ctx); err != nil {
		return err
	}
	built, err := os.ReadFile(filepath.Join(t.root, simulator))
	if err != nil {
		return err
	}
	return os.WriteFile(path, built, 0o755)
}

// sweepAll plants the bugs one after another.
func sweepAll(ctx context.Context, out io.Writer, t *tree, bugs []bug, f *flags) error {
	start := time.Now()
	var verdicts []verdict
	failed := 0
	for i := range bugs {
		v := try(ctx, t, &bugs[i], f)
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if !v.fine() {
			failed++
		}
		verdicts = append(verdicts, v)
		fmt.Fprintln(out, v.line())
	}
	fmt.Fprintf(out, "%d planted, %d not as they should be, %.0f s\n", len(verdicts), failed, time.Since(start).Seconds())
	if f.page != nil {
		if err := f.page(verdicts); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d are missed, or caught only by oracles that their files do not name", failed, len(verdicts))
	}
	return nil
}

// try plants one bug, builds, sweeps, and takes it out again.
func try(ctx context.Context, t *tree, b *bug, f *flags) verdict {
	err := t.plant(b)
	if err == nil {
		err = t.build(ctx)
	}
	v := verdict{bug: b, err: err}
	if err == nil {
		v = t.sweep(ctx, b, f)
	}
	v.err = errors.Join(v.err, t.revert())
	return v
}

// line is the verdict as it is printed.
func (v *verdict) line() string {
	head := fmt.Sprintf("%-4s %-36s %-6s", v.bug.row, v.bug.name, v.bug.class)
	also := ""
	if len(v.others) > 0 {
		o := &v.others[0]
		also = fmt.Sprintf(" (%d seeds before by others; %s in seed %d: %s)", len(v.others), o.oracle, o.seed, o.text)
	}
	switch {
	case v.err != nil:
		return head + " FAILED  " + v.err.Error()
	case v.bug.class == harmless && v.fine():
		return fmt.Sprintf("%s not caught, as it must be: %d seeds, %.1f s", head, v.seeds, v.seconds)
	case v.bug.class == harmless:
		return head + " FIRED   where nothing can be seen" + also
	case v.caught == nil:
		return fmt.Sprintf("%s MISSED  in %d seeds, %.1f s%s", head, v.seeds, v.seconds, also)
	}
	return fmt.Sprintf("%s %-10s seed %-5d %5.1f s%s", head, v.caught.oracle, v.caught.seed, v.seconds, also)
}

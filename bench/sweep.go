package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"odradek/bench/cell"
	"odradek/bench/journal"
	"odradek/bench/measure"
	"odradek/bench/report"
	"odradek/bench/run"
	"odradek/bench/target"
)

type sweepFlags struct {
	out       string
	quick     bool
	list      bool
	cells     []string
	bootstrap []string
	pid       int
	set       []string
	reps      int
	plan      run.Plan
}

// What is run where the flags say nothing.
const (
	defaultReps   = 5
	quickReps     = 3
	defaultWarmup = 500 * time.Millisecond
	defaultLength = 2 * time.Second
	quickLength   = 1500 * time.Millisecond
	// touched is what is written and removed before a sweep, so that the machine's memory has been used before.
	touched = 1 << 30
)

func sweepCommand() *cobra.Command {
	var f sweepFlags
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Run cells of batch size, linger, codec and the rest, and make a report",
		Long: `Runs cells of batch size, linger, codec, record size, payload, acks, partitions, producers and keys, and makes a report:
report.html, pictures (SVG, PNG), results.json, results.csv, latency.hlog. The same command in the same directory goes on where it was interrupted.

Without --bootstrap a node of this tree is built and started in a process of its own, with its data below the output directory.
Data goes to stdout, messages to stderr. Exit codes: 0 ok, 1 failed, 2 usage, 3 unreachable.`,
		Example: `  go run ./bench sweep --quick --out /var/tmp/quick
  go run ./bench sweep --out /var/tmp/full
  go run ./bench sweep --list
  go run ./bench sweep --cells 'broker/*/zstd' --cells batch=4K,linger=10ms,mode=client,rate=10K --out /var/tmp/some
  go run ./bench sweep --bootstrap 127.0.0.1:9092 --pid 4711 --warmup 60s --out /var/tmp/kafka
  go run ./bench sweep --cells rate=250K --stall 500ms --out /var/tmp/stall`,
		Args: oneOf(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sweep(cmd.Context(), &f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.out, "out", "bench-out", "directory of the results; its disk is the node's")
	flags.BoolVar(&f.quick, "quick", false, "nine cells, three runs each: under 2 minutes")
	flags.BoolVar(&f.list, "list", false, "print the names of the cells and end")
	flags.StringArrayVar(&f.cells, "cells", nil, "cells: a pattern of names, or key=value,… to change in the default cell; may be given again")
	flags.StringSliceVar(&f.bootstrap, "bootstrap", nil, "addresses of a broker that runs already, HOST:PORT,…")
	flags.IntVar(&f.pid, "pid", 0, "with --bootstrap: the broker's process on this machine, for CPU and memory")
	flags.StringArrayVar(&f.set, "set", nil, "configuration of the embedded node, key=value; may be given again")
	flags.IntVar(&f.reps, "reps", 0, "runs of each cell (5; 3 with --quick)")
	flags.DurationVar(&f.plan.Warmup, "warmup", defaultWarmup, "part of each run before it is measured")
	flags.DurationVar(&f.plan.Length, "length", 0, "measured part of each run (2s; 1.5s with --quick)")
	flags.Uint64Var(&f.plan.Seed, "seed", 1, "of payloads, orders and arrivals")
	flags.BoolVar(&f.plan.Poisson, "poisson", false, "arrivals at random instead of evenly spaced")
	flags.IntVar(&f.plan.Workers, "workers", 1, "threads of the generator")
	flags.BoolVar(&f.plan.Spin, "spin", false, "never let the generator sleep while answers are due: it takes a processor whole")
	flags.IntVar(&f.plan.Replicas, "replicas", 0, "replicas of each topic (1), with --bootstrap of a cluster")
	flags.DurationVar(&f.plan.Pause, "stall", 0, "stop the embedded node for so long in each run")
	return cmd
}

// choose is which cells, how often and how long.
func (f *sweepFlags) choose() ([]cell.Cell, error) {
	from := cell.Sweep()
	if f.reps == 0 {
		f.reps = defaultReps
	}
	if f.plan.Length == 0 {
		f.plan.Length = defaultLength
	}
	if f.quick {
		from = cell.Quick()
	}
	if f.reps < 1 || f.plan.Length <= 0 || f.plan.Warmup < 0 || f.plan.Workers < 1 {
		return nil, errors.New("--reps, --length and --workers must be positive, --warmup not negative")
	}
	if len(f.bootstrap) > 0 && (len(f.set) > 0 || f.plan.Pause > 0) {
		return nil, errors.New("--set and --stall are for the embedded node, not for --bootstrap")
	}
	if len(f.cells) == 0 {
		return from, nil
	}
	return cell.Pick(from, f.cells)
}

func sweep(ctx context.Context, f *sweepFlags, stdout, stderr io.Writer) error {
	if f.quick {
		if f.reps == 0 {
			f.reps = quickReps
		}
		if f.plan.Length == 0 {
			f.plan.Length = quickLength
		}
	}
	cells, err := f.choose()
	if err != nil {
		return usageError{err}
	}
	if f.list {
		for _, c := range cells {
			fmt.Fprintln(stdout, c.ID())
		}
		return nil
	}
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return err
	}
	f.plan.Target = f.name()
	store, err := run.Open(f.out, f.plan)
	if errors.Is(err, journal.ErrOtherPlan) {
		return usageError{err}
	} else if err != nil {
		return err
	}
	defer store.Close()
	scratch, err := scratchDir(f.out)
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	t, err := f.target(ctx, scratch, stderr)
	if err != nil {
		return err
	}
	defer t.Close()
	if _, err := t.Bootstrap(ctx); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%d cells × %d runs against %s\n", len(cells), f.reps, t.Name())
	failure := carryOut(ctx, f, t, cells, scratch, store, stderr)
	return errors.Join(failure, publish(f.out, cells, store, stdout, stderr))
}

// name is what the target is called, known before there is one.
func (f *sweepFlags) name() string {
	if len(f.bootstrap) > 0 {
		return (&target.External{Addresses: f.bootstrap}).Name()
	}
	return target.NewNode("", "", f.set).Name()
}

// scratchDir makes a directory for the node below dir, and removes those that a killed sweep has left: the store is locked, so nobody uses them.
func scratchDir(dir string) (string, error) {
	const prefix = "node-"
	left, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
	if err != nil {
		return "", err
	}
	for _, l := range left {
		if err := os.RemoveAll(l); err != nil {
			return "", err
		}
	}
	return os.MkdirTemp(dir, prefix)
}

// target is the broker to measure; the embedded node is built first.
func (f *sweepFlags) target(ctx context.Context, scratch string, stderr io.Writer) (target.Target, error) {
	if len(f.bootstrap) > 0 {
		return &target.External{Addresses: f.bootstrap, PID: f.pid}, nil
	}
	fmt.Fprintln(stderr, "building the node")
	binary, err := target.Build(ctx, scratch)
	if err != nil {
		return nil, err
	}
	return target.NewNode(binary, scratch, f.set), nil
}

func carryOut(ctx context.Context, f *sweepFlags, t target.Target, cells []cell.Cell, scratch string, store *run.Store, stderr io.Writer) error {
	if err := measure.TouchPages(scratch, touched); err != nil {
		return err
	}
	p := newProgress(stderr)
	defer p.end()
	return run.Sweep(ctx, run.Options{Target: t, Cells: cells, Reps: f.reps, Plan: f.plan, Scratch: scratch, Done: p.done}, store)
}

// publish writes the report of what has been run, also after a failure.
func publish(dir string, cells []cell.Cell, store *run.Store, stdout, stderr io.Writer) error {
	summaries, err := report.Summarize(cells, store.Records)
	if err != nil || len(summaries) == 0 {
		return err
	}
	results := &report.Results{Target: store.Plan.Target, Machine: report.DescribeMachine(dir), Plan: store.Plan, Cells: summaries, Command: command(os.Args[1:])}
	files, err := results.Write(dir)
	if err != nil {
		return err
	}
	if err := results.Table(stdout); err != nil {
		return err
	}
	for i, name := range files {
		files[i] = filepath.Clean(name)
	}
	fmt.Fprintln(stderr, strings.Join(files, "\n"))
	return nil
}

// command is how this program was called, to be read and called again.
func command(args []string) string {
	words := []string{"go", "run", "./bench"}
	for _, a := range args {
		if strings.ContainsAny(a, " *?'\"$") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

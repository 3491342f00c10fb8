package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"odradek/bench/journal"
	"odradek/bench/measure"
	"odradek/bench/race"
	"odradek/bench/report"
	"odradek/bench/target"
	"odradek/bench/verdict"
)

type compareFlags struct {
	kafka, out, rdkafka string
	list                bool
	cells               []string
	aims                []int
	rounds              int
	plan                race.Plan
	profiles, side      string
	recover, backlog    string
	reread              string
	sources             verdict.Sources
	within              time.Duration
}

// What a comparison does where the flags say nothing.
const (
	compareQuickRounds = 2
	compareQuickLength = time.Second
	compareWarmup      = 500 * time.Millisecond
	compareWarm        = time.Minute
	compareMessages    = 500_000
	compareWithin      = time.Hour - time.Minute // cells of a minute are over within the hour
	quickMessages      = 100_000
)

func compareCommand() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Race a node of this tree against Apache Kafka, cell by cell, and print ratios with intervals",
		Long: `Runs a node of this tree and Apache Kafka by turns with the same load: A B, B A, A B … . Each broker is started once on a directory of its own on the disk of --out,
warmed under load (Kafka's brokers for --warm, a node for a tenth of a minute at most), and held still (SIGSTOP) while another one is measured. Prints for each figure ours, theirs, the median ratio of the rounds with its bootstrap interval, and
what the aims ask. Cells in which Kafka is faster are printed like the rest. Writes compare.json, compare.md and pictures into --out; the same command in the same directory goes
on where it was interrupted.

DIR of --kafka is what scripts/kafka-jars fills. With --profiles, ours is run once more in each cell of an aim that was missed, with a CPU profile, beside the measured runs and not among them.

Exit codes: 0 ok, 1 failed, 2 usage, 3 unreachable. An aim that is missed is no failure.`,
		Example: `  ./scripts/kafka-jars && go run ./bench compare --kafka .kafka --out /var/tmp/race
  go run ./bench compare --kafka .kafka --quick --warm 10s --out /var/tmp/race-quick
  go run ./bench compare --kafka .kafka --aim 3 --aim 5 --out /var/tmp/race-some
  go run ./bench compare --kafka .kafka --cells 'produce/*' --cells 'codec/16K/*' --out /var/tmp/race-some
  go run ./bench compare --list`,
		Args: oneOf(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return compare(cmd.Context(), &f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.kafka, "kafka", ".kafka", "directory that scripts/kafka-jars filled")
	flags.StringVar(&f.out, "out", "bench-compare", "directory of the results; its disk is the brokers'")
	flags.StringVar(&f.rdkafka, "rdkafka", "", "program that scripts/rdkafka-performance built (.clients/rdkafka_performance, if it is there)")
	flags.BoolVar(&f.list, "list", false, "print the cells with their aims, runs and expected times, and end")
	flags.BoolVar(&f.plan.Quick, "quick", false, "some cells, two rounds of a second: to see that all works, not to quote")
	flags.StringArrayVar(&f.cells, "cells", nil, "names of cells, with * for anything; may be given again")
	flags.IntSliceVar(&f.aims, "aim", nil, "numbers of aims; may be given again")
	flags.IntVar(&f.rounds, "rounds", 0, "how often each side is measured (as often as --list shows; 2 with --quick)")
	flags.DurationVar(&f.within, "within", compareWithin, "no cell is begun after so long; each round is of all cells, so what is cut off are last rounds; 0: all rounds")
	flags.DurationVar(&f.plan.Warm, "warm", compareWarm, "load on a broker of Kafka before its first measured run")
	flags.DurationVar(&f.plan.Warmup, "warmup", compareWarmup, "part of each run before it is measured")
	flags.DurationVar(&f.plan.Length, "length", 0, "measured part of each run, at least (as --list shows; 1s with --quick)")
	flags.StringVar(&f.recover, "recover", "5G", "bytes of records that a broker holds when it is killed")
	flags.StringVar(&f.backlog, "backlog", "1G", "bytes of records that have piled up before they are drained")
	flags.StringVar(&f.reread, "reread", "1G", "bytes of records that are read again and again")
	flags.Int64Var(&f.plan.Messages, "messages", compareMessages, "messages of a run of Kafka's and librdkafka's own tools, a fifth where each batch is synced (100000 with --quick)")
	flags.StringVar(&f.side, "side", "", "run only odradek, or only kafka, now")
	flags.StringVar(&f.profiles, "profiles", "", "directory for CPU profiles of ours in cells of aims that were missed, with tables of what they say")
	f.from(flags)
	flags.Uint64Var(&f.plan.Seed, "seed", 1, "of payloads")
	return cmd
}

// complete fills in what was not said and checks the rest.
func (f *compareFlags) complete(changed bool) error {
	if f.plan.Quick {
		f.rounds = cmp.Or(f.rounds, compareQuickRounds)
		f.plan.Length = cmp.Or(f.plan.Length, compareQuickLength)
		if !changed {
			f.plan.Messages = quickMessages
		}
	}
	if f.side != "" && race.Side(f.side) != race.Odradek && race.Side(f.side) != race.Kafka {
		return fmt.Errorf("--side %s: there are %s and %s", f.side, race.Odradek, race.Kafka)
	}
	for _, s := range []struct {
		text string
		to   *int64
	}{{f.recover, &f.plan.Recover}, {f.backlog, &f.plan.Backlog}, {f.reread, &f.plan.Reread}} {
		n, err := parseBytes(s.text)
		if err != nil || n <= 0 {
			return fmt.Errorf("%q is no number of bytes: 500M or 5G", s.text)
		}
		*s.to = n
	}
	if f.rounds < 0 || f.plan.Length < 0 || f.plan.Warm < 0 || f.plan.Warmup < 0 || f.plan.Messages < 1000 {
		return errors.New("--rounds, --length, --warm and --warmup must not be negative, --messages at least 1000")
	}
	return nil
}

// parseBytes reads a number with K, M or G of 1000: sizes of data here are those of the aims.
func parseBytes(s string) (int64, error) {
	scale := int64(1)
	for i, unit := range []string{"K", "M", "G"} {
		if t, ok := strings.CutSuffix(s, unit); ok {
			s = t
			for range i + 1 {
				scale *= 1000
			}
		}
	}
	var n int64
	_, err := fmt.Sscanf(s, "%d", &n)
	return n * scale, err
}

// chosen are the cells to run.
func (f *compareFlags) chosen() ([]*race.Cell, error) {
	all := race.Cells()
	if f.plan.Quick && len(f.aims)+len(f.cells) == 0 {
		return slices.DeleteFunc(all, func(c *race.Cell) bool { return !c.Quick }), nil
	}
	return race.Pick(all, f.aims, f.cells)
}

func compare(ctx context.Context, f *compareFlags, stdout, stderr io.Writer) error {
	if err := f.complete(f.plan.Messages != compareMessages); err != nil {
		return usageError{err}
	}
	cells, err := f.chosen()
	if err != nil {
		return usageError{err}
	}
	if f.list {
		return f.listed(stdout, cells)
	}
	classpath, version, err := target.Classpath(f.kafka)
	if err != nil {
		return usageError{err}
	}
	f.plan.Kafka, f.plan.JVM = version, target.KafkaJVM()
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return err
	}
	store, err := journal.Open[race.Plan, race.Record](f.out, f.plan)
	if errors.Is(err, journal.ErrOtherPlan) {
		return usageError{err}
	} else if err != nil {
		return err
	}
	defer store.Close()
	failure := f.carryOut(ctx, classpath, cells, store, stderr)
	return errors.Join(failure, f.publish(store, stdout, stderr))
}

// carryOut runs what is left of the comparison.
func (f *compareFlags) carryOut(ctx context.Context, classpath string, cells []*race.Cell, store *race.Store, stderr io.Writer) (err error) {
	scratch, err := scratchDir(f.out)
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	fmt.Fprintln(stderr, "building the node")
	binary, err := target.Build(ctx, scratch)
	if err != nil {
		return err
	}
	if err := measure.TouchPages(scratch, touched); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%d cells against Apache Kafka %s, about %v if nothing has been run yet\n", len(cells), f.plan.Kafka, f.expected(cells).Round(time.Minute))
	a := &race.Arena{Binary: binary, Classpath: classpath, Rdkafka: f.tool(), Dir: scratch, Plan: f.plan, Cells: cells, Says: stderr, Only: race.Side(f.side)}
	if f.within > 0 {
		a.Until = time.Now().Add(f.within)
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	err = race.Run(ctx, a, cells, f.rounds, store, func(n, total int, r *race.Record) {
		what := "ok"
		if r.Error != "" {
			what = "failed: " + r.Error
		} else if r.Unable != "" {
			what = "not run: " + r.Unable
		}
		fmt.Fprintf(stderr, "%d of %d\t%s\t%s\t%s\t%v\n", n, total, r.Cell, r.Entrant, what, r.Took.Round(100*time.Millisecond))
	})
	if f.profiles == "" || ctx.Err() != nil {
		return err
	}
	return errors.Join(err, race.Profile(ctx, a, cells, verdict.Judge(cells, store.Records).Missed(), f.profiles))
}

// builtRdkafka is where scripts/rdkafka-performance puts its program.
const builtRdkafka = ".clients/rdkafka_performance"

func (f *compareFlags) tool() string {
	if f.rdkafka != "" {
		return f.rdkafka
	}
	if _, err := os.Stat(builtRdkafka); err == nil {
		return builtRdkafka
	}
	return ""
}

// publish judges what has been run, also in former calls and after a failure.
func (f *compareFlags) publish(store *race.Store, stdout, stderr io.Writer) error {
	if len(store.Records) == 0 {
		return nil
	}
	c := verdict.Judge(race.Cells(), store.Records)
	c.Machine, c.Plan, c.Command, c.From = report.DescribeMachine(f.out), store.Plan, f.command(os.Args[1:]), f.sources
	c.From.Profiles = f.profiles
	names, err := c.Write(f.out)
	if err != nil {
		return err
	}
	if err := c.Table(stdout); err != nil {
		return err
	}
	_, err = fmt.Fprintln(stderr, strings.Join(names, "\n"))
	return err
}

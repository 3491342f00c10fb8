// Package cli is `odradek sim`: one seed with its story, or a sweep over many.
package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"odradek/sim"
	"odradek/sim/cli/shrink"
)

// UsageError is a command line that cannot be carried out.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

// ExitCode is that of wrong usage.
func (e UsageError) ExitCode() int { return 2 }

// Failure ends the process with the code of an outcome: 20 crash, 21 liveness, 22 correctness.
type Failure struct {
	Outcome sim.Outcome
	Text    string
}

func (f Failure) Error() string { return f.Text }

// ExitCode is the outcome's.
func (f Failure) ExitCode() int { return int(f.Outcome) }

// flags of the command.
type flags struct {
	seed     uint64
	seeds    string
	jobs     int
	trace    string
	history  string
	pages    string
	edit     string
	blackBox bool
	judges   bool
	profile  string
	rate     string
	drawn    sim.Profile // of the two
}

// again is the command that runs a seed of a sweep again.
func (f *flags) again(seed uint64) string {
	cmd := fmt.Sprintf("odradek sim --seed %d", seed)
	if name := f.drawn.Of(seed).Name; name != sim.Standard.Name {
		cmd += " --profile " + name
	}
	if f.drawn.Rate != sim.Standard.Rate {
		cmd += " --rate " + f.drawn.Rate
	}
	if f.blackBox {
		cmd += " --black-box"
	}
	if f.judges {
		cmd += " --judges"
	}
	return cmd
}

// Command returns `odradek sim`.
func Command() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "sim [--seed N | --seeds A-B]",
		Short: "Run the broker against a simulated world of faults; the same seed is the same run",
		Long: `Run the broker's own code on virtual time, with a simulated disk, network and clients, and faults drawn from a seed.
The same seed gives the same run, event for event. Exit codes: 0 ok, 20 crash (an invariant of ours broke),
21 liveness (no progress after faults had stopped), 22 correctness (a promise was broken).`,
		Example: `  odradek sim --seed 42
  odradek sim --seed 42 --trace story.txt
  odradek sim --seeds 0-9999 --jobs 2`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if f.drawn, err = sim.ParseProfile(f.profile, f.rate); err != nil {
				return UsageError{err}
			}
			if f.seeds == "" {
				return one(cmd.OutOrStdout(), &f)
			}
			if cmd.Flags().Changed("seed") || f.trace != "" || f.history != "" || f.pages != "" || f.edit != "" {
				return UsageError{errors.New("--seeds is a sweep: it goes with none of --seed, --trace, --history, --edit and --html")}
			}
			first, last, err := parseSeeds(f.seeds)
			if err != nil {
				return UsageError{err}
			}
			if f.jobs < 1 {
				return UsageError{fmt.Errorf("--jobs must be 1 or more, not %d", f.jobs)}
			}
			return sweep(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), &f, first, last)
		},
	}
	cmd.Flags().Uint64Var(&f.seed, "seed", 0, "run one seed")
	cmd.Flags().StringVar(&f.seeds, "seeds", "", "sweep over the seeds from A to B, both included, as A-B")
	cmd.Flags().IntVar(&f.jobs, "jobs", runtime.GOMAXPROCS(0), "seeds run at once in a sweep")
	cmd.Flags().StringVar(&f.trace, "trace", "", "write every event and effect of the seed to this file, a line each")
	cmd.Flags().StringVar(&f.history, "history", "", "write what the clients did and were told to this file, for odradek check")
	cmd.Flags().StringVar(&f.pages, "html", "", "a folder for Porcupine's pages of the partitions whose history cannot be explained")
	cmd.Flags().StringVar(&f.profile, "profile", sim.Standard.Name, "single: a minute, four clients; brief: some seconds, two clients; quorum: several nodes that elect and replicate the metadata log; cluster: brokers with replicated partitions; all: one seed after another")
	cmd.Flags().StringVar(&f.rate, "rate", sim.Standard.Rate, "usual, or low: few records and faults, long silences")
	cmd.Flags().StringVar(&f.edit, "edit", "", "a file of decisions, as odradek sim shrink writes it: faults and batches are what it says")
	cmd.Flags().BoolVar(&f.blackBox, "black-box", false, "judge by what clients see alone, not by what the disk holds")
	cmd.Flags().BoolVar(&f.judges, "judges", false, "judge promises by the clients' histories alone, as odradek check does: besides, only a crash or a standstill ends the run")
	cmd.AddCommand(shrinkCommand())
	return cmd
}

func parseSeeds(s string) (first, last uint64, err error) {
	a, b, ok := strings.Cut(s, "-")
	if first, err = strconv.ParseUint(a, 10, 64); err == nil && ok {
		last, err = strconv.ParseUint(b, 10, 64)
	}
	if err != nil || !ok || last < first {
		return 0, 0, fmt.Errorf("--seeds is %q: want A-B, such as 0-999", s)
	}
	return first, last, nil
}

// one runs one seed: its options first, then, if it fails, how; last of all the line that sums it up.
func one(out io.Writer, f *flags) error {
	cfg := sim.Config{Options: sim.Draw(f.seed, f.drawn.Of(f.seed)), BlackBox: f.blackBox, JudgesOnly: f.judges}
	if f.edit != "" {
		var err error
		if cfg.Edit, err = shrink.Read(f.edit, &cfg.Options); err != nil {
			return UsageError{fmt.Errorf("--edit: %w", err)}
		}
	}
	for _, line := range cfg.Options.Lines() {
		fmt.Fprintln(out, line)
	}
	var told story
	cfg.Trace = told.keep
	closeTrace := func() error { return nil }
	if f.trace != "" {
		file, err := os.Create(f.trace)
		if err != nil {
			return fmt.Errorf("--trace: %w", err)
		}
		w := bufio.NewWriterSize(file, 1<<20)
		cfg.Trace = func(entry []byte) {
			for line := range traceLines(entry) {
				_, _ = w.WriteString(line + "\n") // Flush tells
			}
			told.keep(entry)
		}
		closeTrace = func() error { return errors.Join(w.Flush(), file.Close()) }
	}
	write, err := f.keep(&cfg)
	if err != nil {
		return err
	}
	start := time.Now()
	r := sim.Run(cfg)
	wall := time.Since(start)
	if err := closeTrace(); err != nil {
		return fmt.Errorf("--trace: %w", err)
	}
	if err := write(); err != nil {
		return err
	}
	if r.Outcome != sim.OK {
		told.tell(out, f, cfg.Edit, &r)
	}
	fmt.Fprintf(out, "seed=%d outcome=%s digest=%s events=%d faults=%d virtual=%.3fs wall=%.3fs\n",
		r.Seed, r.Outcome, r.Digest, r.Events, r.FaultCount(), seconds(r.Virtual), wall.Seconds())
	if r.Outcome != sim.OK {
		return Failure{r.Outcome, fmt.Sprintf("seed %d: %s: %s", r.Seed, r.Outcome, r.Oracle)}
	}
	return nil
}

func seconds(t sim.Time) float64 { return float64(t) / float64(sim.Second) }

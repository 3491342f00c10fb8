package cli

import (
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"odradek/sim"
	"odradek/sim/cli/shrink"
)

// shrinkFlags are those of `odradek sim shrink`.
type shrinkFlags struct {
	flags
	most time.Duration
	out  string
	page string
}

// shrinkCommand returns `odradek sim shrink`.
func shrinkCommand() *cobra.Command {
	var f shrinkFlags
	cmd := &cobra.Command{
		Use:   "shrink --seed N",
		Short: "Leave out faults, clients, batches and time of a failing seed while the same oracle fires, and tell what is left",
		Long: `Run a failing seed again and again with less: fewer faults, fewer clients and batches, less time, a quiet network and disk. What still fails by the same
oracle is kept. Prints what is left in order, and writes the decisions that give the small run again (odradek sim --seed N --edit FILE).
Exit codes: that of the failure (20, 21, 22); 1 if the seed does not fail.`,
		Example: `  odradek sim shrink --seed 2471 --profile brief
  odradek sim shrink --seed 2471 --profile brief --html story.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if f.drawn, err = sim.ParseProfile(f.profile, f.rate); err != nil {
				return UsageError{err}
			}
			if f.jobs < 1 || f.most <= 0 {
				return UsageError{fmt.Errorf("--jobs must be 1 or more and --most above 0, not %d and %s", f.jobs, f.most)}
			}
			return f.shrink(cmd.OutOrStdout())
		},
	}
	cmd.Flags().Uint64Var(&f.seed, "seed", 0, "the seed that fails")
	_ = cmd.MarkFlagRequired("seed") // the flag is there
	cmd.Flags().IntVar(&f.jobs, "jobs", runtime.GOMAXPROCS(0), "runs at once; the result is the same")
	cmd.Flags().DurationVar(&f.most, "most", time.Minute, "stop after so long, with what has been reached")
	cmd.Flags().StringVar(&f.out, "out", "", "where the decisions that are left go (default shrunk-SEED.json)")
	cmd.Flags().StringVar(&f.page, "html", "", "write a page with a timeline and Porcupine's picture to this file")
	cmd.Flags().StringVar(&f.profile, "profile", sim.Standard.Name, "as of odradek sim")
	cmd.Flags().StringVar(&f.rate, "rate", sim.Standard.Rate, "as of odradek sim")
	cmd.Flags().BoolVar(&f.blackBox, "black-box", false, "as of odradek sim")
	return cmd
}

// shrink looks for the least run, tells it and writes it down.
func (f *shrinkFlags) shrink(out io.Writer) error {
	s := &shrink.Search{Config: sim.Config{Options: sim.Draw(f.seed, f.drawn.Of(f.seed)), BlackBox: f.blackBox}, Jobs: f.jobs, Most: f.most}
	if !s.Run() {
		return fmt.Errorf("seed %d does not fail: there is nothing to shrink", f.seed)
	}
	if f.out == "" {
		f.out = fmt.Sprintf("shrunk-%d.json", f.seed)
	}
	saved := shrink.Saved{Seed: f.seed, Profile: f.drawn.Of(f.seed).Name, Rate: f.drawn.Rate, Oracle: s.Whole.Oracle, Edit: s.Edit}
	if err := saved.Write(f.out); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	again := f.again(f.seed) + " --edit " + f.out
	told := s.Tell()
	told.Print(out, again)
	if f.page != "" {
		if err := told.Page(f.page, again); err != nil {
			return fmt.Errorf("--html: %w", err)
		}
		fmt.Fprintf(out, "page: %s\n", f.page)
	}
	before, after := shrink.SizeOf(&s.Whole), shrink.SizeOf(&s.Least)
	fmt.Fprintf(out, "seed=%d oracle=%q faults=%d..%d clients=%d..%d batches=%d..%d virtual=%.3fs..%.3fs runs=%d wall=%.1fs complete=%t\n", f.seed, s.Whole.Oracle,
		before.Faults, after.Faults, before.Clients, after.Clients, before.Batches, after.Batches, seconds(s.Whole.Virtual), seconds(s.Least.Virtual), s.Runs, s.Took.Seconds(), !s.Cut)
	return Failure{s.Least.Outcome, fmt.Sprintf("seed %d: %s: %s", f.seed, s.Least.Outcome, s.Least.Oracle)}
}

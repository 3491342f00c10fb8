package cli

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/cwriter"
	"github.com/vbauerster/mpb/v8/decor"

	"odradek/linearizability"
	"odradek/sim"
)

// twiceEvery is how often a seed of a sweep is run a second time, to see that it is the same run.
const twiceEvery = 10

// sums are what a sweep has seen. Guarded by mu while it runs.
type sums struct {
	mu            sync.Mutex
	out           io.Writer
	failures      []string
	seeds, failed int
	twice         int
	events        int64
	acked, read   int64
	virtual       sim.Time
	faults        []int64
	least         int       // faults of the seed that had fewest
	pairs         [][]int64 // seeds in which both kinds struck
	marks         []bool
	allowed       map[linearizability.Anomaly]int // found by the judges of histories where a client's settings allow it
	judged        int64                           // operations that they judged
	worst         sim.Outcome
	next, last    uint64
	done          bool
}

// sweep runs every seed from first to last, several at once. Failing seeds are told as they are found, with the command that runs each again.
func sweep(ctx context.Context, out, errOut io.Writer, f *flags, first, last uint64) error {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := signal.NotifyContext(ctx, os.Interrupt)
	defer cancel()
	s := &sums{out: out, next: first, last: last, faults: make([]int64, len(sim.FaultNames())), least: math.MaxInt, marks: make([]bool, len(sim.MarkNames)),
		allowed: map[linearizability.Anomaly]int{}}
	for range s.faults {
		s.pairs = append(s.pairs, make([]int64, len(s.faults)))
	}
	progress, bar := newBar(errOut, int64(last-first)+1)
	if progress != nil {
		s.out = progress // above the bar
	}
	start := time.Now()
	var workers sync.WaitGroup
	for range f.jobs {
		workers.Go(func() {
			shared := sim.NewCodec()
			for seed, ok := s.take(ctx); ok; seed, ok = s.take(ctx) {
				s.run(seed, f, shared)
				if bar != nil {
					bar.Increment()
				}
			}
		})
	}
	workers.Wait()
	if progress != nil {
		bar.Abort(false)
		progress.Wait()
		for _, line := range s.failures { // what stood above the bar went to the terminal alone
			fmt.Fprint(out, line)
		}
	}
	s.report(out, time.Since(start))
	if s.failed > 0 {
		return Failure{s.worst, fmt.Sprintf("%d of %d seeds failed", s.failed, s.seeds)}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted after %d seeds", s.seeds)
	}
	return nil
}

// newBar returns a progress bar where errOut is a terminal, else nothing.
func newBar(errOut io.Writer, total int64) (*mpb.Progress, *mpb.Bar) {
	file, ok := errOut.(*os.File)
	if !ok || !cwriter.IsTerminal(int(file.Fd())) {
		return nil, nil
	}
	progress := mpb.New(mpb.WithOutput(errOut), mpb.WithWidth(48))
	bar := progress.AddBar(total,
		mpb.PrependDecorators(decor.Name("seeds "), decor.CountersNoUnit("%d / %d")),
		mpb.AppendDecorators(decor.Percentage(), decor.Name("  "), decor.AverageSpeed(0, "%.0f/s"), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)))
	return progress, bar
}

// take hands out the next seed.
func (s *sums) take(ctx context.Context) (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done || ctx.Err() != nil {
		return 0, false
	}
	seed := s.next
	s.next++
	s.done = seed == s.last
	return seed, true
}

// run runs one seed and adds it up.
func (s *sums) run(seed uint64, f *flags, shared *sim.Codec) {
	cfg := sim.Config{Options: sim.Draw(seed, f.drawn.Of(seed)), Codec: shared, BlackBox: f.blackBox, JudgesOnly: f.judges}
	r := sim.Run(cfg)
	twice := seed%twiceEvery == 0
	if twice {
		cfg.Options = sim.Draw(seed, f.drawn.Of(seed))
		if again := sim.Run(cfg); again.Digest != r.Digest && r.Outcome == sim.OK {
			r.Outcome, r.Oracle = sim.Crash, "determinism"
			r.Found = fmt.Sprintf("the second run differs: digest %s, then %s", r.Digest, again.Digest)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seeds++
	s.events += int64(r.Events)
	s.acked += int64(r.Acked)
	s.read += int64(r.Read)
	s.virtual += r.Virtual
	s.judged += int64(r.Judged)
	for a, n := range r.Allowed { // any order: sums
		s.allowed[a] += n
	}
	s.count(&r)
	if twice {
		s.twice++
	}
	if r.Outcome == sim.OK {
		return
	}
	s.failed++
	s.worst = max(s.worst, r.Outcome)
	line := fmt.Sprintf("FAILED seed %d: %s: oracle %s: %s\n    %s\n", seed, r.Outcome, r.Oracle, r.Found, f.again(seed))
	s.failures = append(s.failures, line)
	fmt.Fprint(s.out, line)
}

// count adds a run's faults and marks up.
func (s *sums) count(r *sim.Result) {
	s.least = min(s.least, r.FaultCount())
	for k, n := range r.Faults {
		s.faults[k] += int64(n)
		for other := range k {
			if n > 0 && r.Faults[other] > 0 {
				s.pairs[k][other]++
			}
		}
	}
	for m, reached := range r.Marks {
		s.marks[m] = s.marks[m] || reached
	}
}

// report prints what was done: how often each kind of fault struck and in how many seeds each pair did, which marks were missed, then all in one line.
func (s *sums) report(out io.Writer, wall time.Duration) {
	names := sim.FaultNames()
	var faults, missing int64
	rarest := []string{"none"}
	least := int64(math.MaxInt64)
	fmt.Fprintln(out, "faults, and seeds in which each pair of kinds struck:")
	for k, name := range names {
		fmt.Fprintf(out, "%2d %-26s %8d ", k, name, s.faults[k])
		for other, n := range s.pairs[k][:k] {
			fmt.Fprintf(out, " %d", n)
			if n < least {
				least, rarest = n, []string{name, names[other]}
			}
			if n == 0 {
				missing++
			}
		}
		fmt.Fprintln(out)
		faults += s.faults[k]
	}
	fmt.Fprintf(out, "pairs of kinds that no seed had: %d; the rarest in %d seeds: %s\n", missing, least, strings.Join(rarest, " and "))
	for m, reached := range s.marks {
		if !reached {
			fmt.Fprintf(out, "never reached: %s\n", sim.MarkNames[m])
		}
	}
	fmt.Fprintf(out, "histories: %d operations judged; allowed by a client's settings, and found:", s.judged)
	for _, a := range linearizability.Anomalies {
		if n := s.allowed[a]; n > 0 {
			fmt.Fprintf(out, " %d %s", n, a)
		}
	}
	fmt.Fprintln(out)
	parts := []string{
		fmt.Sprintf("%d seeds", s.seeds), fmt.Sprintf("%d failed", s.failed), fmt.Sprintf("%d run twice", s.twice), fmt.Sprintf("%d events", s.events),
		fmt.Sprintf("%d faults, %d or more a seed", faults, s.least), fmt.Sprintf("%d power losses", s.powerLosses()), fmt.Sprintf("%d records acknowledged", s.acked),
		fmt.Sprintf("%d records read", s.read), fmt.Sprintf("%.0fs virtual in %.1fs", seconds(s.virtual), wall.Seconds()),
		fmt.Sprintf("%.0f seeds/s", float64(s.seeds)/max(wall.Seconds(), 1e-9)),
	}
	fmt.Fprintln(out, strings.Join(parts, ", "))
}

// powerLosses counts those of all kinds, the last one of each seed not included.
func (s *sums) powerLosses() int64 {
	var n int64
	for k, name := range sim.FaultNames() {
		if strings.HasPrefix(name, "power loss") {
			n += s.faults[k]
		}
	}
	return n
}

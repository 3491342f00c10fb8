package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"odradek/sim"
)

// twiceEvery is how often a seed of a sweep is run a second time, to see that it is the same run.
const twiceEvery = 10

// sums are what a sweep has seen. Guarded by mu while it runs.
type sums struct {
	mu            sync.Mutex
	out           io.Writer
	seeds, failed int
	twice         int
	events        int64
	acked, read   int64
	virtual       sim.Time
	faults        []int64
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
	s := &sums{out: out, next: first, last: last, faults: make([]int64, len(sim.FaultNames()))}
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
	if !ok {
		return nil, nil
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
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
	cfg := sim.Config{Options: sim.Draw(seed), Codec: shared, BlackBox: f.blackBox}
	r := sim.Run(cfg)
	twice := seed%twiceEvery == 0
	if twice {
		cfg.Options = sim.Draw(seed)
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
	for k, n := range r.Faults {
		s.faults[k] += int64(n)
	}
	if twice {
		s.twice++
	}
	if r.Outcome == sim.OK {
		return
	}
	s.failed++
	s.worst = max(s.worst, r.Outcome)
	blackBox := ""
	if f.blackBox {
		blackBox = " --black-box"
	}
	fmt.Fprintf(s.out, "FAILED seed %d: %s: oracle %s: %s\n    odradek sim --seed %d%s\n", seed, r.Outcome, r.Oracle, r.Found, seed, blackBox)
}

// report prints what was done: a count of each kind of fault, then all in one line.
func (s *sums) report(out io.Writer, wall time.Duration) {
	var faults int64
	for k, name := range sim.FaultNames() {
		fmt.Fprintf(out, "%-28s %d\n", name, s.faults[k])
		faults += s.faults[k]
	}
	parts := []string{
		fmt.Sprintf("%d seeds", s.seeds), fmt.Sprintf("%d failed", s.failed), fmt.Sprintf("%d run twice", s.twice), fmt.Sprintf("%d events", s.events),
		fmt.Sprintf("%d faults", faults), fmt.Sprintf("%d power losses", s.powerLosses()), fmt.Sprintf("%d batches acknowledged", s.acked),
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

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// mutantFlags are those of `planted mutants`.
type mutantFlags struct {
	seed     uint64
	count    int
	only     string
	seeds    int // of the simulator, for each mutant
	single   int // of them so many of the profile single, of
	quorum   int // quorum,
	cluster  int // and of cluster; the others are of brief
	jobs     int // mutants at once, each with one seed at a time
	out      string
	resume   bool
	again    string
	list     bool
	tests    bool
	memory   int64
	patience float64
}

// mutantsCommand draws mutants, runs seeds against each until an oracle fires, and writes down what became of it.
func mutantsCommand(args []string) error {
	var f mutantFlags
	set := flag.NewFlagSet("mutants", flag.ExitOnError)
	set.Uint64Var(&f.seed, "seed", 1, "of the draw")
	set.IntVar(&f.count, "count", 200, "mutants that compile, differ from the tree and are run by the seeds")
	set.StringVar(&f.only, "only", "", "draw from the files whose path begins so")
	set.IntVar(&f.seeds, "seeds", 1000, "seeds of the simulator run against each mutant")
	set.IntVar(&f.single, "single", 100, "of them of the profile single, which is slow")
	set.IntVar(&f.quorum, "quorum", 50, "of them of the profile quorum")
	set.IntVar(&f.cluster, "cluster", 50, "of them of the profile cluster, which is slow; the others are of brief")
	set.IntVar(&f.jobs, "jobs", 2, "mutants at once")
	set.StringVar(&f.out, "out", ".mutants", "folder for results.txt and the coverage")
	set.BoolVar(&f.resume, "resume", false, "go on with the results in the folder: what fewer seeds did not kill is tried again")
	set.StringVar(&f.again, "again", "", "try these places of the draw alone, whatever became of them; several with commas")
	set.BoolVar(&f.list, "list", false, "print the draw, a line each, and try nothing")
	set.BoolVar(&f.tests, "tests", false, "run the unit tests against what no seed killed")
	set.Int64Var(&f.memory, "memory", 2<<30, "bytes of the simulator at which a mutant counts as dead")
	set.Float64Var(&f.patience, "patience", 1, "by how much the times are longer after which a mutant counts as hung")
	if err := set.Parse(args); err != nil {
		return err
	}
	if min(f.single, f.quorum, f.cluster) < 0 || f.brief() <= 0 || f.jobs < 1 || f.count < 1 {
		return errors.New("mutants: want --count and --jobs above 0, and --seeds above the sum of --single, --quorum and --cluster")
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	root, err := findRoot()
	if err != nil {
		return err
	}
	if f.list {
		return printDraw(root, &f)
	}
	t, err := copyTree(root)
	if err != nil {
		return err
	}
	return errors.Join(runMutants(ctx, root, t, &f), t.remove())
}

func runMutants(ctx context.Context, root string, t *tree, f *mutantFlags) error {
	all, err := drawMutants(t.root, f)
	if err != nil {
		return err
	}
	log, err := openMutantLog(f, fingerprint(all))
	if err != nil {
		return err
	}
	defer log.file.Close()
	reach, err := t.coverage(ctx, f)
	if err != nil {
		return err
	}
	if err := t.buildBare(ctx); err != nil {
		return err
	}
	same, err := fileSum(filepath.Join(t.root, simulator))
	if err != nil {
		return err
	}
	if err := t.checkClean(ctx, f, same); err != nil {
		return err
	}
	s := &mutantSweep{f: f, all: all, log: log, reach: reach, same: same, again: log.again(f.seeds), want: f.count}
	if f.again != "" {
		if s.again, err = parsePlaces(f.again, len(all)); err != nil {
			return err
		}
		s.want = 0
	}
	if err := s.work(ctx, root); err != nil {
		return err
	}
	if f.tests {
		if err := s.runTests(ctx, t); err != nil {
			return err
		}
	}
	fmt.Print(log.summary(f.count))
	return nil
}

// drawMutants returns all mutants in the order in which they are tried.
func drawMutants(root string, f *mutantFlags) (all []mutant, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if name = filepath.ToSlash(name); err != nil || !isMutated(name) || !strings.HasPrefix(name, f.only) {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found, err := mutantsOf(name, string(source))
		all = append(all, found...)
		return err
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("mutants: nothing to change in %q", f.only)
	}
	rng := rand.New(rand.NewPCG(f.seed, 0))
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all, err
}

// printDraw tells the number of each mutant in the draw, for --again.
func printDraw(root string, f *mutantFlags) error {
	all, err := drawMutants(root, f)
	for i := range all {
		m := &all[i]
		fmt.Printf("%d\t%s:%d\t%s\t%s\n", i, m.path, m.line, m.operator, m.change())
	}
	return err
}

// fingerprint says what a file of results belongs to: the tree and the draw.
func fingerprint(all []mutant) string {
	sum := sha256.New()
	for i := range all {
		m := &all[i]
		fmt.Fprintln(sum, m.path, m.line, m.col, m.operator, m.old)
	}
	return fmt.Sprintf("# %d mutants, %x", len(all), sum.Sum(nil)[:8])
}

// mutantSweep hands mutants out to workers, in the order of the draw: so many that the asked number of them counts.
type mutantSweep struct {
	f     *mutantFlags
	all   []mutant
	log   *mutantLog
	reach *reach
	same  string // the sum of the simulator of the tree as it is
	want  int    // so many are to count

	mu       sync.Mutex
	again    []int // to be tried before new ones are
	next     int
	under    int // way, of those that were not tried before
	released *sync.Cond
}

// parsePlaces reads a list of places in the draw.
func parsePlaces(list string, below int) (ids []int, err error) {
	for text := range strings.SplitSeq(list, ",") {
		id, err := strconv.Atoi(text)
		if err != nil || id < 0 || id >= below {
			return nil, fmt.Errorf("mutants: --again %q: want numbers below %d", list, below)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// take returns the next mutant. While those under way may be enough, it waits for them.
func (s *mutantSweep) take(ctx context.Context) (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.again) > 0 && ctx.Err() == nil {
		id := s.again[0]
		s.again = s.again[1:]
		return id, true
	}
	for ctx.Err() == nil {
		counted := s.log.counted()
		for s.next < len(s.all) && s.log.has(s.next) {
			s.next++
		}
		switch {
		case counted >= s.want || s.next == len(s.all):
			return 0, false
		case counted+s.under < s.want:
			s.under++
			s.next++
			return s.next - 1, true
		}
		s.released.Wait()
	}
	return 0, false
}

func (s *mutantSweep) give(r mutantResult) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.released.Broadcast()
	if !s.log.has(r.id) {
		s.under--
	}
	return s.log.add(r)
}

// work runs the workers. Each has a copy of the tree.
func (s *mutantSweep) work(ctx context.Context, root string) error {
	s.released = sync.NewCond(&s.mu)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, s.released.Broadcast)() // who waits sees that it is over
	errs := make([]error, s.f.jobs)
	var workers sync.WaitGroup
	for w := range s.f.jobs {
		workers.Go(func() {
			if errs[w] = s.worker(ctx, root); errs[w] != nil {
				cancel()
			}
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}

func (s *mutantSweep) worker(ctx context.Context, root string) error {
	t, err := copyTree(root)
	if err != nil {
		return err
	}
	t.memory = s.f.memory
	t.env = []string{"GOMAXPROCS=1"}
	for id, ok := s.take(ctx); ok; id, ok = s.take(ctx) {
		start := time.Now()
		r, err := s.try(ctx, t, &s.all[id])
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err(), t.remove())
		}
		r.id, r.seconds = id, time.Since(start).Seconds()
		if err := s.give(r); err != nil {
			return errors.Join(err, t.remove())
		}
		fmt.Println(r.line())
	}
	return errors.Join(ctx.Err(), t.remove())
}

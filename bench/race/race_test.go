package race

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"odradek/bench/journal"
	"odradek/bench/run"
	"odradek/bench/target"
)

// Every cell can be run and asks only about what it runs; each aim of the issue is asked for.
func TestCells(t *testing.T) {
	names, asked := map[string]bool{}, map[int]bool{}
	for _, c := range Cells() {
		if names[c.Name] {
			t.Errorf("two cells are named %s", c.Name)
		}
		names[c.Name] = true
		if (c.Load == nil) == (c.Do == nil) || c.About == "" || len(c.Questions) == 0 || c.Nodes < 1 {
			t.Errorf("%s is not whole: %+v", c.Name, c)
		}
		if c.Load != nil {
			if err := c.Load.Check(); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
		if c.Rounds < 1 || c.Load != nil && c.Length <= 0 || c.Alone && c.Load != nil {
			t.Errorf("%s does not say how often and how long: %+v", c.Name, c)
		}
		for _, q := range c.Questions {
			if !slices.Contains(c.Entrants, q.Ours) || q.Theirs != nil && !slices.Contains(c.Entrants, *q.Theirs) {
				t.Errorf("%s asks about %s, which it does not run", c.Name, q.Metric)
			}
			if q.Ours.Side != Odradek || q.Theirs != nil && q.Theirs.Side != Kafka {
				t.Errorf("%s: %s compares %s with %v", c.Name, q.Metric, q.Ours, q.Theirs)
			}
			if q.Want != 0 {
				asked[q.Aim] = true
			}
		}
	}
	for aim := 1; aim <= 9; aim++ {
		if !asked[aim] {
			t.Errorf("nothing is asked for aim %d", aim)
		}
	}
}

func TestPick(t *testing.T) {
	all := Cells()
	count := func(aims []int, patterns ...string) int {
		t.Helper()
		out, err := Pick(all, aims, patterns)
		if err != nil {
			t.Fatal(err)
		}
		return len(out)
	}
	if n := count([]int{8}); n != 35 {
		t.Errorf("aim 8 has %d cells, not 7 batch sizes × 5 codecs", n)
	}
	if n := count(nil, "codec/*/zstd", "start"); n != 8 {
		t.Errorf("%d cells match", n)
	}
	if n := count(nil); n != len(all) {
		t.Errorf("nothing given is %d of %d", n, len(all))
	}
	for _, err := range []error{second(Pick(all, []int{10}, nil)), second(Pick(all, nil, []string{"star"})), second(Pick(all, []int{1}, []string{"cod*x"}))} {
		if err == nil || !strings.Contains(err.Error(), "--list") {
			t.Errorf("what does not exist is answered with %v", err)
		}
	}
}

func second(_ []*Cell, err error) error { return err }

// script is a cell that does nothing but note who was there, and fails where it is told to.
type script struct {
	ran  []string
	fail string
}

func (s *script) cell(entrants ...Entrant) *Cell {
	return &Cell{Name: "script", Nodes: 1, Entrants: entrants, Do: func(_ context.Context, _ *Arena, _ *Cell, e Entrant) (Values, error) {
		s.ran = append(s.ran, e.String())
		switch {
		case e.String() == s.fail:
			return nil, errors.New("broken")
		case e == KafkaFlushed:
			return nil, Unable{"not here"}
		}
		return Values{"n": float64(len(s.ran))}, nil
	}}
}

// Sides follow one another A B, B A; an interrupted comparison goes on where it was; what gave no figure is run again, and what is not to be had is no failure.
func TestRun(t *testing.T) {
	dir, plan := t.TempDir(), Plan{Kafka: "4", Length: time.Second}
	open := func() *Store {
		s, err := journal.Open[Plan, Record](dir, plan)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	s, sc := open(), &script{fail: KafkaDefault.String()}
	a := &Arena{Dir: t.TempDir(), Plan: plan, Says: io.Discard}
	cells := []*Cell{sc.cell(Durable, KafkaDefault, KafkaFlushed)}
	ctx, cancel := context.WithCancel(context.Background())
	err := Run(ctx, a, cells, 2, s, func(n, total int, _ *Record) {
		if total != 6 {
			t.Errorf("%d runs in all", total)
		}
		if n == 4 {
			cancel()
		}
	})
	if err == nil || !strings.Contains(err.Error(), "interrupted after 4 of 6") {
		t.Fatalf("interrupted: %v", err)
	}
	_ = s.Close()
	sc.fail, s = "", open()
	if err := Run(context.Background(), a, cells, 2, s, func(int, int, *Record) {}); err != nil {
		t.Fatal(err)
	}
	want := []string{"odradek durable", "kafka", "kafka flush.messages=1", "kafka flush.messages=1", // the other way round in the second round, then interrupted
		"kafka", "kafka flush.messages=1", "kafka flush.messages=1", "kafka", "odradek durable"}
	if !slices.Equal(sc.ran, want) {
		t.Errorf("ran %q, not %q", sc.ran, want)
	}
	for _, r := range s.Records {
		if r.Entrant == KafkaFlushed.String() && (r.Unable != "not here" || r.Error != "") {
			t.Errorf("what is not to be had is kept as %+v", r)
		}
		if r.Took <= 0 {
			t.Errorf("a run took no time: %+v", r)
		}
		if r.Entrant == Durable.String() && r.Values["fdatasync_p50"] <= 0 {
			t.Errorf("no device beside the figures: %+v", r)
		}
	}
}

// The times of a cell grow for tails, but not where all is to be quick.
func TestLength(t *testing.T) {
	a := &Arena{Plan: Plan{Length: time.Second}}
	if d := a.length(&Cell{Length: time.Minute}); d != time.Minute {
		t.Error(d)
	}
	a.Plan.Quick = true
	if d := a.length(&Cell{Length: time.Minute}); d != time.Second {
		t.Error(d)
	}
}

// The whole race is over in an hour; what is asked for is counted, and longer runs and more rounds take longer.
func TestExpected(t *testing.T) {
	p := Plan{Warm: time.Minute, Warmup: 500 * time.Millisecond}
	all := func(p Plan, rounds int) time.Duration {
		sum := p.Started(Cells())
		for _, c := range Cells() {
			sum += p.Expected(c, rounds)
		}
		return sum
	}
	if sum := all(p, 0); sum > time.Hour || sum < 40*time.Minute {
		t.Errorf("all takes %v", sum)
	}
	longer := p
	longer.Length = 5 * time.Second
	if a, b, c := all(p, 2), all(p, 10), all(longer, 0); a >= b || all(p, 0) >= c {
		t.Errorf("2 rounds take %v, 10 rounds %v; longer runs %v", a, b, c)
	}
	one := &Cell{Entrants: four, Nodes: 1, Rounds: 3, Length: time.Second, Around: time.Second}
	if got, want := p.Expected(one, 0), 12*(each+2500*time.Millisecond); got != want {
		t.Errorf("3 rounds of 4 take %v, not %v", got, want)
	}
	if got := p.Started([]*Cell{{Alone: true, Entrants: four, Nodes: 1}}); got != 0 {
		t.Errorf("brokers of its own are started before: %v", got)
	}
}

// Cells are run as often as they say, unless something else is said.
func TestRounds(t *testing.T) {
	cells := []*Cell{{Name: "once", Entrants: relaxedTwo, Rounds: 1}, {Name: "twice", Entrants: flushedTwo, Rounds: 2}}
	for rounds, want := range map[int]string{0: "once odradek relaxed 0, once kafka 0, twice odradek durable 0, twice kafka flush.messages=1 0, twice kafka flush.messages=1 1, twice odradek durable 1, ",
		1: "once odradek relaxed 0, once kafka 0, twice odradek durable 0, twice kafka flush.messages=1 0, "} { // any order: each by itself
		got := ""
		for _, turn := range new(Arena).turns(cells, rounds, &Store{}) {
			got += fmt.Sprintf("%s %s %d, ", turn.cell.Name, turn.entrant, turn.round)
		}
		if got != want {
			t.Errorf("%d rounds asked for: %s", rounds, got)
		}
	}
	if n := len((&Arena{Only: Kafka}).turns(cells, 3, &Store{})); n != 6 {
		t.Errorf("only one side in three rounds: %d runs", n)
	}
}

// When time is up no cell is begun, but one that was begun is run on both sides; the rest is left for the next call.
func TestUntil(t *testing.T) {
	dir := t.TempDir()
	s, err := journal.Open[Plan, Record](dir, Plan{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ran := 0
	var says strings.Builder
	a := &Arena{Dir: dir, Says: &says, Until: time.Now().Add(time.Hour)}
	c := func(name string) *Cell {
		return &Cell{Name: name, Entrants: flushedTwo, Rounds: 1, Do: func(context.Context, *Arena, *Cell, Entrant) (Values, error) {
			ran++
			a.Until = time.Now().Add(-time.Second)
			return Values{}, nil
		}}
	}
	cells := []*Cell{c("one"), c("two")}
	if err := Run(context.Background(), a, cells, 0, s, func(int, int, *Record) {}); err != nil || ran != 2 || !strings.Contains(says.String(), "time is up after 2 of 4 runs") {
		t.Errorf("%d ran: %v, %q", ran, err, says.String())
	}
	a.Until = time.Now().Add(time.Hour)
	if err := Run(context.Background(), a, cells, 0, s, func(int, int, *Record) {}); err != nil || ran != 4 {
		t.Errorf("%d ran at last: %v", ran, err)
	}
}

// Rounds are measured until there are enough for a p99, but not for ever.
func TestEnough(t *testing.T) {
	for _, c := range []struct {
		measured time.Duration
		rounds   int64
		want     bool
	}{{time.Second, 1000, false}, {2 * time.Second, roundsMin, true}, {2 * time.Second, roundsMin - 1, false}, {6 * time.Second, 2, true}, {time.Hour, 1, false}} {
		if got := enough(c.measured, 2*time.Second, c.rounds); got != c.want {
			t.Errorf("%d rounds in %v are enough: %v", c.rounds, c.measured, got)
		}
	}
}

// Only what is suspected is run again, with a profile that is told in short; what has one already, or none that says anything, is left alone.
func TestProfile(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a second of CPU")
	}
	dir := filepath.Join(t.TempDir(), "profiles")
	ran := map[string]int{}
	slow := func(_ context.Context, a *Arena, c *Cell, e Entrant) (Values, error) {
		ran[c.Name+" "+e.String()]++
		if a.Plan.Length < profileLength {
			t.Errorf("profiled for %v", a.Plan.Length)
		}
		f, err := os.Create(filepath.Join(a.Profiles, Suspect{c.Name, e.String()}.FileName()+".pprof"))
		if err != nil {
			return nil, err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return nil, err
		}
		for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		}
		pprof.StopCPUProfile()
		return Values{}, f.Close()
	}
	cells := []*Cell{{Name: "a/b", Entrants: four, Do: slow}, {Name: "fast", Brief: "over at once", Entrants: four, Do: slow}}
	suspects := []Suspect{{"a/b", Relaxed.String()}, {"fast", Durable.String()}}
	a := &Arena{Dir: t.TempDir(), Plan: Plan{Length: time.Second}, Says: io.Discard}
	for range 2 {
		if err := Profile(context.Background(), a, cells, suspects, dir); err != nil {
			t.Fatal(err)
		}
	}
	if len(ran) != 1 || ran["a/b odradek relaxed"] != 1 {
		t.Errorf("run again: %v", ran)
	}
	text, err := os.ReadFile(filepath.Join(dir, "a-b-odradek-relaxed.md"))
	if err != nil || !strings.Contains(string(text), " of samples\n") || !strings.Contains(string(text), "| system call | share |") {
		t.Errorf("%v\n%s", err, text)
	}
	if a.Profiles != "" || a.Plan.Length != time.Second {
		t.Errorf("measurements after it are profiled, too: %+v", a)
	}
}

// What the tools print is read; what they do not is an error and no zero.
func TestNumbers(t *testing.T) {
	v, err := numbers("1 records sent, 5.0 records/sec\n100 records sent, 123.5 records/sec (0.1 MB/sec)\n", `([\d.]+) records/sec \(([\d.]+) MB/sec\)`)
	if err != nil || !slices.Equal(v, []float64{123.5, 0.1}) {
		t.Errorf("%v %v", v, err)
	}
	if _, err := numbers("nothing", `(\d+) msgs/s`); err == nil {
		t.Error("what was not printed is read")
	}
}

// folder is a broker of which only the directory is known.
type folder struct {
	target.Target
	path string
}

func (f folder) Data() string { return f.path }

// A settled broker has no folders of topics that were made for runs, whatever it calls them while it removes them; those of others, and what stays for ever, are not
// waited for.
func TestSettle(t *testing.T) {
	a, own, other := &Arena{}, folder{path: t.TempDir()}, folder{path: t.TempDir()}
	gone := filepath.Join(own.path, "bench-1-2-0.0123-delete")
	for _, path := range []string{gone, filepath.Join(own.path, "__consumer_offsets-0"), filepath.Join(other.path, "race-1-2-0")} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	time.AfterFunc(150*time.Millisecond, func() { _ = os.RemoveAll(gone) })
	begun := time.Now()
	if a.settle(own); time.Since(begun) < 140*time.Millisecond || time.Since(begun) > settleMax/2 {
		t.Errorf("settled after %v", time.Since(begun))
	}
	a.stays = map[string]bool{filepath.Join(other.path, "race-1-2-0"): true}
	begun = time.Now()
	if a.settle(other); time.Since(begun) > settleMax/2 {
		t.Errorf("what stays is waited for: %v", time.Since(begun))
	}
}

// A run is given memory for what the last one of its cell and side wrote on all brokers, for as long as that took; the first one for what it may write at most,
// where that is much.
func TestNeed(t *testing.T) {
	of := func(pattern string) *Cell {
		t.Helper()
		out, err := Pick(Cells(), nil, []string{pattern})
		if err != nil || len(out) != 1 {
			t.Fatal(out, err)
		}
		return out[0]
	}
	a := &Arena{Plan: Plan{Warmup: time.Second}}
	const much, little = mostValues * 3 / 2 * 5 / 4, mostValues * 3 / 2 / 8 * 5 / 4
	for name, want := range map[string]need{ // any order: each by itself
		"produce/16Kx1KB": {much, 1500 * time.Millisecond}, "codec/1M/none": {much, 1500 * time.Millisecond}, "three/1Mx1KB": {much * 3, 1500 * time.Millisecond},
		"codec/1M/lz4": {little, time.Second + codecLength}, "unbatched/64": {little, time.Second + rateLength},
	} {
		if got := a.need(of(name), Relaxed); got != want {
			t.Errorf("%s: %v before anything is known, want %v", name, got, want)
		}
	}
	three, one := of("three/1Mx1KB"), of("codec/1K/none")
	a.noteNeed(three, Relaxed, &run.Record{SinceRecords: 10, SinceWire: 8000, DiskOf: 20, Seconds: 0.5})
	a.noteNeed(one, Relaxed, &run.Record{}) // failed: nothing is known
	if got, want := a.need(three, Relaxed), (need{3 * 20_000, 1500 * time.Millisecond}); got != want {
		t.Errorf("20 records, 800 bytes each, on three brokers: %v, want %v", got, want)
	}
	for _, c := range []*Cell{one, three} {
		if got := a.need(c, KafkaDefault); got != (*Arena)(&Arena{Plan: a.Plan}).need(c, KafkaDefault) {
			t.Errorf("a side of %s that has not run needs %v", c.Name, got)
		}
	}
	if got := a.need(one, Relaxed); got.bytes != little {
		t.Errorf("after a run that failed %v", got)
	}
}

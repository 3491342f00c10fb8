package run

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"odradek/bench/cell"
	"odradek/bench/journal"
	"odradek/bench/measure"
	"odradek/bench/target"
)

// fakeTarget is a fake broker as a target. From the run numbered breaks on, it cannot be reached for as many runs as broken says.
type fakeTarget struct {
	target.External
	runs, breaks, broken int
}

func (f *fakeTarget) Bootstrap(ctx context.Context) ([]string, error) {
	f.runs++
	if f.runs >= f.breaks && f.runs < f.breaks+f.broken {
		return nil, target.ErrUnreachable
	}
	return f.External.Bootstrap(ctx)
}

func newTarget(t *testing.T) *fakeTarget {
	t.Helper()
	f, err := target.NewFake(target.FakeOptions{Keep: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return &fakeTarget{External: target.External{Addresses: []string{f.Address()}}}
}

var plan = Plan{Target: "fake", Warmup: 20 * time.Millisecond, Length: 100 * time.Millisecond, Seed: 1, Workers: 1}

func options(t *testing.T, f target.Target) Options {
	cells, err := cell.Pick(nil, []string{"rate=20K", "batch=1rec,rate=1K", "mode=client,codec=lz4,rate=10K,linger=2ms,producers=2"})
	if err != nil {
		t.Fatal(err)
	}
	return Options{Target: f, Cells: cells, Reps: 2, Plan: plan, Scratch: t.TempDir()}
}

func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// A sweep that is interrupted, and whose last line is cut besides, goes on where it was: no run is lost or made twice.
func TestResume(t *testing.T) {
	dir, f := t.TempDir(), newTarget(t)
	o := options(t, f)
	ctx, cancel := context.WithCancel(context.Background())
	o.Done = func(done, total int, _ *Record) {
		if total != 6 {
			t.Errorf("%d runs in all", total)
		}
		if done == 3 {
			cancel()
		}
	}
	s := openStore(t, dir)
	if err := Sweep(ctx, o, s); err == nil || !strings.Contains(err.Error(), "interrupted after 3 of 6") {
		t.Fatalf("an interrupted sweep says %v", err)
	}
	_ = s.Close()
	path := filepath.Join(dir, journal.FileName)
	text, _ := os.ReadFile(path)
	if err := os.WriteFile(path, text[:len(text)-10], 0o644); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	if len(s.Records) != 2 {
		t.Fatalf("%d whole runs are left", len(s.Records))
	}
	left := 0
	o.Done = func(_, total int, _ *Record) { left = total }
	if err := Sweep(context.Background(), o, s); err != nil || left != 4 {
		t.Fatalf("%d runs were left: %v", left, err)
	}
	_ = s.Close()
	s = openStore(t, dir)
	times := map[string]int{}
	for _, r := range s.Records {
		times[r.ID]++
	}
	for _, c := range o.Cells {
		if times[c.ID()] != 2 {
			t.Errorf("%s was run %d times", c.ID(), times[c.ID()])
		}
	}
	if _, err := Open(dir, plan); err == nil || !strings.Contains(err.Error(), "another measurement") {
		t.Errorf("two sweeps in one directory: %v", err)
	}
	_ = s.Close()
	other := plan
	other.Length = time.Second
	if _, err := Open(dir, other); !errors.Is(err, journal.ErrOtherPlan) {
		t.Errorf("another plan in the same directory: %v", err)
	}
}

// A cell that fails is kept with its error, the others are run, and the next sweep runs only that one again.
func TestFailureLosesNothing(t *testing.T) {
	f := newTarget(t)
	o, s := options(t, f), openStore(t, t.TempDir())
	f.breaks, f.broken = 2, 1
	if err := Sweep(context.Background(), o, s); err == nil || !strings.Contains(err.Error(), "1 of 6 runs failed") {
		t.Fatalf("a sweep with a failure says %v", err)
	}
	failed := 0
	for _, r := range s.Records {
		if r.Error != "" {
			failed++
		} else if r.SinceRecords == 0 || r.Due == "" || r.EndToEnd == "" || r.Machine.FsyncP50 == 0 {
			t.Errorf("%s has no figures", r.ID)
		}
	}
	if len(s.Records) != 6 || failed != 1 {
		t.Errorf("%d runs, %d failed", len(s.Records), failed)
	}
	left := 0
	o.Done = func(_, total int, _ *Record) { left = total }
	if err := Sweep(context.Background(), o, s); err != nil || left != 1 {
		t.Errorf("again: %d runs, %v", left, err)
	}
}

// Two runs of a cell count every slot, and end to end is never shorter than nothing.
func TestFiguresOfARun(t *testing.T) {
	f := newTarget(t)
	o, s := options(t, f), openStore(t, t.TempDir())
	if err := Sweep(context.Background(), o, s); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Records {
		h, err := measure.DecodeHistogram(r.Due)
		if err != nil {
			t.Fatal(err)
		}
		e, err := measure.DecodeHistogram(r.EndToEnd)
		if err != nil {
			t.Fatal(err)
		}
		if h.Count() != e.Count() {
			t.Errorf("%s: %d acknowledgements, %d end to end", r.ID, h.Count(), e.Count())
		}
		if r.SinceWire <= 0 || r.SinceValues < r.Values || r.SinceRecords < r.Records {
			t.Errorf("%s: %+v", r.ID, r)
		}
	}
}

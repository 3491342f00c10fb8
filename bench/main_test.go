package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"odradek/bench/run"
	"odradek/bench/target"
)

func TestSweepCommand(t *testing.T) {
	fake, err := target.NewFake(target.FakeOptions{Keep: true})
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	dir := t.TempDir()
	f := &sweepFlags{out: dir, bootstrap: []string{fake.Address()}, cells: []string{"rate=50K", "batch=64K,codec=zstd"}, reps: 1, plan: run.Plan{
		Warmup: 20 * time.Millisecond, Length: 100 * time.Millisecond, Workers: 1}}
	var out, messages bytes.Buffer
	if err := sweep(context.Background(), f, &out, &messages); err != nil {
		t.Fatalf("%v\n%s", err, messages.String())
	}
	for _, name := range []string{"report.html", "results.json", "results.csv", "latency.hlog", "runs.jsonl"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 3 || !strings.HasPrefix(lines[1], "broker/16K/none/rate50K/") {
		t.Errorf("standard output is\n%s", out.String())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "node-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	f.plan.Length = time.Second
	if err := sweep(context.Background(), f, &out, &messages); exitCode(err) != exitUsage {
		t.Errorf("another plan in the same directory ends with %d: %v", exitCode(err), err)
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		flags sweepFlags
		code  int
	}{
		{sweepFlags{cells: []string{"no such cell"}, plan: run.Plan{Workers: 1}}, exitUsage},
		{sweepFlags{reps: -1, plan: run.Plan{Workers: 1}}, exitUsage},
		{sweepFlags{bootstrap: []string{"127.0.0.1:1"}, set: []string{"a=b"}, plan: run.Plan{Workers: 1}}, exitUsage},
		{sweepFlags{bootstrap: []string{"127.0.0.1:1"}, plan: run.Plan{Workers: 1}}, exitUnreachable},
	} {
		c.flags.out = t.TempDir()
		var out bytes.Buffer
		if err := sweep(context.Background(), &c.flags, &out, &out); err == nil || exitCode(err) != c.code {
			t.Errorf("%+v ends with %d (%v), want %d", c.flags, exitCode(err), err, c.code)
		}
	}
	if exitCode(fmt.Errorf("two: %w", errors.New("things"))) != exitFailed {
		t.Error("a failure is not exit code 1")
	}
}

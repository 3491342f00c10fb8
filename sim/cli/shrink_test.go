package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"odradek/sim"
	"odradek/sim/cli/shrink"
)

// A seed that does not fail has nothing to shrink, and wrong flags are usage.
func TestShrinkUsage(t *testing.T) {
	if _, err := run("shrink", "--seed", "1", "--profile", "brief", "--most", "1s"); err == nil || !strings.Contains(err.Error(), "does not fail") {
		t.Error(err)
	}
	for _, args := range [][]string{{"shrink", "--seed", "1", "--jobs", "0"}, {"shrink", "--seed", "1", "--most", "0s"}, {"shrink", "--seed", "1", "--profile", "none"}, {"--edit", "absent.json"}} {
		_, err := run(args...)
		var usage UsageError
		if !errors.As(err, &usage) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// With --edit a run does what the file says: with all decisions of the seed it is the seed's run.
func TestEdit(t *testing.T) {
	o := sim.Draw(42, sim.Standard)
	whole := sim.Run(sim.Config{Options: o})
	saved := shrink.Saved{Seed: 42, Profile: o.Profile.Name, Rate: o.Profile.Rate, Edit: whole.Decisions}
	path := filepath.Join(t.TempDir(), "edit.json")
	if err := saved.Write(path); err != nil {
		t.Fatal(err)
	}
	out, err := run("--seed", "42", "--edit", path)
	if err != nil || !strings.Contains(out, "digest="+whole.Digest.String()) {
		t.Errorf("%v: another run: %s", err, out[max(0, len(out)-200):])
	}
	saved.Edit.Faults = nil
	if err := saved.Write(path); err != nil {
		t.Fatal(err)
	}
	if out, err = run("--seed", "42", "--edit", path); err != nil || !strings.Contains(out, " faults=0 ") {
		t.Errorf("%v: faults struck: %s", err, out[max(0, len(out)-200):])
	}
	if _, err := os.Stat("shrunk-1.json"); err == nil {
		t.Error("a seed that does not fail left a file")
	}
}

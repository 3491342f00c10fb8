package sim

import (
	"slices"
	"testing"
)

// Every seed of the standard profile has its share of faults, whatever its kinds draw and find.
func TestFaultsOfEverySeed(t *testing.T) {
	seeds := 120
	if testing.Short() {
		seeds = 20
	}
	shared := NewCodec()
	var faults, events []int
	for seed := range uint64(seeds) {
		o := Draw(seed, Standard)
		for k := range o.Faults {
			if seed%2 == 1 { // by itself each kind would strike hardly ever
				o.Faults[k] *= 50
			}
		}
		r := Run(Config{Options: o, Codec: shared, BlackBox: true})
		if r.Outcome != OK {
			t.Fatalf("seed %d: %v: %s: %s", seed, r.Outcome, r.Oracle, r.Found)
		}
		faults, events = append(faults, r.FaultCount()), append(events, r.Events)
	}
	slices.Sort(faults)
	slices.Sort(events)
	t.Logf("%d seeds: faults least %d, median %d; events least %d, median %d, most %d", seeds, faults[0], faults[seeds/2], events[0], events[seeds/2], events[seeds-1])
	if least := Standard.faultsLeast(); faults[0] < least || least < 20 {
		t.Errorf("a seed has %d faults, and each is to have %d", faults[0], least)
	}
	if quiet := (Profile{Single, Low}).faultsLeast(); quiet != 0 {
		t.Errorf("--rate low has %d faults or more in each seed", quiet)
	}
}

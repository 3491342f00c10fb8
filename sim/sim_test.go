package sim

import (
	"testing"

	"odradek/net/codec"
)

var brief = Profile{Brief, Usual}

// TestSeeds runs fixed seeds, each twice: a run ends well and is the same run again.
func TestSeeds(t *testing.T) {
	shared := new(codec.Codec)
	seeds := uint64(30)
	for seed := range seeds {
		first := Run(Config{Options: Draw(seed, brief), Codec: shared})
		if first.Outcome != OK {
			t.Fatalf("seed %d: %v: %s: %s", seed, first.Outcome, first.Oracle, first.Found)
		}
		if again := Run(Config{Options: Draw(seed, brief)}); again.Digest != first.Digest {
			t.Fatalf("seed %d is another run the second time: %v, then %v", seed, first.Digest, again.Digest)
		}
	}
}

// Oracles that cannot fail prove nothing. Each of these hosts breaks one promise of the contract, and must be found out within 50 seeds: with the oracle that
// looks at the platter, and by what clients see alone.
func TestOraclesFire(t *testing.T) {
	shared := new(codec.Codec)
	for _, c := range []struct {
		name   string
		broken broken
	}{
		{"a round ends without its fsyncs", broken{durableUnsynced: true}},
		{"written is reported as durable", broken{writtenDurable: true}},
		{"frames are given back before they are written", broken{releaseEarly: true}},
	} {
		for _, blackBox := range []bool{false, true} {
			caught := map[string]int{}
			first := -1
			for seed := range 50 {
				r := Run(Config{Options: Draw(uint64(seed), brief), Codec: shared, BlackBox: blackBox, broken: c.broken})
				if r.Outcome == Correctness {
					if caught[r.Oracle]++; first < 0 {
						first = seed
					}
				}
			}
			t.Logf("%s, black box %t: first at seed %d, oracles %v", c.name, blackBox, first, caught)
			if first < 0 {
				t.Errorf("%s: not found within 50 seeds (black box %t)", c.name, blackBox)
			}
		}
	}
}

// A frame that does not come back is found when the run ends.
func TestLeakedFramesAreFound(t *testing.T) {
	shared := NewCodec()
	for seed := range uint64(50) {
		r := Run(Config{Options: Draw(seed, brief), Codec: shared, broken: broken{releaseNever: true}})
		if r.Outcome == Crash && r.Oracle == "frames" {
			return
		}
	}
	t.Error("not found within 50 seeds")
}

// Kinds of faults are drawn apart: without one kind, the others strike when they did.
func TestGeneratorsAreSplit(t *testing.T) {
	for seed := range uint64(20) {
		o := Draw(seed, brief)
		w := &World{opt: &o}
		for k := range w.faults {
			w.faults[k] = source(seed, forFault+purpose(k))
		}
		before := w.faults[connReset]
		w.nextFault(processCrash)
		if w.faults[connReset] != before {
			t.Fatal("drawing one kind moved the generator of another")
		}
	}
}

// What clients alone write down is enough for the judges, who know nothing of the simulator: each of these hosts is found out by histories, with every oracle silent.
func TestJudgesFire(t *testing.T) {
	shared := new(codec.Codec)
	for _, c := range []struct {
		name   string
		broken broken
	}{
		{"written is reported as durable", broken{writtenDurable: true}},
		{"frames are given back before they are written", broken{releaseEarly: true}},
	} {
		caught := map[string]int{}
		first := -1
		for seed := range 50 {
			r := Run(Config{Options: Draw(uint64(seed), brief), Codec: shared, JudgesOnly: true, broken: c.broken})
			if r.Outcome == Correctness {
				if caught[r.Oracle]++; first < 0 {
					first = seed
				}
			}
		}
		t.Logf("%s: first at seed %d, anomalies %v", c.name, first, caught)
		if first < 0 {
			t.Errorf("%s: no history of 50 seeds shows it", c.name)
		}
	}
}

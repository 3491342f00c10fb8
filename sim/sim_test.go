package sim

import (
	"testing"

	"odradek/linearizability"
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
// looks at the platter; by what clients see alone; and with every oracle of the simulator silent, by what clients could write down. Without its fsyncs a node loses
// its metadata before its records: that histories do not show.
func TestOraclesFire(t *testing.T) {
	blackBox, judges := Config{BlackBox: true}, Config{JudgesOnly: true}
	for _, c := range []struct {
		name   string
		broken broken
		by     []Config
	}{
		{"a round ends without its fsyncs", broken{durableUnsynced: true}, []Config{{}, blackBox}},
		{"written is reported as durable", broken{writtenDurable: true}, []Config{{}, blackBox, judges}},
		{"frames are given back before they are written", broken{releaseEarly: true}, []Config{{}, blackBox, judges}},
	} {
		for _, cfg := range c.by {
			cfg.broken = c.broken
			first, caught := caughtBy(cfg)
			t.Logf("%s, black box %t, judges %t: first at seed %d, by %v", c.name, cfg.BlackBox, cfg.JudgesOnly, first, caught)
			if first < 0 {
				t.Errorf("%s: not found within 50 seeds (black box %t, judges %t)", c.name, cfg.BlackBox, cfg.JudgesOnly)
			}
		}
	}
}

// caughtBy runs 50 seeds and returns the first that is refused, -1 if none is, and how often each oracle refused one.
func caughtBy(cfg Config) (first int, caught map[string]int) {
	cfg.Codec, first, caught = NewCodec(), -1, map[string]int{}
	for seed := range 50 {
		cfg.Options = Draw(uint64(seed), brief)
		if r := Run(cfg); r.Outcome == Correctness {
			if caught[r.Oracle]++; first < 0 {
				first = seed
			}
		}
	}
	return first, caught
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

// A failing run may end anywhere. What its clients have written down by then is a history that the judges can be asked about: of a good run it is good.
func TestHistoriesThatEndAnywhere(t *testing.T) {
	shared := NewCodec()
	for seed := range uint64(60) {
		o := Draw(seed, Standard)
		cut := int(seed%20+1) * 900
		w := &World{cfg: Config{Options: o}, opt: &o, trace: newTrace(nil), codec: shared}
		w.network = w.source(forNetwork)
		w.begin()
		for range cut {
			e, ok := w.heap.pop()
			if !ok || w.failure != nil || w.phase == phaseDone {
				break
			}
			w.now = e.at
			w.events++
			w.handle(&e)
		}
		if v, err := linearizability.Check(w.past.soFar(), linearizability.Options{}); err != nil || !v.Good() {
			t.Errorf("seed %d, after %d events: %v %v", seed, cut, v.Findings, err)
		}
	}
}

package sim

import (
	"slices"
	"testing"

	"odradek/core/prng"
)

// The decisions of a run, given to it whole, are the same run: nothing is left to the draws that they replace.
func TestDecisionsAreTheRun(t *testing.T) {
	shared := NewCodec()
	for seed := range uint64(40) {
		p := brief
		if seed%8 == 0 {
			p = Standard
		}
		first := Run(Config{Options: Draw(seed, p), Codec: shared})
		again := Run(Config{Options: Draw(seed, p), Codec: shared, Edit: &first.Decisions})
		if again.Digest != first.Digest {
			t.Fatalf("seed %d: digest %v, and %v (%s: %s) by its decisions", seed, first.Digest, again.Digest, again.Oracle, again.Found)
		}
		if len(again.Decisions.Faults) != len(first.Decisions.Faults) {
			t.Fatalf("seed %d: %d decisions, then %d", seed, len(first.Decisions.Faults), len(again.Decisions.Faults))
		}
	}
}

// Whatever is left out, a node without bugs keeps its promises: what a shrunk run shows is not the shrinking's own doing.
func TestEditsBreakNothing(t *testing.T) {
	shared := NewCodec()
	seeds := uint64(150)
	if testing.Short() {
		seeds = 30
	}
	for seed := range seeds {
		first := Run(Config{Options: Draw(seed, brief), Codec: shared})
		e, rng := first.Decisions.Clone(), prng.FromNumber(seed, 1)
		e.Faults = slices.DeleteFunc(e.Faults, func(Blow) bool { return rng.IntN(2) == 0 })
		for i := range e.Clients {
			c := &e.Clients[i]
			c.Batches = slices.DeleteFunc(c.Batches, func(Give) bool { return rng.IntN(3) == 0 })
			if rng.IntN(4) == 0 {
				c.Batches = nil
			}
			c.NoReads, c.Steady, c.NoChurn, c.NoAlters, c.NoTrims = rng.IntN(4) == 0, rng.IntN(3) == 0, rng.IntN(2) == 0, rng.IntN(2) == 0, rng.IntN(2) == 0
		}
		if e.CalmNet, e.CalmHD, e.Salt = rng.IntN(2) == 0, rng.IntN(2) == 0, rng.N(4); rng.IntN(2) == 0 {
			e.Ends = Time(rng.N(uint64(e.Ends))) + 1
		}
		if r := Run(Config{Options: Draw(seed, brief), Codec: shared, Edit: &e}); r.Outcome != OK {
			t.Errorf("seed %d: %v: %s: %s", seed, r.Outcome, r.Oracle, r.Found)
		}
	}
}

// What stays is what it was: the same kind with the same draws, whatever else is left out. Top-ups draw their kind, too.
func TestWhatStaysIsTheSame(t *testing.T) {
	shared := NewCodec()
	topUps, batches := 0, 0
	for seed := range uint64(6) {
		first := Run(Config{Options: Draw(seed, Standard), Codec: shared})
		e := first.Decisions.Clone()
		rng := prng.FromNumber(seed, 2)
		e.Faults = slices.DeleteFunc(e.Faults, func(Blow) bool { return rng.IntN(2) == 0 })
		for i := range e.Clients {
			e.Clients[i].Batches = slices.DeleteFunc(e.Clients[i].Batches, func(Give) bool { return rng.IntN(2) == 0 })
		}
		r := Run(Config{Options: Draw(seed, Standard), Codec: shared, Edit: &e})
		for _, b := range r.Decisions.Faults {
			if b.From != FromEnd && !slices.Contains(e.Faults, b) {
				t.Fatalf("seed %d: %+v fell, which is none of the edit's", seed, b)
			}
			if b.From == FromTopUp {
				topUps++
			}
		}
		for i, c := range r.Decisions.Clients {
			for j, g := range c.Batches {
				if batches++; g.Drawn != e.Clients[i].Batches[j].Drawn || g.At < e.Clients[i].Batches[j].At {
					t.Fatalf("seed %d: batch %d of client %d is %+v, not %+v", seed, j, i, g, e.Clients[i].Batches[j])
				}
			}
		}
	}
	if topUps == 0 || batches == 0 {
		t.Errorf("%d top-ups and %d batches: nothing was compared", topUps, batches)
	}
}

// An edit that names what the seed does not have is refused.
func TestEditMustFit(t *testing.T) {
	o := Draw(1, brief)
	fits := Edit{Clients: make([]ClientEdit, len(o.Clients))}
	if err := fits.Check(&o); err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]Edit{ // any order: each for itself
		"too few clients": {},
		"origin":          {Clients: fits.Clients, Faults: []Blow{{From: "above"}}},
		"a last fault":    {Clients: fits.Clients, Faults: []Blow{{Kind: Fault(wipe), From: FromKind}}},
	} {
		if wrong.Check(&o) == nil {
			t.Errorf("%s is taken", name)
		}
	}
	var f Fault
	if text, _ := Fault(stateRot).MarshalText(); f.UnmarshalText(text) != nil || f != Fault(stateRot) || f.UnmarshalText([]byte("no such")) == nil {
		t.Error("kinds are not read as they are written")
	}
}

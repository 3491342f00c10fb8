package sim

import (
	"testing"
)

// sweepOf runs seeds of a profile, every eighth of them twice: each ends well, and is the same run again.
func sweepOf(t *testing.T, p Profile, seeds uint64) (sum Result) {
	t.Helper()
	shared := NewCodec()
	for seed := range seeds {
		r := Run(Config{Options: Draw(seed, p), Codec: shared})
		if r.Outcome != OK {
			t.Errorf("seed %d: %v: %s: %s", seed, r.Outcome, r.Oracle, r.Found)
			continue
		}
		if seed%8 == 0 {
			if again := Run(Config{Options: Draw(seed, p)}); again.Digest != r.Digest {
				t.Errorf("seed %d is another run the second time: %v, then %v", seed, r.Digest, again.Digest)
			}
		}
		sum.Acked += r.Acked
		sum.Read += r.Read
		for m, reached := range r.Marks {
			sum.Marks[m] = sum.Marks[m] || reached
		}
		for k, n := range r.Faults {
			sum.Faults[k] += n
		}
	}
	return sum
}

func (r *Result) wants(t *testing.T, marks []mark, kinds []faultKind) {
	t.Helper()
	for _, m := range marks {
		if !r.Marks[m] {
			t.Errorf("never reached: %s", MarkNames[m])
		}
	}
	for _, k := range kinds {
		if r.Faults[k] == 0 {
			t.Errorf("no fault of kind %s", faultTable[k].name)
		}
	}
}

func TestQuorumSeeds(t *testing.T) {
	r := sweepOf(t, Profile{Quorum, Usual}, 120)
	r.wants(t, []mark{markLeaderChanged, markMetadataCut, markVoterWiped, markSnapshot, markSnapshotFetched, markDark}, []faultKind{isolateNode, splitNodes, cutWay, lossyWays, rollingRestart, wipeNode, powerLoss, nodePause})
}

func TestClusterSeeds(t *testing.T) {
	r := sweepOf(t, Profile{Cluster, Usual}, 80)
	r.wants(t, []mark{markLeaderChanged, markReplicaCut, markISRJoined, markReplicaWiped, markDark, markRelaxedGone, markReplicaMended, markRetained, markDirLost}, []faultKind{bitRot, misdirectedWrite, indexRot, checkpointRot, wipeNode, darkness, isolateNode, splitNodes, cutWay, lossyWays, rollingRestart, powerLoss, syncError})
	if r.Acked < 4000 || r.Read < 8000 {
		t.Errorf("only %d records were acknowledged and %d read", r.Acked, r.Read)
	}
}

// With all its decisions a seed is the same run.
func TestClusterEdits(t *testing.T) {
	for _, p := range []Profile{{Quorum, Usual}, {Cluster, Usual}} {
		for seed := range uint64(4) {
			whole := Run(Config{Options: Draw(seed, p)})
			if again := Run(Config{Options: Draw(seed, p), Edit: &whole.Decisions}); again.Digest != whole.Digest {
				t.Errorf("%s, seed %d: another run with all its decisions: %v, then %v", p.Name, seed, whole.Digest, again.Digest)
			}
		}
	}
}

// A node whose rounds end without their system calls, or that calls durable what is only written, is found out by the oracles of both profiles.
func TestClusterOraclesFire(t *testing.T) {
	for _, p := range []Profile{{Quorum, Usual}, {Cluster, Usual}} {
		for name, b := range map[string]broken{"a round ends without its fsyncs": {durableUnsynced: true}, "written is reported as durable": {writtenDurable: true}} { // any order: each by itself
			caught := map[string]int{}
			for seed := range uint64(20) {
				if r := Run(Config{Options: Draw(seed, p), broken: b}); r.Outcome == Correctness {
					caught[r.Oracle]++
				}
			}
			if t.Logf("%s, %s: %v", p.Name, name, caught); len(caught) == 0 {
				t.Errorf("%s: %s: not found within 20 seeds", p.Name, name)
			}
		}
	}
}

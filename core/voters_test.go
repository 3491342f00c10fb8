package core

import (
	"strings"
	"testing"

	"odradek/core/quorum"
)

// TestVotersAgree: what a leader commits every voter shows, also when the leader goes and when it comes back with records that nobody else has: these are cut,
// the request that made them is refused, and the leader's own image forgets them.
func TestVotersAgree(t *testing.T) {
	cuts := 0
	for seed := range uint64(20) {
		v := newVoters(t, seed)
		first := v.leader(-1)
		if code := v.create(first, "a"); func() int16 { v.run(2000); return *code }() != 0 {
			t.Fatalf("seed %d: topic a: error %d", seed, *code)
		}
		v.agree()

		for i := range v.nodes { // cut off, it appends what nobody hears of
			v.apart[NodePair{first, i}], v.apart[NodePair{i, first}] = true, true
		}
		lost := v.create(first, "lost")
		v.run(200)
		second := v.leader(first)
		if *lost != -2 && *lost != 41 {
			t.Fatalf("seed %d: a topic that only one voter has is answered with %d", seed, *lost)
		}
		if code := v.create(second, "b"); func() int16 { v.run(2000); return *code }() != 0 {
			t.Fatalf("seed %d: topic b: error %d", seed, *code)
		}
		clear(v.apart)
		v.run(5000)
		v.agree()
		if *lost != 41 {
			t.Errorf("seed %d: who asked for the lost topic heard %d, want NOT_CONTROLLER", seed, *lost)
		}
		cuts += v.nodes[first].cuts

		v.kill(second)
		v.leader(second)
		v.start(second)
		v.agree()
		img := v.nodes[second].core.meta.committed
		_, lostIsThere := img.Topic("lost")
		if _, ok := img.Topic("b"); !ok || lostIsThere || img.TopicCount() != 2 {
			t.Errorf("seed %d: after a restart\n%s", seed, imageText(img))
		}
	}
	if cuts == 0 {
		t.Error("no log was ever cut")
	}
}

// Whose leadership has not begun, as its epoch is not on the disk yet, applies nothing that is not committed: the leadership may never begin, and then nothing would end it, and drop the working
// image (seed 300202 of quorum: a log was cut below what was applied).
func TestTailWaitsForTheEpoch(t *testing.T) {
	n := &testNode{t: t, held: map[string]bool{}, out: &strings.Builder{}, files: map[string][]byte{}}
	for _, line := range []string{"boot", "create topic=a", "hold stored", "boot"} {
		n.command(strings.Fields(line))
	}
	m := &n.core.meta
	if m.quorum.Role() != quorum.Leader || m.quorum.Active() || len(m.tail) == 0 {
		t.Fatalf("role %v, active %t, %d batches that are not committed", m.quorum.Role(), m.quorum.Active(), len(m.tail))
	}
	if m.applied != 0 || n.core.canApply() {
		t.Errorf("%d of %d batches are applied", m.applied, len(m.tail))
	}
	n.command([]string{"release", "stored"})
	if m.applied != len(m.tail) || !m.quorum.Active() {
		t.Errorf("active: %t, with %d of %d batches applied", m.quorum.Active(), m.applied, len(m.tail))
	}
}

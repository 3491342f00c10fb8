package main

import (
	"strings"
	"testing"
)

const printed = `FAILED seed 12: correctness: oracle R9: t0-0: offset 3 is gone
    odradek sim --seed 12
FAILED seed 7: liveness: oracle log start: oracle X: waits
FAILED seed 3: crash: oracle panic: invariant: boo
faults, and seeds in which each pair of kinds struck:
3 seeds, 3 failed
`

// The lowest seed counts, in whatever order they end; those of oracles that are not named are told, too, and do not count.
func TestJudge(t *testing.T) {
	var told []int
	found, err := findings(strings.NewReader(printed), func(f finding) { told = append(told, f.seed) })
	if err != nil || len(found) != 3 || len(told) != 3 || found[1] != (finding{7, "log start", "oracle X: waits"}) {
		t.Fatal(err, found, told)
	}
	for _, c := range []struct {
		class   class
		oracles []string
		seed    int // -1: not caught
		others  int
		fine    bool
	}{
		{easy, []string{"R9", "log start"}, 7, 1, true},
		{easy, []string{"panic"}, 3, 0, true},
		{easy, []string{"P1"}, -1, 3, false},
		{harmless, nil, -1, 3, false},
	} {
		v := verdict{bug: &bug{class: c.class, oracles: c.oracles}}
		v.judge(append([]finding(nil), found...))
		seed := -1
		if v.caught != nil {
			seed = v.caught.seed
		}
		if seed != c.seed || len(v.others) != c.others || v.fine() != c.fine {
			t.Errorf("%v %v: seed %d, %d others, fine: %t", c.class, c.oracles, seed, len(v.others), v.fine())
		}
	}
	v := verdict{bug: &bug{class: harmless}}
	if v.judge(nil); !v.fine() {
		t.Error("a canary that nothing caught is not fine")
	}
}

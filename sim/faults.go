package sim

import (
	"fmt"

	"odradek/core/prng"
	"odradek/core/record"
)

// faultKind is a kind of fault. Each has a generator of its own, so that removing one kind shifts no other.
type faultKind int

// The kinds. Invariant: a kind keeps its number, which its generator is drawn from; new ones come at the end.
const (
	processCrash faultKind = iota // the process ends, the page cache stays
	powerLoss                     // at any time
	powerLossAt                   // just before a file operation, of recovery too
	cleanRestart                  // the process stops in order
	connReset                     // of one connection
	connStall                     // one direction delivers nothing for a while
	nodePause                     // the process does nothing for a while
	clockJump                     // the wall clock of the node
	writeError                    // one write fails; the process gives up
	syncError                     // one fsync fails; the process gives up, then the power fails
	faultKinds
)

// FaultNames are the kinds' names, in the order of Result.Faults.
func FaultNames() []string {
	var names []string
	for _, f := range faultTable {
		names = append(names, f.name)
	}
	return names
}

// faultTable says how often a kind is on, in percent of seeds.
var faultTable = [faultKinds]struct {
	name    string
	percent int
}{
	{"process crash", 45}, {"power loss", 45}, {"power loss at an operation", 60}, {"clean restart", 30}, {"connection reset", 45},
	{"stall", 30}, {"pause", 30}, {"clock jump", 25}, {"write error", 15}, {"sync error", 15},
}

// nextFault draws when a kind strikes again.
func (w *World) nextFault(k faultKind) {
	mean := w.opt.Faults[k]
	if mean == 0 {
		return
	}
	at := Time(w.faults[k].N(uint64(2*mean))) + Millisecond
	if w.now+at < w.opt.Safety {
		w.after(at, event{kind: evFault, n: uint64(k)})
	}
}

// inject lets one fault happen. What a kind draws does not depend on whether it can strike just now.
func (w *World) inject(k faultKind) {
	if w.phase != phaseSafety {
		return
	}
	rng := &w.faults[k]
	n := w.nodes[rng.IntN(len(w.nodes))]
	size := Time(rng.N(uint64(Second)))
	small := rng.IntN(40)
	lose := rng.IntN(2) == 0
	w.nextFault(k)
	struck := true
	switch k {
	case processCrash, powerLoss, cleanRestart:
		struck = n.strike(k)
	case powerLossAt:
		n.cutAt = n.disk.Ops() + 1 + small // counted when it comes to it
		return
	case writeError:
		n.failWrite = n.p != nil
		return
	case syncError:
		n.failSync = n.p != nil
		return
	case connReset:
		struck = w.onOpenLink(rng, func(ch *channel) { ch.reset(lose) })
	case connStall:
		struck = w.onOpenLink(rng, func(ch *channel) { ch.stall(lose, size) })
	case nodePause:
		n.pausedUntil = max(n.pausedUntil, w.now+size)
	case clockJump:
		n.skew += record.UnixMillis(int64(size/Microsecond)%20_000) - 10_000
	}
	if struck {
		w.struck(k, n.name)
	}
}

// struck counts a fault.
func (w *World) struck(k faultKind, who string) {
	w.counts[k]++
	w.note(who, "fault "+faultTable[k].name)
}

// onOpenLink picks a connection that neither side knows to be broken.
func (w *World) onOpenLink(rng *prng.Source, do func(*channel)) bool {
	draw := rng.Uint64()
	var open []*channel
	for _, c := range w.clients {
		for _, l := range c.lines {
			if l.ch != nil && !l.ch.broken {
				open = append(open, l.ch)
			}
		}
	}
	if len(open) == 0 {
		return false
	}
	ch := open[draw%uint64(len(open))]
	w.note(ch.name, fmt.Sprintf("hit, of %d", len(open)))
	do(ch)
	return true
}

package sim

import (
	"fmt"

	"odradek/core"
	"odradek/core/prng"
	"odradek/core/record"
	"odradek/core/stream"
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
	diskFull                      // the node hears that its disk is nearly full, and after a while that it is not
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

// fullAt is the free space in bytes below which the core takes no records; near it a large batch is refused and a small one behind it is not.
const fullAt = 16 << 20

// faultTable says how often a kind is on, in percent of seeds.
var faultTable = [faultKinds]struct {
	name    string
	percent int
}{
	{"process crash", 45}, {"power loss", 45}, {"power loss at an operation", 60}, {"clean restart", 30}, {"connection reset", 45},
	{"stall", 30}, {"pause", 30}, {"clock jump", 25}, {"write error", 15}, {"sync error", 15},
	{"disk full", 25},
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
		n.failWrite, n.failIn = n.p != nil, w.dirOf(small)
		return
	case syncError:
		n.failSync, n.failIn = n.p != nil, w.dirOf(small)
		return
	case connReset:
		struck = w.onOpenLink(rng, func(ch *channel) { ch.reset(lose) })
	case connStall:
		struck = w.onOpenLink(rng, func(ch *channel) { ch.stall(lose, size) })
	case nodePause:
		n.pausedUntil = max(n.pausedUntil, w.now+size)
	case diskFull:
		dir := stream.DirID(small % w.opt.Dirs)
		if struck = n.serving(); struck {
			n.tell(lane{kind: core.EvSpace}, core.Event{Kind: core.EvSpace, Dir: dir, Free: fullAt + int64(small)*30})
			relief := core.Event{Kind: core.EvSpace, Dir: dir, Free: 1 << 40}
			w.after(size+Second, event{kind: evCore, who: n.id, life: n.life, core: &relief})
		}
	case clockJump:
		n.skew += record.UnixMillis(int64(size/Microsecond)%20_000) - 10_000
	}
	if struck {
		w.struck(k, n.name)
	}
}

// dirOf draws where a write or fsync fails: of two directories, mostly in the second, which the node can do without.
func (w *World) dirOf(draw int) string {
	if w.opt.Dirs > 1 && draw%4 > 0 {
		return "d1/"
	}
	return ""
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

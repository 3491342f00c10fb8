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
	processCrash     faultKind = iota // the process ends, the page cache stays
	powerLoss                         // at any time
	powerLossAt                       // just before a file operation, of recovery too
	cleanRestart                      // the process stops in order
	connReset                         // of one connection
	connStall                         // one direction delivers nothing for a while
	nodePause                         // the process does nothing for a while
	clockJump                         // the wall clock of the node
	writeError                        // one write fails; the process gives up
	syncError                         // one fsync fails; the process gives up, then the power fails
	diskFull                          // the node hears that its disk is nearly full, and after a while that it is not
	shortWrite                        // a write fails after some of its bytes
	noSpace                           // the disk has a quota for a while: writes fail where it ends
	slowDisk                          // every file operation takes much longer for a while
	oneWayCut                         // for a while nothing reaches the node, or nothing its clients, on any connection, new ones too
	halfOpen                          // a connection breaks, and one side learns of it much later
	swizzleClog                       // some connections stop one after another and go on in another order
	clockSkew                         // the wall clock of the node runs too fast or too slow for a while
	replyLost                         // a request is carried out, and its connection breaks before the answer is sent
	bitRot                            // a batch on the platter changes
	misdirectedWrite                  // a sector that was meant for elsewhere lands on a log
	misdirectedRead                   // a read of a log brings bytes of elsewhere, once
	staleRead                         // a read of a log brings what was there before it was written, once
	metadataRot                       // a record of the metadata log changes; the run ends
	wipe                              // the disk comes back empty, or one of two directories; the run ends
	indexRot                          // an index file changes
	stateRot                          // a file of what is known of a log's producers or epochs changes
	checkpointRot                     // recovery points, high watermarks or the clean mark change
	identityRot                       // a file that says whose a directory is, or what was promised, changes; the run ends
	imageRot                          // a snapshot of the metadata changes; the run ends
	isolateNode                       // no other node reaches a node for a while, nor it them
	splitNodes                        // the nodes are parted in two for a while
	cutWay                            // one node does not reach another one for a while
	lossyWays                         // packets between nodes are lost for a while, and sent again
	rollingRestart                    // the nodes stop in order, one after another
	wipeNode                          // the disk of a node comes back empty, where the others can do without it
	darkness                          // the power of all nodes fails at once
	wipeDir                           // a log directory of a node comes back empty, where the others can do without it
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
	{"stall", 30}, {"pause", 30}, {"clock jump", 25}, {"write error", 25}, {"sync error", 25},
	{"disk full", 25}, {"short write", 25}, {"no space", 25}, {"slow disk", 25}, {"one-way cut", 25},
	{"half-open", 30}, {"swizzle-clog", 25}, {"clock skew", 25}, {"reply lost", 40},
	{"bit rot", 25}, {"misdirected write", 25}, {"misdirected read", 25}, {"stale read", 25},
	{"metadata rot", 10}, {"wipe", 10}, {"index rot", 25}, {"log state rot", 25}, {"checkpoint rot", 25}, {"identity rot", 10}, {"snapshot rot", 10},
	{"isolated node", 50}, {"split", 40}, {"cut between nodes", 50}, {"lossy network", 25}, {"rolling restart", 20}, {"node wiped", 25}, {"power loss of all nodes", 25}, {"directory wiped", 60},
}

// nextFault draws when a kind strikes again.
func (w *World) nextFault(k faultKind) {
	mean := w.opt.Faults[k]
	if mean == 0 || k.isLast() {
		return
	}
	at := Time(w.faults[k].N(uint64(2*mean))) + Millisecond
	if w.now+at < w.opt.Safety && w.cfg.Edit == nil {
		w.after(at, event{kind: evFault, n: uint64(k)})
	}
}

// blow is what is drawn for each fault, whether its kind uses it or not.
type blow struct {
	rng   *prng.Source // of the kind, for what else it draws
	n     *node
	size  Time // below a second
	small int  // below 40
	half  bool
}

// inject lets one fault happen. What a kind draws does not depend on whether it can strike just now.
func (w *World) inject(k faultKind) {
	if w.phase != phaseSafety {
		return
	}
	w.fall(k)
}

// fall draws how a fault strikes, and when the next of its kind does.
func (w *World) fall(k faultKind) {
	w.decided(k, FromKind, w.faults[k].Drawn())
	b := w.drawBlow(&w.faults[k])
	w.nextFault(k)
	w.land(k, &b)
}

func (w *World) drawBlow(rng *prng.Source) blow {
	return blow{rng: rng, n: w.nodes[rng.IntN(len(w.nodes))], size: Time(rng.N(uint64(Second))), small: rng.IntN(40), half: rng.IntN(2) == 0}
}

func (w *World) land(k faultKind, b *blow) {
	if w.hit(k, b) {
		w.struck(k, b.n.name)
	}
}

// hit reports whether a fault struck at once. One that waits for its occasion counts when it comes.
func (w *World) hit(k faultKind, b *blow) bool {
	n := b.n
	switch k {
	case processCrash, powerLoss, cleanRestart:
		return n.strike(k)
	case powerLossAt:
		n.cutAt = n.disk.Ops() + 1 + b.small
	case writeError, syncError, shortWrite, misdirectedRead, staleRead:
		n.armDisk(k, w.dirOf(b.small), b.size)
	case connReset:
		return w.onOpenLink(b.rng, func(ch *channel) { ch.reset(b.half) })
	case connStall:
		return w.onOpenLink(b.rng, func(ch *channel) { ch.stall(b.half, b.size) })
	case halfOpen:
		return w.onOpenLink(b.rng, func(ch *channel) { ch.halfOpen(b.half, 20*Second+20*b.size) })
	case replyLost:
		w.onOpenLink(b.rng, func(ch *channel) { ch.losesReply = true })
	case swizzleClog:
		return w.swizzle(b)
	case oneWayCut:
		n.cutOff(b.half, b.size+Second/10)
		return true
	case bitRot:
		return n.rot(b)
	case misdirectedWrite:
		return n.misdirect(b)
	case indexRot, stateRot, checkpointRot:
		return n.spoil(k, b)
	case isolateNode:
		return w.isolate(n, 4*b.size+Second/2)
	case splitNodes:
		return w.split(b.rng, 4*b.size+Second/2)
	case cutWay:
		return w.cutOneWay(n, b.small, 4*b.size+Second/2)
	case lossyWays:
		w.lossyUntil = w.now + 5*b.size
		return true
	case rollingRestart:
		return w.roll(b)
	case wipeNode:
		return n.losesDisk()
	case darkness:
		return w.darken()
	case wipeDir:
		return n.losesDir()
	case nodePause:
		n.pausedUntil = max(n.pausedUntil, w.now+b.size)
		return true
	case diskFull:
		return n.fill(b)
	case noSpace:
		n.limit(int64(b.small)*50, 2*b.size)
	case slowDisk:
		n.slowUntil, n.slowBy = w.now+2*b.size, Time(10+5*b.small)
		return true
	case clockJump:
		n.skew += record.UnixMillis(int64(b.size/Microsecond)%20_000) - 10_000
		return true
	case clockSkew:
		n.runSkewed(int64(b.size/Microsecond)%200_000-100_000, 10*b.size)
		return true
	}
	return false
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

// openLinks are the connections that neither side knows to be broken.
func (w *World) openLinks() []*channel {
	var open []*channel
	for _, ch := range w.links {
		if !ch.broken {
			open = append(open, ch)
		}
	}
	return open
}

// onOpenLink picks a connection that neither side knows to be broken.
func (w *World) onOpenLink(rng *prng.Source, do func(*channel)) bool {
	draw := rng.Uint64()
	open := w.openLinks()
	if len(open) == 0 {
		return false
	}
	ch := open[draw%uint64(len(open))]
	w.note(ch.name, fmt.Sprintf("hit, of %d", len(open)))
	do(ch)
	return true
}

// swizzle stops a drawn part of the connections one after another, in both directions, and lets them go on in another order.
func (w *World) swizzle(b *blow) bool {
	open := w.openLinks()
	gap := b.size / 20
	for i := range open {
		draw, last := b.rng.IntN(3), Time(b.rng.N(uint64(b.size+Second)))
		if draw > 0 {
			until := w.now + Time(len(open))*gap + last
			w.after(Time(i)*gap, event{kind: evClog, who: open[i].id, n: uint64(until)})
		}
	}
	return len(open) > 1
}

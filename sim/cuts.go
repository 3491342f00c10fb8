package sim

import (
	"fmt"

	"odradek/core/prng"
	"odradek/sim/simnet"
)

// cutBetween has nothing reach node b from node a before a time.
func (w *World) cutBetween(a, b int, until Time) {
	if a != b {
		w.cuts[a][b] = max(w.cuts[a][b], until)
	}
}

// isolate cuts a node off from all others; its clients reach it.
func (w *World) isolate(n *node, d Time) bool {
	for i := range w.nodes {
		w.cutBetween(int(n.id), i, w.now+d)
		w.cutBetween(i, int(n.id), w.now+d)
	}
	w.holdUp()
	return true
}

// split parts the nodes into two halves that do not reach one another.
func (w *World) split(rng *prng.Source, d Time) bool {
	side := make([]int, len(w.nodes))
	text := "split"
	for i := range side {
		side[i] = rng.IntN(2)
		text += fmt.Sprintf(" n%d:%d", i, side[i])
	}
	for i := range w.nodes {
		for j := range w.nodes {
			if side[i] != side[j] {
				w.cutBetween(i, j, w.now+d)
			}
		}
	}
	w.note("world", text)
	w.holdUp()
	return true
}

// cutOneWay has nothing reach one node from another; the other way all is well.
func (w *World) cutOneWay(n *node, draw int, d Time) bool {
	to := (int(n.id) + 1 + draw%(len(w.nodes)-1)) % len(w.nodes)
	w.cutBetween(int(n.id), to, w.now+d)
	w.note(n.name, fmt.Sprintf("does not reach n%d", to))
	w.holdUp()
	return true
}

// weather is how the network between two ends is: where packets are lost between nodes, what they carried comes when they are sent again.
func (ch *channel) weather() *simnet.Weather {
	w := ch.w
	if ch.from == nil || w.now >= w.lossyUntil {
		return &w.opt.Network
	}
	lossy := w.opt.Network
	lossy.Slow, lossy.Most = max(lossy.Slow, 200_000), max(lossy.Most, int64(800*Millisecond))
	return &lossy
}

// roll restarts one node after another in order.
func (w *World) roll(b *blow) bool {
	gap := b.size + Time(b.small)*20*Millisecond
	for i := range w.nodes {
		n := w.nodes[(int(b.n.id)+i)%len(w.nodes)]
		w.after(Time(i)*gap, event{kind: evRoll, who: n.id})
	}
	return true
}

// rolls restarts a node, if faults still happen.
func (n *node) rolls() {
	if n.w.phase == phaseSafety {
		n.strike(cleanRestart)
	}
}

// mend ends all cuts. A connection that was to be held up for long breaks: nothing can tell it that the way is free.
func (w *World) mendWays() {
	for i := range w.cuts {
		clear(w.cuts[i])
	}
	w.lossyUntil = 0
	for _, ch := range w.openLinks() {
		if ch.from != nil {
			ch.reset(true)
		}
	}
}

// wipeInBudget empties a node's disk if what was promised outlives that: every other voter runs in the epoch of a leader that is not this node and has all that is
// committed on its disk, and all that this node has said to have, so that neither a vote that is forgotten nor a record that is lost can count. A node that is no voter promises nothing.
func (n *node) wipeInBudget() bool {
	w := n.w
	if n.p == nil || !n.p.booted {
		return false
	}
	if w.opt.Nodes[n.id].Voter && !w.spares(n) {
		return false
	}
	n.losePower()
	n.w.quorum.forget(n.self())
	if err := n.disk.Wipe(""); err != nil {
		w.fail(Crash, "wipe", err.Error())
		return false
	}
	n.down("without its disk")
	w.reach(markVoterWiped)
	return true
}

// spares reports whether the quorum can do without a voter's memory.
func (w *World) spares(n *node) bool {
	leaders, others := 0, 0
	epoch := n.quorum().Epoch
	for _, v := range w.voters() {
		if v == n {
			continue
		}
		others++
		if v.p == nil || !v.p.booted {
			return false
		}
		q := v.quorum()
		if q.Epoch < epoch || q.Epoch != w.quorum.epoch || !w.quorum.holds(v) || len(n.log.batches) > 0 && !v.platterHas(n.log.batches[len(n.log.batches)-1]) {
			return false
		}
		if leads(&q) {
			leaders++
		}
	}
	return leaders == 1 && others > 0 && others >= len(w.voters())/2+1
}

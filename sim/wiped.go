package sim

import (
	"slices"

	"odradek/core/stream"
	"odradek/sim/simnet"
)

// The disk of a node comes back empty while it is down. What was promised must outlive that: it happens when the others can do without what the node had, and the node waits for it.

const (
	diskWait = 20 * Second // how long a node waits for its new disk
	diskLook = 200 * Millisecond
)

// losesDisk ends a node whose disk is to be replaced.
func (n *node) losesDisk() bool {
	if n.p == nil || !n.p.booted {
		return false
	}
	n.diskBy = n.w.now + diskWait
	n.losePower()
	n.down("and waits for another disk")
	return true
}

// awaitsDisk reports whether the node starts later, for want of a disk. If the others cannot do without the old one for too long, or faults have stopped, it keeps that.
func (n *node) awaitsDisk() bool {
	w := n.w
	switch {
	case n.diskBy == 0:
		return false
	case w.phase != phaseSafety || w.now >= n.diskBy:
	case w.spares(n) && w.outOfSync(n) && w.sparesCopies(n):
		n.replaceDisk()
	default:
		w.after(diskLook, event{kind: evStart, who: n.id, life: n.life})
		return true
	}
	n.diskBy = 0
	return false
}

func (n *node) replaceDisk() {
	n.w.quorum.forget(n.self())
	n.replaced = true
	if err := n.disk.Wipe(""); err != nil {
		n.w.fail(Crash, "wipe", err.Error())
		return
	}
	n.losesRelaxed()
	n.w.note(n.name, "has an empty disk")
	n.replicas, n.watched, n.epochs = nil, map[stream.ID]*watched{}, map[stream.ID]reign{}
	n.w.reach(markVoterWiped)
	if n.w.opt.Profile.Name == Cluster {
		n.w.reach(markReplicaWiped)
	}
}

// outOfSync reports whether the others have all that a node's replicas have promised: its broker is fenced, and it is in no ISR and no ELR, and led nothing last.
func (w *World) outOfSync(n *node) bool {
	if w.opt.Profile.Name == Quorum {
		return true // what its partitions hold is no client's
	}
	if w.newest == nil || w.undecided() || n.stillHeard() {
		return false
	}
	if b, known := w.newest.Broker(n.self()); !known || !b.Fenced { // one that is not known may be about to be
		return false
	}
	for t := range w.newest.Topics() {
		for _, p := range t.Partitions {
			if slices.Contains(p.Isr, n.self()) || slices.Contains(p.Elr, n.self()) || slices.Contains(p.LastKnownElr, n.self()) {
				return false
			}
		}
	}
	return true
}

// undecided reports whether a voter has records of which nobody has heard yet that they are committed: one may unfence the broker whose disk is lost.
func (w *World) undecided() bool {
	return slices.ContainsFunc(w.voters(), func(v *node) bool {
		last := len(v.log.batches) - 1
		return last >= 0 && v.log.batches[last].next > w.newest.Offset()+1
	})
}

// stillHeard reports whether a node that is down has a connection to another one that may bring that a heartbeat yet, and unfence the broker whose disk is lost.
func (n *node) stillHeard() bool {
	return slices.ContainsFunc(n.w.links, func(ch *channel) bool {
		return ch.from == n && ch.taken && ch.node.p != nil && ch.life == ch.node.life && !ch.net.Gone(simnet.Server)
	})
}

// darken takes the power from all nodes at once.
func (w *World) darken() bool {
	for _, n := range w.nodes {
		if n.p == nil { // a machine that is starting relies on nothing but the platter
			n.losePower()
			n.cut = false
			continue
		}
		n.strike(powerLoss)
	}
	w.reach(markDark)
	return true
}

// spares reports whether the quorum can do without a node's memory, if it is a voter: every other one runs in the epoch of a leader that is not this node and has all that is
// committed on its disk, and all that this one has said to have, so that neither a vote that is forgotten nor a record that is lost can count.
func (w *World) spares(n *node) bool {
	if !w.opt.Nodes[n.id].Voter {
		return true
	}
	leaders, others := 0, 0
	epoch := n.log.epoch
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

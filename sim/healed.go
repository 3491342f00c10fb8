package sim

import (
	"fmt"
	"slices"

	"odradek/core/record"
)

// When faults stop, a majority of the voters is whole. In every second world the others stay cut off until that has got on: whoever waits for them waits for ever.

const (
	leaderBound = 10 * Second // until somebody leads, and requests are carried out
	agreedBound = 60 * Second // until every node has all that is committed, and nothing else
	steadyAfter = 5 * Second  // until a majority that hears its leader elects no other
	steadyFor   = 4 * Second  // how long that is watched
	healedLook  = 100 * Millisecond
)

// healWays ends the cuts between nodes, but for some.
func (w *World) healWays() {
	w.mendWays()
	voters := w.voters()
	rng := w.source(forHeal)
	if spare := (len(voters) - 1) / 2; spare > 0 && rng.IntN(2) == 0 && w.opt.Profile.Name == Quorum {
		w.frozen = true
		first, oneWay := rng.IntN(len(voters)), rng.IntN(4)
		if oneWay == 3 { // nobody leads just now
			w.partLater, w.partWhole, spare = true, rng.IntN(2) == 0, 0
		}
		for k := range spare {
			n := voters[(first+k)%len(voters)]
			w.note(n.name, fmt.Sprintf("stays cut off, %d", oneWay))
			for i := range w.nodes {
				if oneWay != 1 {
					w.cutBetween(int(n.id), i, 1<<60)
				}
				if oneWay != 2 {
					w.cutBetween(i, int(n.id), 1<<60)
				}
			}
		}
	}
	for _, a := range w.admins {
		a.done = 0
		a.poke()
	}
	w.after(healedLook, event{kind: evHealed})
}

// partFromLeader cuts a voter off from the leader alone, when there is one: all others hear that, and elect no other. Or it cuts the leader off from all: they elect another, and it
// comes to know that it leads nobody.
func (w *World) partFromLeader() {
	leader, voters := w.quorumLeader(), w.voters()
	if leader == nil || slices.ContainsFunc(voters, func(v *node) bool { return v.p == nil || !v.p.booted }) {
		return
	}
	n := voters[(slices.Index(voters, leader)+1)%len(voters)]
	w.partLater, w.healed = false, w.now
	if w.partWhole {
		w.note(leader.name, "leads, and is cut off")
		w.nextEpoch = w.quorum.epoch + 1
		w.isolate(leader, 1<<60)
		return
	}
	w.note(n.name, "stays cut off from the leader, "+leader.name)
	w.cutBetween(int(n.id), int(leader.id), 1<<60)
	w.cutBetween(int(leader.id), int(n.id), 1<<60)
	w.steadyFrom, w.steadyEpoch = w.now+steadyAfter, 0
	w.holdUp()
}

// quorumLeader is the node that leads in the latest epoch; nil if none is known.
func (w *World) quorumLeader() *node {
	for _, n := range w.voters() {
		if n.p == nil || !n.p.booted {
			continue
		}
		if q := n.quorum(); leads(&q) && q.Epoch == w.quorum.epoch {
			return n
		}
	}
	return nil
}

// checkSteady: while all but one hear the leader, nobody is elected (KIP-996).
func (w *World) checkSteady() (why string) {
	switch {
	case w.partLater:
		return "nobody leads: " + w.states()
	case w.quorum.epoch < w.nextEpoch:
		return "nobody else leads: " + w.states()
	case w.steadyFrom == 0:
	case w.now < w.steadyFrom:
		return "all but one voter hear the leader"
	case w.steadyEpoch == 0:
		w.steadyEpoch = w.quorum.epoch
		return "all but one voter hear the leader"
	case w.quorum.epoch > w.steadyEpoch:
		w.fail(Liveness, "L3", fmt.Sprintf("a majority hears its leader, and in %s the epoch rises from %d to %d: %s", w.now-w.steadyFrom, w.steadyEpoch, w.quorum.epoch, w.states()))
	case w.now < w.steadyFrom+steadyFor:
		return "all but one voter hear the leader"
	}
	return ""
}

// checkHealed: a leader is there within a bound and carries out what it is asked (L3); then all are healed, and all nodes come to agree.
func (w *World) checkHealed() {
	w.after(healedLook, event{kind: evHealed})
	if w.phase == phaseStop { // one that was starting stops when it can
		for _, n := range w.nodes {
			if n.p != nil && n.p.booted {
				n.strike(cleanRestart)
			}
		}
	}
	if w.phase != phaseDrain {
		return
	}
	if w.partLater {
		w.partFromLeader()
	}
	busy := w.unsettled()
	if w.opt.Profile.Name == Cluster {
		w.checkFull()
		w.check()
		return
	}
	switch {
	case busy != "" && w.now > w.healed+leaderBound && w.frozen, busy != "" && w.now > w.healed+agreedBound:
		w.fail(Liveness, "L3", fmt.Sprintf("%s after faults have stopped: %s", w.now-w.healed, busy))
	case busy != "":
	case w.frozen:
		w.frozen, w.healed, w.steadyFrom = false, w.now, 0
		w.mendWays()
		w.note("world", "all is healed")
	default:
		if why := w.disagree(); why == "" {
			w.judgeQuorum()
			w.enter(phaseStop)
		} else if w.now > w.healed+agreedBound {
			w.fail(Liveness, "L3", fmt.Sprintf("%s after faults have stopped: %s", w.now-w.healed, why))
		}
	}
}

// unsettled says why the quorum is not known to work; "": it is.
func (w *World) unsettled() string {
	for _, a := range w.admins {
		if !a.finished() {
			return a.name + " waits: " + w.states()
		}
	}
	if !w.frozen {
		return ""
	}
	for _, n := range w.voters() {
		if n.p == nil || !n.p.booted {
			continue
		}
		if q := n.quorum(); leads(&q) && q.Epoch < w.quorum.epoch {
			return n.name + " leads on, and no majority hears it: " + w.states()
		}
	}
	return w.checkSteady()
}

// states is what each node says of the quorum.
func (w *World) states() (text string) {
	for _, n := range w.nodes {
		if n.p == nil || !n.p.booted {
			text += n.name + " is down; "
			continue
		}
		q := n.quorum()
		text += fmt.Sprintf("%s: leader %d epoch %d committed %d end %d; ", n.name, q.Leader, q.Epoch, q.HighWatermark, q.LogEnd)
	}
	return text
}

// disagree says how nodes differ; "": all have the same log, and all of it is committed.
func (w *World) disagree() string {
	leaders := 0
	end := record.NoOffset
	for _, n := range w.nodes {
		if n.p == nil || !n.p.booted {
			return w.states()
		}
		q := n.quorum()
		if leads(&q) {
			leaders++
		}
		if end < 0 {
			end = q.LogEnd
		}
		if q.LogEnd != end || q.HighWatermark != end || n.p.view.Image == nil || n.p.view.Image.Offset() != end-1 {
			return w.states()
		}
	}
	if leaders != 1 {
		return fmt.Sprintf("%d leaders: %s", leaders, w.states())
	}
	return ""
}

// judgeQuorum compares what all nodes agree on with what clients were told.
func (w *World) judgeQuorum() {
	for _, a := range w.admins {
		a.judge(w.nodes[0].p.view.Image)
	}
}

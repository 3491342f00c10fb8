package sim

import (
	"fmt"
	"slices"

	"odradek/core"
	"odradek/core/image"
	"odradek/core/record"
	"odradek/core/stream"
)

// fullBound is how long after faults have stopped every ISR may lack a replica.
const fullBound = 30 * Second

// leads returns the node that leads a partition, and its state there: of several that believe so, the one in the latest epoch. A world of one node has but one.
func (w *World) leads(topic string, partition int32) (leader *node, state core.PartitionState, ok bool) {
	latest := record.NoEpoch
	for _, n := range w.nodes {
		if !n.serving() || n.p.view.Image == nil {
			continue
		}
		t, known := n.p.view.Image.Topic(topic)
		if !known || int(partition) >= len(t.Partitions) {
			continue
		}
		s, here := n.p.core.Look(stream.ID{Topic: t.ID, Partition: partition})
		epoch := t.Partitions[partition].LeaderEpoch
		if here && (w.alone() || s.Leading && epoch > latest) {
			leader, state, ok, latest = n, s, true, epoch
		}
	}
	return leader, state, ok
}

// epochOf is the latest leader epoch of a partition that anybody has published.
func (w *World) epochOf(topic string, partition int32) record.Epoch {
	if w.newest != nil {
		if t, ok := w.newest.Topic(topic); ok && int(partition) < len(t.Partitions) {
			return t.Partitions[partition].LeaderEpoch
		}
	}
	return record.NoEpoch
}

// keeps reports whether all that is acknowledged of a topic stays, so that its clients' histories can be judged: of one node that is said with each record; a cluster
// may lose what only a leader had, or no disk.
func (w *World) keeps(topic string) bool {
	if w.alone() {
		return true
	}
	return w.durable(topic) && !slices.ContainsFunc(w.opt.Clients, func(c ClientOptions) bool { return w.opt.Topics[c.Topic].Name == topic && c.Acks >= 0 })
}

// checkFull: every ISR is whole again within a bound (L2).
func (w *World) checkFull() {
	if w.newest == nil {
		return
	}
	lacking := w.unmended()
	for t := range w.newest.Topics() {
		for i, p := range t.Partitions {
			if part := w.ledger.named(t.Name, int32(i)); part != nil && part.onlyHurt() {
				continue
			}
			if len(p.Isr) < len(p.Replicas) || p.Leader == record.NoNode || slices.Contains(p.Directories, image.DirLost) {
				lacking += fmt.Sprintf("%s-%d is led by %d, its replicas are %v, its ISR %v, its ELR %v and %v, its directories %v; ", t.Name, i, p.Leader, p.Replicas, p.Isr, p.Elr, p.LastKnownElr, p.Directories)
			}
		}
	}
	if lacking != "" && w.now > w.healed+fullBound {
		w.fail(Liveness, "L2", fmt.Sprintf("%s after faults have stopped: %s%s", w.now-w.healed, lacking, w.states()))
	}
}

package sim

import (
	"fmt"
	"math/bits"
	"slices"

	"odradek/core"
	"odradek/core/record"
)

// A relaxed topic of several replicas may lose what a power loss takes of all who had it. The promise is a budget: while fewer replicas than min.insync.replicas may have lost a committed
// batch, nobody leads without it. Who did not stop in order may have, as far as a controller can tell. That takes eligible leader replicas (KIP-966): else the last member of an ISR leads
// whatever it has lost.

// looseBatch is a committed batch of a relaxed topic.
type looseBatch struct {
	metaBatch
	in   record.Epoch // whose leader made it so
	lost uint64       // nodes that had it and did not stop in order since, a bit each
}

// checkRelaxed follows what leaders say to be committed, and judges who begins to lead.
func (n *node) checkRelaxed(r *replicaLog, s *core.PartitionState, p *partWatch) {
	w := n.w
	epoch, isr := w.leaderEpoch(n, r.id)
	began := s.Leading && !r.leads
	r.leads, r.hw = s.Leading, s.HighWatermark
	if began && !n.leadsHurt(r.id) {
		n.leadsRelaxed(r, s, p, epoch)
	}
	if !s.Leading {
		return
	}
	for r.checked < len(r.batches) && r.batches[r.checked].next <= r.hw {
		b := r.batches[r.checked]
		r.checked++
		if b.base < p.looseEnd() {
			continue
		}
		l := looseBatch{metaBatch: b, in: epoch}
		for _, m := range w.nodes {
			if slices.Contains(isr, m.self()) && !slices.Contains(m.replica(r.id).batches, b) {
				l.lost |= 1 << m.id // it had said to have it
			}
		}
		p.loose = append(p.loose, l)
	}
}

func (p *partWatch) looseEnd() record.Offset {
	if k := len(p.loose); k > 0 {
		return p.loose[k-1].next
	}
	return 0
}

// leadsRelaxed: who begins to lead has what was committed before and not lost by as many as may not (R1). What was, is forgotten.
func (n *node) leadsRelaxed(r *replicaLog, s *core.PartitionState, p *partWatch, epoch record.Epoch) {
	budget := min(max(p.topic.MinInsync, 1), max(p.topic.Replicas, 1)) - 1
	left := p.loose[:0]
	for _, l := range p.loose {
		if slices.Contains(r.batches, l.metaBatch) || l.next <= s.LogStart {
			left = append(left, l)
			continue
		}
		if losers := bits.OnesCount64(l.lost); losers <= budget && l.in < epoch && n.w.opt.Eligible {
			n.w.fail(Correctness, "R1", fmt.Sprintf("%s: %s leads in epoch %d without the batch at %d of epoch %d, which is committed and which %d replicas may have lost; min.insync.replicas is %d",
				p.name, n.name, epoch, l.base, l.epoch, losers, p.topic.MinInsync))
			return
		}
		n.w.reach(markRelaxedOverrun)
	}
	p.loose = left
}

// endsUnclean notes of what a process that did not stop in order had: the next one may not have it.
func (n *node) endsUnclean() {
	if n.w.alone() || n.w.cfg.BlackBox {
		return
	}
	for _, r := range n.replicas {
		p := n.w.part(r.id)
		if p == nil {
			continue
		}
		for i := range p.loose {
			if l := &p.loose[i]; slices.Contains(r.batches, l.metaBatch) {
				l.lost |= 1 << n.id
			}
		}
	}
}

// losesRelaxed takes from a node's replicas of relaxed topics what a power loss has taken.
func (n *node) losesRelaxed() {
	if n.w.alone() || n.w.cfg.BlackBox {
		return
	}
	n.endsUnclean()
	for _, r := range n.replicas {
		p := n.w.part(r.id)
		if p == nil || p.topic.Durable() {
			continue
		}
		kept, had := n.onPlatter(p), len(r.batches)
		r.batches = slices.DeleteFunc(r.batches, func(b metaBatch) bool { return !slices.Contains(kept, b) })
		if r.checked = min(r.checked, len(r.batches)); len(r.batches) < had && len(p.loose) > 0 {
			n.w.reach(markRelaxedGone)
		}
	}
}

// onPlatter are the batches of a partition that recovery will find after a power loss.
func (n *node) onPlatter(p *partWatch) (list []metaBatch) {
	folder := n.folderOnPlatter(p.name)
	names, _ := n.disk.DurableNames(folder)
	for _, file := range logFiles(folder, names) {
		data, _ := n.disk.DurableData(file)
		for it := record.Batches(data); it.Next(); {
			b := batchOf(&it.Batch)
			if k := len(list); it.Batch.CheckCRC() != nil || k > 0 && list[k-1].next != b.base {
				return list
			}
			list = append(list, b)
		}
	}
	return list
}

package sim

import (
	"bytes"
	"fmt"
	"slices"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
)

// The fault atlas of several nodes: of every batch that a disk damages another replica that may come to lead has a good copy, and of a partition one replica is damaged at a time, until
// that damage is gone. So whatever is lost is a bug: what a start finds damaged is copied anew from others. What no start has found yet is refused to readers, as on one copy.

// harm is damage that lies on a platter.
type harm struct {
	path string
	at   int64
	bad  []byte
	hit  []metaBatch
	told bool // a start has found it
}

// hurtHere reports whether damage lies in a partition on a node.
func (p *partLedger) hurtHere(n *node) bool {
	return len(p.hurts) > 0 && (n.w.alone() || p.hurtBy == n)
}

// streamOf finds a partition of a client's topic in the newest metadata.
func (w *World) streamOf(topic int, partition int32) (stream.ID, bool) {
	if w.newest == nil {
		return stream.ID{}, false
	}
	t, ok := w.newest.Topic(w.opt.Topics[topic].Name)
	if !ok || int(partition) >= len(t.Partitions) {
		return stream.ID{}, false
	}
	return stream.ID{Topic: t.ID, Partition: partition}, true
}

// mayHurt reports whether others can do without batches of a node's replica: somebody who may come to lead has each of them on its platter, and nothing else of the partition is damaged. They
// are committed, and so is a good one behind them: where a log's end is damaged nobody can tell what it held, and if all others have left the ISR meanwhile nobody can come back.
func (n *node) mayHurt(topic int, partition int32, batches []metaBatch) bool {
	w := n.w
	if w.alone() {
		return true
	}
	if len(batches) == 0 {
		return false // the blow leaves every byte as it was
	}
	w.mended(topic, partition)
	id, ok := w.streamOf(topic, partition)
	part := w.ledger.part(topic, partition)
	if !ok || w.part(id) == nil || len(part.harms) > 0 && part.hurtBy != n {
		return false
	}
	p, all := w.part(id), n.batchesOf(n.logs(w.opt.Topics[topic].Name, partition))
	last := batches[len(batches)-1]
	if !slices.ContainsFunc(all, func(s stored) bool { return s.batch.BaseOffset >= last.next && p.hasCommitted(batchOf(&s.batch)) }) {
		return false
	}
	for _, b := range batches {
		if !p.hasCommitted(b) {
			return false
		}
		spare := func(m *node) bool { return m != n && w.mayLead(id, m.self()) && m.platterHolds(p, b) }
		if !slices.ContainsFunc(w.nodes, spare) {
			return false
		}
	}
	return true
}

// hasCommitted reports whether a leader has said that a batch is committed.
func (p *partWatch) hasCommitted(b metaBatch) bool {
	return p.has(b) || slices.ContainsFunc(p.loose, func(l looseBatch) bool { return l.metaBatch == b })
}

// harmed enters damage.
func (n *node) harmed(topic int, partition int32, h harm) {
	part := n.w.ledger.part(topic, partition)
	if !n.w.alone() {
		part.harms, part.hurtBy = append(part.harms, h), n
	}
}

// mended forgets damage that is not on the platter any more: its file is gone, or was written anew.
func (w *World) mended(topic int, partition int32) {
	part := w.ledger.part(topic, partition)
	if len(part.harms) == 0 {
		return
	}
	part.harms = slices.DeleteFunc(part.harms, func(h harm) bool {
		data, _ := part.hurtBy.disk.DurableData(h.path)
		return int64(len(data)) < h.at+int64(len(h.bad)) || !bytes.Equal(data[h.at:h.at+int64(len(h.bad))], h.bad)
	})
	if len(part.harms) > 0 {
		return
	}
	w.note(part.hurtBy.name, fmt.Sprintf("no damage is left in %s-%d", w.opt.Topics[topic].Name, partition))
	w.reach(markReplicaMended)
	part.hurts, part.posed, part.wasHurt, part.hurtBy = nil, nil, true, nil
}

// mendedAll looks at all partitions.
func (w *World) mendedAll() {
	for i := range w.ledger.topics {
		for p := range w.ledger.topics[i] {
			w.mended(i, int32(p))
		}
	}
}

// foundLost notes what a start has told of damage: it is to be copied anew. What one start has found the next one need not, if no recovery point was stored between them: the index of
// the segment is good by then.
func (p *partLedger) foundLost(lost []core.OffsetRange) {
	for i := range p.harms {
		h := &p.harms[i]
		h.told = slices.ContainsFunc(h.hit, func(b metaBatch) bool {
			return slices.ContainsFunc(lost, func(x core.OffsetRange) bool { return b.base < x.To && x.From < b.next })
		})
	}
}

// unmended says which damage was found and is there still, and which broker has not looked since the power failed last.
func (w *World) unmended() (text string) {
	w.mendedAll()
	for i, n := range w.nodes {
		if w.opt.Nodes[i].Broker && !n.serving() {
			text += n.name + " does not serve; "
		}
	}
	for i := range w.ledger.topics {
		for p := range w.ledger.topics[i] {
			part := &w.ledger.topics[i][p]
			if part.onlyHurt() {
				continue
			}
			if slices.ContainsFunc(part.harms, func(h harm) bool { return h.told }) {
				text += fmt.Sprintf("%s-%d is damaged on %s; ", w.opt.Topics[i].Name, p, part.hurtBy.name)
			}
			if _, s, ok := w.leads(w.opt.Topics[i].Name, int32(p)); ok && s.HighWatermark < s.LogEnd {
				text += fmt.Sprintf("%s-%d ends at %d, and no more than %d is committed; ", w.opt.Topics[i].Name, p, s.LogEnd, s.HighWatermark) // with acks=1 it is acknowledged before
			}
		}
	}
	return text
}

// sparesCopies reports whether no partition is damaged of which a node may have the good copy.
func (w *World) sparesCopies(n *node) bool {
	w.mendedAll()
	for i := range w.ledger.topics {
		if slices.ContainsFunc(w.ledger.topics[i], func(p partLedger) bool { return len(p.harms) > 0 && p.hurtBy != n }) {
			return false
		}
	}
	return true
}

// onlyCopy reports whether nobody but a node was eligible to lead a partition, as it sees it: then it serves what is whole, as on one copy.
func (n *node) onlyCopy(id stream.ID) bool {
	img := n.p.view.Image
	if n.p.fx.Publish != nil {
		img = n.p.fx.Publish
	}
	t, ok := img.TopicByID(id.Topic)
	if !ok {
		return false
	}
	p := t.Partitions[id.Partition]
	other := func(r record.NodeID) bool { return r != n.self() }
	return !slices.ContainsFunc(p.Isr, other) && !slices.ContainsFunc(p.Elr, other)
}

// leadsHurt reports whether a node that begins to lead is damaged, and there is nobody else.
func (n *node) leadsHurt(id stream.ID) bool {
	p := n.ledgerOf(id)
	if p == nil || !p.hurtHere(n) || !n.onlyCopy(id) {
		return false
	}
	p.ledHurt = true
	n.w.reach(markHurtLeads)
	return true
}

// ledHurt reports whether a damaged replica has led a partition, there being nobody else: what it had lost, and what it knew of its producers, is gone, and nobody promises more.
func (l *ledger) ledHurt(topic string, partition int32) bool {
	p := l.named(topic, partition)
	return p != nil && p.ledHurt
}

// onlyHurt reports whether the one copy of a partition is damaged: what is damaged is refused for good, followers, who need it, do not come to be in sync, and where two must be
// nothing more is taken before somebody lowers min.insync.replicas and deletes the records. So nobody promises that it gets on.
func (p *partLedger) onlyHurt() bool { return p.ledHurt && p.hurtBy != nil }

// onlyHurtCopies reports whether there is such a partition, for which clients wait.
func (w *World) onlyHurtCopies() bool {
	return slices.ContainsFunc(w.ledger.topics, func(parts []partLedger) bool {
		return slices.ContainsFunc(parts, func(p partLedger) bool { return p.onlyHurt() })
	})
}

// unfound are the batches of a node's replica that are damaged, and no start has found that.
func (p *partLedger) unfound() (list []metaBatch) {
	for _, h := range p.harms {
		if !h.told {
			list = append(list, h.hit...)
		}
	}
	return list
}

// goodBatches finds the batches of a damaged log file.
func goodBatches(data []byte) (list []metaBatch) {
	for i := 0; len(data)-i >= record.HeaderSize; {
		it := record.Batches(data[i:])
		if data[i+16] == 2 && it.Next() && it.Batch.CheckCRC() == nil {
			list = append(list, batchOf(&it.Batch))
			i += int(it.Batch.Size)
			continue
		}
		i++
	}
	return list
}

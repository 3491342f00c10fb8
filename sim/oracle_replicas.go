package sim

import (
	"cmp"
	"fmt"
	"slices"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/image"
	"odradek/core/record"
	"odradek/core/stream"
)

// Of a replicated partition the world knows what each replica has in its log and on its platter, what each says to be committed, and who is in the ISR by the newest
// committed metadata. The oracles compare that after every Step.

// replicaLog is a replica on one node.
type replicaLog struct {
	id      stream.ID
	batches []metaBatch // rising
	start   record.Offset
	hw      record.Offset
	checked int // of batches: those below hw
	leads   bool
}

// partWatch is what is known of a partition over all nodes and processes.
type partWatch struct {
	name      string
	topic     *TopicOptions
	committed []metaBatch    // by a leader's word
	in        []record.Epoch // by place: the epoch whose leader made it so
	bytes     map[partPlace]metaBatch
	loose     []looseBatch // committed, of a relaxed topic
}

// partPlace is where a batch begins, and of which epoch it is: no two differ that agree in both (R3).
type partPlace struct {
	base  record.Offset
	epoch record.Epoch
}

// replica returns what is known of a replica; nil of what no client asked for.
func (n *node) replica(id stream.ID) *replicaLog {
	for _, r := range n.replicas {
		if r.id == id {
			return r
		}
	}
	r := &replicaLog{id: id}
	n.replicas = append(n.replicas, r)
	return r
}

// part returns what is known of a partition; nil if no client asked for it, or nobody has heard of it.
func (w *World) part(id stream.ID) *partWatch {
	if p := w.parts[id]; p != nil {
		return p
	}
	if w.newest == nil {
		return nil
	}
	t, ok := w.newest.TopicByID(id.Topic)
	if !ok {
		return nil
	}
	for i := range w.opt.Topics {
		if o := &w.opt.Topics[i]; o.Name == t.Name {
			if w.parts == nil {
				w.parts = map[stream.ID]*partWatch{}
			}
			p := &partWatch{name: fmt.Sprintf("%s-%d", t.Name, id.Partition), topic: o, bytes: map[partPlace]metaBatch{}}
			w.parts[id] = p
			return p
		}
	}
	return nil
}

// rereadReplica takes up what recovery has left of a replica.
func (n *node) rereadReplica(id stream.ID, o *core.Opened) {
	if n.w.alone() {
		return
	}
	r := n.replica(id)
	r.start = o.LogStart
	hurt := n.hurtIn(o.Topic, id.Partition)
	for _, s := range o.Segments {
		data, err := n.disk.Data(fmt.Sprintf("%s%020d.log", n.folderOf(id, o), s.Base))
		if err != nil {
			continue
		}
		data = data[:min(int64(s.Size), int64(len(data)))]
		if hurt {
			r.batches = append(r.batches, goodBatches(data)...)
			continue
		}
		for it := record.Batches(data); it.Next(); {
			r.batches = append(r.batches, batchOf(&it.Batch))
		}
	}
	if hurt { // what nobody has found is there, as far as the node can know
		r.batches = append(r.batches, n.w.ledger.named(o.Topic, id.Partition).unfound()...)
		slices.SortFunc(r.batches, func(a, b metaBatch) int { return cmp.Compare(a.base, b.base) })
		r.batches = slices.Compact(r.batches)
	}
}

// observeReplicas looks at a Step of a node.
func (n *node) observeReplicas() {
	if n.w.alone() || n.w.cfg.BlackBox || !n.p.booted {
		return
	}
	if n.p.fx.Publish != nil { // what it changes acts within the Step
		n.w.publishes(n.p.fx.Publish)
	}
	for i := range n.p.fx.Disk {
		if op := &n.p.fx.Disk[i]; op.Stream != stream.Metadata {
			n.replicaChanged(op)
		}
	}
	for _, r := range n.replicas {
		if s, here := n.p.core.Look(r.id); here && !s.Failed {
			n.checkReplica(r, &s)
		}
	}
}

// replicaChanged follows a replica's log: equal epoch and offset are equal bytes (R3), and what is committed is cut by nobody who may come to lead (R7).
func (n *node) replicaChanged(op *core.DiskOp) {
	r, p := n.replica(op.Stream), n.w.part(op.Stream)
	switch op.Kind {
	case core.DiskAppend:
		b := batchOf(&op.Batch)
		r.batches = append(r.batches, b)
		if p == nil {
			return
		}
		at := partPlace{b.base, b.epoch}
		if other, known := p.bytes[at]; known && other != b && p.topic.Durable() {
			n.w.fail(Correctness, "R3", fmt.Sprintf("%s: %s has %+v, and another replica %+v", p.name, n.name, b, other))
		}
		p.bytes[at] = b
	case core.DiskTruncate:
		for k := len(r.batches); k > 0 && (op.All || r.batches[k-1].next > op.To); k-- {
			if b := r.batches[k-1]; p != nil && p.topic.Durable() && p.has(b) && !(op.All && b.next <= op.Base) && n.w.mayLead(r.id, n.self()) { // below its leader's log start all may go
				n.w.fail(Correctness, "R7", fmt.Sprintf("%s: %s may come to lead, cuts its log to %d, and its batch at %d of epoch %d is committed", p.name, n.name, op.To, b.base, b.epoch))
			}
			r.batches = r.batches[:k-1]
		}
		r.checked = min(r.checked, len(r.batches))
		n.w.reach(markReplicaCut)
	case core.DiskDelete:
		if op.All {
			n.replicas = slices.DeleteFunc(n.replicas, func(o *replicaLog) bool { return o == r })
		}
	}
}

func (p *partWatch) has(b metaBatch) bool {
	i, ok := slices.BinarySearchFunc(p.committed, b.base, func(c metaBatch, base record.Offset) int { return int(c.base - base) })
	return ok && p.committed[i] == b
}

func (p *partWatch) end() record.Offset {
	if k := len(p.committed); k > 0 {
		return p.committed[k-1].next
	}
	return 0
}

// checkReplica: who begins to lead has all that was committed before (R1); what anybody says to be committed is the same everywhere (R3), and it is on the platter of
// every member of the ISR when a leader says so first (R5, R9).
func (n *node) checkReplica(r *replicaLog, s *core.PartitionState) {
	w, p := n.w, n.w.part(r.id)
	switch {
	case p == nil:
		return
	case !p.topic.Durable():
		n.checkRelaxed(r, s, p)
		return
	}
	epoch, isr := w.leaderEpoch(n, r.id)
	began := s.Leading && !r.leads
	r.leads, r.hw = s.Leading, s.HighWatermark
	if began && !n.leadsHurt(r.id) {
		for i, b := range p.committed {
			if p.in[i] < epoch && b.next > s.LogStart && !slices.Contains(r.batches, b) {
				w.fail(Correctness, "R1", fmt.Sprintf("%s: %s leads in epoch %d without the batch at %d of epoch %d, which is committed", p.name, n.name, epoch, b.base, b.epoch))
				return
			}
		}
	}
	for r.checked < len(r.batches) && r.batches[r.checked].next <= r.hw {
		b := r.batches[r.checked]
		r.checked++
		switch {
		case p.has(b):
		case b.base < p.end():
			w.fail(Correctness, "R3", fmt.Sprintf("%s: %s says that %+v is committed, and others have something else there", p.name, n.name, b))
		case !s.Leading:
			w.fail(Correctness, "R4", fmt.Sprintf("%s: %s follows and says that offset %d is committed, which no leader has said", p.name, n.name, b.base))
		default:
			p.committed, p.in = append(p.committed, b), append(p.in, epoch)
			w.checkMembers(r.id, p, b, isr)
		}
	}
}

// leaderEpoch is that of a partition as a node sees it, and who is in the ISR.
func (w *World) leaderEpoch(n *node, id stream.ID) (record.Epoch, []record.NodeID) {
	img := n.p.view.Image
	if n.p.fx.Publish != nil {
		img = n.p.fx.Publish
	}
	if img == nil {
		return record.NoEpoch, nil
	}
	if t, ok := img.TopicByID(id.Topic); ok && int(id.Partition) < len(t.Partitions) {
		return t.Partitions[id.Partition].LeaderEpoch, t.Partitions[id.Partition].Isr
	}
	return record.NoEpoch, nil
}

// checkMembers: what has just been committed is on the platter of all who are in the ISR, by the leader's word and by the newest metadata, and of min.insync.replicas at least.
func (w *World) checkMembers(id stream.ID, p *partWatch, b metaBatch, isr []record.NodeID) {
	have := 0
	for _, n := range w.nodes {
		has := n.mustHold(id, p, b)
		if has {
			have++
		}
		if slices.Contains(isr, n.self()) && !has && !(n.replaced && !w.mayLead(id, n.self())) { // a leader that has not heard yet who has left counts what that one had said before its disk was lost
			w.fail(Correctness, "R5", fmt.Sprintf("%s: offset %d is committed, and %s, of the ISR %v, has it not on disk", p.name, b.base, n.name, isr))
		}
		if !has && w.mayLead(id, n.self()) {
			w.fail(Correctness, "R2", fmt.Sprintf("%s: offset %d is committed, and %s, which may come to lead, has it not on disk", p.name, b.base, n.name))
		}
	}
	if least := min(max(p.topic.MinInsync, 1), max(p.topic.Replicas, 1)); have < least {
		w.fail(Correctness, "R9", fmt.Sprintf("%s: offset %d is committed, and %d replicas have it on disk; min.insync.replicas is %d", p.name, b.base, have, least))
	}
}

// platterHolds reports whether a batch of a partition would be there after a power loss.
func (n *node) platterHolds(p *partWatch, b metaBatch) bool {
	has, _ := n.durably(n.folderOnPlatter(p.name), b)
	return has
}

// hasDeleted reports whether a replica's log begins behind a batch on the platter.
func (n *node) hasDeleted(p *partWatch, b metaBatch) bool {
	_, below := n.durably(n.folderOnPlatter(p.name), b)
	return below && n.w.opt.Deletes
}

// mustHold is platterHolds, but for replicas that are damaged: their headers may tell nothing.
func (n *node) mustHold(id stream.ID, p *partWatch, b metaBatch) bool {
	part := n.w.ledger.named(p.topic.Name, id.Partition)
	return part != nil && part.hurtHere(n) || n.platterHolds(p, b) || n.hasDeleted(p, b)
}

// mayLead reports whether a node may come to lead a partition by the newest metadata: it is in its ISR or an eligible leader.
func (w *World) mayLead(id stream.ID, who record.NodeID) bool {
	if w.newest == nil {
		return false
	}
	t, ok := w.newest.TopicByID(id.Topic)
	if !ok || int(id.Partition) >= len(t.Partitions) {
		return false
	}
	p := t.Partitions[id.Partition]
	return slices.Contains(p.Isr, who) || slices.Contains(p.Elr, who)
}

// publishes takes note of committed metadata. Whoever comes to be in an ISR has all that is committed (R2).
func (w *World) publishes(img *image.Image) {
	if w.newest != nil && w.newest.Offset() >= img.Offset() {
		return
	}
	was := w.newest
	w.newest = img
	if w.cfg.BlackBox || was == nil {
		return
	}
	for t := range img.Topics() {
		for i, now := range t.Partitions {
			id := stream.ID{Topic: t.ID, Partition: int32(i)}
			p := w.parts[id]
			if p == nil || !p.topic.Durable() || len(p.committed) == 0 {
				continue
			}
			for _, n := range w.nodes {
				joins := slices.Contains(now.Isr, n.self())
				if old, ok := was.TopicByID(t.ID); ok && i < len(old.Partitions) && slices.Contains(old.Partitions[i].Isr, n.self()) {
					joins = false
				}
				if last := p.committed[len(p.committed)-1]; joins && !n.mustHold(id, p, last) {
					w.fail(Correctness, "R2", fmt.Sprintf("%s: %s joins the ISR %v without the batch at %d of epoch %d, which is committed", p.name, n.name, now.Isr, last.base, last.epoch))
				} else if joins {
					w.reach(markISRJoined)
				}
			}
		}
	}
}

// checkAcked: a batch that is acknowledged to a producer with acks=all is committed.
func (n *node) checkAcked(r *api.ProduceResult, sent *record.Batch, acks int16) {
	if n.w.alone() || acks >= 0 || n.w.cfg.BlackBox || n.p.view.Image == nil {
		return
	}
	t, ok := n.p.view.Image.Topic(r.Topic)
	if !ok {
		return
	}
	p := n.w.part(stream.ID{Topic: t.ID, Partition: r.Partition})
	if p == nil || !p.topic.Durable() {
		return
	}
	if end := r.BaseOffset + record.Offset(sent.Count); end > p.end() {
		n.w.fail(Correctness, "R9", fmt.Sprintf("%s: %s acknowledges offset %d, and offsets below %d are committed", p.name, n.name, end-1, p.end()))
	}
}

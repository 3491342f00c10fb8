package sim

import (
	"fmt"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
)

// beginStop has the process stop in order: the core is told, and says when it is done. Until then everything may happen that happens to a process.
func (n *node) beginStop() bool {
	if n.p.stopping {
		return false
	}
	n.p.stopping = true
	n.tell(lane{kind: core.EvStop}, core.Event{Kind: core.EvStop})
	return true
}

// finishStop ends the process as the production host does: what is queued is carried out. After a clean stop that is no more than the removal of streams
// that are gone, and nothing is left to sync; a node that was not ready has synced nothing, and the host does. The power may still fail in here.
func (n *node) finishStop(clean bool) {
	p, w := n.p, n.w
	for n.endRound(); len(p.queue) > 0; n.endRound() {
		ops := p.queue
		done, _ := p.dir.Write(ops, nil)
		p.queue = ops[done:]
		if n.cut || p.dir.Err() != nil {
			break
		}
	}
	if !n.cut && p.dir.Err() == nil {
		p.dir.WantAll()
		if p.round = p.dir.BeginSync(); p.round != nil {
			if clean {
				w.fail(Crash, "stop", fmt.Sprintf("%d streams are not synced after a clean stop", p.round.Streams()))
			}
			p.round.Run()
			p.dir.EndSync(p.round, nil)
		}
	}
	switch {
	case n.cut:
		return // the present event notices
	case p.dir.Err() != nil:
		n.disk.Crash()
		n.down("stopped while its disk failed")
		return
	case clean:
		n.checkStopped()
	}
	if err := p.dir.CloseFiles(); err != nil && !n.cut {
		w.fail(Crash, "stop", err.Error())
	}
	if n.cut {
		return
	}
	w.ledger.stopped()
	n.disk.Crash()
	n.down("stopped")
	if w.phase == phaseStop {
		w.enter(phaseDone)
	}
}

// endRound ends the round in flight at once.
func (n *node) endRound() {
	p := n.p
	if p.round == nil {
		return
	}
	for _, i := range p.steps {
		p.round.Step(i)
	}
	p.dir.EndSync(p.round, nil)
	p.round, p.steps = nil, nil
}

// checkStopped: after a clean stop the directory is marked, and every recovery point is its log's end, so that the next start reads nothing.
func (n *node) checkStopped() {
	if _, ok := n.disk.DurableData(core.CleanMark); !ok {
		n.w.fail(Correctness, "stop", "the directory is not marked")
	}
	points := n.entries(core.RecoveryPointCheckpoint)
	for _, id := range n.p.dir.Streams() {
		t, ok := n.p.view.Image.TopicByID(id.Topic)
		if !ok {
			continue // the metadata log, or on its way out
		}
		view, _ := n.p.dir.View(id)
		if point := points[fmt.Sprintf("%s %d", t.Name, id.Partition)]; point != view.Next() {
			n.w.fail(Correctness, "stop", fmt.Sprintf("%s-%d: the recovery point is %d, the log ends at %d", t.Name, id.Partition, point, view.Next()))
		}
	}
}

// checkEntries: no file of checkpoints says more of a stream than recovery found, be it that what was durable is not there or that the entry was another
// topic's, of the same name.
func (n *node) checkEntries(opened []core.Event) {
	for _, name := range checkpointFiles {
		entries := n.entries(name)
		for i := range opened {
			o, id := opened[i].Opened, opened[i].Stream
			if at := entries[fmt.Sprintf("%s %d", o.Topic, id.Partition)]; at > o.LogEnd {
				n.w.fail(Correctness, "checkpoint", fmt.Sprintf("%s says %d of %s-%d, which ends at %d", name, at, o.Topic, id.Partition, o.LogEnd))
			}
		}
	}
}

// checkNew: a partition is made only when no file of checkpoints has an entry of its name: it would be taken for the new one's.
func (n *node) checkNew(op *core.DiskOp) {
	for _, name := range checkpointFiles {
		if at, ok := n.entries(name)[fmt.Sprintf("%s %d", op.Topic, op.Stream.Partition)]; ok {
			n.w.fail(Correctness, "checkpoint", fmt.Sprintf("%s-%d is made while %s says %d of an earlier one", op.Topic, op.Stream.Partition, name, at))
		}
	}
}

var checkpointFiles = []string{core.LogStartCheckpoint, core.RecoveryPointCheckpoint, core.HighWatermarkCheckpoint}

// checkPoints is asked when a file of recovery points or high watermarks is about to be written: the platter must have everything below them, whatever the
// core believes.
func (n *node) checkPoints(s *core.Store) {
	if n.w.cfg.BlackBox || s.Slot.Name != core.RecoveryPointCheckpoint && s.Slot.Name != core.HighWatermarkCheckpoint {
		return
	}
	entries, err := core.ParseCheckpoint(s.Bytes)
	if err != nil {
		n.w.fail(Correctness, "checkpoint", err.Error())
		return
	}
	starts := n.entries(core.LogStartCheckpoint) // below a log start nothing need be there
	for _, e := range entries {
		id, ok := n.streamOf(e.Topic, e.Partition)
		if !ok {
			continue
		}
		folder := fmt.Sprintf("%s-%d", e.Topic, e.Partition)
		if end := max(n.durableEnd(folder, id), starts[fmt.Sprintf("%s %d", e.Topic, e.Partition)]); e.Offset > end {
			n.w.fail(Correctness, "checkpoint", fmt.Sprintf("%s says %d of %s, of which the platter has %d", s.Slot.Name, e.Offset, folder, end))
		}
	}
}

// streamOf finds the stream that a partition's folder holds; false while the topic is gone, or another's folder still has its place.
func (n *node) streamOf(topic string, partition int32) (stream.ID, bool) {
	t, ok := n.p.view.Image.Topic(topic)
	if !ok {
		return stream.ID{}, false
	}
	id := stream.ID{Topic: t.ID, Partition: partition}
	_, ok = n.p.dir.View(id)
	return id, ok
}

// durableEnd is the offset behind the last batch that the platter has of a folder; an empty log ends where its last segment begins, or anywhere if it has
// none.
func (n *node) durableEnd(folder string, id stream.ID) record.Offset {
	names, _ := n.disk.DurableNames(folder)
	var last string
	for _, name := range names {
		if len(name) == len("00000000000000000000.log") && name[20:] == ".log" && name > last {
			last = name
		}
	}
	view, _ := n.p.dir.View(id)
	if last == "" {
		return view.Next()
	}
	var end record.Offset
	fmt.Sscanf(last, "%d.log", &end)
	data, _ := n.disk.DurableData(folder + "/" + last)
	for it := record.Batches(data); it.Next(); {
		end = it.Batch.NextOffset()
	}
	return end
}

// entries reads a checkpoint file as the disk has it, by "topic partition".
func (n *node) entries(name string) map[string]record.Offset {
	out := map[string]record.Offset{}
	text, err := n.disk.Data(name)
	if err != nil {
		return out
	}
	list, err := core.ParseCheckpoint(text)
	if err != nil {
		n.w.fail(Correctness, "checkpoint", name+": "+err.Error())
	}
	for _, e := range list {
		out[fmt.Sprintf("%s %d", e.Topic, e.Partition)] = e.Offset
	}
	return out
}

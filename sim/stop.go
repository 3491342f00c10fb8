package sim

import (
	"fmt"
	"slices"
	"strings"

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
	w := n.w
	for i := range n.p.fx.Halts { // of the very Step that ends it: a directory may fail at its mark
		if h := &n.p.fx.Halts[i]; h.Scope == core.HaltDir {
			n.p.dirs[h.Dir].lost = true
		}
	}
	for _, d := range n.p.dirs {
		d.finish(clean)
		if n.cut {
			return // the present event notices
		}
	}
	if clean {
		n.checkStopped()
	}
	if !clean || slices.ContainsFunc(n.p.dirs, func(d *logDir) bool { return d.lost || d.failed }) { // one without a mark, and the controller cannot tell
		n.endsUnclean()
	}
	for _, d := range n.p.dirs {
		if d.dir.Err() != nil {
			continue
		}
		if err := d.dir.CloseFiles(); err != nil && !n.cut {
			w.fail(Crash, "stop", err.Error())
		}
		if n.cut {
			return
		}
	}
	if w.alone() { // of several one has synced it, and another may come to lead
		w.ledger.stopped(func(topic string, partition int32) bool {
			d := n.dirOf(topic, partition)
			return d == nil || d.lost || d.failed
		})
	}
	n.disk.Crash()
	n.ended = w.phase == phaseStop
	n.down("stopped")
	if n.ended && !slices.ContainsFunc(w.nodes, func(n *node) bool { return !n.ended }) {
		w.enter(phaseDone)
	}
}

// finish carries out what a directory has queued, and syncs what is left.
func (d *logDir) finish(clean bool) {
	for d.endRound(); len(d.queue) > 0; d.endRound() {
		ops := d.queue
		done, _ := d.dir.Write(ops, nil)
		d.queue = ops[done:]
		if d.n.cut || d.dir.Err() != nil {
			break
		}
		if done < len(ops) { // what is left waits for a round (segment.Dir.Write)
			if d.round = d.dir.BeginSync(); d.round != nil {
				d.round.Run()
				d.dir.EndSync(d.round, nil)
				d.round = nil
			}
		}
	}
	if !d.n.cut && d.dir.Err() == nil {
		d.dir.WantAll()
		if d.round = d.dir.BeginSync(); d.round != nil {
			if clean {
				d.n.w.fail(Crash, "stop", fmt.Sprintf("%d streams are not synced after a clean stop", d.round.Streams()))
			}
			d.round.Run()
			d.dir.EndSync(d.round, nil)
		}
	}
	d.failed = d.dir.Err() != nil
}

// endRound ends the round in flight at once.
func (d *logDir) endRound() {
	if d.round == nil {
		return
	}
	for _, i := range d.steps {
		d.round.Step(i)
	}
	d.dir.EndSync(d.round, nil)
	d.round, d.steps = nil, nil
}

// checkStopped: after a clean stop every directory that stands is marked, and every recovery point is its log's end, so that the next start reads nothing.
// One that was given up has no mark.
func (n *node) checkStopped() {
	for _, d := range n.p.dirs {
		if _, ok := n.disk.DurableData(d.root + core.CleanMark); ok && d.lost || !ok && !d.lost && !d.failed {
			n.w.fail(Correctness, "stop", fmt.Sprintf("directory %d is marked as clean: %t; it was given up: %t", d.dir.ID(), ok, d.lost))
		}
		if d.lost || d.failed || d.n.spoiled[d.root+core.RecoveryPointCheckpoint] {
			continue
		}
		if n.p.view.Image == nil {
			continue // nothing was published: nothing is known of any partition
		}
		points := d.entries(core.RecoveryPointCheckpoint)
		for _, id := range d.dir.Streams() {
			if id == stream.Metadata && n.w.alone() {
				n.checkStoppedAt(d, id, stream.MetadataName, points) // of several nodes another one may not have told yet that all is committed
			}
			t, ok := n.p.view.Image.TopicByID(id.Topic)
			if !ok {
				continue // the metadata log, or on its way out
			}
			if n.hurtIn(t.Name, id.Partition) {
				continue // it stands before what was hit, so that each start looks again
			}
			n.checkStoppedAt(d, id, t.Name, points)
		}
	}
}

func (n *node) checkStoppedAt(d *logDir, id stream.ID, topic string, points map[string]record.Offset) {
	view, _ := d.dir.View(id)
	if point := points[fmt.Sprintf("%s %d", topic, id.Partition)]; point != view.Next() {
		n.w.fail(Correctness, "stop", fmt.Sprintf("%s-%d: the recovery point is %d, the log ends at %d", topic, id.Partition, point, view.Next()))
	}
	folder := fmt.Sprintf("%s%s-%d", d.root, topic, id.Partition)
	names, _ := d.n.disk.DurableNames(folder)
	for _, file := range logFiles(folder, names) { // Kafka goes by their lengths
		data, _ := d.n.disk.DurableData(file)
		rest := int64(len(data))
		for it := record.Batches(data); it.Next(); {
			rest -= int64(it.Batch.Size)
		}
		if rest > 0 {
			n.w.fail(Correctness, "stop", fmt.Sprintf("%s has %d bytes behind its last batch", file, rest))
		}
	}
}

// checkEntries: no file of checkpoints says more of a stream than recovery found, be it that what was durable is not there or that the entry was another
// topic's, of the same name.
func (n *node) checkEntries(opened []core.Event) {
	for _, d := range n.p.dirs {
		for _, name := range checkpointFiles {
			entries := d.entries(name)
			for i := range opened {
				o, id := opened[i].Opened, opened[i].Stream
				if at := entries[fmt.Sprintf("%s %d", o.Topic, id.Partition)]; n.p.where[id] == d && at > o.LogEnd {
					n.w.fail(Correctness, "checkpoint", fmt.Sprintf("%s says %d of %s-%d, which ends at %d", name, at, o.Topic, id.Partition, o.LogEnd))
				}
			}
		}
	}
}

// checkNew: a partition is made only when no file of checkpoints has an entry of its name: it would be taken for the new one's.
func (n *node) checkNew(op *core.DiskOp) {
	for _, name := range checkpointFiles {
		if at, ok := n.p.dirs[op.Dir].entries(name)[fmt.Sprintf("%s %d", op.Topic, op.Stream.Partition)]; ok {
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
	d := n.p.dirs[s.Slot.Dir]
	d.checkKept(s.Slot.Name, entries)
	starts := d.entries(core.LogStartCheckpoint) // below a log start nothing need be there
	for _, e := range entries {
		id, ok := d.streamOf(e.Topic, e.Partition)
		if !ok || n.hurtIn(e.Topic, e.Partition) {
			continue
		}
		folder := fmt.Sprintf("%s%s-%d", d.root, e.Topic, e.Partition)
		if end := max(d.durableEnd(folder, id), starts[fmt.Sprintf("%s %d", e.Topic, e.Partition)]); e.Offset > end {
			n.w.fail(Correctness, "checkpoint", fmt.Sprintf("%s says %d of %s, of which the platter has %d", s.Slot.Name, e.Offset, folder, end))
		}
	}
}

// checkKept: a file does not stop speaking of a partition that this node has, be it taken up or not: the next start would take for an interrupted write what it finds wrong
// below.
func (d *logDir) checkKept(name string, entries []core.CheckpointEntry) {
	said := map[string]bool{}
	for _, e := range entries {
		said[fmt.Sprintf("%s %d", e.Topic, e.Partition)] = true
	}
	for _, id := range d.dir.Streams() {
		o := d.n.watched[id]
		if o == nil || o.hurt() {
			continue
		}
		topic := strings.TrimSuffix(o.name, fmt.Sprintf("-%d", id.Partition))
		key := fmt.Sprintf("%s %d", topic, id.Partition)
		if said[key] || d.entries(name)[key] == 0 {
			continue
		}
		if now, ok := d.streamOf(topic, id.Partition); d.n.p.view.Image != nil && (!ok || now != id) {
			continue // its topic is gone
		}
		if _, err := d.n.disk.Data(d.root + o.name + "/partition.metadata"); err == nil { // else it is made anew
			d.n.w.fail(Correctness, "checkpoint", fmt.Sprintf("%s says nothing of %s any more, which is there", name, o.name))
		}
	}
}

// streamOf finds the stream that a partition's folder holds; false while the topic is gone, or another's folder still has its place.
func (d *logDir) streamOf(topic string, partition int32) (stream.ID, bool) {
	if topic == stream.MetadataName {
		return stream.Metadata, true
	}
	if d.n.p.view.Image == nil {
		return stream.ID{}, false // nothing is taken up yet: what is said of a partition is what the start found
	}
	t, ok := d.n.p.view.Image.Topic(topic)
	if !ok {
		return stream.ID{}, false
	}
	id := stream.ID{Topic: t.ID, Partition: partition}
	_, ok = d.dir.View(id)
	return id, ok
}

// durableEnd is the offset behind the last batch that the platter has of a folder; an empty log ends where its last segment begins, or anywhere if it has
// none.
func (d *logDir) durableEnd(folder string, id stream.ID) record.Offset {
	names, _ := d.n.disk.DurableNames(folder)
	var last string
	for _, name := range names {
		if len(name) == len("00000000000000000000.log") && name[20:] == ".log" && name > last {
			last = name
		}
	}
	view, _ := d.dir.View(id)
	if last == "" {
		return view.Next()
	}
	var end record.Offset
	fmt.Sscanf(last, "%d.log", &end)
	data, _ := d.n.disk.DurableData(folder + "/" + last)
	for it := record.Batches(data); it.Next(); {
		end = it.Batch.NextOffset()
	}
	return end
}

// entries reads a checkpoint file as the disk has it, by "topic partition".
func (d *logDir) entries(name string) map[string]record.Offset {
	out := map[string]record.Offset{}
	text, err := d.n.disk.Data(d.root + name)
	if err != nil {
		return out
	}
	list, err := core.ParseCheckpoint(text)
	if err != nil && !d.n.spoiled[d.root+name] {
		d.n.w.fail(Correctness, "checkpoint", name+": "+err.Error())
	}
	for _, e := range list {
		out[fmt.Sprintf("%s %d", e.Topic, e.Partition)] = e.Offset
	}
	return out
}

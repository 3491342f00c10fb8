package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
)

// observeStart looks at what recovery made of the disk, by a reading of its own: from the first byte of every log to the last.
func (n *node) observeStart(opened []core.Event) {
	if !n.w.alone() {
		n.rereadMetadata()
		n.replicas = nil
	}
	if n.w.cfg.BlackBox {
		return
	}
	for _, d := range n.p.dirs {
		d.checkLeftovers()
	}
	found := map[stream.ID]bool{}
	for i := range opened {
		id, o := opened[i].Stream, opened[i].Opened
		found[id] = true
		w := n.watch(id)
		if w == nil || o.Damage != "" { // of what is refused whole nothing is read
			continue
		}
		w.named(n, o.Topic, id.Partition)
		w.durable = max(o.HighWatermark, o.Durable)
		w.start = o.LogStart
		w.powered(n)
		n.rereadReplica(id, o)
		if o.Cut > 0 {
			n.w.reach(markTornTail)
		}
		if w.part != nil && !w.hurt() && o.LogEnd < w.promised {
			n.broken("S1", w, "it ends at %d, and offsets below %d were durable", o.LogEnd, w.promised)
		}
		w.producers = map[record.ProducerID]sequence{}
		for j := range o.Producers {
			if e := &o.Producers[j]; e.Count > 0 {
				last := &e.Batches[e.Count-1]
				w.producers[e.ID] = sequence{e.Epoch, record.AddSequence(last.LastSequence, 1), last.LastOffset}
			}
		}
		if !w.hurt() {
			n.rebuild(id, o, w)
		}
	}
	for id, w := range n.watched { // any order: the first that is missing; which, is the same of each run
		if w.promised > 0 && !w.deleted && !found[id] && n.w.refusal == nil && n.lowest(id, found) {
			n.broken("S5", w, "its folder is gone, and offsets below %d were durable", w.promised)
		}
	}
}

// lowest reports whether no stream below id is missing, so that the one that is told of does not depend on the order of a map.
func (n *node) lowest(id stream.ID, found map[stream.ID]bool) bool {
	for other, w := range n.watched { // any order: a conjunction
		if w.promised > 0 && !w.deleted && !found[other] && other.String() < id.String() {
			return false
		}
	}
	return true
}

// powered forgets, after a power loss, what a relaxed topic has served: it may hold something else there now.
func (o *watched) powered(n *node) {
	if o.powers != n.powers && (o.topic == nil || !o.topic.Durable()) {
		o.batches = nil
	}
	o.powers = n.powers
}

// rebuild reads a log from its start and compares what recovery says: the epoch of every batch (R10), the producers (P4), the end, and every index entry (R12).
func (n *node) rebuild(id stream.ID, o *core.Opened, w *watched) {
	epochs := stream.NewEpochs(o.Epochs)
	view, _ := n.view(id)
	last := map[record.ProducerID]record.Batch{}
	end := o.LogStart
	for _, s := range o.Segments {
		path := fmt.Sprintf("%s%020d.log", n.folderOf(id, o), s.Base)
		data, err := n.disk.Data(path)
		if err != nil {
			n.broken("S1", w, "%v", err)
			return
		}
		ends := map[int64]record.Offset{} // position of each batch: its last offset
		times := map[record.Offset]record.UnixMillis{}
		pos := int64(0)
		for it := record.Batches(data[:min(int64(s.Size), int64(len(data)))]); it.Next(); pos += int64(it.Batch.Size) {
			b := it.Batch
			ends[pos], times[b.LastOffset()] = b.LastOffset(), b.MaxTimestamp
			end = b.NextOffset()
			if b.NextOffset() > o.LogStart && epochs.At(max(b.BaseOffset, o.LogStart)) != b.LeaderEpoch {
				n.broken("R10", w, "offset %d was appended in epoch %d; the cache says %d", b.BaseOffset, b.LeaderEpoch, epochs.At(b.BaseOffset))
			}
			if b.Idempotent() && !b.Control() {
				b.Data = nil
				last[b.ProducerID] = b
			}
		}
		n.checkIndex(strings.TrimSuffix(path, ".log")+".index", s.Base, ends, w)
		n.checkTimes(strings.TrimSuffix(path, ".log")+".timeindex", s.Base, times, w)
	}
	if len(o.Segments) > 0 && o.LogEnd > end && o.LogEnd > o.Segments[len(o.Segments)-1].Base || end > o.LogEnd || view.Next() != o.LogEnd {
		n.broken("S1", w, "recovery says that it ends at %d, its files at %d", o.LogEnd, end)
	}
	n.checkProducers(o, w, last)
	n.outlived(id, o, w)
	n.checkWork(id, o, w)
}

// folderOf is where a recovered stream's files lie, with a slash.
func (n *node) folderOf(id stream.ID, o *core.Opened) string {
	return fmt.Sprintf("%s%s-%d/", n.p.where[id].root, o.Topic, id.Partition)
}

// checkIndex compares an index file with the batches of its segment. Behind its entries there may be zeros.
func (n *node) checkIndex(path string, base record.Offset, ends map[int64]record.Offset, w *watched) {
	data, err := n.disk.Data(path)
	if err != nil || n.spoiled[path] {
		return // it is made when it is needed; of one that has rotted nothing is believed that the log does not say
	}
	for ; len(data) >= 8; data = data[8:] {
		rel, pos := binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])
		if rel == 0 && pos == 0 {
			n.w.reach(markIndexRoom)
			return
		}
		if last, ok := ends[int64(pos)]; !ok || last != base+record.Offset(rel) {
			n.broken("R12", w, "%s: an entry says that the batch at %d ends with offset %d; there is one: %t, and it ends with %d", path, pos, base+record.Offset(rel), ok, last)
		}
	}
}

// checkProducers: of every producer that the log has batches of, recovery knows the last one.
func (n *node) checkProducers(o *core.Opened, w *watched, last map[record.ProducerID]record.Batch) {
	known := map[record.ProducerID]bool{}
	for i := range o.Producers {
		e := &o.Producers[i]
		b, ok := last[e.ID]
		if known[e.ID] = true; !ok || e.Count == 0 || b.NextOffset() <= o.LogStart {
			continue // its batches were deleted
		}
		if a := e.Batches[e.Count-1]; e.Epoch != b.ProducerEpoch || a.LastSequence != b.LastSequence() || a.LastOffset != b.LastOffset() {
			n.broken("P4", w, "producer %d: recovery says epoch %d, sequence %d at offset %d; the log %d, %d, %d", e.ID, e.Epoch, a.LastSequence, a.LastOffset,
				b.ProducerEpoch, b.LastSequence(), b.LastOffset())
		}
	}
	missing := errors.New("")
	for id, b := range last { // any order: only whether one is missing counts, and the lowest is told
		if !known[id] && b.NextOffset() > o.LogStart {
			missing = fmt.Errorf("producers that the log has batches of are not known, such as that of the batch at %d", lowestOf(last, known))
		}
	}
	if missing.Error() != "" {
		n.broken("P4", w, "%v", missing)
	}
}

// lowestOf returns the lowest last offset of a producer that is not known.
func lowestOf(last map[record.ProducerID]record.Batch, known map[record.ProducerID]bool) record.Offset {
	lowest := record.Offset(1<<62 - 1)
	for id, b := range last { // any order: a minimum
		if !known[id] {
			lowest = min(lowest, b.LastOffset())
		}
	}
	return lowest
}

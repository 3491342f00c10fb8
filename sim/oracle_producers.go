package sim

import (
	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
)

// lastOf is the last batch that a producer has in a log.
type lastOf struct {
	epoch  int16
	offset record.Offset
}

// outlived: a producer whose last batch was durable is known to each later process with that batch or a later one, be the batch still there or deleted: its next one
// must be told from a retry. What was not durable may be gone, and
// after a power loss so may the files that say it, until they are made anew.
func (n *node) outlived(id stream.ID, o *core.Opened, w *watched) {
	known := map[record.ProducerID]lastOf{}
	for i := range o.Producers {
		if e := &o.Producers[i]; e.Count > 0 {
			known[e.ID] = lastOf{e.Epoch, e.Batches[e.Count-1].LastOffset}
		}
	}
	lost := record.Offset(-1)
	for producer, was := range w.outlive { // any order: a maximum, and each for itself
		switch now, ok := known[producer]; {
		case was.offset >= w.promised || was.offset >= o.LogEnd:
			delete(w.outlive, producer)
		case !ok || now.epoch < was.epoch || now.epoch == was.epoch && now.offset < was.offset:
			lost = max(lost, was.offset)
			delete(w.outlive, producer) // where it may be forgotten it stays so
		}
	}
	if lost >= 0 && w.pointed == n.powers && !n.spoiledIn(n.folderOf(id, o)) {
		n.broken("P4", w, "a producer's last batch was at offset %d, below %d, which is durable, and recovery does not know it", lost, w.promised)
	}
}

// forgets: a leader of a relaxed topic need not know a producer whose last batch was deleted somewhere. Its log may have lost that, or begun anew behind it, as with Kafka: then it takes
// any sequence, and who copies that takes it, too, whatever it knows itself.
func (o *watched) forgets(b *record.Batch) {
	if was, known := o.producers[b.ProducerID]; known && o.topic != nil && !o.topic.Durable() && was.last < o.part.start {
		delete(o.producers, b.ProducerID)
	}
}

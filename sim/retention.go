package sim

import (
	"fmt"
	"strconv"

	"odradek/core"
	"odradek/core/image"
	"odradek/core/record"
)

// logStart returns where a partition begins; false while the node does not serve.
func (w *World) logStart(topic string, partition int32) (record.Offset, bool) {
	if len(w.nodes) == 0 {
		return 0, false
	}
	_, s, ok := w.leads(topic, partition)
	return s.LogStart, ok
}

// retention returns what a topic is to keep.
func (n *node) retention(topic string) (ms, size int64) {
	ms, size = -1, -1
	for _, kv := range n.w.opt.Node {
		switch kv.Key {
		case "log.retention.ms":
			ms, _ = strconv.ParseInt(kv.Value, 10, 64)
		case "log.retention.bytes":
			size, _ = strconv.ParseInt(kv.Value, 10, 64)
		}
	}
	if v, ok := n.p.view.Image.ConfigValue(image.ResourceTopic, topic, "retention.ms"); ok {
		ms, _ = strconv.ParseInt(v, 10, 64)
	}
	if v, ok := n.p.view.Image.ConfigValue(image.ResourceTopic, topic, "retention.bytes"); ok {
		size, _ = strconv.ParseInt(v, 10, 64)
	}
	return ms, size
}

// beginsAnew reports whether a follower's log may have been emptied because its leader has deleted what follows.
func (n *node) beginsAnew(s *core.PartitionState) bool {
	return !n.w.alone() && n.w.opt.Deletes && !s.Leading && s.HighWatermark == s.LogStart
}

// checkDeleted looks at segments of a client's topic that go: they must be committed, and
// clients have asked for that, or they are too old, or more than is to be kept without them.
func (n *node) checkDeleted(op *core.DiskOp, o *watched) {
	if op.All || o.topic == nil {
		if !op.All {
			n.w.reach(markTrimmed)
		}
		return
	}
	n.w.reach(markRetained)
	s, ok := n.p.core.Look(op.Stream)
	if !ok {
		return
	}
	if s.LogEnd == op.To {
		n.w.reach(markRetainedAll)
	}
	if op.To > s.HighWatermark {
		n.broken("R6", o, "segments below %d are deleted, and the high watermark is %d", op.To, s.HighWatermark)
	}
	if op.To <= n.w.trimmed(o.topic.Name, op.Stream.Partition) {
		n.w.reach(markTrimmed)
		return
	}
	if !s.Leading && !n.w.alone() { // its leader has deleted them
		if start, known := n.w.logStart(o.topic.Name, op.Stream.Partition); known && op.To > max(start, o.part.start) {
			n.broken("R6", o, "offsets below %d are deleted, and its leader's log begins at %d", op.To, start)
		}
		return
	}
	ms, size := n.retention(o.topic.Name)
	d := n.p.where[op.Stream]
	folder := fmt.Sprintf("%s%s-%d", d.root, o.topic.Name, op.Stream.Partition)
	names, _ := n.disk.Names(folder)
	paths := writtenFiles(folder, names)
	for i, left := len(paths)-1, s.Bytes; i >= 0 && !o.hurt(); i-- { // left is what is kept, and what goes behind paths[i]
		data, _ := n.disk.Data(paths[i])
		youngest, next := record.NoTimestamp, record.NoOffset
		for it := record.Batches(data); it.Next(); {
			youngest, next = max(youngest, it.Batch.MaxTimestamp), it.Batch.NextOffset()
		}
		if i == len(paths)-1 && next < op.To {
			return // what goes is not written yet: nothing tells how much it is
		}
		if next == record.NoOffset || next > op.To {
			continue
		}
		if (size < 0 || left < size) && (ms < 0 || int64(n.wall())-int64(youngest) <= ms) {
			n.broken("R9", o, "offsets below %d are deleted; %s is not older than %d ms, and only %d bytes are behind it", op.To, paths[i], ms, left)
			return
		}
		left += int64(len(data))
	}
}

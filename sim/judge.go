package sim

import (
	"fmt"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/record"
	"odradek/core/stream"
)

// judge compares what the last readers read with what was promised.
func (l *ledger) judge() {
	for topic := range l.topics {
		for partition := range l.topics[topic] {
			l.judgePartition(topic, int32(partition))
		}
	}
	for client := range l.records {
		for i := range l.records[client] {
			l.judgeRecord(client, &l.records[client][i])
		}
	}
}

// judgeRecord: an acknowledged record is at the offset that was told, with the bytes that were given, unless its topic allows it to be lost, or its producer did not
// ask for acknowledgements.
func (l *ledger) judgeRecord(client int, g *given) {
	c := l.w.clients[client]
	part := l.part(c.opt.Topic, g.partition)
	if g.refused && (len(part.hurts) > 0 || part.ledHurt) {
		return
	}
	if !g.acked {
		if c.p.p.Unclear(c.topic.Name, g.partition) > 0 {
			return // whether it is there is open; that it is not there twice is judged elsewhere
		}
		l.w.fail(Correctness, "L1", fmt.Sprintf("%s was never delivered", g.name))
		return
	}
	if c.opt.Acks == 0 {
		return // what of it is there came once, as it was given: judgePartition and check see to that
	}
	if !c.topic.Durable() && !g.safe && g.powers < l.powers {
		if part.lastAt(g.offset).hash != g.hash {
			l.w.reach(markRelaxedLost)
		}
		return // the power has failed since, and the topic promises nothing for that
	}
	if c.opt.Acks == 1 && c.topic.Replicas > 1 && g.epoch != l.w.epochOf(c.topic.Name, g.partition) {
		return // another leader need not have what only the one before it had
	}
	last := part.lastAt(g.offset)
	_, hit := part.hurtAt(g.offset)
	if _, passed := reach(part.passed, g.offset); passed { // and may have been mended since
		hit = true
	}
	start, _ := l.w.logStart(c.topic.Name, g.partition)
	switch {
	case g.offset < start && l.w.opt.Deletes && last.hash == 0: // deleted, as its topic's configs or a client asked for
	case last.hash == g.hash || hit && last.hash == 0: // or refused
	case last.hash == 0:
		l.w.fail(Correctness, "R9", fmt.Sprintf("%s-%d: %s was acknowledged at offset %d, which nobody finds", c.topic.Name, g.partition, g.name, g.offset))
	default:
		l.w.fail(Correctness, "R9", fmt.Sprintf("%s-%d: %s was acknowledged at offset %d, which holds %s", c.topic.Name, g.partition, g.name, g.offset, last.name))
	}
}

// judgePartition: records of one producer are in the order given, and each is there once, as far as the producer's settings promise it.
func (l *ledger) judgePartition(topic int, partition int32) {
	next := make([]int, len(l.records)) // the record that may come at the earliest, by client
	count := map[string]int{}
	t := &l.w.opt.Topics[topic]
	part := l.part(topic, partition)
	hurt := len(part.hurts) > 0 || part.ledHurt
	for _, s := range part.last {
		offset := s.offset
		at := l.names[s.name]
		o := l.w.clients[at.client].opt
		if count[s.name]++; count[s.name] > 1 {
			if (o.Idempotent || o.Acks == 0) && !hurt { // nothing is tried again, or it is recognised
				l.w.fail(Correctness, "P1", fmt.Sprintf("%s-%d: %s is there twice, again at offset %d", t.Name, partition, s.name, offset))
			}
			continue
		}
		if o.Acks == 0 || !o.Idempotent && (hurt || l.w.opt.Deletes) || o.InFlight > 1 && (hurt || !o.Idempotent || !t.Durable() && (l.w.counts[diskFull] > 0 || t.Replicas > 1)) {
			// Several under way and no sequence: a retry may overtake, and without acknowledgements so may what goes on the next connection. Nor does a sequence help where a relaxed topic has lost all it knew of a
			// producer: of two batches under way it then takes the second, if it must refuse the first for want of space or of replicas (Kafka does so too).
			continue
		}
		if at.index < next[at.client] {
			l.w.fail(Correctness, "order", fmt.Sprintf("%s-%d: %s at offset %d comes after what was given behind it", t.Name, partition, s.name, offset))
		}
		next[at.client] = at.index + 1
	}
}

// checkDurable is asked when an acknowledgement of a durable topic is about to leave: the platter must have the batch, whatever the core believes. It
// reads what the disk would have after a power loss that kept nothing else. A batch that is alone in its request is acknowledged when it is decided; of several
// one may wait for the others while its directory is given up, or while its topic is made durable; or, of several nodes, while it ceases to lead: then it may delete the batch, or be copied anew, and
// checkAcked alone judges.
func (n *node) checkDurable(r *api.ProduceResult, sent *record.Batch, acks int16, alone bool) {
	n.checkAcked(r, sent, acks)
	if d := n.dirOf(r.Topic, r.Partition); d != nil && d.lost && alone {
		n.w.fail(Correctness, "directory", fmt.Sprintf("%s-%d: offset %d is acknowledged, in a directory that was given up", r.Topic, r.Partition, r.BaseOffset))
	}
	if !alone && !n.w.alone() && n.p.view.Image != nil && !n.heardPart(r.Topic, r.Partition).serves {
		return
	}
	if !n.w.durable(r.Topic) && !(alone && n.durableNow(r.Topic)) {
		return
	}
	folder := n.folder(r.Topic, r.Partition)
	names, _ := n.disk.DurableNames(folder)
	file := ""
	want := fmt.Sprintf("%020d.log", r.BaseOffset)
	for _, name := range names {
		if len(name) == len(want) && name <= want {
			file = name
		}
	}
	if start, _ := n.w.logStart(r.Topic, r.Partition); n.hurtIn(r.Topic, r.Partition) || r.BaseOffset < start {
		return // what was hit may hide it from a simple look
	}
	data, _ := n.disk.DurableData(folder + "/" + file)
	it := record.Batches(data)
	for it.Next() {
		b := &it.Batch
		if b.BaseOffset != r.BaseOffset {
			continue
		}
		if err := b.CheckCRC(); err != nil {
			n.w.fail(Correctness, "durable", fmt.Sprintf("%s: the batch acknowledged at offset %d is damaged on the platter: %v", folder, r.BaseOffset, err))
		} else if !same(b, sent) {
			n.w.fail(Correctness, "durable", fmt.Sprintf("%s: at offset %d the platter has another batch than was acknowledged", folder, r.BaseOffset))
		}
		return
	}
	n.w.fail(Correctness, "durable", fmt.Sprintf("%s: the batch acknowledged at offset %d is not on the platter", folder, r.BaseOffset))
}

// dirOf finds the directory of a partition; nil while its topic is not known, or it is not made.
func (n *node) dirOf(topic string, partition int32) *logDir {
	if n.p.view.Image == nil {
		return nil
	}
	t, ok := n.p.view.Image.Topic(topic)
	if !ok {
		return nil
	}
	return n.p.where[stream.ID{Topic: t.ID, Partition: partition}]
}

// folder is where a partition's files lie on the node's disk.
func (n *node) folder(topic string, partition int32) string {
	name := fmt.Sprintf("%s-%d", topic, partition)
	if d := n.dirOf(topic, partition); d != nil {
		return d.root + name
	}
	return name
}

// checkEpoch: two processes never append in the same leader epoch, nor does a later one in an earlier epoch, whatever was lost between them.
func (n *node) checkEpoch(op *core.DiskOp) {
	if !n.w.alone() {
		n.checkReign(op)
		return
	}
	last, epoch := n.epochs[op.Stream], op.Batch.LeaderEpoch
	if last.life != 0 && (epoch < last.epoch || epoch == last.epoch && last.life != n.life) {
		n.w.fail(Correctness, "R8", fmt.Sprintf("%v: appends in leader epoch %d, after an earlier process did in %d", op.Stream, epoch, last.epoch))
	}
	n.epochs[op.Stream] = reign{epoch, n.life}
}

// same reports whether a stored batch is the one that was sent. A retry of an idempotent producer may have been stamped anew, and then only its number
// tells.
func same(stored, sent *record.Batch) bool {
	if sent.Idempotent() {
		return stored.ProducerID == sent.ProducerID && stored.ProducerEpoch == sent.ProducerEpoch && stored.BaseSequence == sent.BaseSequence &&
			stored.Count == sent.Count
	}
	return stored.CRC == sent.CRC
}

func (w *World) durable(topic string) bool {
	for i := range w.opt.Topics {
		if w.opt.Topics[i].Name == topic {
			return w.opt.Topics[i].Durable()
		}
	}
	return false
}
